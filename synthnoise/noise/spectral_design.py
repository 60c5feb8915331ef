"""From what a profile says of dark noise to filters: spectra become kernels, quantiles become a map.

The noise of a pixel is T(z): z is white Gaussian noise through a filter of unit gain, T the map of its
marginal. T changes correlations, so those of z are chosen such that they are right behind T (the
"normal to anything" construction: M. Cario, B. Nelson, "Modeling and generating random vectors with
arbitrary marginal distributions and correlation matrix", 1997), plane pair by plane pair and lag by lag.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import eval_hermitenorm

Array = NDArray[np.float64]

Z_LIMIT = 6.0
Z_STEPS = 16
"""The map of a marginal is kept at multiples of 1 / 16 between -6 and 6 and is linear in between."""

Z_GRID = np.arange(-Z_LIMIT * Z_STEPS, Z_LIMIT * Z_STEPS + 1) / Z_STEPS

LINE_FREQUENCIES = 0.5 * 2.0 ** (-np.arange(32)[::-1] / 4)
"""Cycles per packed line at which cross-spectra of lines are kept: four per octave up to 1/2."""

_LINE_RECORD = 1024
"""Lines over which the noise of lines is made periodic to find its filter, which is half as long."""

_ORDERS = np.arange(1, 10)
_NEGLIGIBLE_TAP = 2e-3
"""Taps below this share of the root of a filter's energy are left out: their power is 4e-6 of the whole."""


def standardised(quantiles: Array) -> tuple[Array, Array]:
    """Return the variance [C] of maps [C, 193] of a standard normal, and their Hermite coefficients [C, 9].

    The coefficients are those of the standardised map on orthonormal polynomials of order 1 to 9.
    """
    weight = np.exp(-0.5 * Z_GRID**2)
    weight /= weight.sum()
    centred = quantiles - (quantiles @ weight)[:, None]
    variance = (centred**2) @ weight
    factorial = np.cumprod(_ORDERS.astype(np.float64))
    basis = np.stack([eval_hermitenorm(n, Z_GRID) for n in _ORDERS]) / np.sqrt(factorial)[:, None]
    deviation = np.sqrt(np.maximum(variance, 1e-30))
    return variance, (centred / deviation[:, None]) @ (basis * weight).T


def before_map(correlation: Array, coefficients: Array) -> Array:
    """Return the correlations of z [C, C, n, m] that become ``correlation`` behind the maps of each plane."""
    products = coefficients[:, None] * coefficients[None]  # [C, C, orders]
    products = products[:, :, None, None]
    rho = correlation / np.maximum(products[..., 0], 0.1)
    for _ in range(8):
        powers = rho[..., None] ** _ORDERS
        slopes = _ORDERS * rho[..., None] ** (_ORDERS - 1)
        error = (products * powers).sum(-1) - correlation
        rho = np.clip(rho - error / np.maximum((products * slopes).sum(-1), 0.1), -0.999, 0.999)
    return rho


def plane_filter(correlation: Array) -> Array:
    """Return a filter [C, C, k, k] that gives white planes these correlations [C, C, 2 r + 1, 2 r + 1].

    ``correlation[c, d, r + i, r + j]`` is that of plane c at (y, x) and plane d at (y + i, x + j). Output
    plane c is the sum over d of tap [c, d, i, j] times input d at (y + i - k // 2, x + j - k // 2). Every
    output has unit variance; what no random field can have is replaced by the nearest that one can.
    """
    radius = correlation.shape[2] // 2
    size = max(8, 1 << int(np.ceil(np.log2(4 * radius + 2)))) if radius else 1
    wrapped = np.zeros((*correlation.shape[:2], size, size))
    wrapped[..., : 2 * radius + 1, : 2 * radius + 1] = correlation
    wrapped = np.roll(wrapped, (-radius, -radius), (2, 3))
    spectrum = np.fft.fft2(wrapped).transpose(2, 3, 0, 1)
    root = np.fft.ifft2(matrix_root(spectrum).transpose(2, 3, 0, 1)).real
    return _trimmed(np.fft.fftshift(root, axes=(2, 3)), size // 2)


def _trimmed(taps: Array, centre: int) -> Array:
    """Return taps [C, C, n, n] about ``centre`` without negligible ones, each output of unit energy."""
    taps = np.where(np.abs(taps) < _NEGLIGIBLE_TAP, 0, taps)
    used = np.argwhere(np.abs(taps).max((0, 1)) > 0) - centre
    reach = min(int(np.abs(used).max()), taps.shape[2] - 1 - centre) if used.size else 0
    inner = slice(centre - reach, centre + reach + 1)
    kept = taps[..., inner, inner]
    energy = np.sqrt((kept**2).sum((1, 2, 3), keepdims=True))
    trimmed: Array = kept / np.maximum(energy, 1e-12)
    return trimmed


def matrix_root(spectrum: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return Hermitian square roots of matrices [..., C, C]; negative eigenvalues count as none."""
    hermitian = (spectrum + spectrum.conj().swapaxes(-1, -2)) / 2
    values, vectors = np.linalg.eigh(hermitian)
    root = vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
    return np.asarray(root @ vectors.conj().swapaxes(-1, -2))


def line_filter(spectrum: NDArray[np.complex128]) -> Array:
    """Return the filter [K, K, taps] of line noise with cross-spectra [32, K, K] at ``LINE_FREQUENCIES``.

    Output k at line y is the sum over l of tap [k, l, i] times white input l at y + i - taps // 2. Below the
    lowest frequency the spectrum stays level.
    """
    grid = np.fft.rfftfreq(_LINE_RECORD)
    place = np.interp(np.log2(np.maximum(grid, 1e-9)), np.log2(LINE_FREQUENCIES), np.arange(32))
    lower = np.minimum(place.astype(int), 30)
    share = (place - lower)[:, None, None]
    full = (1 - share) * spectrum[lower] + share * spectrum[lower + 1]
    full[[0, -1]] = full[[0, -1]].real
    root = np.fft.irfft(matrix_root(full), _LINE_RECORD, axis=0)
    taps = np.fft.fftshift(root, axes=0).transpose(1, 2, 0)
    centre = _LINE_RECORD // 2
    energy = float((taps**2).sum())
    if energy == 0:
        return np.zeros((*taps.shape[:2], 1))
    significant = np.abs(taps) > 1e-3 * np.abs(taps).max()
    used = np.flatnonzero(significant.any((0, 1)))
    reach = min(int(np.abs(used - centre).max()), centre - 1)
    kept = np.where(significant, taps, 0)[..., centre - reach : centre + reach + 1]
    trimmed: Array = kept * np.sqrt(energy / (kept**2).sum())
    return trimmed
