"""Periodic patterns in dark frames: narrow peaks of the periodogram of the mosaic."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import median_filter

LARGEST = (2048, 3072)
"""Rows and columns of the middle of a mosaic that are searched."""

PEAK = 40.0
"""Times its surroundings that a peak must reach; of white noise one in a million frames would."""

SMALLEST_POWER = 1e-4
"""Share of the variance that a wave must have to be worth its while."""

MOST_WAVES = 8
LONGEST = 64.0
"""Pixels: what is slower is shading or the flicker of rows."""

REACH = 3
"""Bins to either side of a peak that its power spreads to."""

BAND = 256
"""Rows in which a wave is taken to keep its phase when it is taken out."""


def find_waves(mosaics: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return waves [n, 4] of residuals [H, W] of frames: cycles per pixel down and across, DN^2, frames."""
    frames, power = 0, np.zeros((1, 1), np.float32)
    for mosaic in mosaics:
        frames += 1
        power = np.asarray(power + (_periodogram(mosaic) - power) / frames, np.float32)
        height, width = (min(n, most) for n, most in zip(mosaic.shape, LARGEST, strict=True))
    down, across = np.fft.fftfreq(height), np.fft.rfftfreq(width)
    surroundings = _surroundings(power)
    slow = np.hypot(down[:, None], across) < 1 / LONGEST
    contrast = np.where(slow, 0, power / surroundings)
    weight = np.where((across == 0) | (across == 0.5), 1.0, 2.0)
    variance = float((power * weight).sum()) / (height * width)
    found = list[tuple[float, ...]]()
    while len(found) < MOST_WAVES and contrast.max() > PEAK:
        y, x = divmod(int(contrast.argmax()), across.size)
        rows = np.arange(y - REACH, y + REACH + 1) % height
        columns = np.arange(max(x - REACH, 0), min(x + REACH + 1, across.size))
        cut = np.ix_(rows, columns)
        excess = np.maximum(power[cut] - surroundings[cut], 0) * weight[columns]
        strength = float(excess.sum()) / (height * width)
        contrast[cut] = 0
        if across[x] in (0, 0.5):  # these columns hold both signs of the other frequency
            contrast[np.ix_(-rows % height, columns)] = 0
            strength *= 1 if down[y] in (0, -0.5) else 2
        if strength > SMALLEST_POWER * variance:
            found.append((float(down[y]), float(across[x]), strength, frames))
    return np.array(found, np.float32).reshape(-1, 4)


def remove_waves(mosaic: NDArray[np.float32], waves: NDArray[np.float32]) -> None:
    """Take waves out of a residual [H, W], in place, each with the phase and strength of its band of rows."""
    across = np.arange(mosaic.shape[1])
    for top in range(0, len(mosaic), BAND):
        band = mosaic[top : top + BAND]
        down = np.arange(len(band))
        for wave in waves.astype(np.float64):
            turn_y, turn_x = np.exp(2j * np.pi * wave[0] * down), np.exp(2j * np.pi * wave[1] * across)
            amount = turn_y.conj() @ (band @ turn_x.conj().astype(np.complex64)) / band.size
            real = abs(turn_y @ (turn_y * (turn_x @ turn_x))) > 0.5 * band.size  # equal to its own mirror
            amount *= 1 if real else 2
            band -= np.outer((amount * turn_y).real, turn_x.real).astype(np.float32)
            band += np.outer((amount * turn_y).imag, turn_x.imag).astype(np.float32)


def _periodogram(mosaic: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the periodogram in DN^2 of the middle of a residual."""
    height, width = (min(n, most) for n, most in zip(mosaic.shape, LARGEST, strict=True))
    top, left = (mosaic.shape[0] - height) // 2, (mosaic.shape[1] - width) // 2
    middle = mosaic[top : top + height, left : left + width]
    spectrum = fft.rfft2(middle - middle.mean())
    return np.asarray((spectrum.real**2 + spectrum.imag**2) / middle.size, np.float32)


def _surroundings(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what is around each frequency: medians of blocks, and along both axes of neighbours on them."""
    height, width = power.shape
    tall, wide = (max(1, n // 32) for n in (height, width))
    rows, columns = (np.arange(n) * cells // n for n, cells in ((height, tall), (width, wide)))
    blocks = np.array(
        [[np.median(power[rows == i][:, columns == j]) for j in range(wide)] for i in range(tall)]
    )
    around = blocks[rows[:, None], columns] / np.log(2)  # an exponential law has its median at ln 2
    around[:, 0] = median_filter(power[:, 0], 65, mode="wrap") / np.log(2)
    around[0] = median_filter(power[0], 65, mode="nearest") / np.log(2)
    return np.asarray(np.maximum(around, 1e-12), np.float32)
