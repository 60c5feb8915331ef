"""Means over windows, which several classical denoisers take."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def box_mean(planes: Tensor, radius: int) -> Tensor:
    """Return the mean over the square of ``radius`` around each pixel of [B, C, H, W], borders replicated."""
    padded = functional.pad(planes, (radius,) * 4, mode="replicate")
    edge = 2 * radius + 1
    rows = functional.avg_pool2d(padded, (edge, 1), stride=1)
    return functional.avg_pool2d(rows, (1, edge), stride=1)
