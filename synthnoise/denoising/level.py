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


def keep_level(
    noisy: Tensor,
    restored: Tensor,
    shot: tuple[float, ...],
    read: tuple[float, ...],
    *,
    sharing: tuple[int, ...] | None = None,
    block: int = BLOCK,
) -> Tensor:
    """Return ``restored`` [B, C, H, W] with the local means of ``noisy``, clipped and defective pixels apart.

    The noise that comes back with the means has 1/80 of the standard deviation of a pixel's.

    Parameters
    ----------
    sharing
        Planes with the same number share their means; by default each has its own. Where a repeat has
        many planes, one has too few pixels nearby.
    block
        Pixels of a plane along the edge of a block.
    """
    height, width = noisy.shape[-2:]
    levelled = torch.empty_like(restored)
    groups = sharing or tuple(range(noisy.shape[1]))
    for group in sorted(set(groups)):
        own = [c for c, number in enumerate(groups) if number == group]
        totals, counts = [], []
        for c in own:
            plane = restored[:, c : c + 1]
            lost = noisy[:, c : c + 1] - plane
            limit = (plane.clamp_min(0) * shot[c] + read[c]).sqrt_().add_(shot[c]).mul_(OUTLIER)
            trusted = ((lost.abs() < limit) & (noisy[:, c : c + 1] < 1)).to(noisy.dtype)
            totals.append(_smoothed(lost.mul_(trusted), block))
            counts.append(_smoothed(trusted, block))
        mean = sum(totals[1:], totals[0]) / sum(counts[1:], counts[0]).clamp_min(1e-3 * len(own))
        drift = nn.functional.interpolate(mean, scale_factor=block, mode="bilinear", align_corners=False)
        for c in own:
            torch.add(restored[:, c : c + 1], drift[..., :height, :width], out=levelled[:, c : c + 1])
    return levelled


def _smoothed(planes: Tensor, block: int) -> Tensor:
    """Return block means [B, 1, ceil(H / block), ceil(W / block)] of one plane, smoothed."""
    height, width = planes.shape[-2:]
    filled = nn.functional.pad(planes, (0, -width % block, 0, -height % block))
    means = nn.functional.avg_pool2d(filled, block)
    binomial = means.new_tensor([1, 2, 1]) / 4
    return nn.functional.conv2d(means, torch.outer(binomial, binomial)[None, None], padding=1)
