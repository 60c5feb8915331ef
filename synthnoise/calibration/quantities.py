"""The quantities of EMVA 1288 that more than one dark frame tells, each with its standard error."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.dark import DarkNoise
from synthnoise.profiles.schema import Quantity


def root(variance: float, error: float) -> Quantity:
    """Return the standard deviation of a variance; near zero, its error is the root of the variance's."""
    deviation = math.sqrt(max(variance, 0.0))
    return Quantity(deviation, error / (2 * deviation) if variance > error else math.sqrt(error))


def square(quantity: Quantity) -> tuple[float, float]:
    """Return the variance of a standard deviation and its error: the inverse of :func:`root`."""
    value, error = quantity
    return value**2, 2 * value * error if value > error else max(error**2, 2 * value * error)


def dark_quantities(dark: DarkNoise) -> dict[str, Quantity]:
    """Return temporal dark noise and DSNU in DN; nothing of a single dark, which cannot tell them apart."""
    if dark.fixed_rows is None or dark.fixed_columns is None:
        return {}
    _, _, temporal, temporal_error = np.mean([plane.split for plane in dark.planes], axis=0)
    return {"temporal_dark_noise": root(float(temporal), float(temporal_error))} | fixed_quantities(
        "dsnu", dark
    )


def fixed_quantities(name: str, frames: DarkNoise) -> dict[str, Quantity]:
    """Return what stays from frame to frame in DN, in all and by what shares it.

    Planes are taken as fully correlated, which none of their errors can exceed: rows and columns run through
    several.
    """
    assert frames.fixed_rows is not None
    assert frames.fixed_columns is not None
    fixed, error, _, _ = (float(value) for value in np.mean([plane.split for plane in frames.planes], axis=0))
    lines = [
        Quantity(part.deviation, part.deviation_se) for part in (frames.fixed_rows, frames.fixed_columns)
    ]
    rows, columns = (square(line) for line in lines)
    whole_error = math.hypot(error, rows[1], columns[1])
    return {
        name: root(fixed, whole_error),
        f"{name}_row": lines[0],
        f"{name}_column": lines[1],
        f"{name}_pixel": root(fixed - rows[0] - columns[0], whole_error),
    }


def dark_current(
    series: Sequence[tuple[float, DarkNoise]], gain: float, gain_se: float
) -> dict[str, Quantity]:
    """Return the dark current in e-/s from darks of several exposure times.

    The mean of the dark grows with K I t and its temporal variance with K^2 I t (EMVA 1288 release 4.0,
    section 7). The second needs two darks per exposure, and holds where the camera subtracts the mean.

    Parameters
    ----------
    series
        Seconds and darks, of at least two different exposure times.
    gain, gain_se
        K in DN per electron.
    """
    seconds = np.array([time for time, _ in series])
    means = [np.mean([(p.offset, p.offset_se) for p in dark.planes], axis=0) for _, dark in series]
    drift = max(dark.offset_drift for _, dark in series)
    slope, error = _slope(seconds, np.array(means), drift)
    found = {"dark_current": _per_gain(slope, error, gain, gain_se)}
    if all(dark.frames > 1 for _, dark in series):
        variances = [np.mean([p.split[2:] for p in dark.planes], axis=0) for _, dark in series]
        slope, error = _slope(seconds, np.array(variances), 0.0)
        found["dark_current_from_variance"] = _per_gain(slope, error, gain**2, 2 * gain * gain_se)
    return found


def _per_gain(slope: float, error: float, scale: float, scale_se: float) -> Quantity:
    return Quantity(slope / scale, math.hypot(error, slope * scale_se / scale) / scale)


def _slope(x: NDArray[np.float64], points: NDArray[np.float64], extra: float) -> tuple[float, float]:
    """Return slope and standard error of a line through ``points`` [n, 2], values and standard errors.

    ``extra`` is an error that every point has besides; scatter beyond all errors widens that of the slope.
    """
    y, error = points.T
    weight = 1 / (np.maximum(error, 1e-12) ** 2 + extra**2)
    centre = np.average(x, weights=weight)
    spread = float((weight * (x - centre) ** 2).sum())
    slope = float((weight * (x - centre) * y).sum()) / spread
    rest = y - np.average(y, weights=weight) - slope * (x - centre)
    scatter = float((weight * rest**2).sum()) / max(len(x) - 2, 1)
    return slope, math.sqrt(max(scatter, 1.0) / spread)
