"""The classical default: shrinkage of overlapping patch DCTs across the CFA planes, at two scales.

It wants planes whose noise is white with standard deviation ``sigma``; on RAW data that is what the
variance-stabilising transform makes.

1. Pixels that stick out of all their neighbours in one plane alone (hot, dead, telegraph noise) are
   replaced: no sparse prior survives them.
2. A pilot: every 8x8 patch at a stride of 2 goes through an orthonormal transform across planes (sum
   and differences) and a 2-D DCT, and each coefficient is shrunk by the energy of its neighbourhood
   in frequency and in the other planes (the neighbourhood shrinkage of Cai and Silverman 2001, in the
   frequency plane).
3. The estimate: empirical Wiener weights from the pilot (as the second step of BM3D, Dabov et al.
   2007, without block matching).
4. What the patches keep of noise below their lowest frequency is taken from the same estimate of the
   image at half size, twice (multi-scale DCT, Pierazzo, Morel and Facciolo 2017).

Overlapping estimates are averaged with weights inverse to their noise. Compiled by numba; on other
devices the planes go through the CPU. ``benchmarks/denoise.py`` measures it.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from synthnoise.errors import UsageError

Planes = NDArray[np.float32]

PATCH = 8
STRIDE = 2
MARGIN = 8
"""Mirrored pixels around the image, so that border pixels are in as many patches as others."""
SCALES = 3
PILOT_LUMA = (-0.20, 0.56)
PILOT_DIFFERENCE = (0.30, 0.10)
PILOT_CHROMA = (1.02, -0.12)
"""Log of the pilot's threshold at frequency zero and its rise towards the highest, for the sum, the
differences of alike planes, and the difference of the diagonals: natural chroma is smooth and rare,
so more of it is noise. Chosen on BSDS500-train."""
CROSS_PLANE = 0.09
"""How much the energy of the other planes at the same frequency speaks for a coefficient."""
PILOT_SCALE = 1.5
OUTLIER = 4.0
"""Standard deviations above all eight neighbours that mark a defective pixel."""
OUTLIER_SUPPORT = 2.5
"""Standard deviations above their surroundings at which the other planes vouch for a pixel."""


@dataclass(frozen=True)
class Options:
    """Options of :class:`PatchDCT`."""

    defects: bool = field(default=True, metadata={"help": "Replace hot and dead pixels first."})
    scales: int = field(
        default=SCALES,
        metadata={"help": "Sizes of the image that are denoised, each half the one before.", "range": (1, 4)},
    )


class PatchDCT(nn.Module):
    """Denoises planes with white noise (module docstring)."""

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options or Options()

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return float32 [B, C, H, W] on the device of ``noisy``.

        ``sigma`` [B, 1 or C, H, W] is the standard deviation of the noise; each image and plane is
        scaled by its mean.
        """
        scale = sigma.mean(dim=(-2, -1), keepdim=True).expand(-1, noisy.shape[1], 1, 1)
        if not bool((scale > 0).all()):
            raise UsageError("the noise level must be above zero", hint="leave noise-free images as they are")
        planes = (noisy / scale).detach().cpu().numpy().astype(np.float32, copy=False)
        restored = np.stack([self._restore(image) for image in planes])
        return torch.from_numpy(restored).to(noisy.device) * scale

    def _restore(self, image: Planes) -> Planes:
        if self.options.defects:
            image = replace_defects(np.ascontiguousarray(image))
        return restore(image, self.options.scales)


def restore(image: Planes, scales: int = SCALES) -> Planes:
    """Return planes [C, H, W] without their white noise of standard deviation 1."""
    channels, height, width = image.shape
    # An even size with a margin of a whole patch keeps the grid of patches where it is in any tile.
    pad = ((0, 0), (MARGIN, MARGIN + height % 2), (MARGIN, MARGIN + width % 2))
    noisy = np.ascontiguousarray(np.pad(image, pad, mode="symmetric"))
    mixing = plane_transform(channels)
    pilot = _pilot(noisy, mixing, pilot_thresholds(channels), *_dct_pair())
    fine = _wiener(noisy, pilot, mixing, *_dct_pair())[:, MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    if scales <= 1 or min(height, width) < 2 * PATCH:
        return fine
    coarse = restore(2 * half_size(image), scales - 1) / 2
    return fine + double_size(coarse - half_size(fine), (height, width))


def plane_transform(channels: int) -> Planes:
    """Return the orthonormal transform [C, C] across planes: the sum first.

    Four planes are a 2x2 CFA in row-major order: the sum, the difference on each diagonal (one is
    green, so every Bayer phase is treated alike), and the difference of the diagonals. Others get
    the DCT.
    """
    if channels == 4:
        h, q = 0.5, math.sqrt(0.5)
        return np.array([[h, h, h, h], [q, 0, 0, -q], [0, q, -q, 0], [h, -h, -h, h]], dtype=np.float32)
    return dct_matrix(channels)


def pilot_thresholds(channels: int) -> Planes:
    """Return the squared thresholds [C, 8, 8] of the pilot, in units of the noise variance."""
    rows = np.arange(PATCH)[:, None]
    radius = np.sqrt(rows**2 + rows.T**2) / PATCH
    logs = [PILOT_LUMA, *[PILOT_DIFFERENCE] * (channels - 2), PILOT_CHROMA][:channels]
    return np.stack([PILOT_SCALE * np.exp(2 * (a + b * radius + 1)) for a, b in logs]).astype(np.float32)


@functools.cache
def dct_matrix(size: int) -> Planes:
    """Return the orthonormal DCT-II [size, size]: rows are frequencies."""
    n = np.arange(size)
    matrix = np.sqrt(2 / size) * np.cos((2 * n[None, :] + 1) * n[:, None] * np.pi / (2 * size))
    matrix[0] = math.sqrt(1 / size)
    return matrix.astype(np.float32)


def _dct_pair() -> tuple[Planes, Planes]:
    matrix = dct_matrix(PATCH)
    return matrix, np.ascontiguousarray(matrix.T)


def half_size(planes: Planes) -> Planes:
    """Return planes [C, H/2, W/2] of 2x2 means; odd sides are filled up with their last line."""
    channels, height, width = planes.shape
    even = np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    return even.reshape(channels, even.shape[1] // 2, 2, even.shape[2] // 2, 2).mean((2, 4))


def double_size(planes: Planes, size: tuple[int, int]) -> Planes:
    """Return planes [C, H, W] of twice the size, interpolated linearly between pixel centres."""
    tensor = torch.from_numpy(np.ascontiguousarray(planes))[None]
    full = nn.functional.interpolate(tensor, scale_factor=2, mode="bilinear", align_corners=False)
    return full[0, :, : size[0], : size[1]].numpy()


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _multiply(left: Planes, block: Planes, scratch: Planes, right: Planes, result: Planes) -> None:
    """Set ``result`` to left @ block @ right, all 8x8."""
    for i in range(PATCH):
        for k in range(PATCH):
            scratch[i, k] = left[i, 0] * block[0, k]
        for j in range(1, PATCH):
            factor = left[i, j]
            for k in range(PATCH):
                scratch[i, k] += factor * block[j, k]
    for i in range(PATCH):
        for k in range(PATCH):
            result[i, k] = scratch[i, 0] * right[0, k]
        for j in range(1, PATCH):
            factor = scratch[i, j]
            for k in range(PATCH):
                result[i, k] += factor * right[j, k]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _analyse(
    image: Planes,
    y: int,
    x: int,
    mixing: Planes,
    dct: Planes,
    transposed: Planes,
    patch: Planes,
    scratch: Planes,
    coefficients: Planes,
) -> None:
    """Set ``coefficients`` [C, 8, 8] to the transform of the patch at (y, x)."""
    channels = image.shape[0]
    for c in range(channels):
        for i in range(PATCH):
            for j in range(PATCH):
                patch[c, i, j] = mixing[c, 0] * image[0, y + i, x + j]
        for d in range(1, channels):
            factor = mixing[c, d]
            if factor != 0:
                for i in range(PATCH):
                    for j in range(PATCH):
                        patch[c, i, j] += factor * image[d, y + i, x + j]
        _multiply(dct, patch[c], scratch, transposed, coefficients[c])


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _aggregate(
    coefficients: Planes,
    weight: float,
    y: int,
    x: int,
    mixing: Planes,
    dct: Planes,
    transposed: Planes,
    patch: Planes,
    scratch: Planes,
    total: Planes,
    weights: Planes,
) -> None:
    """Add the patch of ``coefficients`` times ``weight`` at (y, x) to the running sums."""
    channels = total.shape[0]
    for c in range(channels):
        _multiply(transposed, coefficients[c], scratch, dct, patch[c])
    for c in range(channels):
        for d in range(channels):
            factor = weight * mixing[d, c]
            if factor != 0:
                for i in range(PATCH):
                    for j in range(PATCH):
                        total[c, y + i, x + j] += factor * patch[d, i, j]
    for i in range(PATCH):
        for j in range(PATCH):
            weights[y + i, x + j] += weight


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _pilot(image: Planes, mixing: Planes, thresholds: Planes, dct: Planes, transposed: Planes) -> Planes:
    """Return the pilot estimate: coefficients shrunk by the energy around them."""
    channels, height, width = image.shape
    total, weights = np.zeros_like(image), np.zeros((height, width), np.float32)
    patch, found = (
        np.empty((channels, PATCH, PATCH), np.float32),
        np.empty((channels, PATCH, PATCH), np.float32),
    )
    scratch = np.empty((PATCH, PATCH), np.float32)
    energy = np.zeros((channels, PATCH + 2, PATCH + 2), np.float32)
    for y in range(0, height - PATCH + 1, STRIDE):
        for x in range(0, width - PATCH + 1, STRIDE):
            _analyse(image, y, x, mixing, dct, transposed, patch, scratch, found)
            for c in range(channels):
                for i in range(PATCH):
                    for j in range(PATCH):
                        energy[c, i + 1, j + 1] = found[c, i, j] ** 2
                energy[c, 1, 1] = 0  # the mean of a patch is kept, and says nothing about its texture
            kept = np.float32(channels)
            for c in range(channels):
                for i in range(PATCH):
                    for j in range(PATCH):
                        if i + j == 0:
                            continue
                        around = np.float32(0)
                        for k in range(3):
                            around += energy[c, i + k, j] + energy[c, i + k, j + 1] + energy[c, i + k, j + 2]
                        edges = (i == 0 or i == PATCH - 1) + (j == 0 or j == PATCH - 1)
                        around /= np.float32(9 if edges == 0 else 6 if edges == 1 else 4)
                        for d in range(channels):
                            if d != c:
                                around += np.float32(CROSS_PLANE) * energy[d, i + 1, j + 1]
                        around *= around
                        gain = around / (around + thresholds[c, i, j])
                        found[c, i, j] *= gain
                        kept += gain * gain
            _aggregate(found, 1 / kept, y, x, mixing, dct, transposed, patch, scratch, total, weights)
    return total / weights


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _wiener(image: Planes, pilot: Planes, mixing: Planes, dct: Planes, transposed: Planes) -> Planes:
    """Return the estimate with Wiener weights from the pilot."""
    channels, height, width = image.shape
    total, weights = np.zeros_like(image), np.zeros((height, width), np.float32)
    patch, found = (
        np.empty((channels, PATCH, PATCH), np.float32),
        np.empty((channels, PATCH, PATCH), np.float32),
    )
    guide = np.empty((channels, PATCH, PATCH), np.float32)
    scratch = np.empty((PATCH, PATCH), np.float32)
    for y in range(0, height - PATCH + 1, STRIDE):
        for x in range(0, width - PATCH + 1, STRIDE):
            _analyse(pilot, y, x, mixing, dct, transposed, patch, scratch, guide)
            _analyse(image, y, x, mixing, dct, transposed, patch, scratch, found)
            kept = np.float32(channels)
            for c in range(channels):
                mean = found[c, 0, 0]
                for i in range(PATCH):
                    for j in range(PATCH):
                        power = guide[c, i, j] * guide[c, i, j]
                        gain = power / (power + np.float32(1))
                        found[c, i, j] *= gain
                        kept += gain * gain
                found[c, 0, 0] = mean
            _aggregate(found, 1 / kept, y, x, mixing, dct, transposed, patch, scratch, total, weights)
    return total / weights


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def replace_defects(image: Planes) -> Planes:
    """Return planes [C, H, W] (noise of standard deviation 1) with lone outliers set to their neighbours' median.

    A pixel is defective when it lies above (below) all eight neighbours of its plane by more than
    ``OUTLIER``, and no other plane rises (falls) at that place: a star or a glint is seen by all.
    """
    channels, height, width = image.shape
    result = image.copy()
    around = np.empty(8, np.float32)
    for c in range(channels):
        for y in range(1, height - 1):
            for x in range(1, width - 1):
                value = image[c, y, x]
                sign = np.float32(1) if value > image[c, y, x - 1] else np.float32(-1)
                # Most pixels fail here already.
                if (
                    sign * (value - image[c, y, x - 1]) <= OUTLIER
                    or sign * (value - image[c, y, x + 1]) <= OUTLIER
                ):
                    continue
                _neighbours(image[c], y, x, around)
                if np.min(sign * (value - around)) <= OUTLIER:
                    continue
                median = np.median(around)
                lone = True
                for d in range(channels):
                    if d != c:
                        here = image[d, y, x]
                        _neighbours(image[d], y, x, around)
                        if sign * (here - np.median(around)) > OUTLIER_SUPPORT:
                            lone = False
                if lone:
                    result[c, y, x] = median
    return result


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _neighbours(plane: Planes, y: int, x: int, around: Planes) -> None:
    """Set ``around`` [8] to the neighbours of (y, x)."""
    n = 0
    for i in range(-1, 2):
        for j in range(-1, 2):
            if i != 0 or j != 0:
                around[n] = plane[y + i, x + j]
                n += 1
