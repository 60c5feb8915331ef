"""Histograms: giving the values of a plane another distribution and keeping their order."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

LARGEST_COEFFICIENT = 200.0
"""Where the law of wavelet coefficients is cut, in grey levels."""

_NODES = 4001


def with_values(plane: Tensor, values: Tensor) -> Tensor:
    """Return ``plane`` (float32, any shape) with its values replaced, in order, by ``values``.

    ``values`` float32 [n] ascend, one for each pixel. Of equal pixels, the first in memory becomes the
    smallest.
    """
    flat = plane.flatten()
    changed = torch.empty_like(flat)
    changed[_order(flat)] = values
    return changed.reshape(plane.shape)


def _order(flat: Tensor) -> Tensor:
    """Return the stable argsort int64 [n] of float32 [n].

    Value and place share a 64-bit key: numpy sorts such keys many times faster than floats by reference.
    """
    bits = flat.contiguous().view(torch.int32)
    ascending = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    keys = (ascending << 32) | torch.arange(len(flat), device=flat.device)
    keys = torch.from_numpy(np.sort(keys.numpy())) if keys.device.type == "cpu" else keys.sort().values
    return keys & 0xFFFFFFFF


def resampled(values: Tensor, count: int) -> Tensor:
    """Return ``count`` values of the distribution that the ascending float32 [k] stand for.

    They lie at the probabilities (i + 1/2) / count; those of ``values`` are 0, 1 / (k - 1), ..., 1.
    """
    place = _probabilities(count) * (len(values) - 1)
    below = place.long()
    part = (place - below).to(values.device, values.dtype)
    below = below.to(values.device)
    return torch.lerp(values[below], values[below + 1], part)


def generalised_laplacian(scale: float, shape: float, count: int) -> Tensor:
    """Return ascending float32 [count], the density exp(-|x / scale|^shape) on +-200 grey levels.

    They are its values at the probabilities (i + 1/2) / count. It is the law of the wavelet coefficients
    of photographs (Simoncelli and Adelson, ICIP 1996); a shape of 2 is normal, 1 Laplacian, and less has
    heavier tails.
    """
    # Nodes crowd at zero, where the density of small shapes has its cusp.
    node = LARGEST_COEFFICIENT * torch.linspace(-1, 1, _NODES, dtype=torch.float64) ** 5
    density = torch.exp(-((node.abs() / scale) ** shape))
    mass = torch.cumulative_trapezoid(density, node)
    cumulative = torch.cat((torch.zeros(1, dtype=torch.float64), mass)) / mass[-1]
    wanted = _probabilities(count)
    above = torch.searchsorted(cumulative, wanted).clamp(1, _NODES - 1)
    gap = (cumulative[above] - cumulative[above - 1]).clamp(min=1e-300)
    part = ((wanted - cumulative[above - 1]) / gap).clamp(0, 1)
    return (node[above - 1] + (node[above] - node[above - 1]) * part).float()


def _probabilities(count: int) -> Tensor:
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count
