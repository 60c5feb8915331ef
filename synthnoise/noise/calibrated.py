"""What a noise model takes from a camera profile."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from synthnoise.errors import UsageError
from synthnoise.profiles import store
from synthnoise.raw.mean_dark import MeanDark, average_darks
from synthnoise.raw.reading import read_frame

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
        return store.noise_at(profile, iso)
    if len(profile.isos) == 1:
        return next(iter(profile.isos.values()))
    known = ", ".join(f"{value:g}" for value in profile.isos)
    raise UsageError(f"{profile.name}: at which ISO?", hint=f"--iso, calibrated: {known}")


def kept_dark(model: str, profile: CameraProfile | None, noise: IsoNoise | None) -> Path:
    """Return the path of the dark frame that a profile keeps, or knows, for one of its ISOs.

    Raises
    ------
    UsageError
        There is no profile, or it kept no dark at this ISO. ``model`` names who needs it.
    InputError
        The dark has vanished, or is a link out of the profile's folder.
    """
    if profile is None or noise is None:
        raise UsageError(
            f"{model} needs a dark frame", hint="--profile NAME, or its options dark=FILE and gain=K"
        )
    if not (noise.dark_file or noise.dark_paths):
        kept = ", ".join(f"{at.iso:g}" for at in profile.isos.values() if at.dark_file)
        raise UsageError(
            f"{profile.name}: no dark frame is kept at ISO {noise.iso:g}",
            hint=f"choose ISO {kept}"
            if kept
            else "calibrate with the dark frame kept, or the option dark=FILE",
        )
    return store.kept_dark(profile, noise.iso)


def kept_mean(profile: CameraProfile, noise: IsoNoise, *, sandbox: bool = False) -> MeanDark | None:
    """Return the mean of the darks of an ISO of a profile, kept or of the files it was shot to.

    None where there is one dark or none. ``sandbox`` decodes files in a process of their own.

    Raises
    ------
    SynthnoiseError, OSError
        A file cannot be read, or is a link out of the profile's folder.
    """
    stored = store.kept_mean_dark(profile, noise.iso)
    if stored is not None and noise.mean_dark is not None:
        frame = dataclasses.replace(read_frame(stored, sandbox=sandbox), iso=noise.iso)
        return dataclasses.replace(
            average_darks([frame]), count=noise.mean_dark.frames, steps=noise.mean_dark.steps
        )
    if noise.dark_file or len(noise.dark_paths) < 2:
        return None
    frames = (read_frame(path, sandbox=sandbox) for path in noise.dark_paths)
    return average_darks(dataclasses.replace(frame, iso=noise.iso) for frame in frames)
