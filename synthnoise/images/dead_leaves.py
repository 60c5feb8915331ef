"""Dead leaves: opaque leaves of power-law size fall on each other until nothing of the ground is seen.

Matheron's process with the radii of Lee, Mumford and Huang (IJCV 2001), as a training set for
restoration networks by Achddou, Gousseau and Ladjal (SSVM 2021). Leaves are drawn front to back until
every pixel is covered, which samples the process exactly (Kendall and Thoennes 1999).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images.leaves import PALETTE_SIZE, LeafLaw
from synthnoise.images.palette_bank import palette, source_facts
from synthnoise.rng import Rng, Stream

_CHUNK = 1 << 15
"""Most leaves drawn at a time: torch computes as many in one thread, so that thread counts change nothing."""

_PAIRS = 1 << 24
"""Pixels of leaves, hidden ones included, that the tensor painter handles at a time."""

_CANVAS_PIXELS = 1 << 25
"""Canvas pixels that the tensor painter holds at a time."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the leaves are like. Lengths are canvas pixels: image pixels times ``reduction``."""

    r_min: tuple[float, ...] = field(
        default=(1.0,),
        metadata={"help": "smallest radius; of several, each image takes one by chance", "unit": "canvas px"},
    )
    r_max: float = field(
        default=2000.0,
        metadata={
            "help": "largest radius; equal to r_min: one size",
            "unit": "canvas px",
            "range": (0.5, 1e5),
        },
    )
    exponent: float = field(
        default=3.0,
        metadata={"help": "radii have density r^-exponent; 3 is scale-invariant", "range": (0.0, 10.0)},
    )
    reduction: int = field(
        default=4,
        metadata={"help": "canvas pixels averaged into one, each way; 1: hard edges", "range": (1, 16)},
    )
    shapes: Literal["disc", "rectangle", "mixed"] = field(
        default="disc", metadata={"help": "shape of the leaves; mixed: one or the other by chance"}
    )
    colours: str = field(
        default="natural",
        metadata={
            "help": "natural: a law fitted to photographs; uniform in the sRGB cube; uniform greys: grey; "
            "or a folder of photographs, one photograph per image"
        },
    )
    shading: float = field(
        default=0.0,
        metadata={"help": "largest brightness ramp across a leaf, as a share of it", "range": (0.0, 1.0)},
    )
    boundary: Literal["stationary", "inside"] = field(
        default="stationary",
        metadata={"help": "centres as in the plane, or only on the canvas as in Achddou et al. 2021"},
    )
    uncovered: float = field(
        default=0.0,
        metadata={
            "help": "stop at the number of leaves that leave this share black (2021: 0.002); 0: cover all",
            "range": (0.0, 0.5),
        },
    )

    def __post_init__(self) -> None:
        if not self.r_min or not all(0.5 <= r <= self.r_max for r in self.r_min):
            smallest = ", ".join(f"{r:g}" for r in self.r_min) or "nothing"
            raise UsageError(f"r_min={smallest}: must lie between 0.5 and r_max={self.r_max:g}")


class DeadLeaves:
    """The image model ``dead-leaves``.

    Colours are sRGB, turned into linear light before the canvas is reduced, as a lens and a pixel do.

    Parameters
    ----------
    options
        See :class:`Options`.

    Raises
    ------
    InputError
        ``colours`` names a folder without readable photographs (when drawing).
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        ``rng.indices`` [B] names the images; image i depends on (options, seed, i, size) alone.
        Another size is another image of the same law, not a crop.
        """
        device = torch.device(rng.device)
        on_gpu = device.type == "cuda"
        if not on_gpu:  # other accelerators lack the double precision that all share
            rng = dataclasses.replace(rng, device="cpu")
        images = torch.empty((len(rng.indices), 3, *size), device=rng.device)
        # What a processor computes for one element may hang on its place in a vector register,
        # so there images are drawn one by one; together they would not be faster.
        most = max(1, _CANVAS_PIXELS // (size[0] * size[1] * self.options.reduction**2)) if on_gpu else 1
        paint = self.paint_tensors if on_gpu else self._paint_bitmap
        chosen = rng.integers(Stream.LEAF_RADIUS, (1,), 0, len(self.options.r_min))[:, 0]
        for which, r_min in enumerate(self.options.r_min):
            law = self._law(size, r_min)
            for part in torch.split((chosen == which).nonzero()[:, 0], most):
                images[part] = paint(law, rng.at(rng.indices[part]))
        return images.to(device)

    def _law(self, size: tuple[int, int], r_min: float) -> LeafLaw:
        options = self.options
        return LeafLaw(
            size=(size[0] * options.reduction, size[1] * options.reduction),
            r_min=r_min,
            r_max=options.r_max,
            exponent=options.exponent,
            rectangle_share={"disc": 0.0, "rectangle": 1.0, "mixed": 0.5}[options.shapes],
            shading=options.shading,
            inside=options.boundary == "inside",
        )

    def facts(self) -> dict[str, str]:
        """Return what a manifest says beside the options: where the colours are from."""
        return source_facts(self.options.colours)

    def _palette(self, rng: Rng) -> Tensor:
        return palette(self.options.colours, rng, PALETTE_SIZE)

    def _limit(self, law: LeafLaw) -> float:
        """Return how many leaves are drawn at most."""
        if not self.options.uncovered:
            return math.inf
        covered = min(law.coverage(), 1 - 1e-9)
        return math.ceil(math.log(self.options.uncovered) / math.log1p(-covered))

    def _paint_bitmap(self, law: LeafLaw, rng: Rng) -> Tensor:
        """Return one image [1, 3, H, W], painted on the processor."""
        from synthnoise.images.bitmap_painter import Bitmap

        bitmap = Bitmap(law.size, self.options.reduction, self._palette(rng)[0].contiguous().numpy())
        chunk = _chunk(law, _CHUNK)
        limit, start = self._limit(law), 0
        while bitmap.remaining and start < limit:
            count = int(min(chunk, limit - start))
            bitmap.paint(law.draw(rng, start, count))
            start += count
        return torch.from_numpy(bitmap.image()).permute(2, 0, 1).unsqueeze(0)

    def paint_tensors(self, law: LeafLaw, rng: Rng) -> Tensor:
        """Return images [B, 3, H, W] of one law, painted with torch alone, on any device."""
        from synthnoise.images.tensor_painter import Labels

        labels = Labels(law.size, self.options.reduction, self._palette(rng))
        pairs_per_leaf = len(rng.indices) * law.coverage() * law.size[0] * law.size[1]
        chunk = _chunk(law, _PAIRS / pairs_per_leaf)
        limit, start = self._limit(law), 0
        while start < limit and not labels.covered():
            count = int(min(chunk, limit - start))
            labels.paint(law.draw(rng, start, count), start)
            start += count
        return labels.images()


def _chunk(law: LeafLaw, most: float) -> int:
    """Return how many leaves to draw at a time: about an eighth of what is needed, a power of two."""
    likely = math.log(law.size[0] * law.size[1]) / law.coverage() / 8
    return 1 << max(10, math.ceil(math.log2(min(most, likely + 1))))
