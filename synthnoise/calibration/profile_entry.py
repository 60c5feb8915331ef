"""The measurement of one ISO as the profile of its camera writes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.blind import BLACK_DOUBT, BlindNoise
from synthnoise.calibration.dark import DarkNoise
from synthnoise.calibration.gain import GainEstimate
from synthnoise.calibration.holdout import HoldOut
from synthnoise.calibration.one_iso import IsoCalibration, Measured
from synthnoise.calibration.quantities import dark_quantities, root
from synthnoise.profiles.arrays import encode_arrays
from synthnoise.profiles.schema import CameraProfile, IsoNoise
from synthnoise.profiles.stated import stated_noise

LARGEST_FILE = 100_000
"""Bytes of all arrays. Hot pixels are listed, the hottest first, as far as there is room."""

ROUNDED = ("marginal", "pixel_quantiles", "shading", "shading_detail", "local_deviation", "row_modes")
"""Arrays kept to the eleven bits of half precision, which halves them: 2e-4 of a value, within its error."""

LARGEST_SHADING = 16_000
"""Bytes of the shading of all positions."""


def iso_noise(one: IsoCalibration, profile: CameraProfile) -> IsoNoise:
    """Return the noise at one ISO, normalised by the levels of the profile."""
    if one.blind is not None:
        return _blind_noise(one, one.blind, profile)
    if one.measured is None:
        scale = [float(d) for d in profile.scale]
        return stated_noise(one.iso, one.pairs, profile.colours, scale, exposure_time=one.exposure_time)
    dark, gain, check = one.measured.dark, one.measured.gain, one.measured.check
    planes = dark.planes
    variances, variance_errors = _variances(one.measured, border=one.role == "masked border")
    deviations = np.sqrt(variances)
    errors = variance_errors / (2 * deviations)
    shot, read = _by_colour(gain, variances, variance_errors, profile)
    return IsoNoise(
        iso=one.iso,
        gain=gain.gain,
        gain_se=gain.standard_error,
        gain_interval=gain.interval,
        gain_regime=gain.regime,
        offset=tuple(plane.offset for plane in planes),
        read_noise=tuple(deviations.tolist()),
        read_noise_se=tuple(errors.tolist()),
        row_noise=dark.rows.deviation,
        row_noise_se=dark.rows.deviation_se,
        column_noise=dark.columns.deviation,
        column_noise_se=dark.columns.deviation_se,
        shot=tuple(value for value, _ in shot),
        shot_se=tuple(error for _, error in shot),
        read=tuple(value for value, _ in read),
        read_se=tuple(error for _, error in read),
        quantisation_step=min(plane.codes.step for plane in planes),
        hot_pixel_fraction=dark.hot_pixels / (dark.pixels * len(planes)),
        offset_se=tuple(plane.offset_se for plane in planes),
        hot_pixel_fraction_se=math.sqrt(dark.hot_pixels) / (dark.pixels * len(planes)),
        quantities=dark_quantities(dark) | one.measured.quantities,
        exposure_time=one.exposure_time,
        arrays=_fitting(_rounded(_arrays(dark, profile, whole=one.role == "dark") | one.measured.arrays)),
        diagnostics=_diagnostics(dark, gain, check, one.warnings),
    )


def _blind_noise(one: IsoCalibration, blind: BlindNoise, profile: CameraProfile) -> IsoNoise:
    """Return what noisy frames alone told; what they cannot tell is 0 with the read noise as its error."""
    positions, gain = len(profile.colours), blind.gain
    variances, errors = np.full(positions, blind.variance), np.full(positions, blind.variance_se)
    shot, read = _by_colour(gain, variances, errors, profile)
    noise = math.sqrt(blind.variance)
    unsure = root(blind.variance, blind.variance_se).se
    return IsoNoise(
        iso=one.iso,
        gain=gain.gain,
        gain_se=gain.standard_error,
        gain_interval=gain.interval,
        gain_regime=gain.regime,
        offset=(0.0,) * positions,
        offset_se=(BLACK_DOUBT * noise,) * positions,
        read_noise=(noise,) * positions,
        read_noise_se=(unsure,) * positions,
        row_noise=0.0,
        row_noise_se=noise,
        column_noise=0.0,
        column_noise_se=noise,
        shot=tuple(value for value, _ in shot),
        shot_se=tuple(error for _, error in shot),
        read=tuple(value for value, _ in read),
        read_se=tuple(error for _, error in read),
        exposure_time=one.exposure_time,
        diagnostics={"gain_method": "noisy frame alone", "warnings": list(one.warnings)},
    )


def _variances(measured: Measured, *, border: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return variance per position in DN^2 and its standard error.

    Masked pixels are often built or read out differently, so a border lends its rows, columns and shape, and
    the picture's own noise at black the variance.
    """
    variances, errors = np.array([(plane.variance, plane.variance_se) for plane in measured.dark.planes]).T
    if not border:
        return variances, errors
    corrected = np.maximum(variances + measured.gain.floor, variances / 10)
    return corrected, np.hypot(errors, measured.gain.floor_se)


def _by_colour(
    gain: GainEstimate,
    variances: NDArray[np.float64],
    variance_errors: NDArray[np.float64],
    profile: CameraProfile,
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return S and O of red, green and blue, each with its standard error.

    A colour that the sensor lacks gets the mean of all positions.
    """
    colours, scales = np.array(profile.colours), profile.scale
    shot, read = [], []
    for colour in range(3):
        chosen = colours == colour if (colours == colour).any() else np.ones(len(colours), dtype=bool)
        scale = float(scales[chosen].mean())
        shot.append((gain.gain / scale, gain.standard_error / scale))
        value, error = ((v[chosen] / scales[chosen] ** 2).mean() for v in (variances, variance_errors))
        read.append((float(value), float(error)))
    return shot, read


def _arrays(dark: DarkNoise, profile: CameraProfile, *, whole: bool) -> dict[str, NDArray[Any]]:
    """Return the arrays of the profile; a border says nothing of shading and hot pixels of the frame."""
    arrays: dict[str, NDArray[Any]] = {
        "row_spectrum": dark.rows.spectrum,
        "column_spectrum": dark.columns.spectrum,
        "marginal": np.stack([plane.marginal for plane in dark.planes]),
    }
    if whole:
        h, w = len(profile.cfa), len(profile.cfa[0])
        arrays["shading"] = _coarser(np.stack([plane.grid for plane in dark.planes]))
        hot = np.concatenate(
            [
                plane.hot * np.array([h, w, 1], np.int32) + np.array([*divmod(position, w), 0], np.int32)
                for position, plane in enumerate(dark.planes)
            ]
        ).astype(np.int32)
        arrays["hot_pixels"] = hot
    return arrays


def _rounded(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays with those of ``ROUNDED`` to half precision, as float32, unless beyond its range."""
    largest = float(np.finfo(np.float16).max)
    return {
        name: array.astype(np.float16).astype(np.float32)
        if name in ROUNDED and np.abs(array).max(initial=0) <= largest
        else array
        for name, array in arrays.items()
    }


def _fitting(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays with as many of the hottest pixels as a profile has room for, in their order."""
    hot = arrays.get("hot_pixels")
    if hot is None:
        return arrays
    room = LARGEST_FILE - len(encode_arrays(arrays | {"hot_pixels": hot[:0]}))
    each = max(len(encode_arrays({"hot_pixels": hot})) // max(len(hot), 1), 1)
    hottest = np.argsort(-np.abs(hot[:, 2]), kind="stable")[: max(room, 0) // each]
    return arrays | {"hot_pixels": hot[np.sort(hottest)]}


def _coarser(grids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return grids [C, gh, gw], where there are many joined cell by cell until they fit their share."""
    factor = math.ceil(math.sqrt(grids.nbytes / LARGEST_SHADING))
    if factor == 1:
        return grids
    joined = grids.astype(np.float64)
    for axis in (1, 2):
        edges = np.linspace(0, grids.shape[axis], max(grids.shape[axis] // factor, 1) + 1).astype(int)
        counts = np.diff(edges).reshape([-1 if i == axis else 1 for i in range(3)])
        joined = np.add.reduceat(joined, edges[:-1], axis) / counts
    return joined.astype(np.float32)


def _diagnostics(
    dark: DarkNoise, gain: GainEstimate, check: HoldOut, warnings: Sequence[str]
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "dark_frames": dark.frames,
        "gain_method": gain.method,
        "gain_places": gain.places,
        "gain_level": gain.level,
        "gain_by_plane": [value for value, _ in gain.by_plane if math.isfinite(value)],
        "square_noise": gain.prnu,
        **({"gain_interval_without_grain": list(gain.without_grain)} if gain.without_grain else {}),
        "neighbour_correlation": max(max(plane.correlation) for plane in dark.planes),
        "lowest_code_share": max(plane.codes.lowest_share for plane in dark.planes),
        "code_gaps": max(plane.codes.gaps for plane in dark.planes),
        "offset_drift": dark.offset_drift,
        "held_back": check.against,
        "held_back_kl": check.kl,
        "held_back_variance_ratio": check.variance,
        "held_back_row_ratio": check.rows,
        "held_back_column_ratio": check.columns,
        "warnings": list(warnings),
    }
    return {k: v for k, v in values.items() if not isinstance(v, float) or math.isfinite(v)}
