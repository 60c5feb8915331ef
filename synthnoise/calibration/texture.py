"""How much texture hides in the fine detail of flat places, judged by what the colour planes share.

Noise is independent from plane to plane, so what two planes share of their detail is texture, without noise.
What they share of coarse detail can be measured; how much texture there is in *fine* detail for it, its
fineness, depends on what is in the picture: 1 behind a soft lens, 10 in gravel. It is known from photographs
in general, and better from rougher places of the same picture, where texture can be told from noise. The
figures below were set on 100 photographs of the BSDS500 training set, at gains of 0.1 to 25 DN/e- and ratios
of 10 to 300.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from synthnoise.calibration.detail_table import DetailTable
from synthnoise.calibration.variance_line import FINENESS, VarianceLine, filled_bins

ROUGHER = 8.0
"""Factor on the flatness of places from which rougher ones tell the fineness of texture."""

SOFTER, FINER = 1.1, 0.7
"""Standard deviation of the logarithm of the fineness over photographs, below and above its median."""

FLAT_FINER, FLAT_FINER_SPREAD = 0.3, 0.45
"""Mean and standard deviation of the logarithm of the fineness in flat places over that in rougher ones."""

SURPLUS, SURPLUS_SLOPE, SURPLUS_SPREAD = 1.2, 0.22, 0.4
"""Surplus of coarse over fine detail, in shares of what the planes share: so much where texture is soft, less
by the slope times the fineness, with a standard deviation."""

UNLIKE = 1e-4
"""Probability density at which rougher places say nothing, because their texture is of another kind."""

UNSHARED = 0.2
"""Share of the texture of rougher places that flat ones may hold although the planes do not share it."""

SURE = 3.0
"""Standard errors from which texture is sure to be there."""


@dataclass(frozen=True)
class Texture:
    """What texture may do to a gain.

    Attributes
    ----------
    least, likely, most
        Fineness: quantiles of 2.5, 50 and 97.5 %.
    unseen
        DN per electron by which texture that the planes do not share may raise the gain.
    amount
        DN per electron by which texture would raise the gain if nothing were done; 0 where none is sure.
    """

    least: float
    likely: float
    most: float
    unseen: float
    amount: float


@dataclass(frozen=True)
class _Measured:
    """A mean over the bins of a line, in DN per electron, and its standard error over tiles."""

    value: float
    error: float


def texture_of(flat: DetailTable, rough: DetailTable, line: VarianceLine, gain: float) -> Texture:
    """Return the texture of the flat places [T, P, L] that a line was drawn through.

    Parameters
    ----------
    rough
        Table of the same bins with the places up to ``ROUGHER`` times as rough, the flat ones included.
    gain
        K of the line in DN per electron.
    """
    kept = filled_bins(flat)
    count, rough_count = (_bins(table.count, kept).sum(0) for table in (flat, rough))
    weight = line.weight * np.maximum(line.level, 0)
    whole = float((weight * np.maximum(line.level, 0)).sum())
    per_place, per_rough_place = weight / count / whole, weight / rough_count / whole

    def mean(part: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
        tiles: NDArray[np.float64] = (_bins(part, kept) * scale).sum(1)
        return tiles

    shared = _measured(mean(flat.shared, per_place))
    rough_shared = _measured(mean(rough.shared, per_rough_place))
    rise = _measured(
        mean(rough.noisy - rough.dark - gain * rough.level, per_rough_place)
        - mean(flat.noisy - flat.dark - gain * flat.level, per_place)
    )
    surplus = _measured(mean(flat.coarse - flat.noisy + flat.dark, per_place))
    same = float(count.sum() / rough_count.sum())
    least, likely, most = _fineness(shared, rough_shared, rise, surplus, same)
    texture = max(0.0, rise.value + rise.error + likely * max(shared.value, 0.0))
    unseen = math.hypot((most - likely) * shared.error, UNSHARED * texture)
    sure = shared.value > SURE * shared.error
    return Texture(least, likely, most, unseen, amount=likely * shared.value if sure else 0.0)


def _bins(part: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return [T, n] of [T, P, L]."""
    return part.reshape(len(part), -1)[:, kept]


def _measured(tiles: NDArray[np.float64]) -> _Measured:
    left_out = tiles.sum() - tiles
    count = max(int((tiles != 0).sum()), 2)
    return _Measured(
        float(tiles.sum()), math.sqrt((count - 1) / count * float(((left_out - left_out.mean()) ** 2).sum()))
    )


def _fineness(
    shared: _Measured, rough_shared: _Measured, rise: _Measured, surplus: _Measured, same: float
) -> list[float]:
    """Return quantiles of the fineness of flat places, given that of rougher ones and the coarse detail.

    The posterior is a sum over a grid of equal steps of probability: fineness, and the errors of the three
    first measurements. ``same`` is the share of the rougher places that are the flat ones themselves.
    """
    steps = [ndtri((np.arange(n) + 0.5) / n) for n in (41, 7, 5, 5)]
    z, rise_z, rough_z, flat_z = (axis.ravel() for axis in np.meshgrid(*steps, indexing="ij"))
    logarithm = math.log(FINENESS) + np.where(z < 0, SOFTER, FINER) * z
    fineness = np.exp(logarithm)
    flat = np.maximum(shared.value + shared.error * flat_z, 0)
    texture = fineness * flat + np.maximum(rise.value + rise.error * rise_z, 0)
    sharing = np.maximum(rough_shared.value + rough_shared.error * rough_z, 0.3 * rough_shared.error + 1e-12)
    rougher = np.log(np.maximum(texture, 1e-9) / sharing)
    unlike = (logarithm - rougher - FLAT_FINER * (1 - same)) / FLAT_FINER_SPREAD
    expected = (SURPLUS - SURPLUS_SLOPE * fineness) * flat
    odd = (surplus.value - expected) ** 2 / (surplus.error**2 + (SURPLUS_SPREAD * flat) ** 2 + 1e-24)
    weight = (np.exp(-0.5 * unlike**2) + UNLIKE) * np.exp(-0.5 * odd)
    order = np.argsort(fineness, kind="stable")
    cumulated = np.cumsum(weight[order])
    places = np.searchsorted(cumulated, np.array([0.025, 0.5, 0.975]) * cumulated[-1])
    return [float(value) for value in fineness[order][places]]
