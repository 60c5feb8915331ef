"""Means over windows, which classical denoisers and measures of similarity take."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def box_mean(planes: Tensor, radius: int) -> Tensor:
    """Return the mean over the square of ``radius`` around each pixel of [B, C, H, W], borders replicated."""
    padded = functional.pad(planes, (radius,) * 4, mode="replicate")
    edge = 2 * radius + 1
    rows = functional.avg_pool2d(padded, (edge, 1), stride=1)
    return functional.avg_pool2d(rows, (1, edge), stride=1)


def gaussian_mean(planes: Tensor, sigma: float, radius: int) -> Tensor:
    """Return means of [B, C, H, W] under a Gaussian window, where it fits: 2 radius less high and wide."""
    offsets = torch.arange(-radius, radius + 1, dtype=planes.dtype, device=planes.device)
    window = torch.exp(-0.5 * (offsets / sigma) ** 2)
    window = (window / window.sum()).expand(planes.shape[1], 1, -1)
    rows = functional.conv2d(planes, window[:, :, :, None], groups=planes.shape[1])
    return functional.conv2d(rows, window[:, :, None, :], groups=planes.shape[1])
