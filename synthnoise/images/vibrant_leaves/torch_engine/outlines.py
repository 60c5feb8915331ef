"""The outlines of a batch of leaves on the canvas: their edges, and the boxes that hold them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves.shapes import DISC, RECTANGLE, outline_bank
from synthnoise.images.vibrant_leaves.table import COLUMN

_SQUARE = ((1, 1, -1, 1), (-1, 1, -1, -1), (-1, -1, 1, -1), (1, -1, 1, 1))

_SHAPE, _RADIUS, _OUTLINE, _MATRIX = (COLUMN[name] for name in ("shape", "radius", "outline", "x_u"))
_Y, _X = COLUMN["y"], COLUMN["x"]


@dataclass(frozen=True)
class Bank:
    """The bank of outlines on a device; the last one is the square of rectangles.

    Attributes
    ----------
    edges
        float32 [E, 4], (u0, v0, u1, v1).
    starts
        int64 [K + 1], first edge of each outline.
    """

    edges: Tensor
    starts: Tensor


@functools.lru_cache(maxsize=4)
def device_bank(device: torch.device) -> Bank:
    """Return :func:`outline_bank` and the square on a device."""
    bank = outline_bank()
    edges = torch.cat([torch.tensor(bank.edges), torch.tensor(_SQUARE, dtype=torch.float32)])
    starts = torch.cat([torch.tensor(bank.starts), torch.tensor([len(edges)])])
    return Bank(edges.to(device), starts.to(device))


def outline_numbers(leaves: Tensor) -> Tensor:
    """Return each leaf's outline in :func:`device_bank`, int64 [L], of leaves [L, columns]; -1: a disc."""
    bank = device_bank(leaves.device)
    shape = leaves[:, _SHAPE]
    number = torch.where(shape == RECTANGLE, len(bank.starts) - 2, leaves[:, _OUTLINE].long())
    return torch.where(shape == DISC, -1, number)


def expand(length: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """Return, for runs of these lengths laid end to end, the run of each element and its place in it."""
    which = torch.repeat_interleave(length, output_size=total)
    begin = length.cumsum(0) - length
    return which, torch.arange(total, device=length.device) - begin[which]


def edges_on_canvas(leaves: Tensor) -> tuple[Tensor, Tensor]:
    """Return the leaf int64 [E] and the ends float32 [E, 4], (x0, y0, x1, y1), of all edges of leaves.

    Discs have none. The corners are those of the compiled painter in every bit.
    """
    bank = device_bank(leaves.device)
    number = outline_numbers(leaves)
    length = torch.where(number >= 0, bank.starts[number + 1] - bank.starts[number.clamp(min=0)], 0)
    leaf, place = expand(length, int(length.sum()))
    edge = bank.edges[bank.starts[number[leaf]] + place]
    own = leaves[:, [_X, _Y, _MATRIX, _MATRIX + 1, _MATRIX + 2, _MATRIX + 3]][leaf]
    x, y, x_u, x_v, y_u, y_v = own.unbind(-1)
    ends = []
    for u, v in ((edge[:, 0], edge[:, 1]), (edge[:, 2], edge[:, 3])):
        ends += [x + x_u * u + x_v * v, y + y_u * u + y_v * v]
    return leaf, torch.stack(ends, -1)


def boxes_on_canvas(leaves: Tensor, leaf: Tensor, ends: Tensor, canvas: tuple[int, int]) -> Tensor:
    """Return int32 [L, 4]: first and last row and column between each leaf's outermost corners.

    Where nothing of that lies on the canvas: height, -1, width, -1.
    """
    height, width = canvas
    count = len(leaves)
    x, y = ends[:, 0], ends[:, 1]
    radius, row, column = (leaves[:, place] for place in (_RADIUS, _Y, _X))
    # A disc's corners are where ceil(high) - 1 is its last pixel.
    low_y, high_y, low_x, high_x = row - radius, row + radius + 1, column - radius, column + radius + 1
    disc = leaves[:, _SHAPE] == DISC
    boxes = []
    for low, high, values in ((low_y, high_y, y), (low_x, high_x, x)):
        far = torch.full((count,), torch.inf, device=leaves.device)
        low = torch.where(disc, low, far.scatter_reduce(0, leaf, values, "amin"))
        high = torch.where(disc, high, (-far).scatter_reduce(0, leaf, values, "amax"))
        boxes += [low.ceil(), high.ceil() - 1]
    limits = ((0, height - 1), (0, width - 1))
    top, bottom, left, right = (
        value.clamp(min=low) if place % 2 == 0 else value.clamp(max=high)
        for place, (value, (low, high)) in enumerate(
            zip(boxes, (limits[0],) * 2 + (limits[1],) * 2, strict=True)
        )
    )
    none = (top > bottom) | (left > right)
    nothing = torch.tensor([height, -1, width, -1], device=leaves.device, dtype=torch.int32)
    return torch.where(none[:, None], nothing, torch.stack([top, bottom, left, right], -1).int())
