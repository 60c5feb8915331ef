"""The inverse of the Poisson distribution function, for any rate.

Large rates follow the uniform asymptotic expansion of the incomplete gamma function (N. Temme, SIAM J.
Math. Anal. 10, 1979, section 3) inverted as in M. Giles, "Algorithm 955: approximation of the inverse
Poisson cumulative distribution function", ACM TOMS 42, 2016. The polynomials are our own Chebyshev fits.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from synthnoise.kernels import compiled

SUMMED_BELOW = 10.0
"""Rates below this add up probabilities from zero; those above use the expansion."""

_CENTRE, _HALF_RANGE = 1.0, 1.8
"""The fits hold for s = quantile of the normal distribution / sqrt(rate) from -0.8 to 2.8."""

_TOLERANCE = 1e-4
"""More than twice the largest error of the expansion, 4e-5, for rates from 10 to 1e6 and all 53-bit ``u``."""

# Coefficients of ((s - centre) / half range)^k, k ascending. With r(s) the root of
# s^2 / 2 = 1 - r + r log r on the side of s: CURVATURE = (r - 1 - s) / s^2; the next two are the
# terms of order 1 and 1 / rate.
_CURVATURE = (
    0.1555351713, -0.01629682284, 0.005140124713, -0.002085649407, 0.0009596805907, -0.0005911786585,
    0.0003640461209, 3.150841932e-05, -7.153458804e-05, -0.0001927660629, 0.0001384450945,
)  # fmt: skip
_ORDER_0 = (
    0.3117755347, -0.03063915063, 0.0108896421, -0.004807164237, 0.002359195908, -0.00177301913,
    0.00124229931, 0.000359907628, -0.0004762628625, -0.0008021260775, 0.0006160996374,
)  # fmt: skip
_ORDER_1 = (
    -0.009857288749, 0.01081037862, -0.009787853618, 0.0001365357123, 0.00264258073, 0.01269842137,
    -0.01128387317,
)  # fmt: skip

_STEPS_BETWEEN_SIEVES = 4


def poisson_quantile(u: Tensor, rate: Tensor) -> Tensor:
    """Return the smallest n with P(N <= n) >= u for N of Poisson distribution.

    Exact but for ``u`` within some 1e-15 of a step of the distribution function.

    Parameters
    ----------
    u
        float64 in (0, 1).
    rate
        Expected counts, of the same shape; below zero counts as zero, NaN gives NaN.

    Returns
    -------
    float64 of the same shape and device.
    """
    shape = u.shape
    u, rate = u.reshape(-1), rate.detach().to(torch.float64).clamp(min=0).reshape(-1)
    expand = ~(rate < SUMMED_BELOW)
    if bool(expand.all()):
        counts, summed = _expanded(u, rate)
    else:
        counts, summed = torch.empty_like(u), ~expand
        if bool(expand.any()):
            counts[expand], summed[expand] = _expanded(u[expand], rate[expand])
    # The rounded sum of all probabilities may end a few 1e-16 short of the largest u.
    u = u.clamp(max=1 - 2.0**-48)
    if u.device.type == "cpu":
        _sum_each(u.numpy(), rate.numpy(), summed.numpy(), counts.numpy())
    else:
        listed = summed.nonzero().squeeze(1)
        counts[listed] = _summed(u[listed], rate[listed])
    return counts.view(shape)


@compiled
def _sum_each(u: Any, rate: Any, summed: Any, counts: Any) -> None:
    """Do :func:`_summed` pixel by pixel where ``summed`` [n] is true, into ``counts`` [n]."""
    for i in range(len(u)):
        if summed[i]:
            term = math.exp(-rate[i])
            total, n = term, 0
            while total < u[i]:
                n += 1
                term *= rate[i] / n
                total += term
            counts[i] = n


def _summed(u: Tensor, rate: Tensor) -> Tensor:
    """Return the quantiles [n] by adding probabilities, from that of zero, until ``u`` is reached."""
    counts, active = torch.zeros_like(u), torch.arange(len(u), device=u.device)
    term = (-rate).exp()
    total, count, n = term.clone(), torch.zeros_like(u), 0
    while True:
        counts[active] = count
        keep = (total < u).nonzero().squeeze(1)
        if not len(keep):
            return counts
        active, u, rate, term, total, count = (x[keep] for x in (active, u, rate, term, total, count))
        for _ in range(_STEPS_BETWEEN_SIEVES):
            n += 1
            count += total < u
            term *= rate / n
            total += term


def _expanded(u: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Return the quantiles [n] from the expansion, and where it does not hold (far below large rates)."""
    normal, root = torch.special.ndtri(u), rate.sqrt()
    s = normal / root
    outside = s < _CENTRE - _HALF_RANGE
    t = (s - _CENTRE).div_(_HALF_RANGE).clamp_(-1, 1)
    x = _polynomial(_ORDER_1, t).div_(rate).add_(_polynomial(_ORDER_0, t))
    x += _polynomial(_CURVATURE, t).mul_(normal).add_(root).mul_(normal).add_(rate)
    counts, nearest = x.floor(), x.round()
    close = ((x - nearest).abs_() < _TOLERANCE).nonzero().squeeze(1)
    # P(N <= n) is the upper incomplete gamma ratio Q(n + 1, rate).
    step, at = nearest[close], torch.special.gammaincc(nearest[close].clamp(min=1), rate[close])
    counts[close] = step - (u[close] <= at).to(step.dtype)
    return counts, outside


def _polynomial(coefficients: tuple[float, ...], t: Tensor) -> Tensor:
    """Return the polynomial of ascending coefficients at ``t``, by Horner's rule."""
    value = t * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        value.add_(coefficient).mul_(t)
    return value.add_(coefficients[0])
