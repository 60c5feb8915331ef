"""Paints leaves front to back on a processor: one bit per canvas pixel says whether it is covered.

A word of 64 pixels is tested at once, hidden leaves cost a few instructions and are never coloured,
and the canvas is reduced while it is painted: nothing of its full size is kept but the bits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float32, float64, int64, types, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

from synthnoise.images.leaves import Leaves
from synthnoise.kernels import compiled

BLOCK = 8
"""Edge in pixels of the blocks whose being full lets small leaves be skipped."""

_BLOCKS_FROM = 0.9
"""Covered share from which looking for full blocks pays."""

_ONE, _ALL = uint64(1), uint64(0xFFFFFFFFFFFFFFFF)


class Bitmap:
    """One image while it is painted.

    Parameters
    ----------
    size
        (height, width) of the canvas, multiples of ``reduction``.
    reduction
        Canvas pixels per image pixel, each way.
    palette
        float32 [n, 3], linear light.
    """

    def __init__(self, size: tuple[int, int], reduction: int, palette: NDArray[np.float32]) -> None:
        height, width = size
        self._size = size
        self._palette = palette
        self._sum = np.zeros((height // reduction, width // reduction, 3), dtype=np.float32)
        self._rows = np.arange(height, dtype=np.int32) // reduction
        self._columns = np.arange(width, dtype=np.int32) // reduction
        self._covered = np.full((-(-height // BLOCK) * BLOCK, -(-width // 64)), ~np.uint64(0))
        # What lies beyond the lower and the right edge counts as covered.
        self._covered[:height] = 0
        if width % 64:
            self._covered[:height, -1] = ~np.uint64(0) << np.uint64(width % 64)
        self._share = np.float32(1 / reduction**2)
        self.remaining = height * width

    def paint(self, leaves: Leaves) -> None:
        """Put the leaves (of one image, B = 1) behind what is there."""
        tensors = leaves.y, leaves.x, leaves.radius, leaves.colour, leaves.box, leaves.shade
        arrays = tuple(tensor.numpy()[0] for tensor in tensors)
        bits = self._covered, self._full_blocks()
        image = self._rows, self._columns, self._sum
        self.remaining = int(_paint(arrays, self._palette, bits, image, self.remaining))

    def _full_blocks(self) -> NDArray[np.bool_]:
        """Return which blocks of pixels are covered [rows, columns]; empty while few are."""
        if self.remaining > (1 - _BLOCKS_FROM) * self._size[0] * self._size[1]:
            return np.empty((0, 0), dtype=np.bool_)
        rows, words = self._covered.shape
        full = np.bitwise_and.reduce(self._covered.reshape(rows // BLOCK, BLOCK, words), axis=1)
        blocks: NDArray[np.bool_] = full.astype("<u8", copy=False).view(np.uint8) == 0xFF
        return blocks

    def image(self) -> NDArray[np.float32]:
        """Return the mean light of each image pixel, float32 [H, W, 3], and be done; uncovered is black."""
        self._sum *= self._share
        return np.minimum(self._sum, np.float32(1), out=self._sum)


@compiled
def _slab(half: Any, offset: Any, slope: Any) -> Any:
    """Return the interval of x with |offset + slope x| <= half."""
    if abs(slope) < 1e-12:
        return (-math.inf, math.inf) if abs(offset) <= half else (1.0, 0.0)
    a, b = (-half - offset) / slope, (half - offset) / slope
    return (a, b) if a < b else (b, a)


@compiled
def _disc_chord(radius: Any, dy: Any) -> Any:
    """Return the interval of x, from the centre, that a disc covers on the line dy below its centre."""
    squared = radius * radius - dy * dy
    if squared < 0:
        return 1.0, 0.0
    half = math.sqrt(squared)
    return -half, half


@compiled
def _box_chord(along: Any, across: Any, cosine: Any, sine: Any, dy: Any) -> Any:
    """Return the interval of x, from the centre, that a rectangle covers on the line dy below its centre."""
    low, high = _slab(along, dy * sine, cosine)
    other_low, other_high = _slab(across, dy * cosine, -sine)
    return max(low, other_low), min(high, other_high)


@compiled
def _hidden(full: Any, top: Any, left: Any, bottom: Any, right: Any) -> bool:
    """Whether the pixels of a small rectangle, ends included, lie in full blocks."""
    if full.size == 0 or bottom - top > 2 * BLOCK or right - left > 2 * BLOCK:
        return False
    for i in range(top // BLOCK, bottom // BLOCK + 1):
        for j in range(left // BLOCK, right // BLOCK + 1):
            if not full[i, j]:
                return False
    return True


def _count_ones(typing_context: Any, word: Any) -> Any:
    """Give the compiler the processor's instruction for the number of set bits of a uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


_ones: Any = intrinsic(_count_ones)


@compiled
def _lowest(word: Any) -> Any:
    """Return the place of the lowest set bit."""
    return int64(_ones((word & (~word + _ONE)) - _ONE))


@compiled
def _middle(word: Any) -> Any:
    """Return the mean place of the set bits."""
    total, rest = 0.0, word
    while rest:
        total += _lowest(rest)
        rest &= rest - _ONE
    return total / float64(_ones(word))


@compiled
def _deposit(
    new: Any, i: Any, columns: Any, start: Any, light: Any, shades: Any, leaf: Any, y: Any, total: Any
) -> Any:
    """Add a leaf's light on the set bits of ``new`` to row i of the image.

    Bit 0 lies in canvas column ``start``, all of them at height ``y`` of the canvas.
    """
    reduction = len(columns) // total.shape[1]
    while new:
        j = columns[start + _lowest(new)]
        end = (j + 1) * reduction - start
        group = new if end >= 64 else new & ((_ONE << uint64(end)) - _ONE)
        new &= ~group
        factor = float32(_ones(group))
        if len(shades) and (shades[leaf, 1] != 0 or shades[leaf, 2] != 0):
            x = start + _middle(group) + 0.5
            factor *= float32(shades[leaf, 0] + shades[leaf, 1] * y + shades[leaf, 2] * x)
        total[i, j, 0] += factor * light[0]
        total[i, j, 1] += factor * light[1]
        total[i, j, 2] += factor * light[2]


@compiled
def _paint(leaves: Any, palette: Any, bits: Any, image: Any, remaining: Any) -> Any:
    """Paint leaves in order until nothing remains uncovered; return how many pixels remain."""
    ys, xs, radii, colour, boxes, shades = leaves
    covered, full = bits
    rows, columns, total = image
    for k in range(len(ys)):
        if remaining == 0:
            break
        y, x, radius = ys[k], xs[k], radii[k]
        tall, wide = radius, radius
        along = across = cosine = sine = 0.0
        if len(boxes):
            along, across, cosine, sine = boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3]
        if along > 0:
            tall, wide = along * sine + across * abs(cosine), along * abs(cosine) + across * sine
        top, bottom = max(0, math.ceil(y - tall - 0.5)), min(len(rows) - 1, math.floor(y + tall - 0.5))
        left, right = max(0, math.ceil(x - wide - 0.5)), min(len(columns) - 1, math.floor(x + wide - 0.5))
        if top > bottom or left > right or _hidden(full, top, left, bottom, right):
            continue
        entry = colour[k]
        light = palette[entry, 0], palette[entry, 1], palette[entry, 2]
        for row in range(top, bottom + 1):
            dy = row + 0.5 - y
            low, high = _disc_chord(radius, dy) if along == 0 else _box_chord(along, across, cosine, sine, dy)
            first, last = max(0, math.ceil(x + low - 0.5)), min(len(columns) - 1, math.floor(x + high - 0.5))
            if low > high or first > last:
                continue
            for word in range(first >> 6, (last >> 6) + 1):
                start = word << 6
                begin, end = max(first - start, 0), min(last - start, 63)
                new = (_ALL << uint64(begin)) & (_ALL >> uint64(63 - end)) & ~covered[row, word]
                if new:
                    covered[row, word] |= new
                    remaining -= int64(_ones(new))
                    _deposit(new, rows[row], columns, start, light, shades, k, row + 0.5, total)
    return remaining
