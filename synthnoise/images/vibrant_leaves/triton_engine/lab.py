"""CIE L*a*b* (D65) of sRGB in kernels; see ``vibrant_leaves.lab``."""

from __future__ import annotations

import triton
import triton.language as tl

from synthnoise.images.vibrant_leaves.lab import TO_RGB, TO_XYZ

_XR, _XG, _XB, _YR, _YG, _YB, _ZR, _ZG, _ZB = (tl.constexpr(float(v)) for v in TO_XYZ.flatten())
_RX, _RY, _RZ, _GX, _GY, _GZ, _BX, _BY, _BZ = (tl.constexpr(float(v)) for v in TO_RGB.flatten())
_KNEE = tl.constexpr(6 / 29)
_FOOT = tl.constexpr(4 / 29)
_SLOPE = tl.constexpr(3 * (6 / 29) ** 2)


@triton.jit
def clipped(value):
    """Return the value within [0, 1]."""
    return tl.minimum(tl.maximum(value, 0.0), 1.0)


@triton.jit
def decoded(value):
    """Return linear light of sRGB, both clipped to [0, 1]."""
    value = clipped(value)
    curve = tl.exp2(2.4 * tl.log2((value + 0.055) * (1 / 1.055)))
    return tl.where(value <= 0.04045, value * (1 / 12.92), curve)


@triton.jit
def _encoded(value):
    value = clipped(value)
    curve = 1.055 * tl.exp2(tl.log2(tl.maximum(value, 0.0031308)) * (1 / 2.4)) - 0.055
    return tl.where(value <= 0.0031308, 12.92 * value, curve)


@triton.jit
def _root(value):
    value = clipped(value)
    curve = tl.exp2(tl.log2(tl.maximum(value, 1e-6)) * (1 / 3))
    return tl.where(value > _KNEE * _KNEE * _KNEE, curve, value * (1 / _SLOPE) + _FOOT)


@triton.jit
def _unroot(f):
    return tl.where(f > _KNEE, f * f * f, (f - _FOOT) * _SLOPE)


@triton.jit
def lab_of(r, g, b):
    """Return f(Y), f(X) - f(Y), f(Z) - f(Y) of sRGB: mixes of them are those of L*, a*, b*."""
    r, g, b = decoded(r), decoded(g), decoded(b)
    fx = _root(r * _XR + g * _XG + b * _XB)
    fy = _root(r * _YR + g * _YG + b * _YB)
    fz = _root(r * _ZR + g * _ZG + b * _ZB)
    return fy, fx - fy, fz - fy


@triton.jit
def rgb_of(light, a, b):
    """Return sRGB in [0, 1] of what :func:`lab_of` gives; colours outside the gamut are clipped."""
    x, y, z = _unroot(light + a), _unroot(light), _unroot(light + b)
    return (
        _encoded(x * _RX + y * _RY + z * _RZ),
        _encoded(x * _GX + y * _GY + z * _GZ),
        _encoded(x * _BX + y * _BY + z * _BZ),
    )
