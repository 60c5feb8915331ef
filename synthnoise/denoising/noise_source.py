"""Which noise a frame is taken to have: from a profile, from its own tag, or estimated from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from synthnoise.errors import UsageError
from synthnoise.profiles.full_scale import full_scale_ratio
from synthnoise.profiles.interpolation import noise_at
from synthnoise.profiles.schema import CameraProfile
from synthnoise.raw.frame import Frame

NoisePairs = tuple[tuple[float, float], ...]
"""(S, O) of the DNG NoiseProfile for R, G, B: variance = S x + O on normalised signal."""


@dataclass(frozen=True)
class FrameNoise:
    """The noise level of a frame, and where that knowledge comes from.

    Attributes
    ----------
    pairs
        (S, O) for R, G, B.
    source
        In words, for the user.
    warnings
        What the user should know about it.
    """

    pairs: NoisePairs
    source: str
    warnings: tuple[str, ...] = ()

    def per_plane(self, colours: tuple[int, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return S and O of planes with these colours."""
        shot, read = zip(*(self.pairs[colour] for colour in colours), strict=True)
        return shot, read


def find_noise(frame: Frame, profile: CameraProfile | None = None, iso: float | None = None) -> FrameNoise:
    """Return the noise of a frame: the profile's, else its NoiseProfile tag's, else a blind estimate.

    Raises
    ------
    UsageError
        The profile does not cover the ISO, or the ISO is unknown.
    """
    if profile is not None:
        return _from_profile(frame, profile, iso)
    if frame.noise_profile is not None:
        pairs = frame.noise_profile
        return FrameNoise(tuple(pairs) if len(pairs) >= 3 else (pairs[0],) * 3, "the file's NoiseProfile tag")
    from synthnoise.denoising.noise_level import estimate_noise

    estimate = estimate_noise(frame)
    return FrameNoise(estimate.pairs, "an estimate on the frame itself", estimate.warnings)


def _from_profile(frame: Frame, profile: CameraProfile, iso: float | None) -> FrameNoise:
    speed, warnings = frame.iso if iso is None else iso, []
    if speed is None and len(profile.isos) == 1:
        (speed,) = profile.isos
        warnings.append("the file does not record its ISO: taken for that of the profile")
    if speed is None:
        raise UsageError(
            f"{frame.path or 'the frame'}: its ISO is not recorded",
            hint="say which of the profile to use: --iso",
        )
    noise = noise_at(profile, speed)
    if frame.camera and profile.name and frame.camera.lower() != profile.name.lower():
        warnings.append(f"the profile is of a {profile.name}, the file of a {frame.camera}")
    if frame.noise_reduction:
        warnings.append(
            "its noise has been reduced before (NoiseReductionApplied): there is less than the profile says,"
            " unless that was calibrated on such files; without --profile the file's own level is taken"
        )
    unit = full_scale_ratio(profile, float((frame.white - frame.black).mean()))
    pairs = tuple((s / unit, o / unit**2) for s, o in zip(noise.shot, noise.read, strict=True))
    if not all(math.isfinite(value) for pair in pairs for value in pair):
        raise UsageError(
            f"the profile of {profile.name} knows no gain at ISO {speed:g}",
            hint="calibrate it with a noisy frame, or denoise without --profile",
        )
    return FrameNoise(pairs, f"the profile of {profile.name} at ISO {speed:g}", tuple(warnings))
