"""Sums of detail over the places of a frame, by brightness and flatness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FLATNESS_EDGES = 2.0 ** np.arange(-2.0, 8.5, 0.5)
"""Upper edges of the flatness bins, half an octave each; the mean of pure noise is 1."""


@dataclass(frozen=True)
class DetailTable:
    """Sums over the places of a frame, by tile, plane, level and flatness.

    Attributes
    ----------
    count
        float64 [T, P, L, F] places.
    level
        Sum of the signal in DN above the dark.
    noisy, dark
        Sums of squared detail in DN^2: of the noisy frame, and of the dark (mean over the darks).
    coarse
        Sum of squared coarse detail of the noisy frame, less that of the dark.
    shared
        Sum in DN^2 of what the planes share of coarse detail, less that of the dark: texture without noise.
    """

    count: NDArray[np.float64]
    level: NDArray[np.float64]
    noisy: NDArray[np.float64]
    dark: NDArray[np.float64]
    coarse: NDArray[np.float64]
    shared: NDArray[np.float64]

    def parts(self) -> Iterator[NDArray[np.float64]]:
        """Yield the sums in the order of the fields."""
        yield from (self.count, self.level, self.noisy, self.dark, self.coarse, self.shared)

    @cached_property
    def _up_to(self) -> list[NDArray[np.float64]]:
        """The parts [T, P, L, F], each flatness with all that are flatter."""
        return [np.cumsum(part, -1) for part in self.parts()]

    def flattest(self, edge: float) -> DetailTable:
        """Return the table [T, P, L] of the places whose flatness is below ``edge``."""
        n = int(np.searchsorted(FLATNESS_EDGES, edge * 1.001))
        return DetailTable(*(part[..., n - 1] for part in self._up_to))

    def flattest_share(self, share: float) -> DetailTable:
        """Return the table [T, P, L] of about the flattest ``share`` of each plane and level."""
        total = self.count.sum(0)
        chosen = np.cumsum(total, -1) - total < share * total.sum(-1, keepdims=True)
        return DetailTable(*((part * chosen).sum(-1) for part in self.parts()))

    def plane(self, index: int) -> DetailTable:
        """Return the table of one plane."""
        return DetailTable(*(part[:, [index]] for part in self.parts()))
