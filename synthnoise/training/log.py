"""The course of a run as CSV, one line per report, beside the weights."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from synthnoise.files import write_bytes


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
        Mean squared error of the network's output since the line before, in noise variances.
    psnr, noisy_psnr
        PSNR in dB of denoised and of noisy validation images, means over the images.
    """

    step: int
    seconds: float
    lr: float
    loss: float
    psnr: float
    noisy_psnr: float


def log_path(output: Path) -> Path:
    """Return where the log of a run that will write ``output`` is kept."""
    return output.with_name(output.name + ".csv")


class Log:
    """The lines so far; every new one rewrites the file in one atomic step: it stays short.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    kept
        Lines of the existing file to begin with, when a run resumes.
    """

    def __init__(self, path: Path, *, kept: int = 0) -> None:
        self.path = path
        self._lines: list[list[str]] = []
        if kept and path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self._lines = list(csv.reader(file))[1 : kept + 1]

    def append(self, report: Report) -> None:
        """Add a line.

        Raises
        ------
        SynthnoiseError
            The file cannot be written.
        """
        self._lines.append(
            [f"{value:.6g}" if isinstance(value, float) else str(value) for value in astuple(report)]
        )
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([field.name for field in fields(Report)])
        writer.writerows(self._lines)
        write_bytes(self.path, text.getvalue().encode(), overwrite=True)
