"""What the noise model ``spectral`` needs of dark frames: pixels, rows, columns and hot pixels, compactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.dark import HOT, DarkNoise
from synthnoise.calibration.line_noise import half_means
from synthnoise.calibration.line_spectra import Means, Spectrum, cross_spectrum
from synthnoise.calibration.marginal import ResidualHistogram, settled
from synthnoise.calibration.pixel_covariance import lag_covariances, refill, without_chance
from synthnoise.calibration.residual import robust_deviation
from synthnoise.calibration.shading import full_shading
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.frame import Frame

Planes = NDArray[np.float32]

HOT_PROBABILITIES = np.linspace(0, 1, 65)
"""Probabilities at which the quantiles of hot pixels are kept."""

LARGEST_MATRIX = 4
"""Planes up to which rows and columns are described plane by plane; beyond, by phase of the CFA repeat."""


def spectral_arrays(darks: Sequence[Frame], dark: DarkNoise) -> dict[str, NDArray[Any]]:
    """Return the arrays of a profile that describe the darks that ``dark`` was measured from.

    Memory: the residuals of one frame, float32, or of two where there are several.
    """
    h, w = darks[0].active().cfa.shape
    first = _residuals(darks[0], dark)
    size = first.shape[1], first.shape[2]
    rows, columns = _line_means(first, h, w)
    pixels = _without_lines(first)
    deviations = [float(robust_deviation(plane)) for plane in pixels]
    steps = [plane.codes.step for plane in dark.planes]
    histograms = [ResidualHistogram(q, s) for q, s in zip(steps, deviations, strict=True)]
    for histogram, plane in zip(histograms, pixels, strict=True):
        histogram.add(plane)
    covariances, count = lag_covariances(pixels, pixels)
    covariance = refill(without_chance(covariances, count), size)
    radius = covariance.shape[2] // 2
    quantiles = []
    for c, histogram in enumerate(histograms):
        # Sheppard: rounding adds q^2 / 12 once the noise spans a few codes.
        rounded = histogram.variance * covariance[c, c, radius, radius] / covariances[c, c, radius, radius]
        variance = max(rounded - steps[c] ** 2 / 12, 0.01 * steps[c] ** 2)
        covariance[c, c, radius, radius] = variance
        quantiles.append(histogram.quantiles(variance))
    cells = dark.planes[0].grid.shape
    return {
        "pixel_quantiles": settled(np.stack(quantiles), [h.counts.sum() for h in histograms]),
        "pixel_covariance": covariance.astype(np.float32),
        "row_cross_spectrum": _real(cross_spectrum([(rows, rows)], cells[0])),
        "column_cross_spectrum": _real(cross_spectrum([(columns, columns)], cells[1])),
        "hot_quantiles": _hot_quantiles(dark),
        "hot_rate": np.array([len(plane.hot) / dark.pixels for plane in dark.planes], np.float32),
    }


def _residuals(frame: Frame, dark: DarkNoise) -> Planes:
    """Return a dark [C, H, W] in DN less shading and mean, pixels that stand out set to 0."""
    active = frame.active()
    planes = linear_planes(active)
    planes *= (active.white - active.black).reshape(-1, 1, 1).astype(np.float32)
    for plane, noise in zip(planes, dark.planes, strict=True):
        plane -= full_shading(noise.grid, (plane.shape[0], plane.shape[1]))
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
    """Return half means [K, 2, n] of the rows and of the columns of planes [h w, H, W]."""
    rows = np.stack([half_means(plane) for plane in planes])
    columns = np.stack([half_means(plane.T) for plane in planes])
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
