"""What is counted in one image: gradients, spectrum, colour spread. Sums, so that images can be pooled.

Images are uint8 [H, W, 3] in sRGB. Grey is the rounded luma of ITU-R BT.601.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.images.colours import OPPONENT

TILE = 256
FREQUENCIES = np.arange(1, TILE // 2)
"""Cycles per tile at which spectra are given."""

GRADIENT_BINS = 511
"""Differences of grey levels from -255 to 255."""

_WINDOW = np.sin(math.pi * np.arange(TILE) / TILE) ** 2
WINDOW_ENERGY = float((_WINDOW**2).sum())
"""By whose square the power of a tile is to be divided for a density."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class ImageSums:
    """What one image adds to its set.

    Attributes
    ----------
    grey_gradients, colour_gradients
        int64 [511] counts of the horizontal and vertical forward differences of the grey image, and of
        its three channels.
    ring_power, ring_amplitude, line_power
        float64 [127] sums over tiles: power and amplitude of the 2-D spectrum averaged on rings of
        integer radius, and power of rows and columns; zero where the image is smaller than a tile.
    tiles
        How many tiles that is.
    chroma
        float64 [5]: number of pixels, then sum and sum of squares of red - blue and of
        red - 2 green + blue on orthonormal axes, in grey levels.
    """

    grey_gradients: NDArray[np.int64]
    colour_gradients: NDArray[np.int64]
    ring_power: NDArray[np.float64]
    ring_amplitude: NDArray[np.float64]
    line_power: NDArray[np.float64]
    tiles: int
    chroma: NDArray[np.float64]


def measure(image: NDArray[np.uint8]) -> ImageSums:
    """Return the sums of one image, uint8 [H, W, 3]."""
    grey = np.rint(image.astype(np.float32) @ _LUMA).astype(np.int16)
    colour = sum(
        (_gradients(image[..., c].astype(np.int16)) for c in range(3)), np.zeros(GRADIENT_BINS, np.int64)
    )
    return ImageSums(_gradients(grey), colour, *_spectra(grey), _chroma(image))


def _gradients(plane: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return counts [511] of the forward differences of an int16 plane [H, W]."""
    differences = np.concatenate([np.diff(plane, axis=axis).ravel() for axis in (0, 1)])
    return np.bincount(differences + 255, minlength=GRADIENT_BINS)


def _chroma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return ``ImageSums.chroma``."""
    opponent = image.reshape(-1, 3).astype(np.float32) @ np.array(OPPONENT[1:], dtype=np.float32).T
    total, squares = opponent.sum(0, dtype=np.float64), np.square(opponent).sum(0, dtype=np.float64)
    return np.array([len(opponent), total[0], squares[0], total[1], squares[1]])


def _spectra(
    grey: NDArray[np.int16],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], int]:
    """Return ring power, ring amplitude, line power and the number of tiles."""
    places = [(y, x) for y in _starts(grey.shape[0]) for x in _starts(grey.shape[1])]
    power, amplitude, lines = (np.zeros(len(FREQUENCIES)) for _ in range(3))
    ring, members = _rings()
    for y, x in places:
        tile = grey[y : y + TILE, x : x + TILE].astype(np.float64)
        tile -= tile.mean()
        modulus = np.abs(np.fft.fft2(tile * _WINDOW[:, None] * _WINDOW))
        for sums, values in ((power, modulus**2), (amplitude, modulus)):
            sums += (np.bincount(ring.ravel(), values.ravel()) / members)[FREQUENCIES]
        for lay in (tile, tile.T):
            lines += (np.abs(np.fft.rfft(lay * _WINDOW)) ** 2).mean(0)[FREQUENCIES] / 2
    return power, amplitude, lines, len(places)


def _starts(length: int) -> list[int]:
    """Return where tiles begin along an axis: as few as cover it, evenly spread; none if it is too short."""
    if length < TILE:
        return []
    count = -(-length // TILE)
    return [0] if count == 1 else [round(i * (length - TILE) / (count - 1)) for i in range(count)]


def _rings() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the radius [256, 256] of each frequency, rounded, and how many have each radius."""
    frequency = np.fft.fftfreq(TILE, 1 / TILE)
    ring = np.rint(np.hypot(frequency[:, None], frequency)).astype(np.int64)
    return ring, np.bincount(ring.ravel())
