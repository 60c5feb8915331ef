"""What a noise model takes from a camera profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthnoise.errors import UsageError
from synthnoise.profiles.store import noise_at

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile, IsoNoise


def choose_iso(profile: CameraProfile, iso: float | None) -> IsoNoise:
    """Return the noise of a profile at an ISO, which may be left out where the profile has but one.

    Raises
    ------
    UsageError
        Several ISOs and none chosen, or one outside those of the profile.
    """
    if iso is not None:
        return noise_at(profile, iso)
    if len(profile.isos) == 1:
        return next(iter(profile.isos.values()))
    known = ", ".join(f"{value:g}" for value in profile.isos)
    raise UsageError(f"{profile.name}: at which ISO?", hint=f"--iso, calibrated: {known}")
