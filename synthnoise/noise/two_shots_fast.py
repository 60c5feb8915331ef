"""2-Shots in the Dark with three repairs: hot pixels apart, histograms by table, three rounds.

The method is that of arXiv 2512.03245 (:mod:`synthnoise.noise.two_shots`). Hot pixels spoil both of its
constraints, so they are taken out first and put back last; then three rounds do what ten did.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

from synthnoise.noise import two_shots
from synthnoise.noise.dark_synthesis import DarkSynthesis, Recipe
from synthnoise.rng import Rng

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile

HOT = 9.0
"""Robust standard deviations beyond which a pixel of the residual is hot."""

BINS = 8192
"""Of the histogram through which values are matched."""


@dataclass(frozen=True, kw_only=True)
class Options(two_shots.Options):
    """Those of two-shots, with three rounds."""

    iterations: int = field(
        default=3, metadata={"help": "rounds of histogram and spectrum matching", "range": (0, 1000)}
    )


class TwoShotsFast(two_shots.TwoShots):
    """y = S·Poisson(x / S) + residual of a synthetic dark, hot pixels where they were in the dark.

    As :class:`~synthnoise.noise.two_shots.TwoShots` in everything else: whole frames, random crops.
    """

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options or Options())

    def parameters(
        self, profile: CameraProfile | None = None, iso: float | None = None
    ) -> two_shots.Parameters:
        """Return the parameters of a dark frame and a gain, both from a calibrated ISO or the options.

        Raises
        ------
        UsageError
            There is no gain, or no dark frame: the profile kept none, or was not calibrated at this ISO.
        InputError
            The dark frame cannot be read.
        """
        known = super().parameters(profile, iso)
        return dataclasses.replace(known, darks=FastDarkSynthesis(known.darks.residual, known.darks.recipe))


class FastDarkSynthesis(DarkSynthesis):
    """Residuals of new darks: :class:`~synthnoise.noise.dark_synthesis.DarkSynthesis` made cheaper.

    Planes are continued by mirroring to a size whose Fourier transform is fast; new residuals have that
    size, and so are at least as large as the dark.
    """

    def __init__(self, residual: Tensor, recipe: Recipe = Recipe(iterations=3)) -> None:
        super().__init__(residual, recipe)
        ordinary = residual.numpy().copy()
        self._hot = [_take_hot(plane) for plane in ordinary]
        height, width = residual.shape[1:]
        beyond = ((0, 0), (0, _fast(height) - height), (0, _fast(width) - width))
        self._ordinary = torch.from_numpy(
            np.pad(ordinary, beyond, "reflect" if min(height, width) > 1 else "edge")
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of new residuals."""
        return self._ordinary.shape[1], self._ordinary.shape[2]

    def _synthesise(self, rng: Rng) -> Tensor:
        synthetic = self._redraw(self._ordinary, rng)
        for plane, (rows, columns, values) in zip(synthetic, self._hot, strict=True):
            plane[rows.to(rng.device), columns.to(rng.device)] += values.to(rng.device)
        return synthetic

    def _match(self, field: Tensor, ordered: Tensor) -> Tensor:
        return match_by_table(field, ordered)


def match_by_table(field: Tensor, ordered: Tensor) -> Tensor:
    """Return ``field`` [H, W] with nearly the distribution of the ascending values ``ordered`` [n].

    The distribution function of the field is counted in 8192 bins; each bin's edge goes to the quantile
    of the target there, and between edges values are interpolated.
    """
    low, high = field.min(), field.max()
    step = ((high - low) / BINS).clamp(min=torch.finfo(field.dtype).tiny)
    counts = torch.histc(field, BINS, float(low), float(high))
    below = torch.cat((counts.new_zeros(1), counts.double().cumsum(0))) / field.numel()
    place = (below * ordered.numel()).round_().to(torch.int64).clamp_(0, ordered.numel() - 1)
    table = ordered[place].to(field.dtype)
    position = (field - low).div_(step).clamp_(0, BINS - 0.001)
    at = position.to(torch.int64)
    return torch.lerp(table[at], table[at + 1], position.sub_(at))


def _take_hot(plane: NDArray[np.float32]) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows, columns and values of hot pixels, which in ``plane`` take an ordinary pixel's value."""
    low, middle, high = np.quantile(plane[::2, ::2], (0.1587, 0.5, 0.8413))
    rows, columns = np.nonzero(np.abs(plane - middle) > HOT * max((high - low) / 2, 1e-12))
    values = plane[rows, columns]
    # The neighbour two to the right (or left) stands in: as far from the mean as any, and not of the leak.
    stand_in = plane[rows, (columns + 2) % plane.shape[1]]
    ordinary = np.abs(stand_in - middle) <= HOT * max((high - low) / 2, 1e-12)
    plane[rows, columns] = np.where(ordinary, stand_in, middle)
    excess = values - plane[rows, columns]
    return torch.from_numpy(rows), torch.from_numpy(columns), torch.from_numpy(excess)


def _fast(length: int) -> int:
    """Return the least length, at least this one, whose real transform is fast."""
    return int(next_fast_len(length, real=True))
