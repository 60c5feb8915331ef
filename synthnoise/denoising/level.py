"""Keeping the level: what a denoiser does to local means, put right in linear light.

A denoiser works on roots, and where it smooths an edge or leaves texture alone, the mean of the root
is not the root of the mean: levels drift by parts in a thousand, in the deep shadows by more, and each
colour differently. The mean of many pixels is known better than any denoiser could guess it, so the
difference of the two, smoothed over some thousand pixels, is added back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

Array = NDArray[np.float32]

BLOCK = 32
"""Pixels of a plane along the edge of a block; tiles begin on multiples of it."""
OUTLIER = 5.0
"""Standard deviations (and electrons: shot noise is skew) from which a difference is a defect repaired."""


Rectangle = tuple[int, int, int, int]
"""(top, left, bottom, right) in pixels of a plane; ends are exclusive, beginnings those of blocks."""


def keep_level(
    noisy: Array,
    restored: Array,
    shot: tuple[float, ...],
    read: tuple[float, ...],
    *,
    sharing: tuple[int, ...] | None = None,
    block: int = BLOCK,
) -> Array:
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
        self._lost, self._trusted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._known = np.zeros(self._blocks, np.bool_)

    def add(self, noisy: Array, restored: Array, corner: tuple[int, int]) -> None:
        """Take note of a part [B, C, h, w] of the image; ``corner`` (top, left) is that of a block."""
        block = self._block
        height, width = noisy.shape[-2:]
        rows = slice(corner[0] // block, corner[0] // block - (-height // block))
        columns = slice(corner[1] // block, corner[1] // block - (-width // block))
        for b in range(len(noisy)):
            for c, group in enumerate(self._groups):
                g = self._numbers.index(group)
                stores = (store[b, g, rows, columns] for store in (self._lost, self._trusted))
                noise = np.float32(self._shot[c]), np.float32(self._read[c])
                _gather(noisy[b, c], restored[b, c], *noise, block, *stores)
        self._known[rows, columns] = True

    def complete(self, rectangle: Rectangle) -> bool:
        """Return whether all is known that :meth:`at` needs."""
        rows, columns = self._around(rectangle, 2)
        return bool(self._known[rows, columns].all())

    def at(self, rectangle: Rectangle) -> Array:
        """Return the drift of a part of the image, [B, C, h, w]: block means, between them linear."""
        rows, columns = self._around(rectangle, 2)
        lost, trusted = (_smoothed(x[..., rows, columns]) for x in (self._lost, self._trusted))
        members = np.array([self._groups.count(number) for number in self._numbers], np.float32)
        mean = lost / np.maximum(trusted, np.float32(1e-3) * members[:, None, None])
        top, left, bottom, right = rectangle
        down = _interpolation(top, bottom, self._block, self._blocks[0])[:, rows]
        across = _interpolation(left, right, self._block, self._blocks[1])[:, columns]
        part: Array = down @ mean @ across.T
        if list(self._groups) == self._numbers:
            return part
        return part[:, [self._numbers.index(group) for group in self._groups]]

    def _around(self, rectangle: Rectangle, margin: int) -> tuple[slice, slice]:
        """Return the blocks of a rectangle and ``margin`` more on every side, as far as there are any."""
        top, left, bottom, right = rectangle
        (height, width), block = self._blocks, self._block
        return (
            slice(max(top // block - margin, 0), min(-(-bottom // block) + margin, height)),
            slice(max(left // block - margin, 0), min(-(-right // block) + margin, width)),
        )


def _smoothed(blocks: Array) -> Array:
    """Return block means [B, G, rows, columns] smoothed by a binomial filter of 3 x 3."""
    padded = np.pad(blocks, ((0, 0), (0, 0), (1, 1), (1, 1)))
    down = (padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]) / 4
    across: Array = ((down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]) / 4).astype(np.float32)
    return across


def _interpolation(first: int, last: int, block: int, blocks: int) -> Array:
    """Return weights [last - first, blocks] of block means for pixels, linear between middles of blocks."""
    place = (np.arange(first, last) + 0.5) / block - 0.5
    low = np.floor(place).astype(np.int64)
    weights = np.zeros((last - first, blocks), np.float32)
    lines = np.arange(last - first)
    np.add.at(weights, (lines, np.clip(low, 0, blocks - 1)), 1 - (place - low))
    np.add.at(weights, (lines, np.clip(low + 1, 0, blocks - 1)), place - low)
    return weights


_ZERO, _ONE, _OUTLIER = np.float32(0), np.float32(1), np.float32(OUTLIER)


@compiled
def _gather(
    noisy: Array, restored: Array, shot: np.float32, read: np.float32, block: int, lost: Array, trusted: Array
) -> None:
    """Add to ``lost`` and ``trusted`` [rows, columns] the block means of what [h, w] lost, and where."""
    height, width = noisy.shape
    share = np.float32(1.0 / block**2)
    for i in range(height):
        for j in range(width):
            before, after = noisy[i, j], restored[i, j]
            difference = before - after
            limit = _OUTLIER * (np.sqrt(max(after, _ZERO) * shot + read) + shot)
            if abs(difference) < limit and before < _ONE:
                lost[i // block, j // block] += difference * share
                trusted[i // block, j // block] += share
