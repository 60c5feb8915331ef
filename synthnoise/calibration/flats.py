"""What pairs of evenly lit frames tell: gain, photo response, linearity and saturation (EMVA 1288).

Two exposures of one flat differ by temporal noise alone and share all that is fixed, so that their
difference gives a point of the photon transfer and their covariance the spatial non-uniformity. A scene
that stands still does for the gain, though not for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synthnoise.calibration.dark import DarkNoise, measure_darks
from synthnoise.calibration.gain import Z95, GainEstimate
from synthnoise.calibration.photon_transfer import difference_correlation, fit_points, transfer_points
from synthnoise.calibration.quantities import fixed_quantities, root, square
from synthnoise.errors import InputError
from synthnoise.profiles.schema import Quantity
from synthnoise.raw.frame import Frame

PLATEAU = 0.5
"""Share of the expected temporal variance below which a flat is saturated: its noise is clipped away."""

LINEAR_RANGE = (0.05, 0.95)
"""Part of the saturation capacity over which linearity is judged (EMVA 1288 release 4.0, section 6.7)."""

TRANSFER_RANGE = 0.7
"""Part of the saturation capacity up to which gain is measured (section 6.6)."""

NO_LIGHT = 0.25
"""Noises of a pixel in the dark below which the mean of a flat is no light, but a drift of black."""

UNEVEN_PAIR = 0.05
"""Relative difference of brightness of two frames beyond which they are no pair."""

OTHER_PICTURE = 0.1
"""Correlation of neighbours in the difference of two frames beyond which they differ by more than noise."""

EVEN_FIELD = 0.05
"""Relative fixed variation of pixels, shading apart, beyond which a frame is a scene and not a flat."""


@dataclass(frozen=True)
class FlatPair:
    """One pair of flats.

    Attributes
    ----------
    seconds
        Exposure time, None where unknown.
    field
        Its statistics, in DN above the nominal black level.
    points
        Points of its photon transfer, per plane.
    full
        DN above black of the white level.
    """

    seconds: float | None
    field: DarkNoise
    points: list[NDArray[np.float64]]
    full: float

    def level(self, dark: DarkNoise) -> NDArray[np.float64]:
        """Return DN above the dark per plane, [C]."""
        return np.array([a.offset - b.offset for a, b in zip(self.field.planes, dark.planes, strict=True)])

    @property
    def temporal(self) -> NDArray[np.float64]:
        """Temporal variance in DN^2 per plane, [C]."""
        return np.array([plane.split.temporal for plane in self.field.planes])


@dataclass(frozen=True)
class FlatSeries:
    """What flats gave: the gain, further quantities, and what to say of them."""

    gain: GainEstimate
    quantities: dict[str, Quantity] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def measure_pair(first: Frame, second: Frame) -> FlatPair:
    """Return the statistics of two flats or of two frames of a scene that stands still.

    Raises
    ------
    InputError
        They differ in brightness, size or colour filter array, or show different things.
    """
    points = transfer_points(first, second)
    both = measure_darks([first, second], curved=True)
    levels = _mean_level(first), _mean_level(second)
    noise = math.sqrt(max(plane.split.temporal for plane in both.planes))
    name, hint = first.path or "a flat", "give two flats of the same light for every exposure time"
    if abs(levels[0] - levels[1]) > max(UNEVEN_PAIR * max(levels), noise):
        raise InputError(
            f"{name}: {levels[0]:.0f} DN, its partner {second.path or ''} {levels[1]:.0f} DN: no pair",
            hint=hint,
        )
    correlation = difference_correlation(first, second)
    if correlation > OTHER_PICTURE:
        raise InputError(
            f"{name} and its partner {second.path or ''} differ by more than noise (neighbours in their"
            f" difference correlate by {correlation:.2f}): no pair",
            hint=f"{hint}, or two frames of a scene and camera that both stand still",
        )
    return FlatPair(first.exposure_time, both, points, first.white - float(first.black.max()))


def _mean_level(frame: Frame) -> float:
    """Return the mean of all pixels in DN above black."""
    active = frame.active()
    lines = [line.mean() for line in (active.black_rows, active.black_columns) if line is not None]
    return float(active.mosaic.mean(dtype=np.float64) - active.black.mean() - sum(lines))


def measure_flats(
    pairs: Sequence[FlatPair], dark: DarkNoise, dark_points: Sequence[NDArray[np.float64]] = ()
) -> FlatSeries:
    """Return what pairs of flats tell against a dark.

    Parameters
    ----------
    dark
        Dark of the same ISO.
    dark_points
        Points of the photon transfer of two darks, per plane, which anchor the line at level 0.

    Raises
    ------
    InputError
        Everything is saturated, or there are not two levels to draw a line through.
    """
    ordered = sorted(pairs, key=lambda pair: float(pair.level(dark).mean()))
    noise = math.sqrt(max(plane.variance for plane in dark.planes))
    if float(ordered[0].level(dark).max()) < NO_LIGHT * noise:
        raise InputError("there is no light in a pair of flats", hint="are dark frames given as flats?")
    clipped = _clipped(ordered, dark)
    ceiling = min(
        (float(pair.level(dark).max()) for pair, flat in zip(ordered, clipped, strict=True) if flat),
        default=ordered[0].full,
    )
    usable = [pair for pair in ordered if float(pair.level(dark).max()) < TRANSFER_RANGE * ceiling]
    if not usable:
        raise InputError("every flat is saturated or nearly so", hint="expose some of them less")
    gain = _gain(usable, dark, dark_points)
    quantities, warnings = dict[str, Quantity](), list[str]()
    if any(clipped):
        top = [pair for pair, flat in zip(ordered, clipped, strict=True) if flat][-1]
        quantities["saturation_capacity"] = _saturation(top, dark, gain)
    elif len(ordered) > 1:
        most = float(ordered[-1].level(dark).mean()) / gain.gain
        warnings.append(f"no flat is saturated: the saturation capacity is at least {most:.0f} e-")
    quantities |= _linearity(ordered, dark, LINEAR_RANGE[1] * ceiling, LINEAR_RANGE[0] * ceiling)
    even = [pair for pair in usable if _is_even(pair, dark)]
    if even:
        quantities |= _photo_response(even, dark)
    else:
        warnings.append("the flats show a scene: they give the gain, but no photo response non-uniformity")
    return FlatSeries(gain, quantities, tuple(warnings))


def _clipped(ordered: Sequence[FlatPair], dark: DarkNoise) -> list[bool]:
    """Return which pairs lost their noise to saturation, going by the darker pairs."""
    zero = np.array([plane.variance for plane in dark.planes])
    found, slope = list[bool](), 0.0
    for pair in ordered:
        level, above = pair.level(dark), pair.temporal - zero
        silent = (above < PLATEAU * zero) & (level > LINEAR_RANGE[0] * pair.full)
        found.append(bool((silent | (above < PLATEAU * slope * level)).all()))
        if not found[-1]:
            slope = float(np.median(above / np.maximum(level, 1e-9)))
    return found


def _gain(
    pairs: Sequence[FlatPair], dark: DarkNoise, dark_points: Sequence[NDArray[np.float64]]
) -> GainEstimate:
    """Return K as the mean of the planes' photon transfers.

    Its error covers their scatter, and the error of the zero: of the dark, and of two frames of each pair.
    """
    points = [list(pair.points) for pair in pairs] + ([list(dark_points)] if dark_points else [])
    lines = [fit_points(np.concatenate([p[plane] for p in points])) for plane in range(len(points[0]))]
    gains, errors = np.array([line[0] for line in lines]), np.array([line[1] for line in lines])
    weight = 1 / errors**2
    mean = float(np.average(gains, weights=weight))
    scatter = float((weight * (gains - mean) ** 2).sum()) / max(len(gains) - 1, 1)
    level = float(np.mean([pair.level(dark).mean() for pair in pairs]))
    # planes of one row of the repeat share row noise, and with it most of the error of their zero
    zero = float(np.mean([plane.offset_se for plane in dark.planes])) / len(dark.planes) ** 0.25
    zero *= math.sqrt(1 + dark.frames / 2)
    error = math.hypot(math.sqrt(max(1.0, scatter) / weight.sum()), mean * zero / level)
    return GainEstimate(
        gain=mean,
        standard_error=error,
        interval=(mean - Z95 * error, mean + Z95 * error),
        regime="good",
        level=level,
        places=sum(line[3] for line in lines),
        by_plane=tuple(zip(gains.tolist(), errors.tolist(), strict=True)),
        method="photon transfer",
    )


def _saturation(pair: FlatPair, dark: DarkNoise, gain: GainEstimate) -> Quantity:
    """Return the electrons at which temporal variance is largest, from a flat beyond the end of the response.

    That is the saturation of EMVA 1288 (release 4.0, section 6.5): some shot noises below the plateau, where
    the first electrons are cut off.
    """
    level = pair.level(dark)
    spread = float(level.std(ddof=1)) / math.sqrt(len(level)) if len(level) > 1 else 0.0
    plateau = float(level.mean()) / gain.gain
    error = math.hypot(spread / gain.gain, plateau * gain.standard_error / gain.gain)
    return Quantity(largest_variance(plateau), error)


def largest_variance(plateau: float) -> float:
    """Return the mean electrons whose shot noise, cut off at ``plateau`` electrons, varies most."""
    mean = plateau + math.sqrt(plateau) * np.linspace(-6, 1, 1401)
    mean = mean[mean > 0]
    t = (plateau - mean) / np.sqrt(mean)
    density, above = np.exp(-0.5 * t**2) / math.sqrt(2 * math.pi), ndtr(-t)
    first, second = t * above - density, 1 - above - t * density + t**2 * above
    return float(mean[np.argmax(mean * (second - first**2))])


def _linearity(
    pairs: Sequence[FlatPair], dark: DarkNoise, highest: float, lowest: float
) -> dict[str, Quantity]:
    """Return the mean relative distance of the levels from a line over exposure time, as a fraction.

    The line minimises relative distances (EMVA 1288 release 4.0, section 6.7). Its standard error is that of
    the mean of the planes.
    """
    timed = [(pair.seconds, pair.level(dark)) for pair in pairs if pair.seconds]
    inside = [(time, level) for time, level in timed if lowest <= level.min() and level.max() <= highest]
    times = np.array([time for time, _ in inside])
    if len(np.unique(times)) < 3:
        return {}
    levels = np.array([level for _, level in inside]).T
    errors = [_line_error(times, plane) for plane in levels]
    mean = float(np.mean(errors))
    spread = float(np.std(errors, ddof=1)) / math.sqrt(len(errors)) if len(errors) > 1 else mean
    return {"linearity_error": Quantity(mean, spread)}


def _line_error(times: NDArray[np.float64], levels: NDArray[np.float64]) -> float:
    design = np.stack([np.ones_like(times), times], axis=1) / levels[:, None]
    solved, *_ = np.linalg.lstsq(design, np.ones_like(times), rcond=None)
    return float(np.abs(1 - design @ solved).mean())


def _is_even(pair: FlatPair, dark: DarkNoise) -> bool:
    fixed = float(np.mean([plane.split.fixed for plane in pair.field.planes]))
    return fixed < (EVEN_FIELD * float(pair.level(dark).mean())) ** 2


def _photo_response(pairs: Sequence[FlatPair], dark: DarkNoise) -> dict[str, Quantity]:
    """Return PRNU as fractions: the part of the fixed pattern that grows with the level.

    Several darks tell their own fixed pattern, which is subtracted; of a single one it may be anything up to
    all of its variance, so half of that is, and the error says the rest.
    """
    zero = fixed_quantities("prnu", dark) if dark.frames > 1 else _possible_pattern(dark)
    levels = np.array([float(pair.level(dark).mean()) for pair in pairs])
    table = [fixed_quantities("prnu", pair.field) for pair in pairs]
    return {name: _share([row[name] for row in table], zero[name], levels) for name in zero}


def _possible_pattern(dark: DarkNoise) -> dict[str, Quantity]:
    """Return half of the variance of a single dark as if it were fixed, and as much for the error."""
    whole = float(np.mean([plane.variance for plane in dark.planes]))
    parts = {"prnu": whole, "prnu_row": dark.rows.deviation**2, "prnu_column": dark.columns.deviation**2}
    parts["prnu_pixel"] = whole
    return {name: root(variance / 2, variance / 2) for name, variance in parts.items()}


def _share(fixed: Sequence[Quantity], zero: Quantity, levels: NDArray[np.float64]) -> Quantity:
    """Return the fixed pattern beyond that of the dark relative to the level, over several levels."""
    variance, error = np.array([square(quantity) for quantity in fixed]).T
    nothing, nothing_error = square(zero)
    relative, spread = (variance - nothing) / levels**2, np.hypot(error, nothing_error) / levels**2
    weight = 1 / np.maximum(spread, 1e-15) ** 2
    return root(float(np.average(relative, weights=weight)), float(1 / math.sqrt(weight.sum())))
