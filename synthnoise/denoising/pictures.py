"""Denoising pictures that have left the camera: white noise of unknown strength, in sRGB."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthnoise.denoising.denoise import DEFAULT_TILE
from synthnoise.denoising.denoiser import Denoiser
from synthnoise.progress import SILENT, Progress

BLOCK = 16
FLATTEST = 0.1
"""Share of the blocks that is taken to be free of texture."""
LEAST_SIGMA = 1e-4
BAND = 16
"""Rows of blocks looked at together."""
NETWORK_TILE = 1024
"""Pixels of a picture: features of a network take many times the memory of its tile."""


def estimate_sigma(picture: NDArray[Any], largest: float = 1.0) -> NDArray[np.float64]:
    """Return the standard deviation of white noise per channel, [C], of a picture [H, W, C].

    ``largest`` is what white is worth in the picture; in the result it is 1.

    Median over the flattest tenth of the blocks of the energy of diagonal second differences, which
    vanish on ramps and straight edges; corrected for choosing the lowest by the median over all
    where the picture is flat throughout.
    """
    rows, columns = (picture.shape[0] - 1) // BLOCK, (picture.shape[1] - 1) // BLOCK
    if not rows or not columns:
        return np.full(picture.shape[2], LEAST_SIGMA)
    bands = [
        _block_energy(picture[top * BLOCK : min(top + BAND, rows) * BLOCK + 1], columns, largest)
        for top in range(0, rows, BAND)
    ]
    energy = np.concatenate(bands)
    lowest = np.quantile(energy, FLATTEST / 2, axis=0)
    # The block energies of white noise scatter by sqrt(2.25 * 2 / n); 2.25 is the differences' correlation.
    scatter = 1 - 1.645 * np.sqrt(2 * 2.25 / BLOCK**2)
    sigma: NDArray[np.float64] = np.maximum(np.sqrt(lowest / scatter), LEAST_SIGMA)
    return sigma


def _block_energy(band: NDArray[Any], columns: int, largest: float) -> NDArray[np.float64]:
    """Return the mean square diagonal difference of each block and channel, [blocks, C]."""
    values = band[:, : columns * BLOCK + 1].astype(np.float32) / np.float32(largest)
    diagonal = (values[:-1, :-1] - values[1:, :-1] - values[:-1, 1:] + values[1:, 1:]) / 2
    blocks = diagonal.reshape(-1, BLOCK, columns, BLOCK, values.shape[2])
    return np.asarray((blocks.astype(np.float64) ** 2).mean((1, 3)).reshape(-1, values.shape[2]))


def denoise_picture(
    picture: NDArray[Any], denoiser: Denoiser, *, tile: int | None = None, progress: Progress = SILENT
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return a picture uint8 or uint16 [H, W, 3] without its noise, and the sigma found, [3] in [0, 1].

    The dtype is kept; 0 and the largest value stay as they are.
    """
    largest = np.iinfo(picture.dtype).max
    sigma = estimate_sigma(picture, largest)
    read = tuple(float(s) ** 2 for s in sigma)
    output = picture.copy()
    height, width = picture.shape[:2]
    edge = NETWORK_TILE if denoiser.record.trainable else DEFAULT_TILE
    grid = denoiser.tiles((height, width), tile or edge)
    progress.start("denoising", len(grid))
    for part in grid:
        top, left, bottom, right = part.outer
        planes = picture[top:bottom, left:right].transpose(2, 0, 1).astype(np.float32) / largest
        restored = denoiser(torch.from_numpy(planes)[None], (0.0,) * len(read), read)[0].cpu().numpy()
        kept = restored[(slice(None), *part.kept)].transpose(1, 2, 0)
        area = (slice(part.inner[0], part.inner[2]), slice(part.inner[1], part.inner[3]))
        source = picture[area]
        level = np.rint(np.clip(kept, 0, 1) * largest).astype(picture.dtype)
        output[area] = np.where((source == 0) | (source == largest), source, level)
        progress.advance()
    return output, sigma
