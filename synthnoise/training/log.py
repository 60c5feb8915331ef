"""The course of a run: a CSV beside the weights; if asked for, sheets of samples and TensorBoard's events."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, dataclass, fields
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError, MissingExtraError
from synthnoise.files import read_text, write_bytes
from synthnoise.raw.images import write_png
from synthnoise.training.sheets import sheets_path

_EXTRA = "tensorboard"


@dataclass(frozen=True, kw_only=True)
class Report:
    """One line of the log.

    Attributes
    ----------
    step
        Steps done.
    seconds
        Wall clock spent.
    lr
        Learning rate of the last step.
    loss
        Mean of the loss since the line before, in its own unit.
    psnr, noisy_psnr
        PSNR in dB of denoised and of noisy validation images, means over the images.
    folder_psnr, folder_noisy_psnr
        The same of the pictures of a folder; None without one.
    """

    step: int
    seconds: float
    lr: float
    loss: float
    psnr: float
    noisy_psnr: float
    folder_psnr: float | None = None
    folder_noisy_psnr: float | None = None

    def figures(self) -> dict[str, float]:
        """Return the PSNRs in dB that there are, by name."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if name.endswith("psnr") and value is not None}

    def __str__(self) -> str:
        psnr = f"{self.psnr:.2f} dB (noisy {self.noisy_psnr:.2f} dB)"
        folder = "" if self.folder_psnr is None else f", folder {self.folder_psnr:.2f} dB"
        return f"step {self.step}: loss {self.loss:.4g}, {psnr}{folder}"


def log_path(output: Path) -> Path:
    """Return where the log of a run that will write ``output`` is kept."""
    return output.with_name(output.name + ".csv")


def events_path(output: Path) -> Path:
    """Return the folder of TensorBoard's events of a run that will write ``output``."""
    return output.with_name(output.name + ".tensorboard")


LARGEST = 1 << 24
"""Bytes of a log, ten thousands of reports."""

COLUMNS = ", ".join(field.name for field in fields(Report))


class Log:
    """The lines so far; every new one rewrites the file in one atomic step: it stays short.

    Parameters
    ----------
    output
        The weights file to be; an existing log beside it is replaced.
    sheets
        Keep the sheets of samples as PNG, one file per report.
    tensorboard
        Write scalars and sheets for TensorBoard, too.

    Raises
    ------
    MissingExtraError
        TensorBoard is asked for and not installed.
    """

    def __init__(self, output: Path, *, sheets: bool = False, tensorboard: bool = False) -> None:
        if tensorboard and util.find_spec("tensorboard") is None:
            raise MissingExtraError("tensorboard", _EXTRA)
        self.path = log_path(output)
        self.wants_sheets = sheets or tensorboard
        self._sheets = sheets_path(output) if sheets else None
        self._events = events_path(output) if tensorboard else None
        self._writer: Any = None
        self._resumed_at: int | None = None
        self._lines: list[list[str]] = []

    def resume(self, step: int, rows: int) -> None:
        """Keep the first ``rows`` lines of the existing file, and events up to ``step``."""
        self._resumed_at = step
        if rows and self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                self._lines = list(csv.reader(file))[1 : rows + 1]

    def append(self, report: Report, sheet: NDArray[np.uint8] | None = None) -> None:
        """Add a line, and a sheet uint8 [H, W, 3].

        Raises
        ------
        SynthnoiseError
            A file cannot be written.
        """
        self._lines.append([_text(value) for value in astuple(report)])
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([field.name for field in fields(Report)])
        writer.writerows(self._lines)
        write_bytes(self.path, text.getvalue().encode(), overwrite=True)
        if self._sheets is not None and sheet is not None:
            write_png(self._sheets / f"step-{report.step:07d}.png", sheet, overwrite=True)
        if self._events is not None:
            self._write_events(report, sheet)

    def _write_events(self, report: Report, sheet: NDArray[np.uint8] | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if self._writer is None:
            purge = None if self._resumed_at is None else self._resumed_at + 1
            self._writer = SummaryWriter(str(self._events), purge_step=purge)
        for field, value in zip(fields(Report), astuple(report), strict=True):
            if field.name != "step" and value is not None:
                self._writer.add_scalar(field.name, value, report.step)
        if sheet is not None:
            self._writer.add_image("samples", sheet, report.step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Let go of TensorBoard's file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _text(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def describe_log(path: Path) -> dict[str, Any]:
    """Return how many reports a log holds and what the last one says, numbers by name.

    Raises
    ------
    InputError
        It is another table.
    """
    try:
        text = read_text(path, LARGEST)
        header, *lines = list(csv.reader(text.splitlines()))
        if header != [field.name for field in fields(Report)]:
            raise ValueError("other columns")
        last = dict(zip(header, map(_number, lines[-1]), strict=True))
    except (ValueError, IndexError, csv.Error) as error:
        raise InputError(
            f"{path}: is a table, but not the log of synthnoise train", hint=f"its columns are {COLUMNS}"
        ) from error
    return {"reports": len(lines), **last}


def _number(text: str) -> float | None:
    return float(text) if text else None
