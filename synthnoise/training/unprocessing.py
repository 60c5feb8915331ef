"""From a picture's colours to a camera's: what one more unknown camera would have recorded of it.

Brooks, Mildenhall, Xue, Chen, Sharlet, Barron: "Unprocessing images for learned raw denoising", CVPR 2019,
section 3, whose steps these are: exposure, a colour matrix, white balance. Drawn for each image, so that a
network cannot rely on any camera's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from synthnoise.rng import Rng, Stream

EXPOSURE = (0.25, 1.25)
"""Least and greatest factor on the light; above 1 highlights clip. Log-uniform."""

CROSSTALK = 0.35
"""Largest part of a filter's signal that comes from the colours of the two others."""

NEUTRAL = (0.35, 1.0)
"""Least and greatest red and blue of a neutral patch, its green being 1. Log-uniform."""


def unprocess(scenes: Tensor, rng: Rng) -> Tensor:
    """Return scenes as a camera's RGB, float32 [B, 3, H, W] in [0, 1], of linear light in [0, 1].

    ``rng.indices`` [B] name the scenes, each of which gets a camera of its own.
    """
    exposure = _between(EXPOSURE, rng.uniform(Stream.EXPOSURE, (1,)))
    shares = rng.uniform(Stream.AUGMENTATION, (3, 4))
    # A filter passes its own colour and, of the two others, parts that make the row sum to 1.
    others = (
        CROSSTALK * shares[..., :1] * torch.stack((shares[..., 1:2], 1 - shares[..., 1:2]), -1).squeeze(-2)
    )
    matrix = scenes.new_zeros(len(scenes), 3, 3)
    for filter_ in range(3):
        first, second = (c for c in range(3) if c != filter_)
        matrix[:, filter_, filter_] = 1 - others[:, filter_].sum(-1)
        matrix[:, filter_, first] = others[:, filter_, 0]
        matrix[:, filter_, second] = others[:, filter_, 1]
    balance = _between(NEUTRAL, rng.uniform(Stream.WHITE_BALANCE, (4,))[:, :3])
    balance[:, 1] = 1
    light = (matrix[..., None, None] * scenes[:, None]).sum(2)
    return (light * (balance * exposure)[..., None, None]).clamp(max=1)


def _between(bounds: tuple[float, float], share: Tensor) -> Tensor:
    low, high = bounds
    return low * (high / low) ** share
