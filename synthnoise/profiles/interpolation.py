"""The noise at an ISO between two that were calibrated."""

from __future__ import annotations

import bisect
import math
from typing import Any

from synthnoise.errors import UsageError
from synthnoise.profiles.iso_law import iso_law
from synthnoise.profiles.schema import CameraProfile, GainRegime, IsoNoise

REGIMES: tuple[GainRegime, ...] = ("good", "low-light", "high-snr", "textured", "stated", "unmeasured")
"""From the most to the least trustworthy."""

LOGARITHMIC = (
    *("gain", "gain_se", "gain_interval"),
    *("read_noise", "read_noise_se", "row_noise", "row_noise_se", "column_noise", "column_noise_se"),
    *("shot", "shot_se", "read", "read_se", "quantisation_step", "hot_pixel_fraction"),
)
"""Quantities that follow powers of the ISO; the offset may be negative and goes linearly in log ISO."""


def noise_at(profile: CameraProfile, iso: float) -> IsoNoise:
    """Return the noise at an ISO: as calibrated, or log-log interpolated between its neighbours.

    An interpolated result has no arrays, no dark file and no sources; its diagnostics name the two ISOs.

    Raises
    ------
    UsageError
        The ISO is no positive number or outside the calibrated range, or the camera switches its
        conversion gain between the neighbours (:mod:`synthnoise.profiles.iso_law`), and nothing says where.
    """
    if iso in profile.isos:
        return profile.isos[iso]
    if not 0 < iso < math.inf:
        raise UsageError(f"{iso:g} is no ISO", hint="give a positive number")
    known = sorted(profile.isos)
    if not known:
        raise UsageError(f"{profile.name}: the profile holds no ISO", hint="calibrate the camera")
    if not known[0] < iso < known[-1]:
        span = f"{known[0]:g}" if len(known) == 1 else f"{known[0]:g} to {known[-1]:g}"
        raise UsageError(
            f"{profile.name}: ISO {iso:g} is outside the calibrated {span}",
            hint=f"choose within it, or calibrate at ISO {iso:g}",
        )
    upper = bisect.bisect(known, iso)
    below, above = profile.isos[known[upper - 1]], profile.isos[known[upper]]
    if iso_law(profile).branch(iso) is None:
        raise UsageError(
            f"{profile.name}: between ISO {below.iso:g} and {above.iso:g} the camera changes its conversion"
            " gain, so nothing can be interpolated there",
            hint=f"use ISO {below.iso:g} or {above.iso:g}, or calibrate at ISO {iso:g}",
        )
    return _between(below, above, iso)


def _between(below: IsoNoise, above: IsoNoise, iso: float) -> IsoNoise:
    def mix(name: str) -> float | tuple[float, ...]:
        a, b = getattr(below, name), getattr(above, name)
        if isinstance(a, tuple):
            return tuple(_power_law(x, y, below.iso, above.iso, iso) for x, y in zip(a, b, strict=True))
        return _power_law(a, b, below.iso, above.iso, iso)

    share = math.log(iso / below.iso) / math.log(above.iso / below.iso)
    values: dict[str, Any] = {name: mix(name) for name in LOGARITHMIC}
    return IsoNoise(
        iso=iso,
        offset=tuple((1 - share) * a + share * b for a, b in zip(below.offset, above.offset, strict=True)),
        gain_regime=max((below.gain_regime, above.gain_regime), key=REGIMES.index),
        diagnostics={"interpolated_between": [below.iso, above.iso]},
        **values,
    )


def _power_law(a: float, b: float, low: float, high: float, iso: float) -> float:
    """Return a power of the ISO through two values; a straight line where one of them is zero."""
    if a > 0 and b > 0:
        share = math.log(iso / low) / math.log(high / low)
        return math.exp((1 - share) * math.log(a) + share * math.log(b))
    return a + (b - a) * (iso - low) / (high - low)
