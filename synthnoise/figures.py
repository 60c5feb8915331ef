"""Plots as PNG files, drawn with matplotlib when the `plots` extra is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from synthnoise.errors import MissingExtraError
from synthnoise.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 100


def new_figure(width: int = 800, height: int = 600) -> Figure:
    """Return an empty matplotlib figure of `width` x `height` pixels, without touching any global state.

    `pyplot` is never imported, so that no display is needed and no figure outlives its caller.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plots") from None
    return Figure(
        figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH), dpi=DOTS_PER_INCH, layout="constrained"
    )


def save_figure(figure: Figure, path: Path, *, overwrite: bool = False) -> None:
    """Write `figure` as a PNG; the same figure gives the same bytes (no date, no version inside).

    Raises
    ------
    OutputExistsError
        `path` exists and `overwrite` is false.
    """
    with atomic_write(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
