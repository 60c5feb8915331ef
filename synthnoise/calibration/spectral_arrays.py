"""What the noise model ``spectral`` needs of dark frames: pixels, rows, columns and hot pixels, compactly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_propagation

from synthnoise.calibration.dark import HOT, DarkNoise
from synthnoise.calibration.line_spectra import Means, Spectrum, cross_spectrum, part_means
from synthnoise.calibration.local_deviation import local_deviation
from synthnoise.calibration.marginal import ResidualHistogram, line_quantiles, settled
from synthnoise.calibration.pixel_covariance import (
    lag_covariances,
    refill,
    trimmed,
    variances,
    without_chance,
)
from synthnoise.calibration.residual import robust_deviation
from synthnoise.calibration.row_modes import row_modes, take_row_modes
from synthnoise.calibration.shading import coarse_grid, full_shading
from synthnoise.calibration.wave_search import find_waves, remove_waves
from synthnoise.raw.cfa import linear_planes, pack, unpack
from synthnoise.raw.frame import Frame

Array = NDArray[np.float64]

Planes = NDArray[np.float32]

HOT_PROBABILITIES = np.linspace(0, 1, 65)
"""Probabilities at which the quantiles of hot pixels are kept."""

DETAIL = 4.0
"""Standard errors of a cell's mean beyond which it is shading."""

FAINT_DETAIL = 1.5
"""The same next to cells that are."""

DETAIL_CELL = 16
"""Packed pixels of a cell of it."""

LARGEST_DETAIL = (32, 48)
"""Cells of each of four planes; more planes have fewer, so that a profile stays small."""

DETAIL_ROUNDS = 5
"""Times that smoothing is made up for."""

LARGEST_MATRIX = 4
"""Planes up to which rows and columns are described plane by plane; beyond, by phase of the CFA repeat."""


def spectral_arrays(darks: Sequence[Frame], dark: DarkNoise) -> dict[str, NDArray[Any]]:
    """Return the arrays of a profile that describe the darks that ``dark`` was measured from.

    A single dark is taken for temporal but for its hot pixels. What two or more share is told apart by
    products of neighbouring frames, in which nothing temporal remains. Memory: the residuals of one frame
    in float32, or of two where there are several.
    """
    period = darks[0].active().cfa.shape
    detail = np.mean([_shading_detail(frame, dark) for frame in darks], axis=0).astype(np.float32)
    waves = find_waves(unpack(_residuals(frame, dark, detail), period) for frame in darks)
    first = _residuals(darks[0], dark, detail)
    modes = row_modes(first, period[0])
    take_row_modes(first, modes, period[0])
    local = local_deviation(_without_lines(first))
    del first
    sums = _Sums([plane.codes.step for plane in dark.planes], local, modes)
    for frame in darks:
        planes = _residuals(frame, dark, detail)
        if len(waves):
            mosaic = unpack(planes, period)
            remove_waves(mosaic, waves)
            planes = pack(mosaic, period)
        sums.add(planes, *period)
    cells = dark.planes[0].grid.shape
    arrays = sums.pixels()
    for name, lines, count in (("row", sums.rows, cells[0]), ("column", sums.columns, cells[1])):
        spectrum = cross_spectrum([(means, means) for means in lines], count)
        if len(lines) > 1:
            fixed = cross_spectrum(list(itertools.pairwise(lines)), count)
            if fixed.any():
                arrays[f"fixed_{name}_cross_spectrum"] = _real(fixed)
            spectrum = spectrum - fixed
        arrays[f"{name}_cross_spectrum"] = _real(spectrum)
    if len(modes):
        arrays["row_modes"] = modes
        spectrum = cross_spectrum([(means, means) for means in sums.modes], cells[0])
        arrays["row_mode_cross_spectrum"] = _real(spectrum)
    table = line_quantiles([rows.mean(1) for rows in sums.rows])
    if table is not None:
        arrays["row_quantiles"] = table
    if local.size > 1:
        arrays["local_deviation"] = local
    if detail.any():
        arrays["shading_detail"] = detail
    if len(waves):
        arrays["waves"] = waves
    arrays["hot_quantiles"] = _hot_quantiles(dark)
    arrays["hot_rate"] = np.array([len(plane.hot) / dark.pixels for plane in dark.planes], np.float32)
    return arrays


class _Sums:
    """What is added up over the darks.

    Attributes
    ----------
    rows, columns
        Means [K, P, n] of the parts of the lines of each frame.
    modes
        The same of the strength of shapes along the rows, two parts.
    """

    def __init__(
        self, steps: Sequence[float], local: NDArray[np.float32], shapes: NDArray[np.float32]
    ) -> None:
        self._local = local
        self._shapes = shapes
        self.modes = list[Means]()
        self.steps = np.asarray(steps, dtype=np.float64)
        self.rows = list[Means]()
        self.columns = list[Means]()
        self._histograms = list[ResidualHistogram]()
        self._within = list[Array]()
        self._between = list[Array]()
        self._last: Planes | None = None
        self._count = 0
        self._size = (0, 0)

    def add(self, planes: Planes, h: int, w: int) -> None:
        """Add a frame; its residuals are overwritten."""
        rows, columns = _line_means(planes, h, w)
        self.rows.append(rows)
        self.columns.append(columns)
        if len(self._shapes):
            self.modes.append(take_row_modes(planes, self._shapes, h))
        self._size = planes.shape[1], planes.shape[2]
        pixels = _without_lines(planes)
        if self._local.size > 1:
            pixels /= full_shading(self._local, self._size)
        if not self._histograms:
            deviations = [float(robust_deviation(plane)) for plane in pixels]
            self._histograms = [ResidualHistogram(q, s) for q, s in zip(self.steps, deviations, strict=True)]
        for histogram, plane in zip(self._histograms, pixels, strict=True):
            histogram.add(plane)
        covariances, self._count = lag_covariances(pixels, pixels)
        self._within.append(covariances)
        if self._last is not None:
            self._between.append(lag_covariances(self._last, pixels)[0])
        self._last = pixels

    def pixels(self) -> dict[str, NDArray[Any]]:
        """Return marginal and covariances of what pixels do not share with their lines."""
        within = np.mean(self._within, axis=0)
        total = variances(within)
        covariance = refill(without_chance(within, self._count * len(self._within), total), self._size)
        refilled = variances(covariance) / np.maximum(total, 1e-12)
        # Sheppard: rounding adds q^2 / 12 once the noise spans a few codes.
        rounded = np.array([histogram.variance for histogram in self._histograms]) * refilled
        wanted = np.maximum(rounded - self.steps**2 / 12, 0.01 * self.steps**2)
        arrays = dict[str, NDArray[Any]]()
        blur = np.zeros_like(wanted)
        if self._between:
            products = self._count * len(self._between)
            fixed = without_chance(np.mean(self._between, axis=0), products, total)
            blur = np.minimum(variances(fixed).clip(min=0), 0.9 * wanted)
            fixed = _with_variances(fixed, blur)
            if blur.any():
                arrays["fixed_covariance"] = trimmed(fixed).astype(np.float32)
            covariance, wanted = covariance - fixed, wanted - blur
        quantiles = [
            histogram.quantiles(variance, math.sqrt(b))
            for histogram, variance, b in zip(self._histograms, wanted, blur, strict=True)
        ]
        arrays["pixel_quantiles"] = settled(np.stack(quantiles), [h.counts.sum() for h in self._histograms])
        arrays["pixel_covariance"] = trimmed(_with_variances(covariance, wanted)).astype(np.float32)
        return arrays


def _with_variances(covariances: Array, variance: Array) -> Array:
    """Return covariances with other variances [C]."""
    changed, radius, planes = covariances.copy(), covariances.shape[2] // 2, np.arange(len(variance))
    changed[planes, planes, radius, radius] = variance
    return changed


def _shading_detail(frame: Frame, dark: DarkNoise) -> NDArray[np.float32]:
    """Return the shading [C, gh, gw] in DN that smoothing kept out of the profile's, such as amplifier glow.

    Only what neither rows nor columns share: their slow noise looks like shading, too. Glow fills less than
    half of a row or column, so medians leave it (J. Tukey's median polish, 1977). It is followed from cells
    that stand out to neighbours that hardly do.
    """
    details = []
    fewer = max(1.0, math.sqrt(len(dark.planes) / 4))
    most = int(LARGEST_DETAIL[0] / fewer), int(LARGEST_DETAIL[1] / fewer)
    for plane in _residuals(frame, dark, None):
        shape, total = (plane.shape[0], plane.shape[1]), np.zeros(1, np.float32)
        deviation, glowing = float(robust_deviation(plane)), None
        for _ in range(DETAIL_ROUNDS):
            grid = coarse_grid(plane, DETAIL_CELL, most)
            grid = grid - np.median(grid, axis=1, keepdims=True)
            grid -= np.median(grid, axis=0)
            if glowing is None:
                chance = deviation * math.sqrt(grid.size / plane.size)
                seeds = np.abs(grid) > DETAIL * chance
                glowing = binary_propagation(
                    seeds, np.ones((3, 3), bool), np.abs(grid) > FAINT_DETAIL * chance
                )
            grid *= glowing
            plane -= full_shading(grid, shape)
            total = total + grid
            if not glowing.any():
                break
        details.append(total)
    return np.stack(details).astype(np.float32)


def _residuals(frame: Frame, dark: DarkNoise, detail: NDArray[np.float32] | None) -> Planes:
    """Return a dark [C, H, W] in DN less shading and mean, pixels that stand out set to 0."""
    active = frame.active()
    planes = linear_planes(active)
    planes *= (active.white - active.black).reshape(-1, 1, 1).astype(np.float32)
    for c, (plane, noise) in enumerate(zip(planes, dark.planes, strict=True)):
        shape = plane.shape[0], plane.shape[1]
        plane -= full_shading(noise.grid, shape)
        if detail is not None:
            plane -= full_shading(detail[c], shape)
        plane -= np.float32(np.median(plane[::3, ::3]))
        out = np.abs(plane) > HOT * robust_deviation(plane)
        out[noise.hot[:, 0], noise.hot[:, 1]] = True
        plane[out] = 0
        plane -= plane.mean(dtype=np.float64).astype(np.float32)
        plane[out] = 0
    return planes


def _without_lines(planes: Planes) -> Planes:
    """Return planes without the means of rows and columns; the argument is overwritten."""
    for plane in planes:
        plane -= plane.mean(1, keepdims=True)
        plane -= plane.mean(0)
    return planes


def _line_means(planes: Planes, h: int, w: int) -> tuple[Means, Means]:
    """Return means [K, P, n] of parts of the rows and of the columns of planes [h w, H, W]."""
    rows = np.stack([part_means(plane) for plane in planes])
    columns = np.stack([part_means(plane.T) for plane in planes])
    if len(planes) <= LARGEST_MATRIX:
        return rows, columns
    return (
        rows.reshape(h, w, *rows.shape[1:]).mean(1),
        columns.reshape(h, w, *columns.shape[1:]).mean(0),
    )


def _real(spectrum: Spectrum) -> NDArray[np.float32]:
    """Return real and imaginary parts [2, 32, K, K]."""
    return np.stack([spectrum.real, spectrum.imag]).astype(np.float32)


def _hot_quantiles(dark: DarkNoise) -> NDArray[np.float32]:
    amplitudes = np.concatenate([plane.hot[:, 2] for plane in dark.planes]).astype(np.float64)
    if not amplitudes.size:
        amplitudes = np.zeros(1)
    return np.quantile(amplitudes, HOT_PROBABILITIES).astype(np.float32)
