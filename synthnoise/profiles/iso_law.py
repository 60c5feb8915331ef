"""How a camera's noise follows its ISO: one physical law per conversion gain.

An amplifier multiplies electrons, and what is noisy before it, by a gain proportional to the ISO; what comes
after it adds noise that no ISO changes:

    K = k ISO,    read variance = (k ISO r)^2 + c^2

with r in electrons before and c in DN after the amplifier (Janesick, Photon Transfer, 2007, chapter 5; the
two terms of Hasinoff, Durand and Freeman 2010). A second conversion gain of the pixel lowers r from some ISO
on, which leaves k, since the ISO is defined by the output, but makes the read noise step down.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.profiles.schema import CameraProfile, IsoNoise, Quantity

Real = NDArray[np.float64]

SLACK, STATED_SLACK = 0.05, 0.2
"""Relative errors of a variance that the law itself may have, as rows, dark current and digital gain follow
other laws. What a tag or another tool states is worth less."""

DECISIVE = 25.0
"""Chi-square by which a second branch must fit better."""

STEP = 1.2
"""Factor by which noise before the amplifier must at least step down at a second conversion gain."""

FALL = 0.05
"""Relative fall of read noise in DN, where the ISO rises, that alone gives a step away."""

OUTSIDE = 1.1
"""Factor by which the gain of an ISO may differ from the law of the others, whatever its error."""

FAR = 3.0
"""Standard errors that it must differ by as well."""


@dataclass(frozen=True, kw_only=True)
class Branch:
    """The ISOs of one conversion gain and the law they follow.

    Attributes
    ----------
    isos
        Ascending.
    gain_per_iso
        k in DN per electron; None where no gain is known.
    noise_before
        r in electrons; None where no gain is known.
    noise_after
        c in DN, the same for all branches.
    """

    isos: tuple[float, ...]
    gain_per_iso: Quantity | None
    noise_before: Quantity | None
    noise_after: Quantity


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """An ISO whose gain is ``factor`` times what the law of the others says."""

    iso: float
    factor: float


@dataclass(frozen=True, kw_only=True)
class IsoLaw:
    """The branches of a camera by rising ISO, and the ISOs that do not follow them."""

    branches: tuple[Branch, ...]
    outliers: tuple[Outlier, ...] = ()

    def branch(self, iso: float) -> Branch | None:
        """Return the branch within whose range an ISO lies; None between two branches and outside."""
        return next((b for b in self.branches if b.isos[0] <= iso <= b.isos[-1]), None)

    def lines(self) -> list[str]:
        """Return the law in words; nothing of a single ISO."""
        if sum(len(branch.isos) for branch in self.branches) < 2:
            return []
        return [_words(branch) for branch in self.branches]


def iso_law(profile: CameraProfile) -> IsoLaw:
    """Return the law that the ISOs of a profile follow; of none or one ISO a law without errors."""
    noises = [profile.isos[iso] for iso in sorted(profile.isos)]
    if not noises:
        return IsoLaw(branches=())
    starts = _starts(noises)
    parts = [noises[a:b] for a, b in itertools.pairwise((*starts, len(noises)))]
    solved, errors, _ = _fit(noises, starts)
    after = _root(solved[-1], errors[-1])
    branches = [_branch(part, solved[i], errors[i], after) for i, part in enumerate(parts)]
    return IsoLaw(branches=tuple(branches), outliers=tuple(_outliers(noises)))


def switches_gain(below: IsoNoise, above: IsoNoise) -> bool:
    """Return whether read noise in DN falls significantly from one ISO to a higher one."""
    fall = max(below.read_noise) - max(above.read_noise)
    error = math.hypot(max(below.read_noise_se), max(above.read_noise_se))
    return fall > max(5 * error, FALL * max(below.read_noise))


def _starts(noises: Sequence[IsoNoise]) -> tuple[int, ...]:
    """Return the places where a branch begins: where noise falls, else where a step fits far better."""
    falls = [i for i in range(1, len(noises)) if switches_gain(noises[i - 1], noises[i])]
    if falls or len(noises) < 3:
        return (0, *falls)
    _, _, single = _fit(noises, (0,))
    best, where = single - DECISIVE, 0
    for place in range(1, len(noises)):
        (low, high, _), _, misfit = _fit(noises, (0, place))
        if misfit < best and low > STEP**2 * high:
            best, where = misfit, place
    return (0, where) if where else (0,)


def _fit(noises: Sequence[IsoNoise], starts: Sequence[int]) -> tuple[Real, Real, float]:
    """Return (k r)^2 per branch and c^2, their standard errors, and chi-square; none is negative."""
    isos = np.array([noise.iso for noise in noises])
    read, error = np.array([_read_noise(noise) for noise in noises]).T
    slack = np.array([STATED_SLACK if noise.gain_regime == "stated" else SLACK for noise in noises])
    weight = 1 / np.maximum(np.hypot(2 * read * error, slack * read**2), 1e-12)
    number = np.searchsorted(np.array(starts), np.arange(len(noises)), side="right") - 1
    design = np.stack([*(isos**2 * (number == i) for i in range(len(starts))), np.ones_like(isos)], axis=1)
    design, target = design * weight[:, None], read**2 * weight
    best = np.zeros(design.shape[1]), np.zeros(design.shape[1]), float((target**2).sum())
    for chosen in itertools.product((True, False), repeat=design.shape[1]):
        columns = np.flatnonzero(chosen)
        if not columns.size:
            continue
        part = design[:, columns]
        solved, *_ = np.linalg.lstsq(part, target, rcond=None)
        misfit = float(((part @ solved - target) ** 2).sum())
        if (solved >= 0).all() and misfit < best[2] - 1e-9:
            errors = np.sqrt(np.diag(np.linalg.pinv(part.T @ part)))
            whole = np.zeros((2, design.shape[1]))
            whole[:, columns] = solved, errors
            best = whole[0], whole[1], misfit
    return best


def _read_noise(noise: IsoNoise) -> tuple[float, float]:
    """Return read noise over all positions in DN, and its standard error."""
    return math.sqrt(float(np.mean(np.square(noise.read_noise)))), max(noise.read_noise_se)


def _root(variance: float, error: float) -> Quantity:
    deviation = math.sqrt(variance)
    return Quantity(deviation, error / (2 * deviation) if variance > error else math.sqrt(error))


def _branch(noises: Sequence[IsoNoise], slope: float, error: float, after: Quantity) -> Branch:
    known = [noise for noise in noises if noise.gain > 0]
    isos = tuple(noise.iso for noise in noises)
    if not known:
        return Branch(isos=isos, gain_per_iso=None, noise_before=None, noise_after=after)
    ratios = np.array([noise.gain / noise.iso for noise in known])
    errors = np.array([_gain_error(noise) / noise.iso for noise in known])
    middle = _weighted_median(ratios, 1 / np.maximum(errors, 1e-6 * ratios) ** 2)
    k = Quantity(middle, float(max(np.sqrt(1 / (1 / np.maximum(errors, 1e-12) ** 2).sum()), _spread(ratios))))
    before = _root(float(slope), float(error))
    relative = math.hypot(before.se / max(before.value, 1e-12), k.se / k.value)
    return Branch(
        isos=isos,
        gain_per_iso=k,
        noise_before=Quantity(before.value / k.value, relative * before.value / k.value),
        noise_after=after,
    )


def _gain_error(noise: IsoNoise) -> float:
    """Return the standard error that the interval of a gain is worth, which texture may widen."""
    return max(noise.gain_se, (noise.gain_interval[1] - noise.gain_interval[0]) / 4)


def _weighted_median(values: Real, weights: Real) -> float:
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulated, cumulated[-1] / 2)])


def _spread(values: Real) -> float:
    """Return the standard error of a middle that the scatter of the values gives, robustly."""
    if len(values) < 2:
        return 0.0
    return 1.25 * 1.4826 * float(np.median(np.abs(values - np.median(values)))) / math.sqrt(len(values))


def _outliers(noises: Sequence[IsoNoise]) -> list[Outlier]:
    """Return the ISOs whose gain over ISO is not that of the others; with two, the second is named."""
    known = [noise for noise in noises if noise.gain > 0]
    ratios = np.array([noise.gain / noise.iso for noise in known])
    found = []
    for i, noise in enumerate(known):
        if len(known) < 2 or (len(known) == 2 and i == 0):
            continue
        others = np.delete(ratios, i)
        errors = np.array([_gain_error(other) / other.iso for j, other in enumerate(known) if j != i])
        middle = float(np.median(others))
        error = math.hypot(_gain_error(noise) / noise.iso, float(np.median(errors)))
        factor = float(ratios[i]) / middle
        if abs(ratios[i] - middle) > FAR * error and not 1 / OUTSIDE < factor < OUTSIDE:
            found.append(Outlier(iso=noise.iso, factor=factor))
    return found


def _words(branch: Branch) -> str:
    span = f"ISO {branch.isos[0]:g}" + (f" to {branch.isos[-1]:g}" if len(branch.isos) > 1 else "")
    if branch.gain_per_iso is None or branch.noise_before is None:
        return f"{span}: no gain is known"
    k, before, after = branch.gain_per_iso, branch.noise_before, branch.noise_after
    return (
        f"{span}: gain {k.value:.4g} +- {k.se:.2g} DN/e- per ISO; read noise {before.value:.3g} +-"
        f" {before.se:.2g} e- before and {after.value:.3g} +- {after.se:.2g} DN after the amplifier"
    )
