"""The inverse of the Poisson distribution function, for any rate.

Large rates follow the uniform asymptotic expansion of the incomplete gamma function (N. Temme, SIAM J.
Math. Anal. 10, 1979, section 3) inverted as in M. Giles, "Algorithm 955: approximation of the inverse
Poisson cumulative distribution function", ACM TOMS 42, 2016. The polynomials are our own Chebyshev fits.

On the CPU one compiled loop does all that needs no decision, several pixels at a time, and a second one what
does; on other devices tensors do the same. Where rounding could matter, both ask the exact function.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.kernels import compiled, inlined, vectorised

SUMMED_BELOW = 10.0
"""Rates below this add up probabilities from zero; those above use the expansion."""

_CENTRE, _HALF_RANGE = 1.0, 1.8
"""The fits hold for s = quantile of the normal distribution / sqrt(rate) from -0.8 to 2.8."""

_LARGEST = 1 - 2.0**-48
"""Bound of ``u`` for sums: the rounded sum of all probabilities may end a few 1e-16 short of the largest."""

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

# The quantile of the normal distribution, on the CPU. |u - 1/2| up to 0.49: u - 1/2 times the ratio of two
# polynomials of (u - 1/2)^2 / _MIDDLE - 1, to 2e-9; beyond: that of two of (r - centre) / half range with
# r^2 = -log of the tail, for tails of 2^-53 and more, to 1e-12.
_CENTRAL, _MIDDLE = 0.49, 0.12005
_CENTRAL_OVER = (
    2.948094204209, -9.569276635832, 12.00463346898, -7.229917188191, 2.085867833757, -0.2409485157308,
    0.005435357654787,
)  # fmt: skip
_CENTRAL_UNDER = (
    1.0, -3.462206294243, 4.715379087545, -3.171979364795, 1.076256175551, -0.1642137050759,
    0.007583143258462,
)  # fmt: skip
_TAIL_CENTRE, _TAIL_HALF_RANGE = 4.1, 2.0
_TAIL_OVER = (
    5.326498039597, 9.608612328181, 6.560415966202, 2.102127786333, 0.3121084901658, 0.01682988355298,
)  # fmt: skip
_TAIL_UNDER = (
    1.0, 1.24441091713, 0.5459766011445, 0.0981841049161, 0.005949274236156, 2.746078342497e-08,
)  # fmt: skip

_LARGE = 1e7
"""Rate from which the tolerance grows, as the error of a quantile of the normal distribution then counts."""

_RECIPROCALS = np.concatenate([[0.0], 1 / np.arange(1, 512)])
"""Of the numbers of terms; sums of rates up to 110, the largest that are added up, have fewer."""

_AT_ONCE = 256
"""Pixels that the compiled loops work on in turn: what they share stays in the nearest cache."""


def poisson_quantile(u: Tensor, rate: Tensor) -> Tensor:
    """Return the smallest n with P(N <= n) >= u for N of Poisson distribution.

    Exact but for ``u`` within some 1e-15 of a step of the distribution function.

    Parameters
    ----------
    u
        float64, at least 2^-53 from 0 and 1.
    rate
        Expected counts, of the same shape; below zero counts as zero, NaN gives NaN.

    Returns
    -------
    float64 of the same shape and device.
    """
    shape = u.shape
    u, rate = u.reshape(-1), rate.detach().to(torch.float64).clamp(min=0).reshape(-1)
    if u.device.type == "cpu":
        counts = torch.empty_like(u)
        _settle_each(counts, _count_each(u.numpy(), rate.numpy(), counts.numpy()))
        return counts.view(shape)
    expand = ~(rate < SUMMED_BELOW)
    if bool(expand.all()):
        counts, summed = _expanded(u, rate)
    else:
        counts, summed = torch.empty_like(u), ~expand
        if bool(expand.any()):
            counts[expand], summed[expand] = _expanded(u[expand], rate[expand])
    listed = summed.nonzero().squeeze(1)
    counts[listed] = _summed(u[listed].clamp(max=_LARGEST), rate[listed])
    return counts.view(shape)


def poisson_counts(words: Tensor, rate: Tensor) -> Tensor:
    """Return :func:`poisson_quantile` of the uniform numbers (``rng.uniform``, double) in pairs of words.

    Parameters
    ----------
    words
        int64 [B, 2 C, H, W] in [0, 2**32); plane c takes the planes 2 c and 2 c + 1.
    rate
        [B, C, H, W], float32 or float64, as the result.
    """
    if words.device.type != "cpu":
        return poisson_quantile(uniform_double(words), rate).to(rate.dtype)
    rate = rate.detach()
    counts = torch.empty(rate.shape, dtype=rate.dtype)
    _settle_each(counts.view(-1), _count_words(words.numpy(), rate.numpy(), counts.numpy()))
    return counts


def uniform_double(words: Tensor) -> Tensor:
    """Return float64 in (0, 1) from pairs of planes of words [B, 2 C, H, W]: half as many planes."""
    high, low = words[:, 0::2], words[:, 1::2]
    return (((high << 20) | (low >> 12)).double() + 0.5) * 2.0**-52


@inlined
def _at(coefficients: Any, t: Any) -> Any:
    """Return the polynomial of ascending coefficients at ``t``."""
    value = coefficients[len(coefficients) - 1]
    for k in range(len(coefficients) - 2, -1, -1):
        value = value * t + coefficients[k]
    return value


@inlined
def _expansion(normal: Any, rate: Any, root: Any, inverse: Any) -> Any:
    """Return the expansion at a quantile of the normal distribution; ``root`` and ``inverse`` of the rate."""
    t = (normal * root * inverse - _CENTRE) / _HALF_RANGE
    t = min(max(t, -1.0), 1.0)
    curved = _at(_CURVATURE, t) * normal + root
    return rate + normal * curved + _at(_ORDER_0, t) + _at(_ORDER_1, t) * inverse


@compiled
def _count_words(words: Any, rate: Any, counts: Any) -> Any:
    """Fill ``counts`` [B, C, H, W] and return what :func:`_count_each` returns."""
    batch, planes, rows, columns = rate.shape
    size = batch * planes * rows * columns
    places, doubts = np.empty(size, np.int64), np.empty((3, size))
    found = 0
    u, mean, count = np.empty(columns), np.empty(columns), np.empty(columns)
    for b in range(batch):
        for c in range(planes):
            for y in range(rows):
                line = rate[b, c, y]
                for x in range(columns):
                    mean[x] = 0.0 if line[x] < 0 else line[x]
                _uniform(words[b, 2 * c, y], words[b, 2 * c + 1, y], u)
                before = ((b * planes + c) * rows + y) * columns
                found = _count_line(u, mean, count, before, places, doubts, found)
                into = counts[b, c, y]
                for x in range(columns):
                    into[x] = count[x]
    return places[:found], doubts[:, :found]


@compiled
def _count_each(u: Any, rate: Any, counts: Any) -> Any:
    """Fill ``counts`` [n]; return places [k] where the expansion cannot tell, and [3, k] u, rate and it."""
    places, doubts = np.empty(len(u), np.int64), np.empty((3, len(u)))
    found = _count_line(u, rate, counts, 0, places, doubts, 0)
    return places[:found], doubts[:, :found]


@compiled
def _count_line(u: Any, rate: Any, counts: Any, before: int, places: Any, doubts: Any, found: int) -> int:
    """Do :func:`_count_each` for a line whose first pixel has the index ``before``.

    What is open is appended to the ``found`` first of ``places`` and ``doubts``; returned is how many there
    are then.
    """
    terms, totals, steps = np.empty(_AT_ONCE), np.empty(_AT_ONCE), np.empty(_AT_ONCE)
    for first in range(0, len(u), _AT_ONCE):
        last = min(first + _AT_ONCE, len(u))
        own, means, count, n = u[first:last], rate[first:last], counts[first:last], last - first
        small, largest = 0, 0.0
        for i in range(n):
            if means[i] < SUMMED_BELOW:
                small += 1
                largest = max(largest, means[i])
        if small < n:
            _expand(own, means, count)
        if small:
            for i in range(n):
                terms[i] = math.exp(-min(means[i], SUMMED_BELOW))
            # Four deviations: of a thousand pixels one has to go on by itself.
            summed = int(largest + 4 * math.sqrt(largest) + 2)
            _begin(terms[:n], totals, steps)
            for k in range(1, summed + 1):
                _add(own, means, terms, totals, steps, _RECIPROCALS[k])
            for i in range(n):
                if means[i] < SUMMED_BELOW:
                    bound = min(own[i], _LARGEST)
                    count[i] = steps[i]
                    if totals[i] < bound:
                        count[i] = _sum(bound, means[i], terms[i], totals[i], summed)
        if small < n:
            found = _decide(own, means, count, before + first, places, doubts, found)
    return found


@vectorised
def _begin(terms: Any, totals: Any, steps: Any) -> None:
    """Begin sums [n] with their first terms."""
    for i in range(len(terms)):
        totals[i] = terms[i]
        steps[i] = 0.0


@vectorised
def _add(u: Any, rate: Any, terms: Any, totals: Any, steps: Any, reciprocal: float) -> None:
    """Count which sums [n] have yet to reach ``u``, and add their next terms."""
    for i in range(len(u)):
        steps[i] += 1.0 if totals[i] < u[i] else 0.0
        terms[i] *= rate[i] * reciprocal
        totals[i] += terms[i]


@vectorised
def _uniform(high: Any, low: Any, u: Any) -> None:
    """Fill ``u`` [n]: :func:`uniform_double` of words [n]."""
    for i in range(len(u)):
        u[i] = (np.float64((high[i] << 20) | (low[i] >> 12)) + 0.5) * 2.0**-52


@vectorised
def _expand(u: Any, rate: Any, x: Any) -> None:
    """Fill ``x`` [n] with the expansion, which holds for ``u`` in the middle and rates that are not small."""
    for i in range(len(u)):
        q = u[i] - 0.5
        v = q * q / _MIDDLE - 1.0
        normal = q * _at(_CENTRAL_OVER, v) / _at(_CENTRAL_UNDER, v)
        root, inverse = math.sqrt(rate[i]), 1.0 / rate[i]
        x[i] = _expansion(normal, rate[i], root, inverse)


@compiled
def _decide(u: Any, rate: Any, counts: Any, before: int, places: Any, doubts: Any, found: int) -> int:
    """Turn expansions in ``counts`` [n] into counts, but for those too near a step, and for small rates.

    Arguments and result are those of :func:`_count_line`. Quantiles far below large rates add up
    probabilities.
    """
    for i in range(len(u)):
        q, mean, x = u[i] - 0.5, rate[i], counts[i]
        if mean < SUMMED_BELOW:
            continue
        if abs(q) > _CENTRAL:
            r = math.sqrt(-math.log(min(u[i], 1.0 - u[i])))
            t = (r - _TAIL_CENTRE) / _TAIL_HALF_RANGE
            normal = math.copysign(_at(_TAIL_OVER, t) / _at(_TAIL_UNDER, t), q)
            root = math.sqrt(mean)
            x = _expansion(normal, mean, root, 1.0 / mean)
            if normal < (_CENTRE - _HALF_RANGE) * root:
                term = math.exp(-mean)
                counts[i] = _sum(u[i], mean, term, term, 0)
                continue
        if abs(x - np.rint(x)) < _TOLERANCE * max(1.0, mean / _LARGE):
            places[found] = before + i
            doubts[0, found], doubts[1, found], doubts[2, found] = u[i], mean, x
            found += 1
        else:
            counts[i] = math.floor(x) if mean == mean else mean
    return found


@compiled
def _sum(u: float, rate: float, term: float, total: float, n: int) -> int:
    """Return the count of one pixel whose sum of n + 1 terms, the last of them ``term``, is ``total``."""
    while total < u:
        n += 1
        term *= rate * _RECIPROCALS[n]
        total += term
    return n


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
            term *= rate * _RECIPROCALS[n]
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
    counts[close] = _step(u[close], rate[close], x[close])
    return counts, outside


def _settle_each(counts: Tensor, doubtful: tuple[NDArray[np.int64], NDArray[np.float64]]) -> None:
    """Put what :func:`_count_each` left open into ``counts`` [n]."""
    places, doubts = doubtful
    if len(places):
        u, rate, x = torch.from_numpy(doubts)
        counts[torch.from_numpy(places)] = _step(u, rate, x).to(counts.dtype)


def _step(u: Tensor, rate: Tensor, x: Tensor) -> Tensor:
    """Return the counts [n] where the expansions ``x`` are near a step: the exact function tells its side."""
    step = x.round()
    # P(N <= n) is the upper incomplete gamma ratio Q(n + 1, rate).
    at = torch.special.gammaincc(step.clamp(min=1), rate)
    below: Tensor = step - (u <= at).to(step.dtype)
    return below


def _polynomial(coefficients: tuple[float, ...], t: Tensor) -> Tensor:
    """Return the polynomial of ascending coefficients at ``t``, by Horner's rule."""
    value = t * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        value.add_(coefficient).mul_(t)
    return value.add_(coefficients[0])
