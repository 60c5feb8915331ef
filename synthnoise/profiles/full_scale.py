"""Levels that differ: what white of a file, or of another profile, is worth in the unit of a camera profile.

A profile states noise relative to its own white level, and files of one camera state different ones for the
same DN: a converter to DNG knows another saturation level than a decoder of the camera's own format, and
some cameras saturate earlier at some ISOs. Where only the number of bits differs, white is white.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from synthnoise.profiles.schema import CameraProfile, IsoNoise

SAME_DEPTH = 0.5
"""Powers of two between two distances from black to white up to which both are in the same DN: statements of
saturation differ by a fifth, bits by a factor of two at least."""


def full_scale_ratio(profile: CameraProfile, span: float) -> float:
    """Return what normalised signal of a file has to be multiplied by to be that of a profile.

    ``span`` is white - black of the file in DN. (S, O) of the profile, divided by the ratio and by its
    square, are those of the file.
    """
    ratio = span / float(profile.scale.mean())
    return ratio if abs(math.log2(ratio)) < SAME_DEPTH else 1.0


def same_depth(profile: CameraProfile, other: CameraProfile) -> bool:
    """Return whether both are in the same DN."""
    return abs(math.log2(float(profile.scale.mean() / other.scale.mean()))) < SAME_DEPTH


def with_levels_of(profile: CameraProfile, other: CameraProfile) -> CameraProfile:
    """Return a profile as if calibrated with black and white of another one of the same DN and CFA.

    Black levels of one camera differ by a DN or so from ISO to ISO, and so may white ones.
    """
    if (profile.black, profile.white) == (other.black, other.white):
        return profile
    isos = {iso: _restated(noise, profile, other) for iso, noise in profile.isos.items()}
    return dataclasses.replace(profile, black=other.black, white=other.white, isos=isos)


def _restated(noise: IsoNoise, own: CameraProfile, other: CameraProfile) -> IsoNoise:
    colours = np.array(own.colours)
    chosen = [colours == c if (colours == c).any() else np.ones(len(colours), np.bool_) for c in range(3)]
    ratio = [float(own.scale[part].mean() / other.scale[part].mean()) for part in chosen]

    def scaled(values: tuple[float, ...], power: int) -> tuple[float, ...]:
        return tuple(value * r**power for value, r in zip(values, ratio, strict=True))

    return dataclasses.replace(
        noise,
        shot=scaled(noise.shot, 1),
        shot_se=scaled(noise.shot_se, 1),
        read=scaled(noise.read, 2),
        read_se=scaled(noise.read_se, 2),
    )
