"""Gradient histogram, spectrum and colour spread of sets of images, drawn beside natural ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from synthnoise.errors import OutputExistsError
from synthnoise.evaluation.image_statistics import FREQUENCIES, TILE
from synthnoise.figures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from synthnoise.evaluation.images import Estimate, ImageCurves, ImageStatistics

_WIDTH, _HEIGHT = 1500, 520
_NATURAL = "black"
_CHROMA = {"chroma red-blue": "(R − B) / √2", "chroma magenta-green": "(R − 2G + B) / √6"}

_Line = tuple[str, str, "ImageCurves", "dict[str, Estimate]"]
"""Label, colour, curves and measures of a set."""


def check_plot(path: Path, *, overwrite: bool = False) -> None:
    """See that a plot could be drawn and written, before the work that it is to show.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    """
    new_figure()
    if path.exists() and not overwrite:
        raise OutputExistsError(path)


def plot_images(sets: Sequence[ImageStatistics], path: Path, *, overwrite: bool = False) -> None:
    """Draw sets of images measured against one reference, or none, as a PNG.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    """
    lines: list[_Line] = [
        (one.name, f"C{number}", one.curves, one.estimates) for number, one in enumerate(sets)
    ]
    first = sets[0]
    if first.natural_curves is not None:
        label = f"natural: {Path(first.reference).name}"
        lines.insert(0, (label, _NATURAL, first.natural_curves, first.natural))
    figure = new_figure(_WIDTH, _HEIGHT)
    gradients, spectrum, chroma = figure.subplots(1, 3, width_ratios=(5, 5, 4))
    _draw_gradients(gradients, lines)
    _draw_spectrum(spectrum, lines)
    _draw_chroma(chroma, lines)
    save_figure(figure, path, overwrite=overwrite)


def _draw_gradients(axes: Axes, lines: Sequence[_Line]) -> None:
    levels = np.arange(-255, 256)
    for label, colour, curves, measures in lines:
        seen = np.where(curves.gradients > 0, curves.gradients, np.nan)
        divergence = measures.get("KL gradient")
        if divergence is not None and colour != _NATURAL:
            label += f"  (KL {divergence.value:.3f})"
        axes.plot(levels, seen, color=colour, linewidth=1.2, label=label)
    axes.set_yscale("log")
    axes.set_xlim(-255, 255)
    axes.set_title("Gradients")
    axes.set_xlabel("difference of neighbouring pixels (grey levels of 255)")
    axes.set_ylabel("probability")
    _finish(axes, "upper right")


def _draw_spectrum(axes: Axes, lines: Sequence[_Line]) -> None:
    drawn = False
    for label, colour, curves, measures in lines:
        if curves.power is not None:
            label += f"  (slope −{measures['slope of power'].value:.2f})"
            axes.loglog(FREQUENCIES / TILE, curves.power, color=colour, linewidth=1.2, label=label)
            drawn = True
    axes.set_title("Spectrum")
    axes.set_xlabel("spatial frequency (cycles per pixel)")
    axes.set_ylabel("power density (grey levels² pixel²)")
    if drawn:
        _finish(axes, "lower left")
    else:
        axes.text(0.5, 0.5, f"no image holds {TILE} x {TILE} pixels", ha="center", transform=axes.transAxes)


def _draw_chroma(axes: Axes, lines: Sequence[_Line]) -> None:
    for number, (label, colour, _, measures) in enumerate(lines):
        found = [measures[name] for name in _CHROMA]
        value = np.array([one.value for one in found])
        reach = [[one.value - one.low for one in found], [one.high - one.value for one in found]]
        place = np.arange(len(found)) + 0.5 * ((number + 1) / (len(lines) + 1) - 0.5)
        axes.errorbar(place, value, np.maximum(reach, 0), fmt="o", color=colour, capsize=4, label=label)
    axes.set_xticks(range(len(_CHROMA)), list(_CHROMA.values()))
    axes.set_xlim(-0.5, len(_CHROMA) - 0.5)
    axes.set_ylim(bottom=0)
    axes.set_title("Colour spread, 90 % intervals")
    axes.set_ylabel("standard deviation (grey levels of 255)")
    _finish(axes, "best")


def _finish(axes: Axes, place: Literal["best", "lower left", "upper right"]) -> None:
    axes.grid(which="major", color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc=place, fontsize="small", framealpha=0.9)
