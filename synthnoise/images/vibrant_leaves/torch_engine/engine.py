"""From settings and generator to images, in parts of the batch that fit the memory."""

from __future__ import annotations

import torch
from torch import Tensor

from synthnoise.images.vibrant_leaves.coefficients import MARGIN
from synthnoise.images.vibrant_leaves.leaf_law import leaf_law
from synthnoise.images.vibrant_leaves.settings import Settings
from synthnoise.images.vibrant_leaves.table import LeafTable
from synthnoise.images.vibrant_leaves.tensor_leaves import draw_tensors
from synthnoise.images.vibrant_leaves.torch_engine.coefficients import prepare_tensors
from synthnoise.images.vibrant_leaves.torch_engine.depth import fused_images
from synthnoise.images.vibrant_leaves.torch_engine.fields import device_fields
from synthnoise.images.vibrant_leaves.torch_engine.shading import Shading
from synthnoise.images.vibrant_leaves.torch_engine.visibility import visible_leaves
from synthnoise.rng import Rng

_CANVAS_PIXELS = 1 << 23
"""Canvas pixels that are worked on at a time: some 4 GB."""


def generate_tensors(settings: Settings, size: tuple[int, int], rng: Rng) -> Tensor:
    """Return images float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

    The device has to know double precision; parity with the reference code is not offered.
    """
    canvas = size[0] * settings.reduction, size[1] * settings.reduction
    # What a processor computes for one element may hang on its place in a vector register: one by one there.
    on_cpu = torch.device(rng.device).type == "cpu"
    most = 1 if on_cpu else max(1, _CANVAS_PIXELS // (canvas[0] * canvas[1]))
    images = torch.empty((len(rng.indices), 3, *size), device=rng.device)
    for first in range(0, len(images), most):
        table = draw_tensors(settings, leaf_law(settings, canvas), rng.at(rng.indices[first : first + most]))
        labels, boxes = visible_leaves(table)
        shading = shading_of(settings, table, boxes)
        images[first : first + most] = fused_images(
            labels, shading, settings.blur, table.blur, settings.reduction
        )
    return images


def shading_of(settings: Settings, table: LeafTable, boxes: Tensor) -> Shading:
    """Return what the colours of a batch's leaves depend on; ``boxes`` int32 [B, n, 4]."""
    slots, starts = prepare_tensors(table.leaves.flatten(0, 1), boxes.flatten(0, 1), settings)
    largest = 2 * (max(table.canvas) + MARGIN)
    fields = device_fields(largest, settings.slope, settings.spectrum, table.leaves.device)
    return Shading(slots, starts, fields, settings.waves == "plain")
