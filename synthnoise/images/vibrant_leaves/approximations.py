"""Elementary functions for compiled loops, of float32 and of polynomials: they run in vector lanes.

Errors stay below 3e-5 of the value, a hundredth of one level of 255. Tables would need a load per lane,
the mathematics library a call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthnoise.kernels import inlined

_ZERO, _QUARTER, _HALF, _ONE = (np.float32(value) for value in (0, 0.25, 0.5, 1))
_THIRD, _BIAS = np.float32(1 / 3), np.float32(709_960_000)
_PER_LOG2 = np.float32(1 / np.log(2))
_LOWEST, _HIGHEST = np.float32(-126), np.float32(126)
_FRACTION_BITS, _EXPONENT_BIAS = np.int32(23), np.int32(127)

# Least maximum errors, from Chebyshev interpolation: 2^x on [-1/2, 1/2], and sin(2 pi x) / x of x^2 on
# [0, 1/16].
_P0, _P1, _P2, _P3, _P4, _P5 = (
    np.float32(c) for c in (1.00000005, 0.6931472, 0.240222115, 0.0555034065, 0.00967077578, 0.00133952946)
)
_S0, _S1, _S2, _S3, _S4 = (
    np.float32(c) for c in (6.28318525, -41.3416759, 81.6022956, -76.5792753, 39.7602351)
)


@inlined
def cube_root(value: Any) -> Any:
    """Return the cube root of a positive number: a third of its exponent, then a step of Halley's."""
    bits = np.int32(np.float32(np.float32(value).view(np.int32)) * _THIRD + _BIAS)
    guess = bits.view(np.float32)
    cube = guess * guess * guess
    return guess * (cube + value + value) / (cube + cube + value)


@inlined
def exponential(value: Any) -> Any:
    """Return e^value; what lies beyond 2^-126 and 2^126 is taken to be there."""
    power = min(max(value * _PER_LOG2, _LOWEST), _HIGHEST)
    whole = np.floor(power + _HALF)
    x = power - whole
    scale = np.int32((np.int32(whole) + _EXPONENT_BIAS) << _FRACTION_BITS).view(np.float32)
    return scale * (_P0 + x * (_P1 + x * (_P2 + x * (_P3 + x * (_P4 + x * _P5)))))


@inlined
def logistic(value: Any) -> Any:
    """Return 1 / (1 + e^-value)."""
    return _ONE / (_ONE + exponential(-value))


@inlined
def sine_of_cycles(cycles: Any) -> Any:
    """Return sin(2 pi cycles)."""
    x = cycles - np.floor(cycles + _HALF)
    # Mirrored about the crests, so that the polynomial is needed on a quarter of a cycle only.
    x = _HALF - x if x > _QUARTER else (-_HALF - x if x < -_QUARTER else x)
    square = x * x
    return x * (_S0 + square * (_S1 + square * (_S2 + square * (_S3 + square * _S4))))
