"""Tiles with enough context that their interiors equal the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

ALIGNMENT = 32
"""Tiles and their context begin on multiples of this many packed pixels, so that whatever grid a
denoiser lays (patches, strides, pooling) lies the same in every tile as in the whole."""


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


def aligned(pixels: int) -> int:
    """Return the next multiple of the alignment."""
    return -(-pixels // ALIGNMENT) * ALIGNMENT


def tiles(size: tuple[int, int], edge: int, halo: int) -> Iterator[Tile]:
    """Yield tiles that cover an image of ``size`` (height, width) row by row.

    ``edge`` and ``halo`` are rounded up to the alignment.
    """
    height, width = size
    edge, halo = max(aligned(edge), ALIGNMENT), aligned(halo)
    for top in range(0, height, edge):
        for left in range(0, width, edge):
            bottom, right = min(top + edge, height), min(left + edge, width)
            outer = (
                max(top - halo, 0),
                max(left - halo, 0),
                min(bottom + halo, height),
                min(right + halo, width),
            )
            yield Tile(outer, (top, left, bottom, right))
