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


def _up(number: int, step: int) -> int:
    """Return the next multiple of ``step``."""
    return -(-number // step) * step
