"""The measurement of one ISO: which frames stand for the dark, are they sound, and what do they give."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.agreement import (
    check_codes,
    check_dark,
    check_exposures,
    check_light,
    check_whiteness,
    label,
)
from synthnoise.calibration.blind import BlindNoise, noise_without_dark
from synthnoise.calibration.dark import DarkNoise, measure_darks
from synthnoise.calibration.flats import FlatPair, measure_flats
from synthnoise.calibration.gain import GainEstimate, estimate_gain
from synthnoise.calibration.holdout import HoldOut, hold_out
from synthnoise.calibration.photon_transfer import transfer_points
from synthnoise.calibration.quantities import dark_current
from synthnoise.calibration.spectral_arrays import spectral_arrays
from synthnoise.errors import InputError
from synthnoise.profiles.schema import Quantity, SourceRole
from synthnoise.progress import Progress
from synthnoise.raw.frame import Frame, Rectangle
from synthnoise.raw.stray_light import without_light

SMALLEST_BORDER = 24
"""CFA repeats that a masked border must have in both directions to stand in for a dark."""

FLOOR_DISAGREEMENT = 0.15
"""Relative difference between the noise of dark and picture at black that is worth a warning."""

PLANE_DISAGREEMENT = 0.05
"""Relative difference of a plane's gain from the common one that is worth a warning, if significant."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What frames gave: the dark, the gain, how held-back data agreed, and what flats and exposures add.

    ``arrays`` are those of :func:`synthnoise.calibration.spectral_arrays.spectral_arrays`.
    """

    dark: DarkNoise
    gain: GainEstimate
    check: HoldOut
    arrays: dict[str, NDArray[Any]]
    quantities: dict[str, Quantity] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class IsoCalibration:
    """What is known of one ISO.

    Attributes
    ----------
    role
        Where what is known of the dark comes from.
    measured
        None where a tag had to do, or the noisy frame alone.
    blind
        What the noisy frame alone told.
    pairs
        (S, O) of red, green and blue of the tag.
    """

    iso: float
    role: SourceRole
    measured: Measured | None = None
    blind: BlindNoise | None = None
    exposure_time: float | None = None
    pairs: tuple[tuple[float, float], ...] = ()
    warnings: tuple[str, ...] = ()


def calibrate_iso(
    darks: Sequence[Frame],
    noisy: Sequence[Frame],
    *,
    flats: Sequence[FlatPair] = (),
    other_darks: Sequence[Sequence[Frame]] = (),
    progress: Progress,
) -> IsoCalibration:
    """Measure one ISO from frames of one camera.

    Parameters
    ----------
    darks, noisy
        Darks of one exposure time, and photographs. With flats there need be no photograph.
    flats
        Pairs of flats, which give the gain where there are any; they need a dark.
    other_darks
        Darks of other exposure times, each list of one.

    Raises
    ------
    InputError
        The frames are not what they are said to be, or their gain cannot be measured.
    """
    rectangle = None if darks else masked_border(noisy[0])
    if not darks and rectangle is None:
        return noise_of_tag(noisy[0]) if noisy[0].noise_profile is not None else _blind(noisy)
    border = [] if rectangle is None else [frame.crop(rectangle) for frame in noisy]
    dark = measure_darks(darks or border, progress=progress)
    warnings = [*check_dark((darks or noisy)[0], dark), *check_exposures(darks, noisy)]
    for frame in itertools.chain(darks, *other_darks):
        without_light(frame)
    for frame in noisy:
        warnings += [*check_light(frame, dark), *check_codes(frame)]
    quantities = dict[str, Quantity]()
    if flats:
        points = transfer_points(darks[0], darks[1]) if len(darks) > 1 else ()
        series = measure_flats(flats, dark, points)
        gain, quantities = series.gain, dict(series.quantities)
        warnings += series.warnings
    else:
        gain = _gain_of_photographs(noisy, darks, border, dark, progress)
        warnings += [*_floor_warnings(gain, dark, border=not darks), *_gain_warnings(gain, noisy[0])]
    if other_darks:
        quantities |= _dark_current(darks, dark, other_darks, gain, progress)
    source = (darks or noisy)[0]
    return IsoCalibration(
        iso=float(source.iso or 0),
        role="dark" if darks else "masked border",
        measured=Measured(
            dark=dark,
            gain=gain,
            check=hold_out(dark),
            arrays=spectral_arrays(darks or border, dark),
            quantities=quantities,
        ),
        exposure_time=source.exposure_time,
        warnings=tuple(warnings),
    )


def _gain_of_photographs(
    noisy: Sequence[Frame],
    darks: Sequence[Frame],
    border: Sequence[Frame],
    dark: DarkNoise,
    progress: Progress,
) -> GainEstimate:
    gain = estimate_gain(
        [frame.active() for frame in noisy],
        [frame.active() for frame in darks],
        border=border[0] if border else None,
        shifts=[zero_shift(frame, darks[0]) if darks else 0.0 for frame in noisy],
        offset_drift=dark.offset_drift,
        row_noise=dark.rows.deviation,
        progress=progress,
    )
    if gain.regime == "unmeasured":
        raise InputError(
            f"{label(noisy[0])}: {gain.reason}",
            hint="take a picture with smooth, well-lit areas instead",
        )
    check_whiteness(noisy[0], gain)
    return gain


def _dark_current(
    darks: Sequence[Frame],
    dark: DarkNoise,
    others: Sequence[Sequence[Frame]],
    gain: GainEstimate,
    progress: Progress,
) -> dict[str, Quantity]:
    """Return the dark current from darks of several exposure times, each checked like the first."""
    series = [(float(darks[0].exposure_time or 0), dark)]
    for frames in others:
        other = measure_darks(frames, progress=progress)
        check_dark(frames[0], other)
        series.append((float(frames[0].exposure_time or 0), other))
    return dark_current(series, gain.gain, gain.standard_error)


def _blind(noisy: Sequence[Frame]) -> IsoCalibration:
    """Return what noisy frames alone tell."""
    cautions = [caution for frame in noisy for caution in check_codes(frame)]
    noise = noise_without_dark([frame.active() for frame in noisy])
    if noise.gain.regime == "unmeasured":
        raise InputError(
            f"{label(noisy[0])}: {noise.gain.reason}",
            hint="photograph with the lens cap on, at the same ISO and exposure time, and pass it as --dark",
        )
    check_whiteness(noisy[0], noise.gain)
    return IsoCalibration(
        iso=float(noisy[0].iso or 0),
        role="noisy",
        blind=noise,
        exposure_time=noisy[0].exposure_time,
        warnings=(
            "no dark frame, masked border or NoiseProfile: read noise is a guess from the darkest places, and"
            " rows, columns and hot pixels stay unknown",
            *cautions,
            *_gain_warnings(noise.gain, noisy[0]),
        ),
    )


def noise_of_tag(frame: Frame) -> IsoCalibration:
    """Return what the NoiseProfile of a frame states; it has one."""
    assert frame.noise_profile is not None
    pairs = tuple((float(s), float(o)) for s, o in frame.noise_profile)
    pairs = pairs * 3 if len(pairs) == 1 else pairs
    return IsoCalibration(
        iso=float(frame.iso or 0),
        role="tag",
        exposure_time=frame.exposure_time,
        pairs=pairs,
        warnings=("no dark frame: the noise is what the file's tag says, nothing was measured",),
    )


def masked_border(frame: Frame) -> Rectangle | None:
    """Return the largest masked area, cut so that it begins where the CFA repeat of the active area does."""
    (top, left, _, _), (h, w) = frame.area, frame.cfa.shape
    best: Rectangle | None = None
    for area in frame.masked_areas:
        start = area[0] + (top - area[0]) % h, area[1] + (left - area[1]) % w
        rows, columns = (area[2] - start[0]) // h, (area[3] - start[1]) // w
        rectangle = (*start, start[0] + rows * h, start[1] + columns * w)
        if min(rows, columns) >= SMALLEST_BORDER and _size(rectangle) > (_size(best) if best else 0):
            best = rectangle
    return best


def _size(rectangle: Rectangle) -> int:
    top, left, bottom, right = rectangle
    return (bottom - top) * (right - left)


def zero_shift(noisy: Frame, dark: Frame) -> float:
    """Return by how many DN the zero of a noisy frame lies above that of a dark.

    Measured in their masked borders if both have them, otherwise what their black levels say.
    """
    if noisy.masked_areas and noisy.masked_areas == dark.masked_areas:
        means = [
            [float(frame.mosaic[t:b, left:right].mean(dtype=np.float64)) for frame in (noisy, dark)]
            for t, left, b, right in noisy.masked_areas
        ]
        weights = [_size(area) for area in noisy.masked_areas]
        return float(np.average([lit - black for lit, black in means], weights=weights))
    return float(noisy.black.mean() - dark.black.mean())


def _floor_warnings(gain: GainEstimate, dark: DarkNoise, *, border: bool) -> list[str]:
    """Return a warning where the noisy frame's own noise at black is not that of the dark or border."""
    there = float(np.mean([plane.variance for plane in dark.planes]))
    if abs(gain.floor) < max(5 * gain.floor_se, FLOOR_DISAGREEMENT * there):
        return []
    here = max(there + gain.floor, there / 10)
    values = f"{np.sqrt(here):.3g} DN at black in the picture, {np.sqrt(there):.3g} DN"
    if border:
        return [f"the masked border is not like the picture: {values} in the border; the picture's is used"]
    if gain.floor < 0:
        return [f"the picture is quieter than the dark: {values} in the dark; denoised, or the dark warmer?"]
    return [f"the dark is not like the picture: {values} in the dark; was it as warm, and exposed as long?"]


def _gain_warnings(gain: GainEstimate, noisy: Frame) -> list[str]:
    warnings = []
    low, _ = gain.interval
    if gain.regime == "high-snr":
        warnings.append(
            f"{label(noisy)}: bright and clean, so grain and fine texture may pass for shot noise (gain"
            f" perhaps as low as {low:.3g}); a darker photograph at this ISO would be surer"
        )
    if gain.regime == "textured":
        warnings.append(
            f"{label(noisy)}: textured nearly everywhere, so the gain is too high (perhaps {low:.3g});"
            " a photograph with smooth areas would be surer"
        )
    if gain.regime == "low-light":
        warnings.append(
            f"{label(noisy)}: hardly brighter than the dark frame; a brighter photograph would be surer"
        )
    for value, error in gain.by_plane:
        apart = abs(value - gain.gain)
        if apart > max(PLANE_DISAGREEMENT * gain.gain, 5 * error):
            warnings.append(
                f"{label(noisy)}: the gain of one colour is {value:.3g}, of all {gain.gain:.3g}:"
                " the camera may have multiplied colours"
            )
    return warnings
