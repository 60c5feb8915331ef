"""Denoising pictures that have left the camera: white noise of unknown strength, in sRGB."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.denoising.denoise import DEFAULT_TILE
from synthnoise.denoising.denoiser import Denoiser
from synthnoise.denoising.tiles import Tile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.picture import Picture

if TYPE_CHECKING:
    import torch

BLOCK = 16
FLATTEST = 0.1
"""Share of the blocks that is taken to be free of texture."""
LEAST_SIGMA = 1e-4
BAND = 16
"""Rows of blocks looked at together."""
CLIPPED = 0.05
"""Share of a block's pixels that may be black, white or transparent without much changing its variance."""
NETWORK_AREA = 1_200_000
"""Pixels of a tile with its context, for networks, whose features take 180 bytes for each ..."""
LARGE_PICTURE, LARGE_PICTURE_AREA = 32_000_000, 500_000
"""... and where the picture itself takes more of the memory."""
COLOURS = 3


def estimate_sigma(
    picture: NDArray[Any], largest: float = 1.0, opaque: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the standard deviation of white noise per channel, [C], of a picture [H, W, C].

    ``largest`` is what white is worth in the picture; in the result it is 1. ``opaque`` [H, W] is where
    anything is to be seen.

    Median over the flattest tenth of the blocks of the energy of diagonal second differences, which
    vanish on ramps and straight edges; corrected for choosing the lowest by the median over all
    where the picture is flat throughout. Blocks that are clipped or transparent show no noise; where
    there are no others, the least clipped have to do.
    """
    rows, columns = (picture.shape[0] - 1) // BLOCK, (picture.shape[1] - 1) // BLOCK
    if not rows or not columns:
        return np.full(picture.shape[2], LEAST_SIGMA)
    bands = [slice(top * BLOCK, min(top + BAND, rows) * BLOCK + 1) for top in range(0, rows, BAND)]
    energy = np.concatenate([_block_energy(picture[band], columns, largest) for band in bands])
    hidden = np.concatenate(
        [_hidden(picture[band], columns, largest, None if opaque is None else opaque[band]) for band in bands]
    )
    # The block energies of white noise scatter by sqrt(2.25 * 2 / n); 2.25 is the differences' correlation.
    scatter = 1 - 1.645 * np.sqrt(2 * 2.25 / BLOCK**2)
    sigma = np.empty(picture.shape[2])
    for channel, (values, share) in enumerate(zip(energy.T, hidden.T, strict=True)):
        shown = values[share <= max(CLIPPED, float(np.quantile(share, FLATTEST)))]
        sigma[channel] = np.sqrt(np.quantile(shown, FLATTEST / 2) / scatter)
    return np.maximum(sigma, LEAST_SIGMA)


def _hidden(
    band: NDArray[Any], columns: int, largest: float, opaque: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    """Return the share of each block's pixels that show no noise, [blocks, C]."""
    inside = band[:-1, : columns * BLOCK]
    lost = (inside <= 0) | (inside >= largest)
    if opaque is not None:
        lost |= ~opaque[:-1, : columns * BLOCK, None]
    return _block_means(lost, columns)


def _block_energy(band: NDArray[Any], columns: int, largest: float) -> NDArray[np.float64]:
    """Return the mean square diagonal difference of each block and channel, [blocks, C]."""
    values = band[:, : columns * BLOCK + 1].astype(np.float32) / np.float32(largest)
    diagonal = (values[:-1, :-1] - values[1:, :-1] - values[:-1, 1:] + values[1:, 1:]) / 2
    return _block_means(diagonal.astype(np.float64) ** 2, columns)


def _block_means(values: NDArray[Any], columns: int) -> NDArray[np.float64]:
    blocks = values.reshape(-1, BLOCK, columns, BLOCK, values.shape[2])
    return np.asarray(blocks.mean((1, 3)).reshape(-1, values.shape[2]))


def denoise_picture(
    picture: Picture,
    denoiser: Denoiser,
    *,
    sigma: NDArray[np.float64] | None = None,
    tile: int | None = None,
    in_place: bool = False,
    progress: Progress = SILENT,
) -> tuple[Picture, NDArray[np.float64]]:
    """Return a picture without its noise, and the sigma found, [C] in [0, 1], unless it is given.

    Black and white areas and transparent pixels stay as they are, and so do alpha and all that is carried.

    Parameters
    ----------
    sigma
        Standard deviation of the noise, [C] in [0, 1].
    tile
        Edge of the tiles in pixels, without their context; None for what memory allows.
    in_place
        The result takes the memory of the picture's pixels, which are lost, where they can be written to.
    """
    import torch

    pixels, opaque = picture.pixels, picture.opaque
    largest = np.iinfo(pixels.dtype).max
    sigma = estimate_sigma(pixels, largest, opaque) if sigma is None else sigma
    read = tuple(float(s) ** 2 for s in sigma)
    output = pixels if in_place and pixels.flags.writeable else pixels.copy()
    grid = _tiles(pixels.shape[:2], denoiser, tile)
    progress.start("denoising", len(grid))
    for part, source in _with_pixels(output, grid):
        planes = torch.from_numpy(source.transpose(2, 0, 1).astype(np.float32) / np.float32(largest))
        restored = _restored(denoiser, planes, read)
        kept = restored[(slice(None), *part.kept)].transpose(1, 2, 0)
        area = (slice(part.inner[0], part.inner[2]), slice(part.inner[1], part.inner[3]))
        level = np.rint(np.clip(kept, 0, 1) * largest).astype(pixels.dtype)
        still = _clipped(planes)[(slice(None), *part.kept)].transpose(1, 2, 0)
        if opaque is not None:
            still |= ~opaque[area][..., None]
        output[area] = np.where(still, source[part.kept], level)
        progress.advance()
    return dataclasses.replace(picture, pixels=output), sigma


def _tiles(size: tuple[int, ...], denoiser: Denoiser, edge: int | None) -> list[Tile]:
    """Return the tiles of a picture of ``size`` (height, width), row by row."""
    if edge is None and denoiser.record.trainable:
        large = size[0] * size[1] > LARGE_PICTURE
        return denoiser.tiles((size[0], size[1]), area=LARGE_PICTURE_AREA if large else NETWORK_AREA)
    return denoiser.tiles((size[0], size[1]), edge or DEFAULT_TILE)


def _with_pixels(output: NDArray[Any], grid: Sequence[Tile]) -> Iterator[tuple[Tile, NDArray[Any]]]:
    """Yield each tile and its pixels with their context, as they were before ``output`` was written to.

    ``output`` [H, W, C] holds the noisy picture and takes the results tile by tile. Of what has been
    overwritten, one row of tiles is kept.
    """
    band, end = output[:0], 0
    for (top, bottom), row in itertools.groupby(grid, key=lambda part: (part.outer[0], part.outer[2])):
        above = band[len(band) - max(end - top, 0) :]
        band = np.concatenate([above, output[top + len(above) : bottom]])
        end = bottom
        for part in row:
            yield part, band[:, part.outer[1] : part.outer[3]]


def _clipped(planes: torch.Tensor) -> NDArray[np.bool_]:
    """Return where planes [C, H, W] are black or white, as most pixels around are too: not by noise alone."""
    import torch

    kept = torch.zeros_like(planes, dtype=torch.bool)
    for value in (0.0, 1.0):
        here = planes == value
        share = torch.nn.functional.avg_pool2d(here.float()[None], 3, 1, 1, count_include_pad=False)[0]
        kept |= here & (share > 0.5)
    return kept.numpy()


def _restored(denoiser: Denoiser, planes: torch.Tensor, read: tuple[float, ...]) -> NDArray[np.float32]:
    """Return planes [C, H, W] denoised; grey goes through a network for colours as three equal planes.

    Noise that is equal in all planes has three times the variance in brightness that the network knows
    of independent noise, so that is what it is told.
    """
    if denoiser.record.channels == COLOURS and len(planes) == 1:
        told = (COLOURS * read[0],) * COLOURS
        grey = denoiser(planes.expand(COLOURS, -1, -1)[None], (0.0,) * COLOURS, told)
        return np.asarray(grey[0].mean(0, keepdim=True).cpu().numpy())
    return np.asarray(denoiser(planes[None], (0.0,) * len(read), read)[0].cpu().numpy())
