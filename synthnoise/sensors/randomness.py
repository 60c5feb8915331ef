"""The laws a sensor's noise follows, drawn from numpy's Philox so that no noise model shares this code."""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.random import Generator, Philox, SeedSequence
from numpy.typing import NDArray
from scipy.signal import lfilter


def generator(*key: int | float | str) -> Generator:
    """Return the generator of a key: the same key gives the same numbers, any other key independent ones."""
    words: list[int] = []
    for part in key:
        data = part.encode() if isinstance(part, str) else struct.pack("<d", part)
        padded = data + bytes(-len(data) % 4)
        words += [len(data), *(word for (word,) in struct.iter_unpack("<I", padded))]
    return Generator(Philox(SeedSequence(words)))


def tukey_lambda(random: Generator, shape: tuple[int, ...], tail: float) -> NDArray[np.float64]:
    """Return variates of the Tukey-lambda law of shape λ = ``tail``, scaled to unit variance.

    Quantile function (u^λ - (1 - u)^λ) / λ, logistic at λ = 0 (Joiner and Rosenblatt 1971).
    """
    upper = random.random(shape)
    np.clip(upper, 2.0**-53, 1 - 2.0**-53, out=upper)
    lower = 1 - upper
    if abs(tail) < 1e-6:
        return (np.log(upper) - np.log(lower)) * (math.sqrt(3) / math.pi)
    return (upper**tail - lower**tail) / (tail * math.sqrt(tukey_lambda_variance(tail)))


def tukey_lambda_variance(tail: float) -> float:
    """Return the variance of the unscaled law, finite for λ above -0.5."""
    beta = math.gamma(1 + tail) ** 2 / math.gamma(2 + 2 * tail)
    return 2 / tail**2 * (1 / (1 + 2 * tail) - beta)


def flicker(random: Generator, count: int) -> NDArray[np.float64]:
    """Return ``count`` neighbours of a process of unit variance whose power falls as 1/f.

    It is cut out of a record twice as long, so that the first and the last value are strangers and
    the mean of one draw is not zero.
    """
    length = 2 ** math.ceil(math.log2(max(2 * count, 4)))
    power = 1 / np.arange(1, length // 2 + 1)
    power /= power[:-1].sum() + power[-1] / 2
    phasor = random.standard_normal((2, length // 2))
    spectrum = np.zeros(length // 2 + 1, dtype=np.complex128)
    spectrum[1:] = np.sqrt(power) * (phasor[0] + 1j * phasor[1])
    spectrum[-1] = math.sqrt(power[-1]) * math.sqrt(2) * phasor[0, -1]
    record: NDArray[np.float64] = np.fft.irfft(spectrum, length) * (length / 2)
    return record[:count]


def streaks(random: Generator, shape: tuple[int, int], length: float) -> NDArray[np.float64]:
    """Return normal variates [H, W] of unit variance, correlated by exp(-distance / length) along rows."""
    decay = math.exp(-1 / length)
    white = random.standard_normal(shape)
    white[:, 1:] *= math.sqrt(1 - decay**2)
    return np.asarray(lfilter([1.0], [1.0, -decay], white, axis=1))
