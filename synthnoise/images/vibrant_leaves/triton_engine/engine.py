"""From settings and generator to images: the leaf table by torch, everything per pixel by kernels."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.depth import GAUSSIAN_REACH
from synthnoise.images.vibrant_leaves.leaf_law import leaf_law
from synthnoise.images.vibrant_leaves.settings import Settings
from synthnoise.images.vibrant_leaves.table import BACKGROUND, FOREGROUND, MIDDLE, NAMES, LeafTable
from synthnoise.images.vibrant_leaves.tensor_leaves import draw_tensors
from synthnoise.images.vibrant_leaves.torch_engine.depth import fused_lights, gaussian_weights
from synthnoise.images.vibrant_leaves.torch_engine.engine import shading_of
from synthnoise.images.vibrant_leaves.torch_engine.outlines import (
    boxes_on_canvas,
    device_bank,
    edges_on_canvas,
    outline_numbers,
)
from synthnoise.images.vibrant_leaves.triton_engine import kernels
from synthnoise.images.vibrant_leaves.triton_engine.tiles import tile_lists
from synthnoise.rng import Rng

TALL = 16
"""Rows of a tile."""

_EDGES = 32
"""Edges that a program follows at a time."""

_CANVAS_PIXELS = 1 << 25
"""Canvas pixels that are worked on at a time: some 3 GB."""


def generate_fused(settings: Settings, size: tuple[int, int], rng: Rng) -> Tensor:
    """Return images float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``."""
    canvas = size[0] * settings.reduction, size[1] * settings.reduction
    most = max(1, _CANVAS_PIXELS // (canvas[0] * canvas[1]))
    images = torch.empty((len(rng.indices), 3, *size), device=rng.device)
    for first in range(0, len(images), most):
        table = draw_tensors(settings, leaf_law(settings, canvas), rng.at(rng.indices[first : first + most]))
        light, _ = paint_layers(settings, table)
        images[first : first + most] = fuse_layers(settings, table.blur, light)
    return images


def paint_layers(settings: Settings, table: LeafTable, *, labels: bool = False) -> tuple[Tensor, Tensor]:
    """Return light float32 [B, 3, 3, H, W], see :mod:`kernels`, and labels int32 [B, 3, H, W].

    Without ``labels`` those are empty.
    """
    batch, count, _ = table.leaves.shape
    height, width = table.canvas
    leaves = table.leaves.flatten(0, 1)
    boxes = boxes_on_canvas(leaves, *edges_on_canvas(leaves), table.canvas).view(batch, count, 4)
    shading = shading_of(settings, table, boxes)
    tiles = tile_lists(boxes, table.bounds, table.canvas, TALL)
    bank, fields = device_bank(leaves.device), shading.fields
    light = torch.empty((batch, 3, 3, height, width), device=leaves.device)
    seen = torch.empty((batch, 3, height, width) if labels else 0, dtype=torch.int32, device=leaves.device)
    launch: Any = kernels.paint_tiles[(len(tiles.starts) - 1,)]
    launch(
        leaves, outline_numbers(leaves).int(), bank.edges, bank.starts.int(), tiles.starts, tiles.leaves,
        shading.slots, shading.starts, fields.noise, fields.starts.flatten().int(), fields.sides.int(),
        fields.warp, light, seen, count, height, width, *tiles.grid,
        COLUMNS=len(NAMES), SLOTS=c.SLOTS, TALL=TALL, EDGES=_EDGES, CLASSIC=shading.classic, LABELS=labels,
        enable_fp_fusion=True,
    )  # fmt: skip
    return light, seen


def fuse_layers(settings: Settings, amount: Tensor, light: Tensor) -> Tensor:
    """Return images float32 [B, 3, h, w], linear light; ``amount`` [B] of blur."""
    reduction = settings.reduction
    batch, _, _, height, width = light.shape
    if settings.blur == "lens":
        far, middle, near = (light[:, k].permute(0, 2, 3, 1) for k in (BACKGROUND, MIDDLE, FOREGROUND))
        near = torch.cat([near.clamp(min=0), (near[..., :1] >= 0).float()], -1)
        return fused_lights(far, middle, near, middle[..., 0] >= 0, settings.blur, amount, reduction)
    weights = gaussian_weights(amount, GAUSSIAN_REACH)
    blurred = torch.empty((batch, 7, height, width), device=light.device)
    images = torch.empty((batch, 3, height // reduction, width // reduction), device=light.device)
    wide, tall = triton.cdiv(width, 64), triton.cdiv(height, 8)
    columns: Any = kernels.blur_columns[(wide, tall, batch)]
    columns(light, weights, blurred, height, width, TALL=8, enable_fp_fusion=True)
    rows: Any = kernels.fuse_rows[
        (triton.cdiv(width // reduction, 64), triton.cdiv(height // reduction, 8), batch)
    ]
    rows(
        light, weights, blurred, images, height, width, height // reduction, width // reduction,
        REDUCTION=reduction, TALL=8, enable_fp_fusion=True,
    )  # fmt: skip
    return images
