"""Keeping the level: what a denoiser does to local means, put right in linear light.

A denoiser works on roots, and where it smooths an edge or leaves texture alone, the mean of the root
is not the root of the mean: levels drift by parts in a thousand, in the deep shadows by more, and each
colour differently. The mean of many pixels is known better than any denoiser could guess it, so the
difference of the two, smoothed over some thousand pixels, is added back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BLOCK = 32
"""Pixels of a plane along the edge of a block; tiles begin on multiples of it."""
HALO = 3 * BLOCK
"""Pixels that the level at a place depends on: two blocks and the one that it is in."""
OUTLIER = 5.0
"""Standard deviations (and electrons: shot noise is skew) from which a difference is a defect repaired."""


def keep_level(noisy: Tensor, restored: Tensor, shot: tuple[float, ...], read: tuple[float, ...]) -> Tensor:
    """Return ``restored`` [B, C, H, W] with the local means of ``noisy``, clipped and defective pixels apart.

    The noise that comes back with the means has 1/80 of the standard deviation of a pixel's.
    """
    height, width = noisy.shape[-2:]
    levelled = torch.empty_like(restored)
    for c, (s, o) in enumerate(zip(shot, read, strict=True)):
        plane = restored[:, c : c + 1]
        lost = noisy[:, c : c + 1] - plane
        limit = (plane.clamp_min(0) * s + o).sqrt_().add_(s).mul_(OUTLIER)
        trusted = ((lost.abs() < limit) & (noisy[:, c : c + 1] < 1)).to(noisy.dtype)
        mean = _smoothed(lost.mul_(trusted)) / _smoothed(trusted).clamp_min(1e-3)
        drift = nn.functional.interpolate(mean, scale_factor=BLOCK, mode="bilinear", align_corners=False)
        torch.add(plane, drift[..., :height, :width], out=levelled[:, c : c + 1])
    return levelled


def _smoothed(planes: Tensor) -> Tensor:
    """Return block means [B, 1, ceil(H / BLOCK), ceil(W / BLOCK)] of one plane, smoothed."""
    height, width = planes.shape[-2:]
    filled = nn.functional.pad(planes, (0, -width % BLOCK, 0, -height % BLOCK))
    means = nn.functional.avg_pool2d(filled, BLOCK)
    binomial = means.new_tensor([1, 2, 1]) / 4
    return nn.functional.conv2d(means, torch.outer(binomial, binomial)[None, None], padding=1)
