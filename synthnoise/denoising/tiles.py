"""Tiles with enough context that their interiors equal the whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

ALIGNMENT = 32
"""Tiles begin on multiples of this many packed pixels, and so does their context but for networks, whose grid
is known: what a denoiser lays (patches, strides, pooling) lies the same in every tile as in the whole."""


@dataclass(frozen=True)
class Tile:
    """One tile of an image, in (packed) pixels; ends are exclusive.

    ``outer`` is what to read, ``inner`` what to keep: (top, left, bottom, right).
    """

    outer: tuple[int, int, int, int]
    inner: tuple[int, int, int, int]

    @property
    def pixels(self) -> int:
        """How many pixels it has with its context."""
        top, left, bottom, right = self.outer
        return (bottom - top) * (right - left)

    @property
    def kept(self) -> tuple[slice, slice]:
        """Where the inner part lies in an array of the outer one."""
        (top, left, _, _), (itop, ileft, ibottom, iright) = self.outer, self.inner
        return slice(itop - top, ibottom - top), slice(ileft - left, iright - left)


def tiles(size: tuple[int, int], edge: int, halo: int, step: int = ALIGNMENT) -> Iterator[Tile]:
    """Yield tiles that cover an image of ``size`` (height, width) row by row.

    All are about as large, as narrow ones would be mostly context. ``edge`` is rounded up to a multiple of
    the alignment and of ``step``, ``halo`` to one of ``step``.
    """
    height, width = size
    alignment = math.lcm(ALIGNMENT, step)
    limit, halo = max(_up(edge, alignment), alignment), _up(halo, step)
    rows, columns = (_up(math.ceil(n / math.ceil(n / limit)), alignment) for n in size)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            bottom, right = min(top + rows, height), min(left + columns, width)
            outer = (
                max(top - halo, 0),
                max(left - halo, 0),
                min(bottom + halo, height),
                min(right + halo, width),
            )
            yield Tile(outer, (top, left, bottom, right))


def equal_tiles(size: tuple[int, int], area: int, halo: int, step: int = 1) -> list[Tile]:
    """Return tiles, row by row, that with their context are of one size of at most ``area`` pixels.

    Of all such grids it is the one whose tiles have the least pixels together. One size means that memory
    taken for the first tile does for all. Where the context alone is larger, tiles are as small as can be.
    Their inner parts begin on multiples of the alignment, contexts on multiples of ``step``.
    """
    halo = _up(halo, step)
    best: list[list[Tile]] = []
    for rows in _divisions(size[0], halo, step):
        height = max(bottom - top for top, _, _, bottom in rows)
        for columns in _divisions(size[1], halo, step):
            width = max(right - left for left, _, _, right in columns)
            if height * width <= area:
                best.append(_grid(rows, columns))
                break
    if not best:
        return _grid(_divisions(size[0], halo, step)[-1], _divisions(size[1], halo, step)[-1])
    return min(best, key=lambda grid: sum(tile.pixels for tile in grid))


Span = tuple[int, int, int, int]
"""Along one side: where the context begins, the inner part begins, it ends, the context ends."""


def _grid(rows: list[Span], columns: list[Span]) -> list[Tile]:
    return [
        Tile((top, left, bottom, right), (itop, ileft, ibottom, iright))
        for top, itop, ibottom, bottom in rows
        for left, ileft, iright, right in columns
    ]


def _divisions(length: int, halo: int, step: int) -> list[list[Span]]:
    """Return the divisions of a side into one, two, three ... spans, down to the smallest spans there are."""
    alignment = math.lcm(ALIGNMENT, step)
    found = [[(0, 0, length, length)]]
    width = _up(length, step)
    while width > 2 * halo + alignment:
        # As wide as one more span needs it; a little more where the alignment takes from it.
        parts = len(found[-1]) + 1
        width = _up(-(-(length + 2 * halo * (parts - 1)) // parts), step)
        while width > 2 * halo + alignment and len(spans := _spans(length, width, halo, step)) > parts:
            width += step
        if width <= 2 * halo + alignment or len(spans) <= len(found[-1]):
            break
        found.append(spans)
    return found


def _spans(length: int, width: int, halo: int, step: int) -> list[Span]:
    """Return spans of ``width`` with context, the first and the last having it on one side alone."""
    alignment = math.lcm(ALIGNMENT, step)
    spans: list[Span] = []
    start = 0
    while start < length:
        first = max(start - halo, 0)
        if first + width >= length:
            first = max(min(first, _up(length - width, step)), 0)
            spans.append((first, start, length, length))
            break
        end = (first + width - halo) // alignment * alignment
        spans.append((first, start, end, first + width))
        start = end
    return spans


def _up(number: int, step: int) -> int:
    """Return the next multiple of ``step``."""
    return -(-number // step) * step
