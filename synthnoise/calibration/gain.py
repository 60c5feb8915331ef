"""The system gain from any noisy image, anchored on the dark frame.

For a filter h whose taps sum to zero and whose squares sum to one, photon statistics give

    E[(h * y)^2] = K level + (h * scene)^2 + variance of h * dark

with K in DN per electron. The dark frame supplies the last term, read noise of every origin included; the
choice of flat places makes the second small (:mod:`synthnoise.calibration.detail`). What is left of it grows
with the square of the level, as does the noise of unequal pixels (PRNU): a line through the origin with a
square term, V = K x + q x^2 with q >= 0, keeps both out of K as far as the range of levels in the picture
allows. Texture that the colour planes share is taken out before (:mod:`synthnoise.calibration.texture`). How
far all that goes, is part of the interval, and so is grain, which no plane shares with another
(:mod:`synthnoise.calibration.grain`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from synthnoise.calibration.detail import BAND_ROWS, Lattice, Zero, lattice_of, tabulate, zero_of
from synthnoise.calibration.detail_table import DetailTable
from synthnoise.calibration.grain import interval_with_grain
from synthnoise.calibration.texture import ROUGHER, Texture, texture_of
from synthnoise.calibration.variance_line import CORRELATED, MINIMUM_PLACES, Posterior, VarianceLine, fit_line
from synthnoise.errors import InputError
from synthnoise.profiles.schema import GainRegime
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.frame import Frame

CUTS = (1.0, math.sqrt(2), 2.0, math.sqrt(8), 4.0)
"""Flatness below which places are used: the one that leaves least doubt."""

PRECISE = 0.01
"""Relative doubt about K at which no further cut is tried."""

AS_SURE = 1.4
"""Factor on the least doubt up to which other cuts count: the interval spans what they say too, because the
cut of least doubt is often the one whose texture went unnoticed."""

TEXTURED = 0.15
"""Share of the gain that texture would add to it, from which the picture is textured."""

OFFSET_DRIFT = 0.005
"""Drift of the black level between two frames, in read noises, beyond what row noise explains."""

QUIETER = 0.97
"""Share of the dark's detail below which that of a noisy frame, texture included, is no sum of both."""

HIGH_SNR, LOW_LIGHT = 20.0, 0.2
"""Signal over shot noise, and share of shot noise in that of the dark, where the regimes begin."""

PREVIEW_BANDS = 24
"""Bands of rows that the first, rough pass looks at."""

WIDENED = 0.05
"""Share of the gain by which grain must lower the interval for it to be worth a word."""

Z95 = 1.959964


@dataclass(frozen=True, kw_only=True)
class GainEstimate:
    """A gain and what it rests on.

    Attributes
    ----------
    gain, standard_error
        DN per electron; NaN where it could not be measured.
    interval
        95 % interval. It reaches further down than up where texture or grain may have passed for shot noise;
        where it begins at 0, the gain is at most its end.
    without_grain
        The same for a scene that is known to have no grain; None where grain cannot matter.
    regime
        ``textured`` where the picture has hardly a flat place, ``high-snr`` where fine texture may weigh,
        ``low-light`` where nearly all noise is that of the dark.
    prnu
        Square root of q: relative inequality of pixels, and texture that behaves like it.
    level
        DN above black that carries the most weight.
    places
        Number of places used.
    floor, floor_se
        DN^2 by which the noise at black in the noisy frame exceeds that of the dark or border, and its
        standard error.
    smoothness, smoothness_se
        Coarse over fine detail of what light adds, and its standard error: 1 for white noise, as shot noise
        is in every sensor; more where a camera smoothed it, or texture is everywhere.
    by_plane
        Gain and standard error of each plane of the lattice, DN per electron.
    reason
        Why there is no gain; empty where there is.
    method
        ``photon transfer`` where pairs of frames gave it.
    """

    gain: float
    standard_error: float
    interval: tuple[float, float]
    regime: GainRegime
    prnu: float = 0.0
    level: float = 0.0
    places: int = 0
    floor: float = 0.0
    floor_se: float = 0.0
    smoothness: float = 1.0
    smoothness_se: float = 0.0
    by_plane: tuple[tuple[float, float], ...] = ()
    without_grain: tuple[float, float] | None = None
    reason: str = ""
    method: Literal["one frame", "photon transfer"] = "one frame"

    @property
    def snr(self) -> float:
        """Signal over shot noise at ``level``."""
        return math.sqrt(max(self.level, 0.0) / self.gain) if self.gain > 0 else math.nan

    @property
    def widened(self) -> bool:
        """Whether the interval reaches noticeably further down because the scene may have grain."""
        return (
            self.without_grain is not None and self.interval[0] < self.without_grain[0] - WIDENED * self.gain
        )


def estimate_gain(
    noisy: Sequence[Frame],
    darks: Sequence[Frame] = (),
    *,
    border: Frame | None = None,
    shifts: Sequence[float] = (),
    offset_drift: float = 0.0,
    row_noise: float = 0.0,
    progress: Progress = SILENT,
) -> GainEstimate:
    """Return the gain from noisy frames of any scenes, against darks or a masked border.

    Parameters
    ----------
    noisy, darks
        Frames of one camera and ISO, all cropped to the same area.
    border
        A masked area, cropped where the CFA repeat of the noisy frames begins; used where there are no darks.
    shifts
        DN by which the zero of each noisy frame lies above that of the dark, where known.
    offset_drift
        Standard deviation in DN of the zero from frame to frame, where several darks have shown it.
    row_noise
        Standard deviation in DN of row means, which moves the zero of a frame.

    Raises
    ------
    InputError
        Sizes differ, or there is neither a dark nor a border.
    """
    reference = list(darks) or ([border] if border is not None else [])
    if not noisy or not reference:
        raise InputError("a gain needs a noisy frame, and a dark frame or a masked border")
    for frame in (*noisy, *darks):
        if frame.mosaic.shape != noisy[0].mosaic.shape:
            raise InputError(f"{frame.path or 'a frame'}: its size differs from that of the noisy frame")
    lattice = lattice_of(noisy[0].cfa)
    zero = zero_of([frame.mosaic for frame in reference], lattice)
    rows, _ = lattice.size(noisy[0].mosaic)
    own_drift = OFFSET_DRIFT * math.sqrt(zero.variance.mean())
    drift = math.hypot(own_drift, row_noise / math.sqrt(rows), offset_drift)
    lit = list(zip(noisy, shifts or [0.0] * len(noisy), strict=True))
    return gain_against(zero, lattice, lit, darks, count=len(reference), drift=drift, progress=progress)


def gain_against(
    zero: Zero,
    lattice: Lattice,
    lit: Sequence[tuple[Frame, float]],
    darks: Sequence[Frame],
    *,
    count: int,
    drift: float,
    progress: Progress = SILENT,
) -> GainEstimate:
    """Return the gain of frames, each with its shift in DN, against what the sensor gives without light.

    Parameters
    ----------
    darks
        Darks to compare pixel by pixel. Without any, ``zero`` stands for them and the noise at black is free.
    count
        Dark frames that ``zero`` rests on.
    drift
        Standard deviation in DN of the zero of a frame.
    """
    rows, _ = lattice.size(lit[0][0].mosaic)

    def table(gain: float | None, step: int) -> DetailTable:
        return _combine(
            [
                tabulate(f, darks, lattice, zero, gain=gain, shift=shift, step=step, progress=progress)
                for f, shift in lit
            ]
        )

    rough = _rough_gain(table(None, max(1, rows // (BAND_ROWS * PREVIEW_BANDS))).flattest_share(0.1))
    if rough is None:
        return unmeasured("the noisy frame has no flat, lit, unsaturated places")
    return _choose_cut(table(rough, 1), rough, count, drift, floor=not darks)


def unmeasured(reason: str) -> GainEstimate:
    """Return the estimate that there is none."""
    nan = math.nan
    return GainEstimate(gain=nan, standard_error=nan, interval=(nan, nan), regime="unmeasured", reason=reason)


def _combine(tables: Sequence[DetailTable]) -> DetailTable:
    """Return tables of several frames as one: their tiles side by side."""
    return DetailTable(
        *(np.concatenate(parts) for parts in zip(*(table.parts() for table in tables), strict=True))
    )


def _rough_gain(table: DetailTable) -> float | None:
    """Return a gain good to some tens of per cent, for guards and flatness, from a table [T, P, L].

    Texture raises the ratio of variance to level, never lowers it, so where ratios are precise a low
    quantile of theirs is near the truth; where they are not, texture is buried and their mean will do.
    """
    count, level, noisy, dark, *_ = (part.sum(0).ravel() for part in table.parts())
    kept = (count > 100) & (level > 0)
    if count[kept].sum() < MINIMUM_PLACES:
        return None
    x = (level / np.maximum(count, 1))[kept]
    excess = ((noisy - dark) / np.maximum(count, 1))[kept]
    error = np.sqrt(CORRELATED / count[kept]) * (np.hypot(noisy, dark) / np.maximum(count, 1))[kept]
    ratio, weight = excess / x, (x / error) ** 2
    precise = excess > 4 * error
    if weight[precise].sum() > 0.5 * weight.sum():
        order = np.argsort(ratio[precise])
        cumulated = np.cumsum(weight[precise][order])
        return float(ratio[precise][order][np.searchsorted(cumulated, 0.15 * cumulated[-1])])
    return max(float((weight * ratio).sum() / weight.sum()), 1e-6)


@dataclass(frozen=True)
class _Fit:
    """A line through the places below a cut, and what texture may do to it.

    ``down`` and ``up`` are DN per electron by which texture may have raised or lowered the gain.
    """

    places: DetailTable
    line: VarianceLine
    posterior: Posterior
    texture: Texture
    down: float
    up: float

    @property
    def doubt(self) -> float:
        """Standard deviation in DN per electron, noise and texture together."""
        return math.hypot(self.posterior.deviation, max(self.down, self.up) / Z95)

    def zero_error(self, drift: float) -> float:
        """Standard deviation in DN per electron that a zero gives which drifts by so many DN."""
        return self.posterior.gain * drift / _level(self.line)

    def interval(self, drift: float, *, grain: bool) -> tuple[float, float]:
        """Return the 95 % interval in DN per electron, of a scene that may have grain or has none."""
        gain, zero = self.posterior.gain, Z95 * self.zero_error(drift)
        low, high = self.posterior.quantile(0.025), self.posterior.quantile(0.975)
        if grain:
            low, high = interval_with_grain(self.line)
        down = math.hypot(max(gain - low, 0.0), zero, self.down)
        return max(gain - down, 0.0), gain + math.hypot(max(high - gain, 0.0), zero, self.up)


def _fit_below(cut: float, table: DetailTable, rough: float, darks: int, *, floor: bool) -> _Fit | None:
    """Return the line through the places below a cut; None where there are too few, or there is no gain."""
    places = table.flattest(cut)
    first = fit_line(places, rough, darks, floor=floor)
    if first is None or first.gain <= 0:
        return None
    gain = max(first.posterior().gain, 1e-9)
    texture = texture_of(places, table.flattest(ROUGHER * cut), first, gain)
    lines = [
        fit_line(places, gain, darks, floor=floor, fineness=fineness)
        for fineness in (texture.least, texture.likely, texture.most)
    ]
    less, likely, more = (line.posterior() for line in lines if line is not None)
    if likely.gain <= 0:
        return None
    assert lines[1] is not None
    down = math.hypot(max(0.0, likely.gain - more.gain), texture.unseen)
    return _Fit(places, lines[1], likely, texture, down, max(0.0, less.gain - likely.gain))


def _level(line: VarianceLine) -> float:
    """Return the level in DN above black that carries the most weight."""
    return float(np.average(line.level, weights=line.weight * line.level**2))


def _choose_cut(table: DetailTable, rough: float, darks: int, drift: float, *, floor: bool) -> GainEstimate:
    """Return the estimate at the cut that leaves the least doubt."""
    fits = list[_Fit]()
    for cut in CUTS:
        fit = _fit_below(cut, table, rough, darks, floor=floor)
        if fit is not None:
            fits.append(fit)
            if fit.doubt < PRECISE * fit.posterior.gain:
                break
    if not floor and float(table.noisy.sum()) < QUIETER * float(table.dark.sum()):
        return unmeasured("its noise is less than the dark's: denoised, or is the dark warmer or swapped?")
    best = min(fits, key=lambda fit: fit.doubt, default=None)
    if best is None:
        return unmeasured("the noisy frame has too few flat, lit, unsaturated places")
    as_sure = [fit for fit in fits if fit.doubt <= AS_SURE * best.doubt]
    bare, interval = (
        (min(low for low, _ in found), max(high for _, high in found))
        for found in ([fit.interval(drift, grain=grain) for fit in as_sure] for grain in (False, True))
    )
    estimate = replace(
        _estimate(best, drift, darks, floor=floor),
        interval=(min(bare[0], interval[0]), interval[1]),
        without_grain=bare,
    )
    if estimate.regime == "low-light" and bare[0] <= 0:
        return unmeasured("the noisy frame is too dark: its noise is hardly more than that of the dark frame")
    return estimate


def _estimate(fit: _Fit, drift: float, darks: int, *, floor: bool) -> GainEstimate:
    """Return a fit as an estimate, with the interval of this one cut."""
    posterior, line = fit.posterior, fit.line
    gain, level = posterior.gain, _level(line)
    free = fit_line(fit.places, gain, darks, floor=True, fineness=fit.texture.likely)
    assert free is not None
    smooth, smooth_error = _smoothness(fit.places)
    shot_share = gain * level / float(np.average(line.dark, weights=line.weight * line.level**2))
    return GainEstimate(
        gain=gain,
        standard_error=math.hypot(posterior.deviation, fit.zero_error(drift)),
        interval=fit.interval(drift, grain=False),
        regime=_regime(math.sqrt(level / gain), shot_share, fit.texture.amount / gain),
        prnu=math.sqrt(posterior.square),
        level=level,
        places=line.places,
        smoothness=smooth,
        smoothness_se=smooth_error,
        floor=free.excess,
        floor_se=free.excess_se,
        by_plane=tuple(_plane_gains(fit, darks, floor=floor)),
    )


def _smoothness(table: DetailTable) -> tuple[float, float]:
    """Return coarse over fine excess of a table [T, P, L], and its standard error over tiles (jackknife)."""
    coarse, fine = (part.sum((1, 2)) for part in (table.coarse, table.noisy - table.dark))
    left_out = (coarse.sum() - coarse) / (fine.sum() - fine)
    tiles = int((table.count.sum((1, 2)) > 0).sum())
    error = math.sqrt((tiles - 1) / tiles * float(((left_out - left_out.mean()) ** 2).sum()))
    return float(coarse.sum() / fine.sum()), error


def _regime(snr: float, shot_share: float, texture: float) -> GainRegime:
    if texture > TEXTURED:
        return "textured"
    if snr > HIGH_SNR:
        return "high-snr"
    return "low-light" if shot_share < LOW_LIGHT else "good"


def _plane_gains(fit: _Fit, darks: int, *, floor: bool) -> Iterator[tuple[float, float]]:
    """Yield gain and standard error of each plane; NaN where it says too little."""
    gain, fineness = fit.posterior.gain, fit.texture.likely
    for plane in range(fit.places.count.shape[1]):
        line = fit_line(fit.places.plane(plane), gain, darks, floor=floor, fineness=fineness)
        posterior = line.posterior() if line else None
        yield (posterior.gain, posterior.deviation) if posterior else (math.nan, math.nan)
