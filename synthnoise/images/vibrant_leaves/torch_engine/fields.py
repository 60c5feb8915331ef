"""The stored fields on a device: noise of all periods and slopes in one tensor, and displacements."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves.settings import Spectrum
from synthnoise.images.vibrant_leaves.textures import SIDES, SLOPES, noise_atlas, warp_field


@dataclass(frozen=True, eq=False)
class Fields:
    """What textures are read from, on a device.

    Attributes
    ----------
    noise
        int32 [texels], the packed fields of ``textures.noise_atlas`` one behind the other.
    starts
        int64 [sides, slopes], first texel of each field.
    sides
        int64 [sides], periods.
    warp
        float32 [side, side, 2].
    """

    noise: Tensor
    starts: Tensor
    sides: Tensor
    warp: Tensor


@functools.lru_cache(maxsize=2)
def device_fields(
    largest: int, slope: tuple[float, float], spectrum: Spectrum, device: torch.device
) -> Fields:
    """Return the fields of periods up to ``largest`` on a device: up to 90 MB, kept there."""
    atlas = noise_atlas(largest, slope, spectrum)
    noise = np.concatenate([field.ravel() for field in atlas])
    starts = np.zeros((len(SIDES), SLOPES), dtype=np.int64)
    before = 0
    for place, field in enumerate(atlas):
        each = field[0].size if len(field) else 0
        starts[place] = before + each * np.arange(SLOPES)
        before += each * SLOPES
    return Fields(
        torch.from_numpy(noise).to(device),
        torch.from_numpy(starts).to(device),
        torch.tensor(SIDES, device=device),
        torch.tensor(warp_field()).to(device),
    )
