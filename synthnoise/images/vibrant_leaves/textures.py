"""Fields that textures are read from: noise of a given spectrum, and the displacements of the warp.

Reading a torus of random phases at a random place, with its three planes turned into each other at
random, gives a texture of the wanted law without an FFT per leaf.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter

from synthnoise.images.vibrant_leaves.cache import cached
from synthnoise.images.vibrant_leaves.settings import Spectrum
from synthnoise.rng import Rng, Stream

SIDES = (64, 128, 256, 512, 1024)
"""Periods of the fields in pixels; a leaf takes the nearest, so that its coarsest structure fits it."""

SLOPES = 16
"""Exponents at each period, in the middle of equal parts of their range."""

UNIT = 127
"""What one standard deviation is in the 10 bits that each plane is kept in."""

WARP_UNIT = 4096
"""The same of the 16 bits of each displacement."""

WARP_SIDE, WARP_SIGMA = 256, 10
"""Period and smoothness in cells of the displacement field."""

_SEED = 0x7EC5

Atlas = tuple[NDArray[np.int32], ...]


def noise_atlas(largest: int, slope: tuple[float, float], spectrum: Spectrum) -> Atlas:
    """Return for each of ``SIDES`` the fields int32 [slopes, side, side], three planes in a word.

    Plane 0 takes the upper 10 bits, plane 1 the next, plane 2 those after; the lowest two are zero. So a
    pixel is one load. Fields that are nearest to no period up to ``largest`` are left empty
    ([0, 0, 0]). All of them take four CPU seconds to build and 90 MB in the cache.
    """
    empty = np.empty((0, 0, 0), dtype=np.int32)
    empty.flags.writeable = False
    near = [side == SIDES[0] or side < math.sqrt(2) * largest for side in SIDES]
    return tuple(
        _fields(side, slope, spectrum) if used else empty for side, used in zip(SIDES, near, strict=True)
    )


@functools.cache
def _fields(side: int, slope: tuple[float, float], spectrum: Spectrum) -> NDArray[np.int32]:
    low, high = slope
    slopes = [low + (high - low) * (k + 0.5) / SLOPES for k in range(SLOPES)]

    def build() -> NDArray[np.int32]:
        return np.stack([_packed(_field(side, k, exponent, spectrum)) for k, exponent in enumerate(slopes)])

    return cached(f"noise-{spectrum}-{low:g}-{high:g}-{side}", build)


def _field(side: int, number: int, exponent: float, spectrum: Spectrum) -> NDArray[np.float64]:
    """Return three fields [side, side, 3] of this spectrum, uncorrelated, of unit variance."""
    rng = Rng(_SEED, torch.tensor([side * SLOPES + number]))
    white = rng.normal(Stream.TEXTURE_FIELD, (3, side, side))[0].numpy()
    transform = fft.rfft2(white)
    transform *= amplitude(side, exponent, spectrum) / np.maximum(np.abs(transform), 1e-9)
    planes = fft.irfft2(transform, s=(side, side)).reshape(3, -1).astype(np.float64)
    factor = np.linalg.cholesky(planes @ planes.T / planes.shape[1])
    return np.asarray(np.linalg.solve(factor, planes).T.reshape(side, side, 3))


def _packed(field: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return a field's planes, clipped at four standard deviations, in one word int32 [side, side]."""
    steps = np.clip(np.rint(field * UNIT), -511, 511).astype(np.int64)
    words = (steps[..., 0] << 22) | ((steps[..., 1] & 1023) << 12) | ((steps[..., 2] & 1023) << 2)
    return words.astype(np.int32)


def unpacked(words: NDArray[np.int32]) -> NDArray[np.int16]:
    """Return the planes of the atlas' words, int16 [..., 3] in steps of 1 / ``UNIT``."""
    return np.stack([words >> 22, (words << 10) >> 22, (words << 20) >> 22], axis=-1).astype(np.int16)


def amplitude(side: int, exponent: float, spectrum: Spectrum) -> NDArray[np.float32]:
    """Return the modulus [side, side // 2 + 1] of a real field's half transform, 0 at frequency 0."""
    fy, fx = np.abs(fft.fftfreq(side))[:, None], fft.rfftfreq(side)
    inverse = fx**exponent + fy**exponent if spectrum == "axis" else np.hypot(fx, fy) ** exponent
    inverse[0, 0] = np.inf
    return (1 / inverse).astype(np.float32)


@functools.cache
def warp_field() -> NDArray[np.float32]:
    """Return displacements float32 [side, side, 2] on a torus, of unit variance each."""
    white = Rng(_SEED, torch.tensor([0])).normal(Stream.TEXTURE_FIELD, (2, WARP_SIDE, WARP_SIDE))[0].numpy()
    field = np.stack([gaussian_filter(plane, WARP_SIGMA, mode="wrap") for plane in white], axis=-1)
    field -= field.mean((0, 1))
    return np.ascontiguousarray(field / field.std((0, 1)), dtype=np.float32)


@functools.cache
def warp_words() -> NDArray[np.int32]:
    """Return :func:`warp_field` in words int32 [side, side], 16 bits each, in steps of 1 / ``WARP_UNIT``."""
    steps = np.rint(warp_field() * WARP_UNIT).astype(np.int64)
    words = ((steps[..., 0] << 16) | (steps[..., 1] & 0xFFFF)).astype(np.int32)
    words.flags.writeable = False
    return words
