"""Colours of leaves: those of one photograph per image, and how they vary inside a small patch of it.

Nothing natural is needed: :mod:`synthnoise.images.colours` has the law of a photograph's colours, and
here is that of its patches, on the same opponent axes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from synthnoise.images import colours, palette_bank
from synthnoise.rng import Rng

PALETTE_SIZE = 2048
"""Colours per image; a power of two, so that the low bits of a word choose one without bias."""

PATCH = 50
"""Side in pixels of the patches that micro-textures take their colours from."""

FLOOR = 0.01
"""Added to the ratio of spreads before its logarithm is taken: flat patches exist."""

# Fitted to the 200 photographs of BSDS500-train (Arbelaez et al. 2011) by
# benchmarks/vibrant_leaves_colours.py: logarithm of the ratio of a patch's spread to its photograph's,
# and the spread of patch means as a share of that of pixels.
LOG_RATIO = (-0.639, -0.824, -0.692)
LOG_RATIO_SPREAD = (0.764, 0.773, 0.695)
LOG_RATIO_CORRELATION = ((1.0, 0.702, 0.600), (0.702, 1.0, 0.687), (0.600, 0.687, 1.0))
MEAN_SHARE = (0.695, 0.746, 0.715)

MOST_SPREAD, MARGIN = 90 / 255, 15 / 255
"""Largest spread of a patch, and how far it may exceed the room that its mean leaves in [0, 1]."""


def palette(source: str, rng: Rng) -> Tensor:
    """Return the colours that each image's leaves choose from, float32 [B, PALETTE_SIZE, 3] in sRGB.

    ``source`` is natural, uniform, grey, or a folder of photographs.

    Raises
    ------
    InputError
        There is no such folder, or no photograph in it.
    """
    return colours.encode_srgb(palette_bank.palette(source, rng, PALETTE_SIZE))


def palette_moments(of: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (sRGB) and standard deviation (opponent axes) of palettes [B, k, 3], [B, 1, 3] each."""
    axes = torch.tensor(colours.OPPONENT, device=of.device)
    middle, projected = _mean(of), _project(of, axes)
    squares = (projected - _mean(projected)) ** 2
    return middle, (_mean(squares) * (of.shape[1] / (of.shape[1] - 1))).sqrt()


def _mean(values: Tensor) -> Tensor:
    """Return the mean over the colours of palettes [B, k, 3], by halves: so rounding knows no batch."""
    count = values.shape[1]
    while values.shape[1] > 1:
        half = values.shape[1] // 2
        values = values[:, :half] + values[:, half:]
    return values / count


def patch_colours(chosen: Tensor, of: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (sRGB in [0, 1]) and spread on the opponent axes of patches, float32 [B, n, 3] each.

    Parameters
    ----------
    chosen
        [B, n, 3], pixels of the palette: a patch's mean is such a colour, pulled towards the middle.
    of
        [B, k, 3], the palette.
    normal
        [B, n, 3] standard normals.
    """
    axes = torch.tensor(colours.OPPONENT, device=of.device)
    middle, spread = palette_moments(of)
    share = torch.tensor(MEAN_SHARE, device=of.device)
    mean = (middle + _project(_project(chosen - middle, axes) * share, axes.T)).clamp(0, 1)
    # On the CPU: elsewhere the check of the result would wait for the device.
    factor = torch.linalg.cholesky(torch.tensor(LOG_RATIO_CORRELATION)).to(of.device)
    scale = torch.tensor(LOG_RATIO_SPREAD, device=of.device)
    logarithm = torch.tensor(LOG_RATIO, device=of.device) + scale * _project(normal, factor)
    wanted = (spread * (logarithm.exp() - FLOOR).clamp(min=0)).clamp(max=MOST_SPREAD)
    room = torch.minimum(mean, 1 - mean).amax(-1, keepdim=True) + MARGIN
    return mean, wanted * (room / wanted[..., :1].clamp(min=1e-6)).clamp(max=1)


def _project(vectors: Tensor, rows: Tensor) -> Tensor:
    """Return the products of [..., 3] with three rows, one by one: so rounding knows no batch."""
    x, y, z = vectors.unbind(-1)
    return torch.stack([x * row[0] + y * row[1] + z * row[2] for row in rows], -1)
