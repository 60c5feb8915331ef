"""Cross-spectra of the noise that the pixels of a line share, between the planes of the CFA.

Lines are averaged in several parts that have no pixel in common; what their means share is the line's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthnoise.noise.spectral_design import LINE_FREQUENCIES

Means = NDArray[np.float64]
"""Means of lines, [K, P, n]: of K channels, each over P parts of their pixels."""

Array = NDArray[np.float64]

Spectrum = NDArray[np.complex128]

BLOCK = 16
"""Packed pixels that stay in one part; longer than noise correlates along a line."""

PARTS = 16
"""Parts of a line: the more, the fewer products of means are lost, one in this number."""

HALF_WIDTH = 0.5
"""Octaves to either side that a bin of the spectrum is averaged over."""

SIGNIFICANT = 2.5
"""Standard errors that a component of the spectrum must reach."""


def part_means(residual: NDArray[np.float32]) -> Means:
    """Return the means [P, H] of each row of a plane [H, W] over every P-th block of its pixels."""
    width = residual.shape[1]
    block = BLOCK if width >= 2 * BLOCK else 1
    part = np.arange(width) // block
    part %= min(PARTS, int(part[-1]) + 1)
    weights = (part == np.arange(part.max() + 1)[:, None]).astype(np.float32)
    weights /= weights.sum(1, keepdims=True)
    return np.asarray(weights @ residual.T, np.float64)


def cross_spectrum(pairs: Sequence[tuple[Means, Means]], cells: int) -> Spectrum:
    """Return the cross-spectra [32, K, K] in DN^2 at ``LINE_FREQUENCIES`` of what two sets of means share.

    A pair is (means, the same means) for all noise of a line, or means of two frames for the fixed part of
    it. ``[f, k, l]`` is the transform of the covariance of channel k at line y and channel l at y + i.
    Below frequencies that dark shading on ``cells`` cells has swallowed, level and 1/f are fitted to those
    above.
    """
    power = np.mean([_shared_power(a, b, same=a is b) for a, b in pairs], axis=0)
    count = pairs[0][0].shape[2]
    frequency = np.asarray(np.fft.rfftfreq(count), np.float64)
    first = max(1, -(-cells // 2))
    usable = slice(first, None)
    total = np.einsum("fkk->f", power).real / power.shape[1]
    weight: Array = np.full(frequency.size, 2.0)
    weight[-1] = 1 + count % 2
    if not _significant(total[usable], weight[usable], pairs):
        return np.zeros((LINE_FREQUENCIES.size, *power.shape[1:]), complex)
    spectrum = _possible(_binned(power[usable], frequency[usable], weight[usable]))
    return _extended(spectrum, total[usable], frequency[usable])


def _shared_power(first: Means, second: Means, *, same: bool) -> Spectrum:
    """Return the cross-periodograms [n // 2 + 1, K, K] without the noise of single pixels.

    Parts of one frame have no pixel in common; frames have no noise in common.
    """
    a, b = (np.fft.rfft(means - means.mean(2, keepdims=True)) for means in (first, second))
    power = np.einsum("kf,lf->fkl", a.mean(1).conj(), b.mean(1))
    if same:
        parts = a.shape[1]
        own = np.einsum("kpf,lpf->fkl", a.conj(), a) / parts**2
        power = (power - own) * (parts / (parts - 1))
    power /= first.shape[2]
    return np.asarray((power + power.conj().swapaxes(1, 2)) / 2)


def _significant(total: Array, weight: Array, pairs: Sequence[tuple[Means, Means]]) -> bool:
    """Return whether the mean power stands out of its own scatter."""
    mean = np.average(total, weights=weight)
    error = np.sqrt(np.average((total - mean) ** 2, weights=weight) / (weight.size * len(pairs)))
    return bool(mean > SIGNIFICANT * error)


def _binned(power: Spectrum, frequency: NDArray[np.float64], weight: NDArray[np.float64]) -> Spectrum:
    """Return averages at ``LINE_FREQUENCIES``, triangular in the logarithm of the frequency."""
    apart = np.abs(np.log2(frequency)[None] - np.log2(LINE_FREQUENCIES)[:, None])
    share = np.maximum(1 - apart / HALF_WIDTH, 0) * weight
    nearest = np.where(apart <= apart.min(1, keepdims=True) + 1e-9, 1e-6, 0)
    share += nearest
    share /= share.sum(1, keepdims=True)
    return np.asarray(np.einsum("bf,fkl->bkl", share, power))


def _possible(spectrum: Spectrum) -> Spectrum:
    """Return the spectrum without negative eigenvalues, which chance gives, and with the same variance.

    The bins stand for bands as wide as their frequency.
    """
    values, vectors = np.linalg.eigh(spectrum)
    kept = np.maximum(values, 0)
    before, after = (float(v.sum(1) @ LINE_FREQUENCIES) for v in (values, kept))
    kept *= max(before, 0) / max(after, 1e-30)
    return np.asarray((vectors * kept[:, None, :]) @ vectors.conj().swapaxes(1, 2))


def _extended(spectrum: Spectrum, total: Array, frequency: Array) -> Spectrum:
    """Return the spectrum with the bins below the lowest frequency following level and 1/f of the rest."""
    level, flicker = _level_and_flicker(total, frequency)
    law = level + flicker / LINE_FREQUENCIES
    known = int(np.searchsorted(LINE_FREQUENCIES, frequency[0] * 2**HALF_WIDTH))
    if not 0 < known < LINE_FREQUENCIES.size:
        return spectrum
    edge = spectrum[known].real
    trace = np.trace(edge) / len(edge)
    if trace > 0:
        spectrum[:known] = edge / trace * law[:known, None, None]
    return spectrum


def _level_and_flicker(total: Array, frequency: Array) -> tuple[float, float]:
    """Return A and B of the law A + B / f, both at least 0, B only where white noise would hardly show it."""
    white = max(float(total.mean()), 1e-12)
    level, flicker = white, 0.0
    design = np.stack([np.ones_like(frequency), 1 / frequency], axis=1)
    for iteration in range(8):
        spread = level + flicker / frequency
        scaled = design / spread[:, None]
        covariance = np.linalg.pinv(scaled.T @ scaled)
        a, b = covariance @ scaled.T @ (total / spread)
        if iteration == 0 and b < SIGNIFICANT * np.sqrt(covariance[1, 1]):
            return white, 0.0
        level, flicker = max(float(a), 0.02 * white), max(float(b), 0.0)
    return level, flicker
