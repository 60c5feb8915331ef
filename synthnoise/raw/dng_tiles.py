"""Cutting an image into DNG tiles and compressing them, a few at a time."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import UsageError
from synthnoise.raw import ljpeg

TARGET_SIZE = 512
TIFF_MULTIPLE = 16
SMALLEST_SIDE = 22
MAX_THREADS = 4


@dataclass(frozen=True)
class TileGrid:
    """How an image of ``height`` x ``width`` pixels is cut."""

    height: int
    width: int
    tile_height: int
    tile_width: int

    @classmethod
    def of(cls, shape: tuple[int, ...], period: tuple[int, int]) -> TileGrid:
        """Return the grid of an image [H, W, ...]: sides are multiples of 16, and of the CFA if possible.

        LibRaw and dcraw misread tiles wider than the image, and those half as wide; no tile is.

        Raises
        ------
        UsageError
            The image is smaller than what LibRaw takes for a picture.
        """
        if min(shape[:2]) < SMALLEST_SIDE:
            raise UsageError(
                f"{shape[1]} x {shape[0]} pixels are too few for a DNG: {SMALLEST_SIDE} each way at least"
            )
        sides = []
        for length, repeat in zip(shape[:2], period, strict=True):
            unit = math.lcm(TIFF_MULTIPLE, repeat)
            unit = unit if unit <= length else TIFF_MULTIPLE
            even = math.ceil(length / math.ceil(length / TARGET_SIZE))
            sides.append(max(unit, min(math.ceil(even / unit), length // unit) * unit))
        if 2 * sides[1] == shape[1]:
            sides[1] += unit
        return cls(shape[0], shape[1], sides[0], sides[1])

    def __len__(self) -> int:
        return math.ceil(self.height / self.tile_height) * math.ceil(self.width / self.tile_width)

    def corners(self) -> Iterator[tuple[int, int]]:
        """Yield (top, left) of every tile, row by row."""
        for top in range(0, self.height, self.tile_height):
            for left in range(0, self.width, self.tile_width):
                yield top, left

    def cut(self, image: NDArray[np.uint16], top: int, left: int) -> NDArray[np.uint16]:
        """Return one tile [tile_height, tile_width, ...], filled up with what compresses to nothing."""
        tile = image[top : top + self.tile_height, left : left + self.tile_width]
        missing_rows = self.tile_height - tile.shape[0]
        missing_columns = self.tile_width - tile.shape[1]
        if missing_columns:
            # The last pixel of each of the two components goes on: all its differences are zero.
            pair, repeats = tile[:, [-min(2, tile.shape[1]), -1]], math.ceil(missing_columns / 2)
            filler = np.concatenate([pair] * repeats, 1)[:, :missing_columns]
            tile = np.concatenate([tile, filler], 1)
        if missing_rows:
            flat = np.repeat(tile[-1:, :2], self.tile_width // 2, 1) if tile.ndim == 2 else tile[-1:, :1]
            tile = np.concatenate([tile, np.broadcast_to(flat, (missing_rows, *tile.shape[1:]))], 0)
        return tile


def thread_count() -> int:
    """Return how many tiles are encoded or decoded at a time."""
    return min(os.cpu_count() or 1, MAX_THREADS)


def encode_tiles(image: NDArray[np.uint16], grid: TileGrid, components: int) -> Iterator[bytes]:
    """Yield the lossless JPEG stream of every tile of uint16 [H, W] or [H, W, 3], in order.

    Only a handful of tiles are in memory at once, whatever the size of the image.
    """

    def encode(corner: tuple[int, int]) -> bytes:
        return ljpeg.encode(grid.cut(image, *corner).reshape(grid.tile_height, -1), components)

    threads = thread_count()
    pending: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for corner in grid.corners():
            pending.append(pool.submit(encode, corner))
            if len(pending) > 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
