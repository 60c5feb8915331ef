"""From a picture's colours to a camera's: what one more unknown camera would have recorded of it.

Brooks, Mildenhall, Xue, Chen, Sharlet, Barron: "Unprocessing images for learned raw denoising", CVPR 2019,
section 3, whose steps these are: exposure, a colour matrix, white balance. A lens comes before them: edges
of synthetic images are as sharp as pixels allow, those of photographs are not, and a network that has seen
none but sharp ones draws steps where a soft edge is slanted. Drawn for each image, so that a network cannot
rely on any camera's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from synthnoise.rng import Rng, Stream

EXPOSURE = (0.25, 1.25)
"""Least and greatest factor on the light; above 1 highlights clip. Log-uniform."""

CROSSTALK = 0.35
"""Largest part of a filter's signal that comes from the colours of the two others."""

NEUTRAL = (0.35, 1.0)
"""Least and greatest red and blue of a neutral patch, its green being 1. Log-uniform."""


BLUR = (0.15, 3.0)
"""Least and greatest standard deviation of the lens's point spread function in pixels of the mosaic.
Log-uniform, so that half of all images are sharp."""

_REACH = 3.0
"""Standard deviations at which the point spread function ends."""


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
    scenes = _blurred(scenes, _between(BLUR, rng.uniform(Stream.OPTICS, (1,))))
    light = (matrix[..., None, None] * scenes[:, None]).sum(2)
    return (light * (balance * exposure)[..., None, None]).clamp(max=1)


def _blurred(scenes: Tensor, sigma: Tensor) -> Tensor:
    """Return scenes behind lenses, [B, 3, H, W], each with a Gaussian of its ``sigma`` [B, 1]."""
    count, planes, height, width = scenes.shape
    # As wide for every image of a batch, or the sums of an image would depend on its company.
    reach = min(math.ceil(_REACH * BLUR[1]), height - 1, width - 1)
    place = torch.arange(-reach, reach + 1, device=scenes.device)
    kernel = torch.exp(-0.5 * (place / sigma).square())
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(planes, 0)
    rows = functional.pad(scenes.reshape(1, count * planes, height, width), (reach,) * 4, mode="reflect")
    rows = functional.conv2d(rows, kernel[:, None, :, None], groups=len(kernel))
    return functional.conv2d(rows, kernel[:, None, None, :], groups=len(kernel)).view_as(scenes)


def _between(bounds: tuple[float, float], share: Tensor) -> Tensor:
    low, high = bounds
    return low * (high / low) ** share
