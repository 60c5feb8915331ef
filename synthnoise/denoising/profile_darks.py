"""The dark frames that a camera profile keeps, subtracted from photographs that they belong to."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass

from synthnoise.denoising.dark_pattern import DarkSubtraction, subtract_dark
from synthnoise.errors import InputError, SynthnoiseError
from synthnoise.files import printable
from synthnoise.noise.calibrated import kept_mean
from synthnoise.profiles.schema import CameraProfile, IsoNoise
from synthnoise.profiles.store import kept_dark
from synthnoise.raw.frame import Frame
from synthnoise.raw.mean_dark import MeanDark, average_darks
from synthnoise.raw.reading import read_frame

LARGE = 32_000_000
"""Pixels from which a dark is not kept for the next frame, which needs the memory."""


@dataclass(frozen=True)
class Subtracted:
    """A frame and what a dark took off it.

    Attributes
    ----------
    frame
        Float32 where something was subtracted; else the frame itself.
    dark
        What was subtracted, or None.
    unused
        Why nothing was, in words; empty where there is no dark that could be.
    """

    frame: Frame
    dark: DarkSubtraction | None = None
    unused: str = ""


class ProfileDarks:
    """The dark frames of a profile. One is read when a frame needs it, and kept until another is needed.

    Threads may share it. Dark frames larger than ``LARGE`` are read again for each frame.

    Parameters
    ----------
    iso
        ISO of all frames, whatever they say of themselves.
    sandbox
        Decode darks in a process of their own (:mod:`synthnoise.raw.sandbox`).
    """

    def __init__(self, profile: CameraProfile, iso: float | None = None, *, sandbox: bool = False) -> None:
        self.profile = profile
        self.iso = iso
        self.sandbox = sandbox
        self._lock = threading.Lock()
        self._last: tuple[float, MeanDark | InputError] | None = None

    def subtract(self, frame: Frame) -> Subtracted:
        """Return a frame without the pattern that it shares with the profile's dark frame of its ISO.

        A dark that does not fit, or cannot be read, is no error, as nobody asked for it by name: the result
        says why it was not used.
        """
        iso = frame.iso if self.iso is None else self.iso
        if iso is None and len(self.profile.isos) == 1:
            (iso,) = self.profile.isos  # as for the noise level
        isos = [noise.iso for noise in self.profile.isos.values() if noise.dark_file or noise.dark_paths]
        if iso is None or not isos:
            return Subtracted(frame)
        if iso not in isos:
            known = ", ".join(f"{known:g}" for known in sorted(isos))
            reason = f"the profile's dark frames are not subtracted: of ISO {known}, not {iso:g}"
            return Subtracted(frame, unused=reason)
        if frame.noise_reduction:
            # Ours has had it subtracted, and what others left of it cannot be told.
            reason = "the profile's dark frame is not subtracted: the file has been denoised before"
            return Subtracted(frame, unused=reason)
        try:
            return Subtracted(*subtract_dark(frame, self._dark(iso), any_exposure=True))
        except InputError as error:
            reason = f"the profile's dark frame is not subtracted: {error.message}"
            return Subtracted(frame, unused=reason)

    def _dark(self, iso: float) -> MeanDark:
        """Return the dark of an ISO; raises InputError, the same one again for further frames."""
        with self._lock:
            if self._last is None or self._last[0] != iso:
                self._last = None
                self._last = iso, self._read(iso)
            found = self._last[1]
            if isinstance(found, MeanDark) and found.frame.mosaic.size > LARGE:
                self._last = None
        if isinstance(found, InputError):
            raise InputError(found.message, hint=found.hint)
        return found

    def _read(self, iso: float) -> MeanDark | InputError:
        try:
            return self._kept(self.profile.isos[iso])
        except SynthnoiseError as error:
            return InputError(error.message, hint=error.hint)
        except OSError as error:
            return InputError(f"{self.profile.folder}: {printable(error.strerror or error)}")

    def _kept(self, noise: IsoNoise) -> MeanDark:
        """Return the mean of the darks of an ISO: that which is kept, the only dark, or that of its files.

        Raises
        ------
        SynthnoiseError, OSError
            It cannot be read.
        """
        dark = kept_mean(self.profile, noise, sandbox=self.sandbox)
        if dark is None:
            frame = read_frame(kept_dark(self.profile, noise.iso), sandbox=self.sandbox)
            dark = average_darks([dataclasses.replace(frame, iso=noise.iso)])
        origin = "the profile's dark frame" if dark.count == 1 else f"the profile's {dark.count} dark frames"
        return dataclasses.replace(dark, origin=origin)
