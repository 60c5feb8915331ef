"""Rows of uniform numbers for models that cannot tell beforehand how many they need."""

from __future__ import annotations

from synthnoise.rng import Rng


class UniformRows:
    """Rows of four uniform numbers in (0, 1), without end; row k of an image is always the same.

    Parameters
    ----------
    rng
        Of one image.
    stream
        See :class:`synthnoise.rng.Stream`.
    """

    def __init__(self, rng: Rng, stream: int) -> None:
        self._rng, self._stream = rng, stream
        self._used = 0
        self._rows: list[list[float]] = []

    def following(self) -> list[float]:
        """Return the next row."""
        if self._used == len(self._rows):
            count = max(256, 2 * len(self._rows))  # a longer table begins with the shorter one
            self._rows = self._rng.uniform(self._stream, (count, 4), double=True)[0].tolist()
        self._used += 1
        return self._rows[self._used - 1]
