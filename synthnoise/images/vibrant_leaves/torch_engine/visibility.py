"""Which leaf is seen where, for a batch: row by row, 32 pixels to a word, the frontmost leaf wins.

Every edge that crosses a row turns the inside of its leaf on or off from there to the right. A word has two
bits for each of 32 pixels; they count crossings, down minus up, plus one, so that anything but one is
inside. Sums of such words need no order, so the device may add them as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves.shapes import DISC
from synthnoise.images.vibrant_leaves.table import COLUMN, LeafTable
from synthnoise.images.vibrant_leaves.torch_engine.outlines import boxes_on_canvas, edges_on_canvas, expand

WORD = 32
"""Pixels in a word."""

_BUDGET = 1 << 25
"""Pixels of leaves, hidden ones included, that are resolved at a time."""

_RADIUS, _Y, _X, _SHAPE = (COLUMN[name] for name in ("radius", "y", "x", "shape"))


@dataclass(frozen=True)
class _Crossings:
    """Where outlines cross rows: leaf, row and first column to the right, int64 [N] each, and ±1."""

    leaf: Tensor
    row: Tensor
    column: Tensor
    sign: Tensor


def visible_leaves(table: LeafTable) -> tuple[Tensor, Tensor]:
    """Return labels int32 [B, layers, H, W] and boxes int32 [B, n, 4] on the table's device.

    As ``painter.paint`` does, except for pixels on the edges of outlines to within rounding.
    """
    batch, count, _ = table.leaves.shape
    height, width = table.canvas
    leaves = table.leaves.flatten(0, 1)
    leaf, ends = edges_on_canvas(leaves)
    boxes = boxes_on_canvas(leaves, leaf, ends, table.canvas)
    edges, discs = _edge_crossings(leaf, ends, height), _disc_crossings(leaves, boxes)
    words, place = _inside(boxes, (edges, discs))
    across = -(-width // WORD)
    bounds = torch.tensor(table.bounds[1:-1], device=leaves.device)
    layers = len(table.bounds) - 1
    labels = torch.full(
        (batch * layers * height * across, WORD), count, dtype=torch.int32, device=leaves.device
    )
    bits = 2 * torch.arange(WORD, device=leaves.device)
    for part in torch.split((words != _ones(0)).nonzero()[:, 0], _BUDGET // WORD):
        own, row, column = place.of(part)
        image, number = own // count, own % count
        layer = torch.bucketize(number, bounds, right=True)
        address = ((image * layers + layer) * height + row) * across + column
        inside = (words[part, None] >> bits & 3) != 1
        seen = torch.where(inside, number[:, None], count).int()
        labels.scatter_reduce_(0, address[:, None].expand(-1, WORD), seen, "amin")
    labels = labels.view(batch, layers, height, across * WORD)[..., :width]
    return torch.where(labels == count, -1, labels), boxes.view(batch, count, 4)


def _ones(first: int) -> int:
    """Return the word, as a signed number, that has one at the pixels from ``first`` on."""
    word = sum(1 << 2 * pixel for pixel in range(first, WORD))
    return word - (1 << 64 if word >> 63 else 0)


def _edge_crossings(leaf: Tensor, ends: Tensor, height: int) -> _Crossings:
    """Return where edges cross rows of the canvas, their lower ends not counted."""
    x0, y0, x1, y1 = ends.unbind(-1)
    up = y0 > y1
    x0, x1 = torch.where(up, x1, x0), torch.where(up, x0, x1)
    y0, y1 = torch.where(up, y1, y0), torch.where(up, y0, y1)
    top, bottom = y0.ceil().clamp(min=0), (y1.ceil() - 1).clamp(max=height - 1)
    length = (bottom - top + 1).clamp(min=0).long()
    slope = (x1 - x0) / (y1 - y0)
    which, offset = expand(length, int(length.sum()))
    row = top[which].long() + offset
    column = (x0[which] + (row.float() - y0[which]) * slope[which]).ceil().long()
    return _Crossings(leaf[which], row, column, torch.where(up[which], -1, 1))


def _disc_crossings(leaves: Tensor, boxes: Tensor) -> _Crossings:
    disc = leaves[:, _SHAPE] == DISC
    length = torch.where(disc, boxes[:, 1] - boxes[:, 0] + 1, 0).clamp(min=0).long()
    leaf, offset = expand(length, int(length.sum()))
    row = boxes[leaf, 0] + offset
    radius, y, x = (leaves[leaf, place].long() for place in (_RADIUS, _Y, _X))
    half = (radius * radius - (row - y) ** 2).double().sqrt().long()
    ones = torch.ones_like(row)
    return _Crossings(
        torch.cat([leaf, leaf]),
        torch.cat([row, row]),
        torch.cat([x - half, x + half + 1]),
        torch.cat([ones, -ones]),
    )


@dataclass(frozen=True)
class _Places:
    """Where words lie: those of each leaf's box, row by row, one more in each row than the box has."""

    boxes: Tensor
    begin: Tensor
    across: Tensor

    def of(self, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return leaf, row and number of the word in the row of the canvas, int64 [N] each."""
        leaf = torch.searchsorted(self.begin, words, right=True) - 1
        within, across = words - self.begin[leaf], self.across[leaf]
        return leaf, self.boxes[leaf, 0] + within // across, (self.boxes[leaf, 2] >> 5) + within % across

    def number(self, leaf: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """Return the word of a leaf that holds a pixel."""
        first = self.begin[leaf] + (row - self.boxes[leaf, 0]) * self.across[leaf]
        return first + (column >> 5) - (self.boxes[leaf, 2] >> 5)


def _inside(boxes: Tensor, crossings: tuple[_Crossings, ...]) -> tuple[Tensor, _Places]:
    """Return the words int64 [N] of all leaves and where they lie."""
    tall = (boxes[:, 1] - boxes[:, 0] + 1).clamp(min=0).long()
    across = (boxes[:, 3] >> 5) - (boxes[:, 2] >> 5) + 2
    end = (tall * across).cumsum(0)
    total = int(end[-1])
    place = _Places(boxes, end - tall * across, across.long())
    words = torch.zeros(total + 1, dtype=torch.int64, device=boxes.device)
    turns = torch.zeros_like(words)
    ones = torch.tensor([_ones(first) for first in range(WORD)], device=boxes.device)
    for some in crossings:
        box = boxes[some.leaf]
        on = (box[:, 0] <= some.row) & (some.row <= box[:, 1])
        column = torch.minimum(torch.maximum(some.column, box[:, 2]), box[:, 3] + 1)
        # Leaves off the canvas have no words; what they would add goes to a word that nobody reads.
        at = torch.where(on, place.number(some.leaf, some.row, column), total)
        words.index_add_(0, at, some.sign * ones[column & WORD - 1])
        turns.index_add_(0, at, some.sign)
    before = turns.cumsum(0) - turns
    return (words + (before + 1) * _ones(0))[:total], place
