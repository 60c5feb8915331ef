"""The tiles of one frame, three at a time: one is being prepared, one in the network, one on its way back.

Only the network keeps all cores busy; what comes before and after it is done meanwhile, by a thread each.
Every stage takes the tiles in their order, so the result has the same bytes as one tile after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.denoising.denoiser import Denoiser, Prepared
from synthnoise.denoising.mosaic_planes import MosaicPlanes
from synthnoise.denoising.tiles import Tile
from synthnoise.progress import Progress
from synthnoise.raw.frame import Rectangle

Array = NDArray[np.float32]
Noise = tuple[tuple[float, ...], tuple[float, ...]]
"""S and O of each plane."""


def denoise_tiles(
    source: MosaicPlanes,
    output: NDArray[Any],
    denoiser: Denoiser,
    grid: Sequence[Tile],
    noise: Noise,
    progress: Progress,
) -> None:
    """Store the denoised tiles of a grid in ``output``, the active area in DN.

    Raises
    ------
    UsageError
        The denoiser is made for another number of planes, or there is no such noise.
    """
    back = _Return(source, output, denoiser, noise)

    def load(tile: Tile) -> tuple[Array, Prepared]:
        noisy = source.read(tile.outer)[None]
        return noisy, denoiser.prepare(noisy, *noise)

    with ThreadPoolExecutor(1) as before, ThreadPoolExecutor(1) as after:
        ahead, behind = before.submit(load, grid[0]), None
        for tile, following in zip_longest(grid, grid[1:]):
            noisy, prepared = ahead.result()
            if following is not None:
                ahead = before.submit(load, following)
            kept = (..., *tile.kept)
            inferred = np.ascontiguousarray(denoiser.infer(prepared)[kept])
            _wait(behind)
            behind = after.submit(back.take, tile, noisy[kept], inferred)
            del noisy, prepared, inferred
            progress.advance()
        _wait(behind)


def _wait(stage: Future[None] | None) -> None:
    if stage is not None:
        stage.result()


class _Return:
    """The way back: linear light, local means kept, rounded into the output.

    Local means are known two blocks later than the pixels, so the edges of a tile wait for the next.
    """

    def __init__(self, source: MosaicPlanes, output: NDArray[Any], denoiser: Denoiser, noise: Noise) -> None:
        self._source, self._output = source, output
        self._denoiser, self._noise = denoiser, noise
        self._drift = denoiser.drift(source.size, *noise)
        self._waiting: list[tuple[Rectangle, Array]] = []

    def take(self, tile: Tile, noisy: Array, inferred: Array) -> None:
        """Store a tile, noisy planes and what the network gave without context, and what waited for it."""
        restored = self._denoiser.finish(inferred, *self._noise)
        blended = self._denoiser.strengths.blended(noisy, restored)
        if self._drift is None:
            self._source.write(self._output, tile.inner, blended[0])
            return
        self._drift.add(noisy, restored, tile.inner[:2])
        top, left, *_ = tile.inner
        for part in _parts(tile.inner, self._source.size, self._drift.reach):
            rows, columns = slice(part[0] - top, part[2] - top), slice(part[1] - left, part[3] - left)
            self._waiting.append((part, blended[..., rows, columns]))
        waiting = []
        for rectangle, values in self._waiting:
            if self._drift.complete(rectangle):
                values += self._denoiser.strengths.of(self._drift.at(rectangle))
                self._source.write(self._output, rectangle, values[0])
            else:
                # What waits is not to hold the memory of its whole tile.
                waiting.append((rectangle, values if values.flags.owndata else values.copy()))
        self._waiting = waiting


def _parts(inner: Rectangle, size: tuple[int, int], reach: int) -> list[Rectangle]:
    """Return the rectangles of a tile of which some know all around them before the next tile does."""
    top, left, bottom, right = inner
    row = bottom if bottom == size[0] else max(bottom - reach, top)
    column = right if right == size[1] else max(right - reach, left)
    return [
        (a, c, b, d)
        for a, b in ((top, row), (row, bottom))
        for c, d in ((left, column), (column, right))
        if a < b and c < d
    ]
