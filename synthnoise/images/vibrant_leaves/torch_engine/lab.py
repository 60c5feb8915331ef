"""CIE L*a*b* (D65) of tensors of sRGB: what ``vibrant_leaves.lab`` has for loops, without tables."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.images.colours import decode_srgb, encode_srgb
from synthnoise.images.vibrant_leaves.lab import TO_RGB, TO_XYZ

_KNEE = 6 / 29


def lab_of(rgb: Tensor) -> Tensor:
    """Return f(Y), f(X) - f(Y), f(Z) - f(Y) of sRGB [..., 3]: mixes of them are those of L*, a*, b*."""
    f = _root(_times(decode_srgb(rgb.clamp(0, 1)), TO_XYZ).clamp(0, 1))
    fx, fy, fz = f.unbind(-1)
    return torch.stack([fy, fx - fy, fz - fy], -1)


def rgb_of(lab: Tensor) -> Tensor:
    """Return sRGB in [0, 1] of what :func:`lab_of` gives; colours outside the gamut are clipped."""
    light, a, b = lab.unbind(-1)
    f = torch.stack([light + a, light, light + b], -1)
    xyz = torch.where(f > _KNEE, f * f * f, 3 * _KNEE**2 * (f - 4 / 29))
    return encode_srgb(_times(xyz, TO_RGB).clamp(0, 1))


def _root(xyz: Tensor) -> Tensor:
    return torch.where(xyz > _KNEE**3, xyz.clamp(min=1e-6) ** (1 / 3), xyz / (3 * _KNEE**2) + 4 / 29)


def _times(vectors: Tensor, matrix: NDArray[np.float32]) -> Tensor:
    """Return matrix times vectors [..., 3], term by term: so rounding knows no batch."""
    x, y, z = vectors.unbind(-1)
    return torch.stack([float(row[0]) * x + float(row[1]) * y + float(row[2]) * z for row in matrix], -1)
