"""The Siemens star: spokes whose spatial frequency grows towards the middle (ISO 12233:2014, annex E)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images.batches import one_by_one
from synthnoise.rng import Rng, Stream

_BAND = 1 << 15
"""Samples computed at a time: torch does as many in one thread, so thread counts change nothing."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the star is like."""

    cycles: tuple[int, ...] = field(
        default=(36, 72, 144), metadata={"help": "cycles around the star; each image takes one by chance"}
    )
    profile: Literal["sine", "bar"] = field(
        default="sine",
        metadata={"help": "spokes as a sine wave (ISO 12233) or as sharp black and white bars"},
    )
    dark: float = field(
        default=0.1, metadata={"help": "darkest light", "unit": "linear light", "range": (0.0, 1.0)}
    )
    bright: float = field(
        default=0.9, metadata={"help": "brightest light", "unit": "linear light", "range": (0.0, 1.0)}
    )
    radius: float = field(
        default=0.45, metadata={"help": "radius as a share of the shorter side", "range": (0.05, 2.0)}
    )
    jitter: float = field(
        default=4.0,
        metadata={"help": "most that the middle is shifted, each way", "unit": "px", "range": (0.0, 1e4)},
    )
    samples: int = field(
        default=4, metadata={"help": "samples averaged into a pixel, each way", "range": (1, 32)}
    )

    def __post_init__(self) -> None:
        if not self.cycles or min(self.cycles) < 1:
            raise UsageError("cycles: expected whole numbers from 1 up, separated by commas")


class SiemensStar:
    """The image model ``siemens-star``: a grey star on its mean, turned and shifted by chance."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        Image i depends on (options, seed, i, size) alone.
        """
        return one_by_one(self._draw, size, rng)

    def geometry(self, size: tuple[int, int], rng: Rng) -> tuple[int, float, float, float]:
        """Return cycles, phase in radians, and the row and column of the middle of one image's star."""
        chance = rng.uniform(Stream.SCENE, (4,), double=True)[0].tolist()
        cycles = self.options.cycles[int(chance[0] * len(self.options.cycles))]
        row, column = (
            length / 2 + self.options.jitter * (2 * u - 1)
            for length, u in zip(size, chance[1:3], strict=True)
        )
        return cycles, 2 * math.pi * chance[3], row, column

    def _draw(self, size: tuple[int, int], rng: Rng) -> Tensor:
        star = self.geometry(size, rng)
        height, width = size
        image = torch.empty(size, device=rng.device)
        rows = max(1, _BAND // (width * self.options.samples**2))
        for top in range(0, height, rows):
            image[top : top + rows] = self._rows(star, top, min(rows, height - top), size)
        return image.expand(3, *size)

    def _rows(
        self, star: tuple[int, float, float, float], top: int, rows: int, size: tuple[int, int]
    ) -> Tensor:
        """Return the mean light over each pixel of some rows, float32 [rows, W]."""
        options, (cycles, phase, row, column) = self.options, star
        fine = options.samples
        y = top + (torch.arange(rows * fine, dtype=torch.float64) + 0.5) / fine - row
        x = (torch.arange(size[1] * fine, dtype=torch.float64) + 0.5) / fine - column
        wave = (cycles * torch.atan2(y[:, None], x[None]) + phase).cos()
        if options.profile == "bar":
            wave = wave.sign()
        inside = y[:, None].square() + x.square() <= (options.radius * min(size)) ** 2
        middle, swing = (options.bright + options.dark) / 2, (options.bright - options.dark) / 2
        light = middle + swing * torch.where(inside, wave, 0.0)
        return light.reshape(rows, fine, size[1], fine).mean((1, 3)).float().clamp(0, 1)
