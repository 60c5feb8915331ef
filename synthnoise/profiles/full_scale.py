"""What a file's white is worth in the unit of a camera profile.

A profile states noise relative to its own white level, and files of one camera state different ones for the
same DN: a converter to DNG knows another saturation level than a decoder of the camera's own format, and
some cameras saturate earlier at some ISOs. Where only the number of bits differs, white is white.
"""

from __future__ import annotations

import math

from synthnoise.profiles.schema import CameraProfile

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
