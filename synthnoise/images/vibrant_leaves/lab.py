"""CIE L*a*b* (D65) of sRGB in [0, 1], for compiled loops that run in vector lanes."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthnoise.images.vibrant_leaves.approximations import cube_root
from synthnoise.kernels import inlined

# IEC 61966-2-1 primaries, rows divided by the D65 white of the 2-degree observer.
_WHITE = np.array([[0.95047], [1.0], [1.08883]])
_PRIMARIES = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
TO_XYZ = (_PRIMARIES / _WHITE).astype(np.float32)
TO_RGB = np.linalg.inv(_PRIMARIES / _WHITE).astype(np.float32)
"""Linear sRGB to X, Y, Z over those of white, and back."""

_M00, _M01, _M02, _M10, _M11, _M12, _M20, _M21, _M22 = TO_XYZ.ravel()
_N00, _N01, _N02, _N10, _N11, _N12, _N20, _N21, _N22 = TO_RGB.ravel()

# ((x + 0.055) / 1.055)^2.4 on [0.04045, 1], Chebyshev interpolation, error 6e-6.
_D0, _D1, _D2, _D3, _D4, _D5, _D6, _D7 = (
    np.float32(c)
    for c in (
        0.000886644465, 0.0342050417, 0.498569133, 0.785613393,
        -0.619387401, 0.489359944, -0.242348183, 0.0531041447,
    )
)  # fmt: skip
_LINEAR_BELOW, _ENCODED_BELOW = np.float32(0.0031308), np.float32(0.04045)
_STEEP, _INVERSE_STEEP = np.float32(12.92), np.float32(1 / 12.92)
_STRETCH, _OFFSET = np.float32(1.055), np.float32(0.055)

_EDGE = np.float32((6 / 29) ** 3)
_KNEE = np.float32(6 / 29)
_FOOT = np.float32(4 / 29)
_SLOPE = np.float32(3 * (6 / 29) ** 2)
_INVERSE_SLOPE = np.float32(1 / (3 * (6 / 29) ** 2))
_TINY = np.float32(1e-4)
_ZERO, _ONE = np.float32(0), np.float32(1)


@inlined
def decode(value: Any) -> Any:
    """Return linear light of sRGB, both in [0, 1]."""
    upper = _D4 + value * (_D5 + value * (_D6 + value * _D7))
    bent = _D0 + value * (_D1 + value * (_D2 + value * (_D3 + value * upper)))
    return min(bent if value > _ENCODED_BELOW else value * _INVERSE_STEEP, _ONE)


@inlined
def encode(value: Any) -> Any:
    """Return sRGB of linear light, clipped to [0, 1]."""
    value = min(max(value, _ZERO), _ONE)
    root = cube_root(max(value, _TINY))
    # x^(1/2.4) is x^(1/3) x^(1/12).
    bent = _STRETCH * root * np.sqrt(np.sqrt(root)) - _OFFSET
    return min(bent if value > _LINEAR_BELOW else value * _STEEP, _ONE)


@inlined
def _root(value: Any) -> Any:
    root = cube_root(max(value, _TINY))
    return root if value > _EDGE else value * _INVERSE_SLOPE + _FOOT


@inlined
def _unroot(f: Any) -> Any:
    cube, line = f * f * f, _SLOPE * (f - _FOOT)
    return cube if f > _KNEE else line


@inlined
def lab_of(r: Any, g: Any, b: Any) -> Any:
    """Return f(Y), f(X) - f(Y), f(Z) - f(Y) of sRGB: mixes of them are those of L*, a*, b*."""
    r, g, b = decode(r), decode(g), decode(b)
    fx = _root(_M00 * r + _M01 * g + _M02 * b)
    fy = _root(_M10 * r + _M11 * g + _M12 * b)
    fz = _root(_M20 * r + _M21 * g + _M22 * b)
    return fy, fx - fy, fz - fy


@inlined
def rgb_of(light: Any, a: Any, b: Any) -> Any:
    """Return sRGB in [0, 1] of what :func:`lab_of` gives; colours outside the gamut are clipped."""
    x, y, z = _unroot(light + a), _unroot(light), _unroot(light + b)
    return (
        encode(_N00 * x + _N01 * y + _N02 * z),
        encode(_N10 * x + _N11 * y + _N12 * z),
        encode(_N20 * x + _N21 * y + _N22 * z),
    )
