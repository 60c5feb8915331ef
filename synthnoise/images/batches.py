"""Batches of images that are drawn one at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from synthnoise.rng import Rng


def one_by_one(draw: Callable[[tuple[int, int], Rng], Tensor], size: tuple[int, int], rng: Rng) -> Tensor:
    """Return float32 [B, 3, H, W] from ``draw``, which makes [3, H, W] for a generator of one image.

    How transforms and sums round may hang on the size of the batch; so no image shares one.
    """
    images = torch.empty((len(rng.indices), 3, *size), device=rng.device)
    for place in range(len(images)):
        images[place] = draw(size, rng.at(rng.indices[place : place + 1]))
    return images
