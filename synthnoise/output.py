"""The only place that prints: data on stdout, talk on stderr."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from synthnoise.errors import SynthnoiseError
from synthnoise.files import printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

SCHEMA = 1
QUIET_LINE_SECONDS = 30.0
LARGEST_WHOLE = 1e9


class Output:
    """Where a command's results and remarks go.

    Parameters
    ----------
    json_mode
        Print one JSON document per command on stdout instead of text.
    quiet
        Leave out remarks and progress; errors and results stay.
    """

    def __init__(self, *, json_mode: bool = False, quiet: bool = False) -> None:
        self.json_mode = json_mode
        self.quiet = quiet

    def document(self, data: Mapping[str, Any]) -> None:
        """Print one JSON document, with its schema number, on one stretch of stdout."""
        sys.stdout.write(
            json.dumps({"schema": SCHEMA, **jsonable(data)}, indent=2, ensure_ascii=False) + "\n"
        )

    def result(self, data: Mapping[str, Any], lines: Sequence[str]) -> None:
        """Print a result: ``data`` in JSON mode, ``lines`` for a person otherwise."""
        if self.json_mode:
            self.document(data)
        else:
            sys.stdout.writelines(line + "\n" for line in lines)

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, key: str
    ) -> None:
        """Print a table; in JSON mode ``{key: [{column: value}]}``."""
        if self.json_mode:
            self.document({key: [dict(zip(columns, row, strict=True)) for row in rows]})
            return
        if title:
            sys.stdout.write(title + "\n")
        sys.stdout.writelines(line + "\n" for line in layout(columns, rows))

    def remark(self, text: str) -> None:
        """Say something on stderr."""
        if not self.quiet:
            sys.stderr.write(printable(text) + "\n")

    def warn(self, text: str) -> None:
        """Say on stderr what the user should know even when quiet."""
        sys.stderr.write(f"warning: {printable(text)}\n")

    def error(self, error: SynthnoiseError) -> None:
        """Say on stderr what went wrong and what to do: one line each."""
        sys.stderr.write(f"error: {printable(error.message)}\n")
        if error.hint:
            sys.stderr.write(f"hint: {printable(error.hint)}\n")

    def progress(self) -> ProgressDisplay:
        """Return a progress display for a ``with`` block."""
        return ProgressDisplay(self)


class ProgressDisplay:
    """Shows progress on stderr: a bar on a terminal, otherwise a line every thirty seconds.

    Implements :class:`synthnoise.progress.Progress`.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._total: float | None = None
        self._done = 0.0
        self._began = self._spoke = time.monotonic()

    def __enter__(self) -> ProgressDisplay:
        if sys.stderr.isatty() and not self._output.quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, title: str, total: float | None = None) -> None:
        """Begin a stage; the one before is done with."""
        self._title, self._total, self._done = title, total, 0.0
        self._began = self._spoke = time.monotonic()
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(printable(title), total=total)

    def advance(self, steps: float = 1) -> None:
        """Count steps of the current stage."""
        self._done += steps
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, steps)
        elif self._bar is None and time.monotonic() - self._spoke > QUIET_LINE_SECONDS:
            self._spoke = time.monotonic()
            self._output.remark(f"{self._title}: {round(self._done, 1):g}{self._rest()}")

    def _rest(self) -> str:
        """Return how much there is in all, and how long it will take at the pace so far."""
        if not self._total:
            return ""
        whole = f" of {self._total:g}"
        if not self._done:
            return whole
        left_over = max(self._total - self._done, 0.0)  # sums of shares may end a digit beyond
        seconds = (time.monotonic() - self._began) * left_over / self._done
        minutes = round(seconds / 60)
        left = f"{seconds:.0f} s" if minutes < 2 else f"{minutes // 60} h {minutes % 60} min"
        return f"{whole}, {left.removeprefix('0 h ')} left"

    def note(self, text: str) -> None:
        """Say a line above the bar."""
        if self._output.quiet:
            return
        if self._bar is not None:
            self._bar.console.print(printable(text), markup=False, highlight=False)
        else:
            self._output.remark(text)


def layout(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a plain table: numbers to the right, text to the left, no frame."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    numeric = [
        bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))
    ]

    def line(values: Sequence[str]) -> str:
        padded = (
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    return [line(columns), line(["-" * width for width in widths]), *map(line, cells)]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < LARGEST_WHOLE else f"{value:.4g}"
    if isinstance(value, tuple | list):
        return " ".join(map(_cell, value))
    return "" if value is None else printable(value)


def jsonable(value: Any) -> Any:
    """Return ``value`` as JSON types: NumPy scalars and arrays, paths and tuples become plain, NaN null."""
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(v) for v in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
