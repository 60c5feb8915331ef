"""The slanted edge of ISO 12233, exact in every pixel.

A straight edge, blurred by a Gaussian lens and averaged over square pixels, has a closed form: the second
antiderivative of the edge's profile, differenced twice. So the modulation transfer function of the image is
known: sinc(f cos a) sinc(f sin a) exp(-2 (pi sigma f)^2) across an edge whose normal is turned by a.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images.batches import one_by_one
from synthnoise.rng import Rng, Stream

_LEAST_ANGLE = 0.5


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the edge lies and how bright its sides are; each image draws uniformly from the ranges."""

    angle: tuple[float, float] = field(
        default=(2.0, 10.0), metadata={"help": "range of the slant from a row or column", "unit": "degrees"}
    )
    dark: tuple[float, float] = field(
        default=(0.1, 0.3), metadata={"help": "range of the dark side", "unit": "linear light"}
    )
    bright: tuple[float, float] = field(
        default=(0.5, 0.9), metadata={"help": "range of the bright side", "unit": "linear light"}
    )
    blur: tuple[float, float] = field(
        default=(0.0, 0.0), metadata={"help": "range of the lens' Gaussian blur, sigma", "unit": "px"}
    )

    def __post_init__(self) -> None:
        limits = {
            "angle": (_LEAST_ANGLE, 45.0),
            "dark": (0.0, 1.0),
            "bright": (0.0, 1.0),
            "blur": (0.0, 100.0),
        }
        for name, (low, high) in limits.items():
            first, last = getattr(self, name)
            if not low <= first <= last <= high:
                raise UsageError(
                    f"{name}={first:g},{last:g}: expected two numbers from {low:g} to {high:g}, in order"
                )


@dataclass(frozen=True)
class Edge:
    """One edge: bright where x cos(angle) + y sin(angle) > offset, from the middle of the image.

    Angles are in radians, lengths in pixels, ``dark`` and ``bright`` in linear light.
    """

    angle: float
    offset: float
    dark: float
    bright: float
    blur: float

    def light(self, size: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
        """Return the mean light over each pixel, float64 [H, W]."""
        height, width = size
        y = torch.arange(height, dtype=torch.float64, device=device)[:, None] - (height - 1) / 2
        x = torch.arange(width, dtype=torch.float64, device=device) - (width - 1) / 2
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        distance = x * cosine + y * sine - self.offset
        sides = abs(cosine), abs(sine)
        plus, minus = (sides[0] + sides[1]) / 2, (sides[0] - sides[1]) / 2
        second = [self._integrated(distance + shift) for shift in (plus, -plus, minus, -minus)]
        share = (second[0] + second[1] - second[2] - second[3]) / (sides[0] * sides[1])
        return self.dark + (self.bright - self.dark) * share.clamp(0, 1)

    def _integrated(self, distance: Tensor) -> Tensor:
        """Return the second antiderivative of the edge's profile, a step or its Gaussian blur."""
        if self.blur == 0:
            half: Tensor = distance.clamp(min=0).square() / 2
            return half
        t = distance / self.blur
        density = torch.exp(-t.square() / 2) / math.sqrt(2 * math.pi)
        blurred: Tensor = self.blur**2 / 2 * ((t.square() + 1) * torch.special.ndtr(t) + t * density)
        return blurred


class SlantedEdge:
    """The image model ``slanted-edge``: near a row or a column, either side bright, grey."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def edge(self, size: tuple[int, int], rng: Rng) -> Edge:
        """Return the edge of one image: it passes within an eighth of the shorter side from the middle."""
        options = self.options
        first = rng.uniform(Stream.SCENE, (8,), double=True)[0].tolist()
        ranges = (options.angle, options.dark, options.bright, options.blur)
        slant, dark, bright, blur = (
            low + (high - low) * u for (low, high), u in zip(ranges, first, strict=False)
        )
        quarter = math.floor(4 * first[4]) * math.pi / 2
        sign = 1 if first[5] < 0.5 else -1
        offset = (first[6] - 0.5) * min(size) / 4
        return Edge(quarter + sign * math.radians(slant), offset, dark, bright, blur)

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        Image i depends on (options, seed, i, size) alone.
        """
        return one_by_one(self._draw, size, rng)

    def _draw(self, size: tuple[int, int], rng: Rng) -> Tensor:
        light = self.edge(size, rng).light(size, rng.device)
        return light.float().expand(3, *size)
