"""The image model ``vibrant-leaves``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.images.colours import decode_srgb
from synthnoise.images.palette_bank import source_facts
from synthnoise.images.vibrant_leaves.coefficients import MARGIN, prepare
from synthnoise.images.vibrant_leaves.depth import kernel, render
from synthnoise.images.vibrant_leaves.engines import choose_engine, engine_of
from synthnoise.images.vibrant_leaves.painter import paint
from synthnoise.images.vibrant_leaves.parity import AUTOMATIC_SIGMA, fuse
from synthnoise.images.vibrant_leaves.settings import Options
from synthnoise.images.vibrant_leaves.table import LeafTable, draw_table
from synthnoise.images.vibrant_leaves.textures import noise_atlas, warp_words
from synthnoise.rng import Rng


@dataclass(frozen=True)
class Scene:
    """One image and what is known of it.

    Attributes
    ----------
    image
        float32 [3, H, W], linear light in [0, 1].
    table
        The leaves; one image.
    labels
        int32 [3, H reduction, W reduction] of foreground, middle and background, canvas pixels: the
        leaf's row of the table, or -1. Masks of the layers are ``labels >= 0``.
    boxes
        int32 [n, 4]: first and last row and column of each leaf on the canvas.
    """

    image: Tensor
    table: LeafTable
    labels: NDArray[np.int32]
    boxes: NDArray[np.int32]

    def depth(self) -> NDArray[np.int8]:
        """Return what is seen at each canvas pixel: 0 foreground, 1 middle, 2 background, 3 nothing."""
        seen = np.concatenate([self.labels >= 0, np.ones((1, *self.labels.shape[1:]), dtype=np.bool_)])
        return np.asarray(seen.argmax(0), dtype=np.int8)


class VibrantLeaves:
    """Dead leaves of many shapes, textured, in three depths, of the colours of one photograph per image.

    R. Achddou et al., arXiv 2504.10201 (2025). Images are made in sRGB as there, and given back as
    linear light.

    Parameters
    ----------
    options
        See :class:`~synthnoise.images.vibrant_leaves.settings.Options`.

    Raises
    ------
    UsageError
        The options contradict each other.
    InputError
        ``colours`` names a folder without photographs (when drawing).
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.settings = self.options.settings()

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        ``rng.indices`` [B] names the images; image i depends on (options, seed, i, size) alone.
        Another size is another image of the same law, not a crop.

        Raises
        ------
        UsageError
            The engine that was asked for cannot work on this device.
        """
        engine = choose_engine(self.options.engine, torch.device(rng.device), self.settings)
        if engine != "compiled":
            return engine_of(engine)(self.settings, size, rng)
        images = torch.empty((len(rng.indices), 3, *size))
        for place, index in enumerate(rng.indices.cpu()):
            images[place] = self.scene(size, rng.seed, int(index)).image
        return images.to(rng.device)

    def facts(self) -> dict[str, str]:
        """Return what a manifest says beside the options: where the colours are from."""
        return source_facts(self.settings.colours)

    def scene(self, size: tuple[int, int], seed: int, index: int) -> Scene:
        """Return image ``index`` of ``generate`` together with what is known of it; on the CPU."""
        settings = self.settings
        canvas = (size[0] * settings.reduction, size[1] * settings.reduction)
        table = draw_table(settings, canvas, Rng(seed, torch.tensor([index])))
        leaves = table.leaves[0].numpy()
        labels, boxes = paint(leaves, table.bounds, canvas)
        slots, starts = prepare(leaves, boxes, settings.periods, settings.period_exponent)
        largest = 2 * (max(canvas) + MARGIN)
        atlas = noise_atlas(largest, settings.slope, settings.spectrum)
        looks = slots, starts, atlas, warp_words(), settings.waves == "plain"
        amount = float(table.blur[0])
        if settings.parity:
            sigma = AUTOMATIC_SIGMA if settings.blur == "off" else amount
            image = decode_srgb(torch.from_numpy(fuse(labels, looks, sigma, settings.reduction)))
        else:
            image = torch.empty((3, *size))
            weights = kernel(settings.blur, amount)
            lens = settings.blur == "lens" and len(weights) > 1
            render(labels, looks, weights, lens, settings.reduction, image.numpy())
        return Scene(image, table, labels, boxes)
