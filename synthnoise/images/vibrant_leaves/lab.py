"""CIE L*a*b* (D65) of sRGB in [0, 1], for compiled loops: interpolated tables instead of powers."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthnoise.kernels import compiled

# IEC 61966-2-1 primaries, rows divided by the D65 white of the 2-degree observer.
_WHITE = np.array([[0.95047], [1.0], [1.08883]])
_PRIMARIES = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
TO_XYZ = (_PRIMARIES / _WHITE).astype(np.float32)
TO_RGB = np.linalg.inv(_PRIMARIES / _WHITE).astype(np.float32)
"""Linear sRGB to X, Y, Z over those of white, and back."""

_STEPS = 4096
_CELLS = np.float32(_STEPS)
_grid = np.arange(_STEPS + 2) / _STEPS
_DECODE = np.where(_grid <= 0.04045, _grid / 12.92, ((_grid + 0.055) / 1.055) ** 2.4).astype(np.float32)
_ENCODE = np.where(_grid <= 0.0031308, 12.92 * _grid, 1.055 * _grid ** (1 / 2.4) - 0.055).astype(np.float32)
_EDGE = (6 / 29) ** 3
_ROOT = np.where(_grid > _EDGE, np.cbrt(_grid), _grid / (3 * (6 / 29) ** 2) + 4 / 29).astype(np.float32)
_KNEE = np.float32(6 / 29)
_FOOT = np.float32(4 / 29)
_SLOPE = np.float32(3 * (6 / 29) ** 2)
_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled
def _look_up(table: Any, value: Any) -> Any:
    """Return the table over [0, 1] at ``value``, which is clipped to it."""
    place = min(max(value, _ZERO), _ONE) * _CELLS
    cell = np.uint32(np.int32(place))
    low = table[cell]
    return low + (table[cell + np.uint32(1)] - low) * (place - np.float32(cell))


@compiled
def lab_of(r: Any, g: Any, b: Any) -> Any:
    """Return f(Y), f(X) - f(Y), f(Z) - f(Y) of sRGB: mixes of them are those of L*, a*, b*."""
    r, g, b = _look_up(_DECODE, r), _look_up(_DECODE, g), _look_up(_DECODE, b)
    fx = _look_up(_ROOT, TO_XYZ[0, 0] * r + TO_XYZ[0, 1] * g + TO_XYZ[0, 2] * b)
    fy = _look_up(_ROOT, TO_XYZ[1, 0] * r + TO_XYZ[1, 1] * g + TO_XYZ[1, 2] * b)
    fz = _look_up(_ROOT, TO_XYZ[2, 0] * r + TO_XYZ[2, 1] * g + TO_XYZ[2, 2] * b)
    return fy, fx - fy, fz - fy


@compiled
def _unroot(f: Any) -> Any:
    return f * f * f if f > _KNEE else _SLOPE * (f - _FOOT)


@compiled
def rgb_of(light: Any, a: Any, b: Any) -> Any:
    """Return sRGB in [0, 1] of what :func:`lab_of` gives; colours outside the gamut are clipped."""
    x, y, z = _unroot(light + a), _unroot(light), _unroot(light + b)
    return (
        _look_up(_ENCODE, TO_RGB[0, 0] * x + TO_RGB[0, 1] * y + TO_RGB[0, 2] * z),
        _look_up(_ENCODE, TO_RGB[1, 0] * x + TO_RGB[1, 1] * y + TO_RGB[1, 2] * z),
        _look_up(_ENCODE, TO_RGB[2, 0] * x + TO_RGB[2, 1] * y + TO_RGB[2, 2] * z),
    )


@compiled
def decode(value: Any) -> Any:
    """Return linear light of sRGB, both clipped to [0, 1]."""
    return _look_up(_DECODE, value)
