"""Which noise model is meant where nobody names one: the one rule of all commands and of Python."""

from __future__ import annotations

from pathlib import Path

from synthnoise.profiles.schema import CameraProfile
from synthnoise.profiles.store import load_profile

WITHOUT_SPECTRA = "poisson-gaussian"
"""The model that needs no more than a gain and a read noise."""

WITH_SPECTRA = "spectral"
"""The model of a camera whose dark frames were measured."""


def default_noise_model(profile: CameraProfile | str | Path | None = None) -> str:
    """Return the noise model for a camera: a profile, its name or folder, or None for no camera.

    ``spectral`` where the profile holds the spectra of dark frames, as ``calibrate`` writes them;
    ``poisson-gaussian`` where it states gain and read noise only, and without a profile.

    Raises
    ------
    InputError
        There is no such profile, or it is damaged.
    """
    if profile is None:
        return WITHOUT_SPECTRA
    camera = profile if isinstance(profile, CameraProfile) else load_profile(profile)
    measured = any("pixel_quantiles" in noise.arrays for noise in camera.isos.values())
    return WITH_SPECTRA if measured else WITHOUT_SPECTRA
