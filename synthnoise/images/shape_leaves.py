"""Dead leaves of many shapes, in random colours or filled with noise textures.

Baradad, Wulff, Wang, Isola and Torralba, *Learning to see by looking at noise*, NeurIPS 2021, section 3.1:
shapes are painted over each other, the latest on top, until nothing of the ground shows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images import colours, convex_painter
from synthnoise.images.batches import one_by_one
from synthnoise.images.statistical.model import Options as NoiseOptions
from synthnoise.images.statistical.model import StatisticalNoise
from synthnoise.rng import Rng, Stream

Shape = Literal["disc", "square", "oriented", "mixed"]

_FIGURES = {"disc": (0,), "square": (1,), "oriented": (2,), "mixed": (0, 1, 2, 3, 4, 5)}
"""Disc, upright square, turned square, upright rectangle, triangle, quadrilateral."""

_ORDERS = tuple(itertools.permutations(range(3)))

_SIZES = 200
"""Number of radii that leaves choose from."""

_FILL = "colours from a law (natural, uniform, grey), or noise textures"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the leaves are like."""

    shapes: Shape = field(
        default="mixed",
        metadata={"help": "disc, square, oriented (turned squares), or mixed: these and three more figures"},
    )
    fill: Literal["uniform", "natural", "grey", "textures"] = field(
        default="uniform", metadata={"help": _FILL}
    )
    smallest: float = field(
        default=0.03, metadata={"help": "smallest radius as a share of the image", "range": (0.002, 1.0)}
    )
    exponent: float = field(
        default=3.0, metadata={"help": "radii r have chances r^-exponent - 1, up to 1", "range": (0.1, 10.0)}
    )
    most: int = field(
        default=5000, metadata={"help": "stop at this number of leaves at the latest", "range": (1, 200000)}
    )
    textures: int = field(
        default=4,
        metadata={"help": "textures made for each image, if they fill the leaves", "range": (1, 256)},
    )
    side: int = field(
        default=128, metadata={"help": "period of the textures at most", "unit": "px", "range": (16, 2048)}
    )


@dataclass(frozen=True, kw_only=True)
class TexturedOptions(Options):
    """Options of the image model ``dead-leaves-textured``."""

    fill: Literal["uniform", "natural", "grey", "textures"] = field(
        default="textures", metadata={"help": _FILL}
    )


class ShapeLeaves:
    """The image models ``dead-leaves-shapes`` and ``dead-leaves-textured``. Edges are hard."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        if self.options.smallest >= 1:
            raise UsageError("smallest=1: no radius has a chance", hint="it must lie below 1")

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``; what stays bare is black.

        Image i depends on (options, seed, i, size) alone.
        """
        return one_by_one(self._draw, size, rng)

    def _draw(self, size: tuple[int, int], rng: Rng) -> Tensor:
        options = self.options
        figures = self.figures(size, rng)
        labels = torch.from_numpy(convex_painter.paint(size, *figures)).long().to(rng.device)
        if options.fill == "textures":
            light = self._textured(labels, rng)
        else:
            law = {
                "natural": colours.natural_palette,
                "uniform": colours.uniform_palette,
                "grey": colours.grey_palette,
            }[options.fill]
            light = law(rng, options.most)[0].T[:, labels.clamp(min=0)]
        return torch.where(labels >= 0, light, 0.0)

    def figures(
        self, size: tuple[int, int], rng: Rng
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the leaves of one image, the first at the bottom: circles and corners.

        Returns
        -------
        centre
            float64 [n, 2], row and column.
        radius
            float64 [n], of the disc, or of the circle that the corners lie on.
        corners
            float64 [n, 4, 2] relative to the centre, in order round it; not finite for discs.
        """
        options = self.options
        count = options.most
        chance = rng.uniform(Stream.LEAF_RADIUS, (count, 4), double=True)[0].cpu().numpy()
        place = rng.uniform(Stream.LEAF_POSITION, (count, 4), double=True)[0].cpu().numpy()
        turns = rng.uniform(Stream.LEAF_SHAPE, (count, 4), double=True)[0].cpu().numpy()
        share = np.linspace(options.smallest, 1, _SIZES)
        weight = share**-options.exponent - 1
        bound = np.cumsum(weight) / weight.sum()
        radius = share[np.searchsorted(bound[:-1], chance[:, 0], side="right")] * min(size)
        kinds = np.array(_FIGURES[options.shapes])
        kind = kinds[(chance[:, 1] * len(kinds)).astype(np.int64)]
        angle = _corner_angles(kind, chance[:, 2], turns)
        corners = radius[:, None, None] * np.stack((np.sin(angle), np.cos(angle)), -1)
        corners[kind == 0] = np.nan
        return place[:, :2] * np.array(size), radius, corners

    def _textured(self, labels: Tensor, rng: Rng) -> Tensor:
        """Return light [3, H, W]: each leaf is a window of one texture, which makes many.

        It lies anywhere on the torus, in one of its 8 symmetries, with its channels in one of 6 orders and
        each of them as it is or as its negative in sRGB: the law of the textures knows none of these apart.
        """
        options = self.options
        side = min(options.side, max(16, min(labels.shape)))
        bank = self._bank(side, rng)
        drawn = rng.integers(Stream.LEAF_TEXTURE, (options.most, 4), 0, 1 << 30)[0]
        leaf = drawn[labels.clamp(min=0)]
        y = torch.arange(labels.shape[0], device=labels.device)[:, None] + leaf[..., 1]
        x = torch.arange(labels.shape[1], device=labels.device) + leaf[..., 2]
        symmetry = leaf[..., 3]
        y, x = torch.where(symmetry & 1 == 0, y, x), torch.where(symmetry & 1 == 0, x, y)
        y, x = torch.where(symmetry & 2 == 0, y, -y), torch.where(symmetry & 4 == 0, x, -x)
        which, order = leaf[..., 0] % options.textures, symmetry // 8 % 6
        channel = torch.tensor(_ORDERS, device=labels.device)[order]
        srgb = bank[which[..., None], channel, (y % side)[..., None], (x % side)[..., None]]
        sign = torch.stack([symmetry // 48 >> bit & 1 for bit in range(3)], -1)
        return colours.decode_srgb(torch.where(sign == 1, 1 - srgb, srgb)).permute(2, 0, 1)

    def _bank(self, side: int, rng: Rng) -> Tensor:
        """Return textures in sRGB [n, 3, side, side], with spectrum, colours and bands of their own.

        Bands grow by octaves: as steeply as in 2021, every texture has the same grain and hides the leaves.
        """
        noise = StatisticalNoise(
            NoiseOptions(spectrum=True, wmm=True, color=True, iterations=3, growth="octave")
        )
        numbers = rng.indices * self.options.textures % (1 << 43)
        steps = torch.arange(self.options.textures, device=numbers.device)
        return colours.encode_srgb(noise.generate((side, side), rng.at(numbers + steps)))


def _corner_angles(
    kind: NDArray[np.int64], turn: NDArray[np.float64], chance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the directions [n, 4] of the corners of each figure; a triangle names one corner twice."""
    square = np.pi / 4 + np.pi / 2 * np.arange(4)
    angle = np.broadcast_to(square, (len(kind), 4)).copy()
    turned = kind == 2
    angle[turned] += 2 * np.pi * turn[turned, None]
    oblong = kind == 3
    half = np.pi / 2 * turn[oblong]
    angle[oblong] = np.stack((half, np.pi - half, np.pi + half, 2 * np.pi - half), -1)
    free = np.sort(2 * np.pi * chance, axis=-1)
    angle[kind == 5] = free[kind == 5]
    three = np.sort(2 * np.pi * chance[:, :3], axis=-1)
    angle[kind == 4] = three[kind == 4][:, [0, 1, 2, 2]]
    return angle
