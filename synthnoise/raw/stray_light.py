"""Whether a frame that is given as a dark has seen light: a dark does not see the colour filter array.

Dark current, glow, shading and banding vary over a frame alike in red, green and blue pixels. Of light the
filters pass unlike shares: under daylight red and blue vary about half as much as green, under a lamp blue
a third, and where colours change, red and blue go apart. Variances and covariances are those of blocks that
touch at a corner, which share neither rows nor columns nor the noise of any pixel, however it was smoothed;
that of green is between two halves of its pixels, which rows or columns of other converters would tell apart.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw.frame import BLUE, GREEN, RED, Frame

Levels = NDArray[np.float64]

ALIKE = 0.5
"""Share of green's variance from which red and blue count as varying like it. Cameras that multiply them do
so by more than 1. Darks of virtual cameras have 0.86 or more, of photographs 98 in 100 less than 0.30."""
FAINTEST = (1.0, 0.15)
"""Variation below which nothing is said, for rounding and what lines leave: DN, and standard deviations of a
pixel."""
HALVES = 0.8
"""Share of the variance of either half of green that the two must have in common."""
GROUP = 8
"""Pixels of a mosaic along the edge of the groups whose medians are taken, against hot pixels."""
GROUPS = 2
"""Groups along the edge of a block."""
FEWEST = 20
"""Blocks of the largest kind along the shorter side of a frame that are enough to judge it."""
ENOUGH = 1024
"""Pixels along the shorter side that are enough: of larger frames every second repeat counts, or fewer."""
CUT_OFF = 0.1
"""Share of the pixels at the lowest code from which black is cut off, in some colours more than in others."""


def without_light(dark: Frame) -> Frame:
    """Return a frame that is given as a dark; raises InputError where it has seen light."""
    if least_share(dark) < ALIKE:
        raise InputError(
            f"{dark.path or 'the dark'}: shows a picture, not the dark: red, green and blue vary unlike",
            hint="give a frame shot with the lens cap on and the viewfinder covered",
        )
    return dark


def least_share(frame: Frame) -> float:
    """Return the least of what red and blue vary, and vary together, over a frame: variances, per green's.

    About 1 in the dark; infinite where it cannot be told: frames without three colours, small, even, with
    black cut off, or in steps that are coarser than their noise.
    """
    active = frame.active()
    greens = np.argwhere(active.cfa == GREEN)
    half = len(greens) // 2
    parts = [np.argwhere(active.cfa == RED), greens[:half], greens[half:], np.argwhere(active.cfa == BLUE)]
    if min(active.mosaic.shape) < FEWEST * GROUP * GROUPS or not all(len(part) for part in parts):
        return np.inf
    sample = active.mosaic[::3, ::5]
    noise = _noise(active)
    if np.mean(sample == sample.min()) > CUT_OFF or noise == 0:
        return np.inf
    levels = [_levels(active, part) for part in parts]
    red, first, second, blue = (_without_lines(values) for values in levels)
    green = _covariance(first, second)
    # The DN of floating-point files are of any size, and not rounded.
    rounding = FAINTEST[0] if active.mosaic.dtype.kind in "iu" else 0.0
    if green <= max(rounding, FAINTEST[1] * noise) ** 2:
        return np.inf
    if green < HALVES * max(_covariance(first, first), _covariance(second, second)):
        return np.inf
    return min(_covariance(red, red), _covariance(blue, blue), _covariance(red, blue)) / green


def _noise(active: Frame) -> float:
    """Return the robust standard deviation of a pixel in DN, by neighbours of a colour in a row."""
    w = active.cfa.shape[1]
    # An odd step meets the rows of all colours.
    thin = 3 * max(min(active.mosaic.shape) // ENOUGH, 1) | 1
    rows = active.mosaic[::thin].astype(np.float32)
    return 1.4826 / math.sqrt(2) * float(np.median(np.abs(rows[:, w:] - rows[:, :-w])))


def _levels(active: Frame, positions: NDArray[np.intp]) -> Levels:
    """Return the levels of blocks [H, W] in DN above black, of some positions [n, 2] of the repeat."""
    h, w = active.cfa.shape
    thin = max(min(active.mosaic.shape) // ENOUGH, 1)
    edge = max(GROUP // max(h, w), 1)
    rows, columns = (
        -(-(size // repeat) // thin) // (edge * GROUPS) * GROUPS
        for size, repeat in zip(active.mosaic.shape, (h, w), strict=True)
    )
    members = []
    for i, j in positions:
        plane = active.mosaic[i::h, j::w][::thin, ::thin].astype(np.float32) - np.float32(active.black[i, j])
        if active.black_rows is not None:
            plane -= active.black_rows[i::h, None][::thin].astype(np.float32)
        if active.black_columns is not None:
            plane -= active.black_columns[j::w][::thin].astype(np.float32)
        whole = plane[: rows * edge, : columns * edge].reshape(rows, edge, columns, edge)
        members.append(whole.transpose(0, 2, 1, 3).reshape(rows, columns, edge * edge))
    medians = np.median(np.concatenate(members, axis=2), axis=2)
    blocks: Levels = medians.reshape(rows // GROUPS, GROUPS, columns // GROUPS, GROUPS).mean(
        (1, 3), dtype=np.float64
    )
    return blocks


def _without_lines(levels: Levels) -> Levels:
    """Return levels less the median of their rows and then of their columns."""
    levels = levels - np.median(levels, axis=1, keepdims=True)
    return np.asarray(levels - np.median(levels, axis=0))


def _covariance(one: Levels, other: Levels) -> float:
    """Return the covariance of blocks that touch at a corner, as a mean over both orders and diagonals."""
    products = (a[:-1, :-1] * b[1:, 1:] + a[1:, :-1] * b[:-1, 1:] for a, b in ((one, other), (other, one)))
    return float(np.mean(sum(products))) / 4
