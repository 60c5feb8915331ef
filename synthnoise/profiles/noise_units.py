"""Exact conversions between the units of camera noise.

The canonical unit is that of the DNG NoiseProfile: variance(x) = S x + O of the signal x, which is
black-subtracted and divided by D = white - black. K is the system gain in DN per electron.
"""

from __future__ import annotations

import math

ROUNDING = 1 / 12
"""Variance in DN^2 of rounding to whole DN (EMVA 1288 release 4.0, eq. 8)."""

ROOT_SLOPE, ROOT_OFFSET = 4 / 5, 4 / 15
"""The straight line nearest to the square root on [0, 1] in least squares."""


def from_gain(gain: float, read_noise: float, scale: float) -> tuple[float, float]:
    """Return (S, O) of a gain in DN per electron and a read noise in DN; ``scale`` is white - black in DN."""
    return gain / scale, (read_noise / scale) ** 2


def to_gain(shot: float, read: float, scale: float) -> tuple[float, float]:
    """Return gain in DN per electron and read noise in DN of (S, O)."""
    return shot * scale, math.sqrt(max(read, 0.0)) * scale


def from_emva(gain: float, dark_noise: float, scale: float) -> tuple[float, float]:
    """Return (S, O) of the EMVA 1288 gain K in DN per electron and dark noise sigma_d in electrons.

    sigma_d does not contain the rounding, O does: O D^2 = K^2 sigma_d^2 + 1/12 (release 4.0, eqs. 7-9).
    """
    return gain / scale, (gain**2 * dark_noise**2 + ROUNDING) / scale**2


def to_emva(shot: float, read: float, scale: float) -> tuple[float, float]:
    """Return K in DN per electron and sigma_d in electrons of (S, O); 0 where rounding explains all of O."""
    gain = shot * scale
    return gain, math.sqrt(max(read * scale**2 - ROUNDING, 0.0)) / gain


def from_libcamera(constant: float, slope: float, black16: float, gain: float = 1.0) -> tuple[float, float]:
    """Return (S, O) of the ``rpi.noise`` model at an analogue gain.

    It says sigma = (constant + slope sqrt(y)) sqrt(gain) in DN scaled to 16 bits, ``black16`` among them.
    Its variance has a term in sqrt(x), which the least-squares line on [0, 1] stands for; without a
    constant the conversion is exact.
    """
    full = 65535 - black16
    rooted = slope * math.sqrt(full)
    mixed = 2 * constant * rooted
    unit = gain / full**2
    return unit * (rooted**2 + ROOT_SLOPE * mixed), unit * (constant**2 + ROOT_OFFSET * mixed)


def to_libcamera(shot: float, read: float, black16: float, gain: float = 1.0) -> tuple[float, float]:
    """Return (reference_constant, reference_slope) of (S, O): the inverse of :func:`from_libcamera`."""
    full = 65535 - black16
    p, q = shot * full**2 / gain, max(read, 0.0) * full**2 / gain
    if p == 0:
        return math.sqrt(q), 0.0
    half = ROOT_OFFSET - ROOT_SLOPE * q / p
    share = math.hypot(half, math.sqrt(q / p)) - half
    rooted = math.sqrt(p / (1 + 2 * ROOT_SLOPE * share))
    return share * rooted, rooted / math.sqrt(full)


def from_vkdt(constant: float, slope: float, scale: float) -> tuple[float, float]:
    """Return (S, O) of vkdt's a and b: variance = a + b y in DN^2 on black-subtracted DN."""
    return slope / scale, constant / scale**2


def to_vkdt(shot: float, read: float, scale: float) -> tuple[float, float]:
    """Return vkdt's a and b of (S, O)."""
    return read * scale**2, shot * scale
