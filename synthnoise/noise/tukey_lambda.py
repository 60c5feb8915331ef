"""The Tukey-lambda law: one shape parameter from near-uniform (0.5) over near-normal (0.14) to heavy tails.

J. W. Tukey, "The practical relationship between the common transformations of percentages or fractions and of
amounts", 1962; shape by probability plots: J. J. Filliben, "The probability plot correlation coefficient
test for normality", Technometrics 17, 1975.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

SHAPES = (-0.4, 0.5)
"""Shapes that a fit may find; the variance is finite above -0.5, the fourth moment above -0.25."""

_LOGISTIC = 1e-5
"""Shapes nearer to 0 than this are taken for it by formulas that cancel there."""

_POINTS = 8193

Array = NDArray[np.float64]


def tukey_lambda(uniform: Tensor, shape: Tensor) -> Tensor:
    """Return the quantiles (u^λ - (1 - u)^λ) / λ of ``uniform`` in (0, 1); ``shape`` λ is broadcast."""
    safe = torch.where(shape.abs() < 1e-7, torch.full_like(shape, 1e-7), shape)
    upper = torch.expm1(uniform.log() * safe)
    return upper.sub_(torch.expm1(torch.log1p(-uniform) * safe)).div_(safe)


def variance(shape: float) -> float:
    """Return the variance for a scale of 1: 2/λ² (1/(1 + 2λ) - Γ(1 + λ)²/Γ(2 + 2λ)), π²/3 for λ = 0.

    Raises
    ------
    ValueError
        The shape is -0.5 or less: the variance is infinite.
    """
    if not shape > -0.5:
        raise ValueError(f"a Tukey-lambda law of shape {shape:g} has no variance")
    if abs(shape) < _LOGISTIC:
        return math.pi**2 / 3
    squares = math.exp(2 * math.lgamma(1 + shape) - math.lgamma(2 + 2 * shape))
    return 2 / shape**2 * (1 / (1 + 2 * shape) - squares)


def fit_shape(quantiles: Array, probabilities: Array, deviation: float, step: float = 0.0) -> float:
    """Return the shape λ whose law, rounded to a step, lies straightest against measured quantiles.

    Parameters
    ----------
    quantiles, probabilities
        [q] of the values, any unit, and where they were taken, ascending in (0, 1).
    deviation
        Standard deviation of the law before rounding, same unit.
    step
        Width of the rounding. Plots that leave it out find uniform laws wherever noise is below a step.
    """
    weights = np.gradient(probabilities)
    weights = weights / weights.sum()
    measured = quantiles - weights @ quantiles

    def misfit(shape: float) -> float:
        model = rounded_quantiles(probabilities, shape, deviation, step)
        model = model - weights @ model
        power = (weights @ measured**2) * (weights @ model**2)
        return float(1 - (weights @ (measured * model)) / math.sqrt(max(power, 1e-300)))

    return float(optimize.minimize_scalar(misfit, bounds=SHAPES, method="bounded").x)


def rounded_quantiles(probabilities: Array, shape: float, deviation: float, step: float) -> Array:
    """Return quantiles of a Tukey-lambda variate of a standard deviation plus a uniform one of a step."""
    logit = np.linspace(-20, 20, _POINTS)
    upper, lower = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))
    safe = shape if abs(shape) >= _LOGISTIC else _LOGISTIC
    values = (np.expm1(safe * np.log(upper)) - np.expm1(safe * np.log(lower))) / safe
    values *= deviation / math.sqrt(variance(shape))
    if step <= 0:
        return np.asarray(np.interp(probabilities, upper, values))
    # The distribution function of the sum is the mean of that of the law over a step.
    integral = np.concatenate([[0.0], np.cumsum(np.diff(values) * (upper[1:] + upper[:-1]) / 2)])
    spots = np.sort(np.concatenate([values - step / 2, values, values + step / 2]))
    beyond = np.maximum(spots[None] + np.array([[step], [-step]]) / 2 - values[-1], 0)
    high, low = (np.interp(spots + side * step / 2, values, integral) for side in (1, -1))
    distribution = (high + beyond[0] - low - beyond[1]) / step
    return np.asarray(np.interp(probabilities, np.maximum.accumulate(distribution), spots))
