"""Denoising by shrinking the DCT of overlapping patches across planes: classical, and nothing to train.

It wants planes whose noise is white with a known standard deviation; on RAW data that is what the
variance-stabilising transform makes.

1. Pixels that stick out of their neighbours in one plane alone (hot, dead, struck by a cosmic ray) are
   replaced: no patch could hide them.
2. The planes are decorrelated by a fixed orthonormal transform (a luminance and differences), every
   8 x 8 patch is transformed by the DCT, each coefficient is scaled by a gain between 0 and 1, and the
   overlapping results are averaged with weights that favour sparse patches (Guleryuz, "Weighted
   averaging for denoising with overcomplete dictionaries", IEEE TIP 16(12), 2007).
3. The gain follows from the energy *around* a coefficient, that of the neighbouring frequencies and of
   the same frequency in the other planes: image structure comes in clusters, noise does not (for
   wavelets: Chen, Bui, Krzyzak, "Image denoising using neighbouring wavelet coefficients", ICASSP
   2004). One such pass removes more than a hard threshold followed by a Wiener filter, or than
   grouping of similar patches, at a fraction of their cost.
4. What the patches leave of noise below their lowest frequency is taken from the same estimate of the
   image at half size, recursively (Pierazzo, Morel, Facciolo, "Multi-scale DCT denoising", IPOL 7, 2017).

``benchmarks/denoise.py`` measures quality and cost.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthnoise.denoisers.dct_shrinkage import AREA, EDGE, NEIGHBOUR_SHARE, shrink_patches
from synthnoise.denoisers.defects import replace_defects
from synthnoise.errors import UsageError

Array = NDArray[np.float32]

BAND = 60
"""Rows of patches that one thread works on at a time: a multiple of every stride, and more than a patch."""

DECORRELATION = {
    1: [[1.0]],
    3: [[3**-0.5, 3**-0.5, 3**-0.5], [2**-0.5, 0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]],
    4: [
        [0.5, 0.5, 0.5, 0.5],
        [2**-0.5, 0, 0, -(2**-0.5)],
        [0, 2**-0.5, -(2**-0.5), 0],
        [0.5, -0.5, -0.5, 0.5],
    ],
}
"""Orthonormal rows by number of planes: a luminance, the difference on each diagonal of the CFA, the
difference of the diagonals; one diagonal of a Bayer repeat is green, so all phases are treated alike."""

LEVEL = (-0.08, 0.78, 0.44, 1.40)
SLOPE = (0.54, 0.03, -0.07, -0.15)
"""Log evidence at which half of a coefficient is kept: 1 + level + slope x (radial frequency / 8)."""
SHARES = (
    (0.0, 0.072, 0.059, 0.168),
    (0.140, 0.0, 0.430, 0.115),
    (0.092, 0.218, 0.0, 0.032),
    (0.530, 0.041, 0.011, 0.0),
)
"""Evidence that each plane (columns) lends to each other (rows) at the same frequency. These and the
two lines above are a descent on the error of BSDS500 training images with sensor noise added."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How thorough to be."""

    stride: int = field(
        default=1, metadata={"help": "pixels between patches; 2 is four times as fast", "range": (1, 4)}
    )
    scales: int = field(
        default=3,
        metadata={"help": "sizes of the image that are denoised, each half the last", "range": (1, 4)},
    )
    defects: bool = field(default=True, metadata={"help": "replace hot and dead pixels first"})


class PatchDCT(nn.Module):
    """Patch DCT shrinkage of one, three or four planes. Runs on the CPU wherever its input lives."""

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options or Options()

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return denoised [B, C, H, W] of planes with white noise of standard deviation ``sigma``.

        ``sigma`` is [B, 1 or C, H, W], above zero and slowly varying; C is 1, 3 or 4.

        Raises
        ------
        UsageError
            There are as many planes as it knows no decorrelation for, or a sigma is not above zero.
        """
        if noisy.shape[1] not in DECORRELATION:
            raise UsageError(f"patch-dct takes 1, 3 or 4 planes, not {noisy.shape[1]}")
        if not bool((sigma > 0).all()):
            raise UsageError("patch-dct needs a noise level above zero")
        restored = [
            self._denoise((image / deviation).numpy())
            for image, deviation in zip(
                noisy.detach().to("cpu", torch.float32), sigma.detach().to("cpu", torch.float32), strict=True
            )
        ]
        return torch.from_numpy(np.stack(restored)).to(noisy).mul_(sigma)

    def _denoise(self, planes: Array) -> Array:
        """Return one image [C, H, W] of unit noise, denoised."""
        if self.options.defects:
            planes = replace_defects(planes)
        mixing = np.array(DECORRELATION[len(planes)], dtype=np.float32)
        mixed = self._shrink(mix(planes, mixing), self.options.scales)
        return mix(mixed, mixing.T)

    def _shrink(self, mixed: Array, scales: int) -> Array:
        """Return decorrelated planes [C, H, W] without their unit noise."""
        height, width = mixed.shape[1:]
        stride = self.options.stride
        border = EDGE - stride
        edges = [(0, 0)] + [(border, border + -(n + 2 * border - EDGE) % stride) for n in (height, width)]
        padded = np.pad(mixed, edges, mode="symmetric")
        total, weights = np.zeros_like(padded), np.zeros(padded.shape[1:], np.float32)
        _shrink_bands(padded, stride, total, weights)
        del padded
        inside = (slice(border, border + height), slice(border, border + width))
        fine: Array = total[:, *inside]
        fine /= weights[inside]
        if scales > 1 and min(height, width) >= 2 * EDGE:
            coarse = self._shrink(half_size(mixed) * np.float32(2), scales - 1) * np.float32(0.5)
            fine += double_size(coarse - half_size(fine), (height, width))
        return fine


def _shrink_bands(planes: Array, stride: int, total: Array, weights: Array) -> None:
    """Run :func:`shrink_patches` over bands of rows on all of torch's threads.

    Every other band first, then those in between: no two that run together touch the same row, and the
    order of the sums does not depend on the number of threads.
    """
    channels, height, _ = planes.shape
    shares = np.array(SHARES, dtype=np.float32)[:channels, :channels].copy()
    table = thresholds(channels)

    def work(start: int) -> None:
        shrink_patches(planes, stride, start, start + BAND, table, shares, NEIGHBOUR_SHARE, total, weights)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for first in (0, BAND):
            list(pool.map(work, range(first, height, 2 * BAND)))


def mix(planes: Array, mixing: Array) -> Array:
    """Return ``mixing`` [C, C] applied across planes [C, H, W], in C order."""
    mixed: Array = (mixing @ planes.reshape(len(planes), -1)).reshape(planes.shape)
    return mixed


def thresholds(channels: int) -> Array:
    """Return float32 [C, 64]: the evidence at which a coefficient is halved, per plane and frequency."""
    frequency = np.arange(EDGE)
    radius = np.hypot(frequency[:, None], frequency[None, :]).reshape(AREA) / EDGE
    level, slope = (np.array(values[:channels])[:, None] for values in (LEVEL, SLOPE))
    table: Array = np.exp(1 + level + slope * radius).astype(np.float32)
    return table


def half_size(planes: Array) -> Array:
    """Return planes [C, ceil(H/2), ceil(W/2)] of 2x2 means; odd sides are filled up with their last line."""
    channels, height, width = planes.shape
    even = np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    halves: Array = even.reshape(channels, even.shape[1] // 2, 2, even.shape[2] // 2, 2).mean((2, 4))
    return halves


def double_size(planes: Array, size: tuple[int, int]) -> Array:
    """Return planes [C, H, W] of (about) twice the size, interpolated linearly between pixel centres."""
    tensor = torch.from_numpy(np.ascontiguousarray(planes))[None]
    full = nn.functional.interpolate(tensor, scale_factor=2, mode="bilinear", align_corners=False)
    whole: Array = full[0, :, : size[0], : size[1]].numpy()
    return whole
