"""Paints leaves on any device of torch: every (leaf, pixel) pair at once, the frontmost leaf wins."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from synthnoise.images.leaves import Leaves

NOTHING = (1 << 31) - 1
"""Label of a pixel that no leaf covers yet."""


class Labels:
    """A batch of images while they are painted.

    Parameters
    ----------
    size
        (height, width) of the canvas, multiples of ``reduction``.
    reduction
        Canvas pixels per image pixel, each way.
    palette
        float32 [B, n, 3], linear light; its device is where everything happens.

    Attributes
    ----------
    label
        int32 [B, H, W] of the canvas: number of the visible leaf of each pixel, or ``NOTHING``.
    light
        float32 [B, H, W, 3] of the canvas.
    """

    def __init__(self, size: tuple[int, int], reduction: int, palette: Tensor) -> None:
        self._reduction = reduction
        self._palette = palette
        canvas = len(palette), *size
        self.label = torch.full(canvas, NOTHING, dtype=torch.int32, device=palette.device)
        self.light = torch.zeros((*canvas, 3), device=palette.device)

    def paint(self, leaves: Leaves, start: int) -> None:
        """Put leaves number ``start`` and up of every image behind what is there."""
        uncovered = self.label == NOTHING
        for image, leaf, pixel in _pixels(leaves, self.label.shape):
            number = (leaf + start).to(torch.int32)
            self.label.view(-1).scatter_reduce_(0, image * uncovered[0].numel() + pixel, number, "amin")
        image, row, column = (uncovered & (self.label != NOTHING)).nonzero(as_tuple=True)
        leaf = self.label[image, row, column].long() - start
        light = self._palette[image, leaves.colour[image, leaf]]
        if leaves.shade.shape[1]:
            shade = leaves.shade[image, leaf]
            light = (
                light
                * (shade[:, 0] + shade[:, 1] * (row + 0.5) + shade[:, 2] * (column + 0.5)).float()[:, None]
            )
        self.light[image, row, column] = light

    def covered(self) -> bool:
        """Whether no pixel is left."""
        return not bool((self.label == NOTHING).any())

    def images(self) -> Tensor:
        """Return float32 [B, 3, H, W], the mean light of each image pixel; uncovered pixels are black."""
        planes = self.light.permute(0, 3, 1, 2)
        return functional.avg_pool2d(planes, self._reduction).clamp(max=1)


def _pixels(leaves: Leaves, canvas: torch.Size, budget: int = 1 << 24) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return (image, leaf, pixel) of every pixel of every leaf, int64 each, in lists of ``budget`` or so."""
    _, height, width = canvas
    image, leaf, row = _rows(leaves, height)
    low, high = _chords(leaves, image, leaf, row)
    x = leaves.x[image, leaf]
    first = (x + low - 0.5).ceil().clamp(0, width).long()
    last = (x + high - 0.5).floor().clamp(-1, width - 1).long()
    length = torch.where(low <= high, (last - first + 1).clamp(min=0), 0)
    parts = []
    total = int(length.sum())
    bounds = torch.arange(0, total + budget, budget, device=length.device)
    cuts = torch.searchsorted(length.cumsum(0), bounds).tolist()
    for begin, end in zip(cuts, [*cuts[1:], len(length)], strict=True):
        span = slice(begin, end)
        which, offset = _expand(length[span])
        pixel = row[span][which] * width + first[span][which] + offset
        parts.append((image[span][which], leaf[span][which], pixel))
    return parts


def _expand(length: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for runs of these lengths laid end to end, the run of each element and its place in it."""
    which = torch.repeat_interleave(length)
    begin = length.cumsum(0) - length
    return which, torch.arange(len(which), device=length.device) - begin[which]


def _rows(leaves: Leaves, height: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (image, leaf, row) of every canvas row that each leaf may touch."""
    tall = leaves.radius
    if leaves.box.shape[1]:
        along, across, cosine, sine = leaves.box.unbind(-1)
        tall = torch.where(along > 0, along * sine.abs() + across * cosine.abs(), tall)
    top = (leaves.y - tall - 0.5).ceil().clamp(0, height).long()
    bottom = (leaves.y + tall - 0.5).floor().clamp(-1, height - 1).long()
    which, offset = _expand((bottom - top + 1).clamp(min=0).flatten())
    count = leaves.y.shape[1]
    return which // count, which % count, top.flatten()[which] + offset


def _chords(leaves: Leaves, image: Tensor, leaf: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """Return the interval of x, from the centre, that each leaf covers on each row; empty if low > high."""
    dy = row + 0.5 - leaves.y[image, leaf]
    radius = leaves.radius[image, leaf]
    half = (radius * radius - dy * dy).sqrt()  # NaN where the row misses the disc: not low <= high
    if not leaves.box.shape[1]:
        return -half, half
    along, across, cosine, sine = leaves.box[image, leaf].unbind(-1)
    low, high = _slab(along, dy * sine, cosine)
    other_low, other_high = _slab(across, dy * cosine, -sine)
    disc = along == 0
    return torch.where(disc, -half, low.maximum(other_low)), torch.where(disc, half, high.minimum(other_high))


def _slab(half: Tensor, offset: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Return the intervals of x with |offset + slope x| <= half."""
    flat = slope.abs() < 1e-12
    a, b = (-half - offset) / slope, (half - offset) / slope
    within = offset.abs() <= half
    low = torch.where(flat, torch.where(within, -math.inf, 1.0), a.minimum(b))
    return low, torch.where(flat, torch.where(within, math.inf, 0.0), a.maximum(b))
