"""Noise that a tag or another tool states: no more than (S, O) per colour, errors unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from synthnoise.profiles.noise_units import to_gain
from synthnoise.profiles.schema import IsoNoise, SourceFile

Pair = tuple[float, float]
"""(S, O) of the DNG NoiseProfile."""


def stated_noise(
    iso: float,
    pairs: Sequence[Pair],
    colours: Sequence[int],
    scale: Sequence[float],
    *,
    exposure_time: float | None = None,
    sources: tuple[SourceFile, ...] = (),
) -> IsoNoise:
    """Return the noise that a tag or another tool states; its errors are unknown, and nothing else is known.

    Parameters
    ----------
    pairs
        (S, O) of red, green, blue.
    colours, scale
        Colour, and white - black in DN, of each CFA position.
    """
    positions = list(zip(colours, scale, strict=True))
    gains = [to_gain(*pairs[colour], d)[0] for colour, d in positions]
    gain = math.exp(sum(math.log(g) for g in gains) / len(gains))
    zeros = (0.0,) * len(positions)
    shot, read = (tuple(pair[i] for pair in pairs) for i in (0, 1))
    return IsoNoise(
        iso=iso,
        gain=gain,
        gain_se=0.0,
        gain_interval=(min(gains), max(gains)),
        gain_regime="stated",
        offset=zeros,
        read_noise=tuple(to_gain(*pairs[colour], d)[1] for colour, d in positions),
        read_noise_se=zeros,
        row_noise=0.0,
        row_noise_se=0.0,
        column_noise=0.0,
        column_noise_se=0.0,
        shot=shot,
        shot_se=(0.0, 0.0, 0.0),
        read=read,
        read_se=(0.0, 0.0, 0.0),
        exposure_time=exposure_time,
        sources=sources,
    )
