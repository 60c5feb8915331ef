"""The noise level function of a frame, estimated from that frame alone.

Within small blocks of one CFA plane, rows are shared out: even rows are measured, odd rows decide
whether the block is flat. So choosing the flattest blocks does not choose lucky noise, which is
what biases estimators that select and measure on the same pixels (cf. Foi et al., IEEE TIP 17(10),
2008, on clipped Poissonian-Gaussian fits; the line is theirs, the selection is ours).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from synthnoise.raw.cfa import pack
from synthnoise.raw.frame import Frame

BLOCK = 8
LEVELS = 24
"""Classes of equal numbers of blocks, by mean level."""
FLATTEST = 0.12
"""Share of a class that counts as flat."""
LEAST_BLOCKS = 200
ROUNDS = 8
BAND_ROWS = 512
"""Packed rows that are worked on at a time."""


@dataclass(frozen=True)
class NoiseLevel:
    """An estimated noise level function, variance = shot x + read on normalised signal.

    ``shot_se`` and ``read_se`` are standard errors of the fit; they do not cover texture, which can
    only raise the estimate. ``warnings`` say when it should not be trusted.
    """

    shot: float
    read: float
    shot_se: float
    read_se: float
    warnings: tuple[str, ...] = ()

    @property
    def pairs(self) -> tuple[tuple[float, float], ...]:
        """(S, O) for R, G, B: the colours share one converter, so they share one line."""
        return ((self.shot, self.read),) * 3


def estimate_noise(frame: Frame) -> NoiseLevel:
    """Return the noise level of a frame from its flat blocks."""
    active = frame.active()
    floor = _quantisation(active)
    level, measured, texture = _blocks(active)
    if len(level) < LEAST_BLOCKS:
        return NoiseLevel(
            0.0, max(floor, 1e-9), np.inf, np.inf, ("too few pixels to estimate the noise from",)
        )
    x, variance, weight = _classes(level, measured, texture)
    shot, read, shot_se, read_se = fit_line(x, variance, weight)
    warnings = []
    if shot == 0 and read <= floor:
        warnings.append("no noise could be found above the rounding to integers")
    if x[-1] - x[0] < 0.02:
        warnings.append("the frame spans few light levels, so shot and read noise cannot be told apart well")
    return NoiseLevel(shot, max(read, floor), shot_se, read_se, tuple(warnings))


def _quantisation(active: Frame) -> float:
    """Return the variance of rounding to whole DN, normalised."""
    return float(1 / 12 / np.min(active.white - active.black) ** 2)


def _blocks(active: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return level, measured variance and texture of every unclipped block of every plane."""
    h, w = active.cfa.shape
    rows = active.mosaic.shape[0] // h
    found: list[NDArray[np.float64]] = []
    for top in range(0, rows - BLOCK + 1, BAND_ROWS):
        bottom = min(top + BAND_ROWS, rows)
        band = active.crop((top * h, 0, bottom * h, active.mosaic.shape[1]))
        dark = pack(band.black_map().astype(np.float32), (h, w))
        raw = pack(band.mosaic.astype(np.float32), (h, w))
        scale = (active.white - active.black.reshape(-1)).astype(np.float32)[:, None, None]
        clipped = (raw >= active.white) | (raw <= 0)
        found.extend(
            _plane_blocks((r - d) / s, c) for r, d, s, c in zip(raw, dark, scale, clipped, strict=True)
        )
    if not found:
        return np.empty(0), np.empty(0), np.empty(0)
    level, measured, texture = np.concatenate(found, axis=1)
    return level, measured, texture


def _plane_blocks(plane: NDArray[np.float32], clipped: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return [3, n]: level, measured variance, texture of the blocks of one plane."""
    rows, columns = plane.shape[0] // BLOCK, (plane.shape[1] - 2) // BLOCK
    if rows < 1 or columns < 1:
        return np.empty((3, 0))
    # A second difference along the row is blind to ramps and to row noise.
    difference = (plane[:, :-2] - 2 * plane[:, 1:-1] + plane[:, 2:]) / np.float32(6**0.5)
    whole = (slice(0, rows * BLOCK), slice(0, columns * BLOCK))
    shape = (rows, BLOCK, columns, BLOCK)
    energy = (difference[whole] ** 2).reshape(shape)
    values = plane[:, 1:-1][whole].reshape(shape)
    row_means = values.mean(3)
    # Slopes count as texture: they move the level within the block.
    slope = (row_means[:, : BLOCK // 2].mean(1) - row_means[:, BLOCK // 2 :].mean(1)) ** 2
    measured = energy[:, 0::2].mean((1, 3))
    texture = energy[:, 1::2].mean((1, 3)) + slope
    good = ~clipped[:, 1:-1][whole].reshape(shape).any((1, 3))
    return np.stack([values[:, 0::2].mean((1, 3))[good], measured[good], texture[good]]).astype(np.float64)


def _classes(
    level: NDArray[np.float64], measured: NDArray[np.float64], texture: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean level, mean variance and number of blocks of the flat blocks of each class."""
    order = np.argsort(level, kind="stable")
    points = []
    for members in np.array_split(order, LEVELS):
        count = max(int(FLATTEST * len(members)), min(len(members), 8))
        flat = members[np.argpartition(texture[members], count - 1)[:count]]
        points.append((level[flat].mean(), measured[flat].mean(), count))
    x, variance, weight = np.array(points).T
    return x, variance, weight


def fit_line(
    x: NDArray[np.float64], variance: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """Return S, O and their standard errors of ``variance = S x + O``, both not negative.

    Weighted by the sampling error of a variance (proportional to the variance itself), and
    one-sided: points above the line, where texture is left, lose their weight.
    """
    design = np.stack([np.maximum(x, 0), np.ones_like(x)], axis=1)
    trust = np.ones_like(x)
    fitted = np.maximum(variance, variance.max() * 1e-6)
    degrees = weight * BLOCK * BLOCK / 2 / 1.9  # second differences correlate along the row
    for _ in range(ROUNDS):
        error = fitted * np.sqrt(2 / degrees)
        scale = np.sqrt(trust) / error
        solution, _ = nnls(design * scale[:, None], variance * scale)
        fitted = np.maximum(design @ solution, fitted.max() * 1e-6)
        excess = (variance - fitted) / (fitted * np.sqrt(2 / degrees) + 0.03 * fitted)
        trust = np.where(excess > 1, 1 / np.maximum(excess, 1) ** 2, 1.0)
    weighted = design * (np.sqrt(trust) / (fitted * np.sqrt(2 / degrees)))[:, None]
    covariance = np.linalg.pinv(weighted.T @ weighted)
    return (
        float(solution[0]),
        float(solution[1]),
        float(covariance[0, 0] ** 0.5),
        float(covariance[1, 1] ** 0.5),
    )
