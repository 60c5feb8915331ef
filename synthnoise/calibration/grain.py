"""How much of what passes for shot noise may be grain of the scene: of film, of prints, of developed files.

Grain that is independent from pixel to pixel differs from shot noise in its law alone. Shot noise is K x,
with one K for all planes and levels. The variance of grain is taken to be c^2 x0^2 (x / x0)^p, with a
contrast c at the level x0 that counts most, and p near that of noise even to the eye: a scanner or a
developer makes it so, and in light that is nearly the law of shot noise. Some grain keeps to it. Other grain
strays, in its exponent, from plane to plane and from level to level; a picture whose planes and levels agree
on one K has none of that. Of the first kind a single frame says little: how far it bounds the gain from below
is a matter of how often there is grain, how strong it is, and how much light there was, for against the shot
noise of n electrons it weighs c^2 n.

Film of root-mean-square granularity 5 to 10 (thousandths of density behind 48 micrometres, as data sheets of
colour negatives have it) shows, by Selwyn's law, 1 to 3 % in scans of half a megapixel to two.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synthnoise.calibration.variance_line import RIDGE, VarianceLine, posterior_of

Real = NDArray[np.float64]

CONTRAST, CONTRAST_SPREAD = 0.015, 0.7
"""Contrast of grain from pixel to pixel: median, and standard deviation of the logarithm."""

CONTRASTS = np.geomspace(0.002, 0.08, 24)
STEP = 2 * float(np.log(CONTRASTS[1] / CONTRASTS[0]))
"""From one to the next, in the logarithm of the variance; half of it is the spread that each stands for."""

EVEN = 2 - 2 / 2.4
"""Exponent of variance over level of noise that is even behind the tone curve of sRGB."""


class Kind(NamedTuple):
    """A kind of grain: the share of pictures that have it, and how far it strays from even grain.

    ``exponent`` is a standard deviation; ``plane`` and ``level`` are relative ones, between planes and
    between levels a factor of e apart.
    """

    share: float
    exponent: float
    plane: float
    level: float


KINDS = (Kind(0.2, 0.03, 0.02, 0.02), Kind(0.15, 0.5, 0.3, 0.1))
"""Grain even to the eye, and any other: like the contrasts, from knowledge of film, and fitted to nothing."""


def interval_with_grain(line: VarianceLine) -> tuple[float, float]:
    """Return the 95 % interval of the gain, DN per electron and at least 0, if there may be grain."""
    x = np.maximum(line.level, 1e-9)
    x0 = float(np.average(line.level, weights=line.weight * line.level**2))
    terms = np.stack([x, x**2, x0**2 * (x / x0) ** EVEN, line.above])
    alone = np.linalg.inv((terms[:2] * line.weight) @ terms[:2].T + np.diag(RIDGE))
    # where tiles differ by more than noise does, so may bins
    noise = max(1.0, line.covariance[0, 0] / alone[0, 0]) / line.weight
    prior = np.exp(-0.5 * (np.log(CONTRASTS / CONTRAST) / CONTRAST_SPREAD) ** 2)
    none = (1 - sum(kind.share for kind in KINDS)) / len(KINDS)
    found = [
        _weigh(
            terms / np.sqrt(noise),
            _straying(kind, np.log(x / x0), line.plane),
            np.concatenate([[none], kind.share * prior / prior.sum()]),
        )
        for kind in KINDS
    ]
    log, mean, covariance = (np.concatenate(parts) for parts in zip(*found, strict=True))
    gain = posterior_of(list(zip(np.exp(log - log.max()), mean, covariance, strict=True)), steps=20)
    share = gain.share * ndtr(gain.centres / gain.error)
    gain = replace(gain, share=share / share.sum(), centres=np.maximum(gain.centres, 0))
    return max(gain.quantile(0.025), 0.0), gain.quantile(0.975)


def _straying(kind: Kind, height: Real, plane: NDArray[np.int64]) -> Real:
    """Return the relative covariance [n, n] of grain in bins of these log levels [n] and planes [n]."""
    stray = (STEP / 2) ** 2 + kind.exponent**2 * height[:, None] * height
    stray += kind.level**2 * np.exp(-0.5 * (height[:, None] - height) ** 2)
    stray += kind.plane**2 * (plane[:, None] == plane)
    return stray


def _weigh(terms: Real, stray: Real, chance: Real) -> tuple[Real, Real, Real]:
    """Return what no grain and grain of each contrast make of the line.

    Parameters
    ----------
    terms
        [4, n] level, its square, the law of grain and the variance seen, in standard deviations of noise.
    stray
        [n, n] relative covariance of grain.
    chance
        [c] prior probability of contrast 0 and of each of ``CONTRASTS``.

    Returns
    -------
    logarithm [c] of the probability, mean [c, 2] and covariance [c, 2, 2] of (K, q).
    """
    # along its own axes grain that strays is uncorrelated; noise is along any
    strength, axes = np.linalg.eigh(terms[2][:, None] * terms[2] * stray)
    level, grain, seen = (part @ axes for part in (terms[:2], terms[2], terms[3]))
    contrast = np.concatenate([[0.0], CONTRASTS])[:, None]
    variance = 1 + contrast**4 * np.maximum(strength, 0)
    rest = seen - contrast**2 * grain
    normal = np.einsum("in,jn,cn->cij", level, level, 1 / variance) + np.diag(RIDGE)
    moment = (rest / variance) @ level.T
    covariance = np.linalg.inv(normal)
    mean = np.einsum("cij,cj->ci", covariance, moment)
    misfit = (rest**2 / variance).sum(1) - (moment * mean).sum(1)
    volume = np.log(variance).sum(1) + np.linalg.slogdet(normal)[1]
    return np.log(chance) - 0.5 * (misfit + volume), mean, covariance
