"""The dark frames that were given by name, subtracted from every photograph of a request."""

from __future__ import annotations

import threading
from collections.abc import Callable

from synthnoise.denoising.dark_pattern import subtract_dark
from synthnoise.denoising.profile_darks import LARGE, Subtracted
from synthnoise.raw.frame import Frame
from synthnoise.raw.mean_dark import MeanDark


class GivenDarks:
    """The mean of given darks. A large one is read again for each frame: the network needs its memory.

    Threads may share it.

    Parameters
    ----------
    read
        Reads the darks and returns their mean. It is called at once, so that what is wrong with them is said
        before any photograph is read; its errors are passed on.
    """

    def __init__(self, read: Callable[[], MeanDark]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._mean: MeanDark | None = read()

    def subtract(self, frame: Frame) -> Subtracted:
        """Return a frame without the pattern that it shares with the darks; errors as ``subtract_dark``."""
        return Subtracted(*subtract_dark(frame, self._taken()))

    def _taken(self) -> MeanDark:
        """Return the mean, which nobody else holds if it is large."""
        with self._lock:
            mean = self._mean or self._read()
            self._mean = None if mean.frame.mosaic.size > LARGE else mean
        return mean
