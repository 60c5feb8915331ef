"""Covariances of the pixels of all planes at small distances, from blocks of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[np.float64]

BLOCK = 48
PADDED = 64
"""Packed pixels of a block, and with the zeros that keep its far side from being its neighbour."""

MOST_BLOCKS = 1500

SIGNIFICANT = 4.5
"""Standard errors that a covariance must reach, else it is taken for chance."""


def lag_radius(planes: int) -> int:
    """Return up to which distance in packed pixels covariances are kept: a profile ought to stay small."""
    return 8 if planes <= 4 else 1


def lag_covariances(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[Array, int]:
    """Return covariances [C, C, 2 r + 1, 2 r + 1] in DN^2 of two stacks [C, H, W], and pixels per plane.

    ``[c, d, r + i, r + j]`` is the mean of ``first[c, y, x] * second[d, y + i, x + j]`` over pixels whose
    partner lies in the same block.
    """
    planes, height, width = first.shape
    block = min(BLOCK, height, width)
    radius = min(lag_radius(planes), block // 4)
    corners = [
        (y, x) for y in range(0, height - block + 1, block) for x in range(0, width - block + 1, block)
    ]
    corners = corners[:: -(-len(corners) // MOST_BLOCKS)]
    total: NDArray[np.complex128] = np.zeros((PADDED, PADDED // 2 + 1, planes, planes), complex)
    for y, x in corners:
        cut = (slice(None), slice(y, y + block), slice(x, x + block))
        a, b = (fft.rfft2(stack[cut], (PADDED, PADDED)).transpose(1, 2, 0) for stack in (first, second))
        total += a.conj()[..., :, None] * b[..., None, :]
    sums = fft.irfft2(total, (PADDED, PADDED), axes=(0, 1)) / len(corners)
    lags = np.arange(-radius, radius + 1)
    overlap = block - np.abs(lags)
    covariances = sums[lags[:, None], lags].transpose(2, 3, 0, 1) / (overlap[:, None] * overlap)
    return covariances, len(corners) * block * block


def variances(covariances: Array) -> Array:
    """Return the variances [C] among covariances."""
    radius = covariances.shape[2] // 2
    return np.asarray(np.diagonal(covariances[:, :, radius, radius]).copy())


def without_chance(covariances: Array, pixels: float, variance: Array) -> Array:
    """Return covariances of a random field, with those set to 0 that chance may give white noise.

    ``variance`` [C] is that of the stacks which were multiplied; ``pixels`` how many products were averaged.
    """
    error = np.sqrt(variance[:, None] * variance / pixels)[..., None, None]
    symmetric = (covariances + covariances.transpose(1, 0, 2, 3)[..., ::-1, ::-1]) / 2
    return np.where(np.abs(symmetric) > SIGNIFICANT * error, symmetric, 0)


def refill(covariances: Array, size: tuple[int, int]) -> Array:
    """Return covariances with what the means of rows and columns of a plane [H, W] took out put back."""
    radius = covariances.shape[2] // 2
    height, width = size
    taken = np.zeros_like(covariances)
    taken[:, :, radius, :] += covariances[:, :, radius, :].sum(2, keepdims=True) / width
    taken[:, :, :, radius] += covariances[:, :, :, radius].sum(2, keepdims=True) / height
    return np.where(covariances != 0, covariances + taken, 0)


def trimmed(covariances: Array) -> Array:
    """Return covariances up to the farthest distance at which one is not 0."""
    radius = covariances.shape[2] // 2
    used = np.argwhere(covariances.any((0, 1))) - radius
    reach = int(np.abs(used).max()) if used.size else 0
    inner = slice(radius - reach, radius + reach + 1)
    return covariances[..., inner, inner]
