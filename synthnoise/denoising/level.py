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
OUTLIER = 5.0
"""Standard deviations (and electrons: shot noise is skew) from which a difference is a defect repaired."""


Rectangle = tuple[int, int, int, int]
"""(top, left, bottom, right) in pixels of a plane; ends are exclusive, beginnings those of blocks."""


def keep_level(
    noisy: Tensor,
    restored: Tensor,
    shot: tuple[float, ...],
    read: tuple[float, ...],
    *,
    sharing: tuple[int, ...] | None = None,
    block: int = BLOCK,
) -> Tensor:
    """Return ``restored`` [B, C, H, W] with the local means of ``noisy``; see :class:`LevelDrift`."""
    batch, _, height, width = noisy.shape
    drift = LevelDrift((height, width), shot, read, sharing=sharing, block=block, batch=batch)
    drift.add(noisy, restored, (0, 0))
    return restored + drift.at((0, 0, height, width))


class LevelDrift:
    """What the local means of an image lost in a denoiser, clipped and defective pixels apart.

    It is gathered tile by tile, so that a tile needs no context for it. The noise that comes back with
    the means has 1/80 of the standard deviation of a pixel's.

    Attributes
    ----------
    reach
        Pixels around a part of the image that its drift depends on.

    Parameters
    ----------
    size
        (height, width) of a plane of the image.
    shot, read
        Variance of the noise, ``shot x + read``, of each plane.
    sharing
        Planes with the same number share their means; by default each has its own. Where a repeat has
        many planes, one has too few pixels nearby.
    block
        Pixels of a plane along the edge of a block.
    """

    def __init__(
        self,
        size: tuple[int, int],
        shot: tuple[float, ...],
        read: tuple[float, ...],
        *,
        sharing: tuple[int, ...] | None = None,
        block: int = BLOCK,
        batch: int = 1,
    ) -> None:
        self._shot, self._read, self._block = shot, read, block
        self.reach = 2 * block
        self._groups = sharing or tuple(range(len(shot)))
        self._blocks = -(-size[0] // block), -(-size[1] // block)
        self._numbers = sorted(set(self._groups))
        shape = (batch, len(self._numbers), *self._blocks)
        self._lost, self._trusted = torch.zeros(shape), torch.zeros(shape)
        self._known = torch.zeros(self._blocks, dtype=torch.bool)

    def add(self, noisy: Tensor, restored: Tensor, corner: tuple[int, int]) -> None:
        """Take note of a part [B, C, h, w] of the image; ``corner`` (top, left) is that of a block."""
        block = self._block
        height, width = noisy.shape[-2:]
        rows = slice(corner[0] // block, corner[0] // block - (-height // block))
        columns = slice(corner[1] // block, corner[1] // block - (-width // block))
        for c, group in enumerate(self._groups):
            plane, before = restored[:, c : c + 1], noisy[:, c : c + 1]
            lost = before - plane
            limit = plane.clamp_min(0).mul_(self._shot[c]).add_(self._read[c]).sqrt_()
            limit.add_(self._shot[c]).mul_(OUTLIER)
            trusted = ((lost.abs() < limit) & (before < 1)).to(noisy.dtype)
            g = self._numbers.index(group)
            for store, values in ((self._lost, lost.mul_(trusted)), (self._trusted, trusted)):
                filled = nn.functional.pad(values, (0, -width % block, 0, -height % block))
                store[:, g, rows, columns] += nn.functional.avg_pool2d(filled, block)[:, 0].to(store)
        self._known[rows, columns] = True

    def complete(self, rectangle: Rectangle) -> bool:
        """Return whether all is known that :meth:`at` needs."""
        rows, columns = self._around(rectangle, 2)
        return bool(self._known[rows, columns].all())

    def at(self, rectangle: Rectangle) -> Tensor:
        """Return the drift of a part of the image, [B, C, h, w], float32 on the CPU."""
        block = self._block
        rows, columns = self._around(rectangle, 2)
        near_rows, near_columns = self._around(rectangle, 1)
        lost, trusted = (_smoothed(x[..., rows, columns]) for x in (self._lost, self._trusted))
        members = torch.tensor([self._groups.count(number) for number in self._numbers])
        mean = lost / torch.maximum(trusted, 1e-3 * members[:, None, None])
        mean = mean[
            ...,
            near_rows.start - rows.start : near_rows.stop - rows.start,
            near_columns.start - columns.start : near_columns.stop - columns.start,
        ]
        drift = nn.functional.interpolate(mean, scale_factor=block, mode="bilinear", align_corners=False)
        top, left, bottom, right = rectangle
        y, x = near_rows.start * block, near_columns.start * block
        part = drift[..., top - y : bottom - y, left - x : right - x]
        return part[:, [self._numbers.index(group) for group in self._groups]]

    def _around(self, rectangle: Rectangle, margin: int) -> tuple[slice, slice]:
        """Return the blocks of a rectangle and ``margin`` more on every side, as far as there are any."""
        top, left, bottom, right = rectangle
        (height, width), block = self._blocks, self._block
        return (
            slice(max(top // block - margin, 0), min(-(-bottom // block) + margin, height)),
            slice(max(left // block - margin, 0), min(-(-right // block) + margin, width)),
        )


def _smoothed(blocks: Tensor) -> Tensor:
    """Return block means [B, G, rows, columns] smoothed by a binomial filter of 3 x 3."""
    groups = blocks.shape[1]
    binomial = blocks.new_tensor([1, 2, 1]) / 4
    kernel = torch.outer(binomial, binomial).expand(groups, 1, 3, 3)
    return nn.functional.conv2d(blocks, kernel, padding=1, groups=groups)
