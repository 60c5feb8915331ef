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


def estimate_sigma(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard deviation of white noise per channel, [C], of a picture [H, W, C] in [0, 1].

    Median over the flattest tenth of the blocks of the energy of diagonal second differences, which
    vanish on ramps and straight edges; corrected for choosing the lowest by the median over all
    where the picture is flat throughout.
    """
    values = np.asarray(picture, dtype=np.float32)
    diagonal = (values[:-1, :-1] - values[1:, :-1] - values[:-1, 1:] + values[1:, 1:]) / 2
    rows, columns = diagonal.shape[0] // BLOCK, diagonal.shape[1] // BLOCK
    if not rows or not columns:
        return np.full(values.shape[2], LEAST_SIGMA)
    blocks = diagonal[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, -1)
    energy = (blocks.astype(np.float64) ** 2).mean((1, 3)).reshape(rows * columns, -1)
    lowest = np.quantile(energy, FLATTEST / 2, axis=0)
    # The block energies of white noise scatter by sqrt(2.25 * 2 / n); 2.25 is the differences' correlation.
    scatter = 1 - 1.645 * np.sqrt(2 * 2.25 / BLOCK**2)
    sigma: NDArray[np.float64] = np.maximum(np.sqrt(lowest / scatter), LEAST_SIGMA)
    return sigma


def denoise_picture(
    picture: NDArray[Any], denoiser: Denoiser, *, tile: int | None = None, progress: Progress = SILENT
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return a picture uint8 or uint16 [H, W, 3] without its noise, and the sigma found, [3] in [0, 1].

    The dtype is kept; 0 and the largest value stay as they are.
    """
    largest = np.iinfo(picture.dtype).max
    sigma = estimate_sigma(picture / np.float32(largest))
    read = tuple(float(s) ** 2 for s in sigma)
    output = picture.copy()
    height, width = picture.shape[:2]
    grid = denoiser.tiles((height, width), tile or DEFAULT_TILE)
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
