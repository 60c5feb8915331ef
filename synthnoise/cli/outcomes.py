"""How a command that worked through many files says what became of each."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator, Sequence

import typer

from synthnoise.errors import SynthnoiseError
from synthnoise.files import FileOutcome
from synthnoise.output import Output, layout

COLUMNS = ("file", "result", "remarks")
DEBUG_VARIABLE = "SYNTHNOISE_DEBUG"


@contextlib.contextmanager
def interruptible(output: Output, advice: str) -> Iterator[None]:
    """Within the block, Ctrl-C leaves a line with ``advice`` on stderr before it ends the command."""
    try:
        yield
    except KeyboardInterrupt:
        output.remark(f"interrupted; {advice}")
        raise


def report(output: Output, outcomes: Sequence[FileOutcome]) -> None:
    """Print what became of one file in lines, of several in a table, or all in JSON.

    Exits with 1 if any failed, with its own code if it was the only one.
    """
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    for error in failed:
        _say(output, error)
    if len(outcomes) == 1:
        lines = outcomes[0].lines() if not failed else []
    else:
        lines = [*layout(COLUMNS, [_row(outcome) for outcome in outcomes]), _summary(outcomes)]
    output.result({"files": [outcome.as_dict() for outcome in outcomes]}, lines)
    if failed:
        raise typer.Exit(failed[0].exit_code if len(outcomes) == 1 else 1)


def announce(output: Output, outcome: FileOutcome) -> None:
    """Say what became of a file while others are still to come; JSON waits for the end."""
    if outcome.error is not None:
        _say(output, outcome.error)
    elif not output.json_mode:
        output.result({}, outcome.lines())


def debugging() -> bool:
    """Return whether every error is to have its traceback."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def _say(output: Output, error: SynthnoiseError) -> None:
    if debugging():
        traceback.print_exception(error)
    output.error(error)


def conclude(output: Output, outcomes: Sequence[FileOutcome]) -> None:
    """Print how many files came out how, after all were announced; in JSON all of them."""
    output.result({"files": [outcome.as_dict() for outcome in outcomes]}, [_summary(outcomes)])


def _row(outcome: FileOutcome) -> tuple[str, str, str]:
    if outcome.error is not None:
        return str(outcome.source), "failed", outcome.error.message.removeprefix(f"{outcome.source}: ")
    if outcome.skipped:
        return str(outcome.source), "skipped", f"{outcome.output} exists"
    return str(outcome.source), str(outcome.output), "; ".join(outcome.remarks)


def _summary(outcomes: Sequence[FileOutcome]) -> str:
    failed = sum(outcome.error is not None for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    return f"{len(outcomes) - failed - skipped} done, {skipped} skipped, {failed} failed"
