"""Gain and read noise of noisy frames alone: no dark, no masked border, no tag.

The line of variance over level then has a free intercept, which is the noise at black. Its slope does not
mind a black level that is stated wrongly; the intercept does, by K times the error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthnoise.calibration.detail import Lattice, assumed_zero, lattice_of, white_zero
from synthnoise.calibration.gain import GainEstimate, gain_against
from synthnoise.raw.frame import Frame

BLACK_DOUBT = 0.2
"""Standard deviation of a stated black level about the true one, in read noises."""

EXACT = 1 << 20
"""Dark frames that an assumed zero is worth: it has no noise of its own."""


@dataclass(frozen=True, kw_only=True)
class BlindNoise:
    """What noisy frames say of themselves.

    Attributes
    ----------
    gain
        The gain.
    variance, variance_se
        DN^2 of a pixel at black, rows and columns apart, and its standard error.
    """

    gain: GainEstimate
    variance: float
    variance_se: float


def noise_without_dark(noisy: Sequence[Frame]) -> BlindNoise:
    """Return the noise of frames of one camera and ISO, cropped to their active area.

    Raises
    ------
    UsageError
        They are too small.
    """
    lattice = lattice_of(noisy[0].cfa)
    offset = _stated_black(noisy[0], lattice)
    lit = [(frame, float(frame.black.mean() - noisy[0].black.mean())) for frame in noisy]
    zero = assumed_zero(noisy[0].mosaic, lattice, offset)
    gain = gain_against(zero, lattice, lit, (), count=EXACT, drift=0.0)
    for _ in range(2):
        variance = max(float(zero.variance[0]) + gain.floor, float(zero.variance[0]) / 10)
        if gain.regime == "unmeasured":
            break
        zero = white_zero(offset, variance)
        gain = gain_against(zero, lattice, lit, (), count=EXACT, drift=BLACK_DOUBT * math.sqrt(variance))
    variance = max(float(zero.variance[0]) + gain.floor, 1 / 12)
    doubt = gain.gain * BLACK_DOUBT * math.sqrt(variance)
    return BlindNoise(gain=gain, variance=variance, variance_se=math.hypot(gain.floor_se, doubt))


def _stated_black(frame: Frame, lattice: Lattice) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    h, w = frame.black.shape
    return np.array([frame.black[row % h, column % w] for row, column in lattice.positions])
