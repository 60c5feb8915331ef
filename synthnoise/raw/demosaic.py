"""Interpolating the missing colours of a mosaic, for viewing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from synthnoise.raw.frame import BLUE, GREEN, RED

BAYER_HALO = 2
"""Rows and columns of context that :func:`malvar` reads around its output."""


def malvar(mosaic: NDArray[np.float32], cfa: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return RGB [H, W, 3] of a Bayer mosaic [H + 4, W + 4], two pixels of context on each side.

    Gradient-corrected linear interpolation: Malvar, He and Cutler, "High-quality linear
    interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004, figure 2. ``cfa``
    [2, 2] is the pattern at the output's corner. H and W are even. White-balance first: the
    correction takes the channels' gradients for alike.
    """
    height, width = mosaic.shape[0] - 2 * BAYER_HALO, mosaic.shape[1] - 2 * BAYER_HALO
    rgb = np.empty((height, width, 3), np.float32)
    for i in (0, 1):
        for j in (0, 1):

            def at(dy: int, dx: int, i: int = i, j: int = j) -> NDArray[np.float32]:
                return mosaic[2 + i + dy : 2 + i + dy + height : 2, 2 + j + dx : 2 + j + dx + width : 2][
                    : height // 2, : width // 2
                ]

            here, target = at(0, 0), rgb[i::2, j::2]
            far_columns, far_rows = at(0, -2) + at(0, 2), at(-2, 0) + at(2, 0)
            columns, rows = at(0, -1) + at(0, 1), at(-1, 0) + at(1, 0)
            corners = at(-1, -1) + at(-1, 1) + at(1, -1) + at(1, 1)
            colour = cfa[i, j]
            target[..., colour] = here
            if colour == GREEN:
                along_row, along_column = cfa[i, 1 - j], cfa[1 - i, j]
                common = 5 * here - corners
                target[..., along_row] = (common + 4 * columns - far_columns + 0.5 * far_rows) / 8
                target[..., along_column] = (common + 4 * rows - far_rows + 0.5 * far_columns) / 8
            else:
                far = far_columns + far_rows
                target[..., GREEN] = (4 * here + 2 * (columns + rows) - far) / 8
                target[..., BLUE if colour == RED else RED] = (6 * here + 2 * corners - 1.5 * far) / 8
    return rgb


def convolution_halo(cfa: NDArray[np.uint8]) -> int:
    """Return the context that :func:`normalised_convolution` needs: enough to see every colour."""
    return int(max(cfa.shape))


def normalised_convolution(mosaic: NDArray[np.float32], cfa: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return RGB [H, W, 3] of a mosaic [H, W] of any CFA: each colour a Gaussian-weighted local mean.

    Knutsson and Westin, "Normalized and differential convolution", CVPR 1993, order zero. Measured
    samples stay as they are. The outer :func:`convolution_halo` pixels lack context.
    """
    radius = convolution_halo(cfa)
    spread = max(cfa.shape) / 5
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / spread) ** 2).astype(np.float32)
    height, width = mosaic.shape
    tiles = (math.ceil(height / cfa.shape[0]), math.ceil(width / cfa.shape[1]))
    colours = np.tile(cfa, tiles)[:height, :width]
    rgb = np.empty((height, width, 3), np.float32)
    for colour in (RED, GREEN, BLUE):
        mask = (colours == colour).astype(np.float32)
        smooth = [convolve1d(convolve1d(a, kernel, 0), kernel, 1) for a in (mosaic * mask, mask)]
        rgb[..., colour] = np.where(mask > 0, mosaic, smooth[0] / np.maximum(smooth[1], 1e-12))
    return rgb
