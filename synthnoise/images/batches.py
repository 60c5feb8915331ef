"""Batches of images that are drawn one at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from synthnoise.rng import Rng


def one_by_one(draw: Callable[[tuple[int, int], Rng], Tensor], size: tuple[int, int], rng: Rng) -> Tensor:
    """Return float32 [B, 3, H, W] from ``draw``, which makes [3, H, W] for a generator of one image.

    How transforms, sums and convolutions round may hang on the size of the batch and on the number of
    threads. So no image shares a batch, and on the processor each is drawn in a single thread.
    """
    images = torch.empty((len(rng.indices), 3, *size), device=rng.device)
    with _one_thread() if images.device.type == "cpu" else contextlib.nullcontext():
        for place in range(len(images)):
            images[place] = draw(size, rng.at(rng.indices[place : place + 1]))
    return images


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
