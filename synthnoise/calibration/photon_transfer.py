"""The gain by photon transfer: the variance of the difference of two frames of one scene, against its level.

The difference of two exposures of a scene that stands still holds no texture, no fixed pattern and no
photo response non-uniformity, so this is the reference that a single noisy image is judged against
(Janesick 2007; EMVA 1288 release 4.0, section 6.6: variance = K level + variance of the dark).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.dark import Plane, above_black
from synthnoise.errors import InputError
from synthnoise.raw.frame import Frame

BLOCK = 32
"""Side in packed pixels of the blocks that give one point each."""

SATURATION = 0.8
"""Share of the range above which blocks are left out."""

HUBER = 2.5
"""Standard deviations from the line beyond which a block counts less: something in it moved."""


@dataclass(frozen=True, kw_only=True)
class PhotonTransfer:
    """Lines of variance over level, one per CFA position in row-major order.

    Attributes
    ----------
    gain, gain_se
        [C] DN per electron and its standard error.
    dark_variance
        [C] DN^2 at level 0, the rounding of the converter included.
    blocks
        [C] points behind each line.
    """

    gain: tuple[float, ...]
    gain_se: tuple[float, ...]
    dark_variance: tuple[float, ...]
    blocks: tuple[int, ...]


def photon_transfer(pairs: Sequence[tuple[Frame, Frame]]) -> PhotonTransfer:
    """Return the photon transfer of pairs of frames, each pair of one unmoving scene or flat.

    The two exposures of a pair may differ by a few per cent in brightness.

    Raises
    ------
    InputError
        The frames of a pair differ in size, or there are not two levels to draw a line through.
    """
    points = [transfer_points(first, second) for first, second in pairs]
    if not points:
        raise InputError("photon transfer needs at least one pair of frames")
    lines = [fit_points(np.concatenate([p[plane] for p in points])) for plane in range(len(points[0]))]
    gain, error, dark, count = zip(*lines, strict=True)
    return PhotonTransfer(gain=gain, gain_se=error, dark_variance=dark, blocks=count)


def transfer_points(first: Frame, second: Frame) -> list[NDArray[np.float64]]:
    """Return per plane [n, 3]: level in DN above black, temporal variance in DN^2, degrees of freedom.

    Raises
    ------
    InputError
        The frames differ in size or colour filter array.
    """
    full = (first.white - first.active().black).reshape(-1)
    return [_points(a, b, range_) for (a, b), range_ in zip(_plane_pairs(first, second), full, strict=True)]


def difference_correlation(first: Frame, second: Frame) -> float:
    """Return how far neighbours correlate in the difference of two frames, their rows and columns taken out.

    Near 0 where they differ by noise alone, near 1 where they show different things. It is the median over
    blocks, so that a part that moved does not count; both directions and all planes are taken together.

    Raises
    ------
    InputError
        The frames differ in size or colour filter array.
    """
    found = [_block_correlations(_cut(a) - _cut(b)) for a, b in _plane_pairs(first, second)]
    return float(np.median(np.concatenate(found))) if any(map(len, found)) else 0.0


def _plane_pairs(first: Frame, second: Frame) -> Iterator[tuple[Plane, Plane]]:
    """Yield each plane of both frames in DN above black."""
    first, second = first.active(), second.active()
    if first.mosaic.shape != second.mosaic.shape or not np.array_equal(first.cfa, second.cfa):
        raise InputError(f"{second.path or 'the second frame'}: differs in size or CFA from its partner")
    h, w = first.cfa.shape
    rows, columns = first.mosaic.shape[0] // h, first.mosaic.shape[1] // w
    for row, column in np.ndindex(h, w):
        a, b = (above_black(frame, row, column)[:rows, :columns] for frame in (first, second))
        yield a, b


def _cut(plane: Plane) -> NDArray[np.float32]:
    """Return the blocks of a plane, [n, side, side]."""
    side = min(BLOCK, *plane.shape)
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    whole = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return whole.transpose(0, 2, 1, 3).reshape(rows * columns, side, side)


def _points(a: Plane, b: Plane, full: float) -> NDArray[np.float64]:
    first, second = (_cut(plane).reshape(-1, min(BLOCK, *a.shape) ** 2) for plane in (a, b))
    mean = (first + second).mean(1, dtype=np.float64) / 2
    variance = (first - second).var(1, ddof=1, dtype=np.float64) / 2
    unsaturated = np.maximum(first.max(1), second.max(1)) < SATURATION * full
    freedom = np.full(len(mean), first.shape[1] - 1.0)
    points: NDArray[np.float64] = np.stack([mean, variance, freedom], axis=1)[unsaturated]
    return points


def _block_correlations(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the correlation of neighbours in each block [n, side, side] that is not of one value."""
    blocks = blocks - blocks.mean(2, keepdims=True)
    blocks -= blocks.mean(1, keepdims=True)
    power = np.square(blocks).mean((1, 2))
    blocks, power = blocks[power > 0], power[power > 0]
    across = (blocks[:, :, 1:] * blocks[:, :, :-1]).mean((1, 2))
    down = (blocks[:, 1:] * blocks[:, :-1]).mean((1, 2))
    return np.asarray((across + down) / (2 * power))


def fit_points(points: NDArray[np.float64]) -> tuple[float, float, float, int]:
    """Return slope, its standard error, intercept and number of points, reweighted by the line's variance.

    The level of a point is a mean over two frames of its pixels, and errs: without counting that out, a line
    over few photons is too shallow (errors in variables; Fuller, Measurement Error Models, 1987, 1.2).

    Raises
    ------
    InputError
        There are not two levels to draw a line through.
    """
    x, y, freedom = points.T
    if len(x) < 2 or np.ptp(x) <= 0:
        raise InputError("photon transfer needs at least two levels below saturation")
    weight = freedom / np.maximum(y, 1e-6) ** 2
    for _ in range(10):
        centre = np.average(x, weights=weight)
        apart = float((weight * (x - centre) ** 2).sum())
        spread = max(apart - float((weight * y / (2 * (freedom + 1))).sum()), apart / 2)
        slope = float((weight * (x - centre) * y).sum()) / spread
        intercept = float(np.average(y, weights=weight)) - slope * centre
        expected = np.maximum(intercept + slope * x, 0.05 * np.maximum(y, 1e-6))
        precision = freedom / (2 * expected**2)
        strange = np.abs(y - expected) * np.sqrt(precision)
        weight = precision * np.minimum(1, HUBER / np.maximum(strange, 1e-9))
    scatter = max(1.0, float((weight * (y - intercept - slope * x) ** 2).sum()) / max(len(x) - 2, 1))
    return slope, float(np.sqrt(scatter / spread)), float(intercept), len(x)
