"""Which leaves may touch each tile of a layer, in order from front to back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves.torch_engine.outlines import expand

WIDE = 32
"""Columns of a tile: the bits of the word that says where a leaf is inside."""


@dataclass(frozen=True, eq=False)
class TileLists:
    """Tiles are numbered by image, layer, row and column.

    Attributes
    ----------
    starts
        int32 [tiles + 1], first entry of each tile.
    leaves
        int32 [N], leaves of all images (image n + leaf).
    grid
        Rows and columns of tiles.
    """

    starts: Tensor
    leaves: Tensor
    grid: tuple[int, int]


def tile_lists(boxes: Tensor, bounds: tuple[int, ...], canvas: tuple[int, int], tall: int) -> TileLists:
    """Return the lists for tiles of ``tall`` x ``WIDE`` pixels; ``boxes`` int32 [B, n, 4]."""
    batch, count, _ = boxes.shape
    rows, columns = -(-canvas[0] // tall), -(-canvas[1] // WIDE)
    top, bottom, left, right = boxes.flatten(0, 1).long().unbind(-1)
    on = bottom >= top
    high = torch.where(on, bottom // tall - top // tall + 1, 0)
    wide = torch.where(on, right // WIDE - left // WIDE + 1, 0)
    length = high * wide
    leaf, place = expand(length, int(length.sum()))
    layers = len(bounds) - 1
    layer = torch.bucketize(leaf % count, torch.tensor(bounds[1:-1], device=boxes.device), right=True)
    row = top[leaf] // tall + place // wide[leaf]
    column = left[leaf] // WIDE + place % wide[leaf]
    tile = ((leaf // count * layers + layer) * rows + row) * columns + column
    # Entries come by leaf, so a sort that keeps the order of equals leaves each tile's front to back.
    tile, order = tile.sort(stable=True)
    tiles = torch.arange(batch * layers * rows * columns + 1, device=boxes.device)
    starts = torch.searchsorted(tile, tiles).int()
    return TileLists(starts, leaf[order].int(), (rows, columns))
