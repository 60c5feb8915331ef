"""Pictures of flat rectangles, by the Mondrian process.

Roy and Teh, *The Mondrian process*, NIPS 2008. Every rectangle is cut in two at a rate proportional to half
its perimeter, at a uniform place, until time is up. So any straight line across the image meets a Poisson
number of cuts in uniform places, and part of a picture follows the same law as a whole of that size.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images import colours
from synthnoise.images.batches import one_by_one
from synthnoise.images.uniform_rows import UniformRows
from synthnoise.rng import Rng, Stream

_LEAST_SHARE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Options:
    """How finely the picture is cut, and its colours."""

    cuts: tuple[float, float] = field(
        default=(4.0, 16.0),
        metadata={"help": "range of the mean number of cuts that a line along the shorter side meets"},
    )
    count: tuple[int, int] = field(
        default=(3, 22), metadata={"help": "fewest and most colours in a picture, in random shares"}
    )
    colours: Literal["natural", "uniform", "grey"] = field(
        default="uniform",
        metadata={"help": "a law fitted to photographs, uniform in the sRGB cube, or uniform greys"},
    )
    line: float = field(
        default=0.0,
        metadata={"help": "width of black lines along the cuts", "unit": "px", "range": (0.0, 1000.0)},
    )

    def __post_init__(self) -> None:
        if not 0 <= self.cuts[0] <= self.cuts[1] <= 200:
            raise UsageError(
                f"cuts={self.cuts[0]:g},{self.cuts[1]:g}: expected two numbers in order, up to 200"
            )
        if not 1 <= self.count[0] <= self.count[1] <= 1024:
            raise UsageError(
                f"count={self.count[0]},{self.count[1]}: expected two numbers in order, 1 to 1024"
            )


class Mondrian:
    """The image model ``mondrian``. Edges are antialiased: each pixel is the mean over its square."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        Image i depends on (options, seed, i, size) alone.
        """
        return one_by_one(self._draw, size, rng)

    def _draw(self, size: tuple[int, int], rng: Rng) -> Tensor:
        options = self.options
        low, high = options.cuts
        rate = low + (high - low) * float(rng.uniform(Stream.CONTRAST, (4,), double=True)[0, 0])
        boxes, chance = partition(size, rate / min(size), rng)
        palette, share = self._palette(rng)
        chosen = np.searchsorted(np.cumsum(share)[:-1], chance, side="right")
        light = paint(size, boxes, palette[chosen], options.line / 2)
        return torch.from_numpy(light).to(rng.device)

    def _palette(self, rng: Rng) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return colours [k, 3] in linear light, and their shares [k]."""
        first, last = self.options.count
        count = int(rng.integers(Stream.COLOUR_CHOICE, (4,), first, last + 1)[0, 0])
        law = {
            "natural": colours.natural_palette,
            "uniform": colours.uniform_palette,
            "grey": colours.grey_palette,
        }[self.options.colours]
        palette = law(rng, count)[0].double().cpu().numpy()
        share = rng.uniform(Stream.COLOUR_NOISE, (count,), double=True)[0].cpu().numpy() + _LEAST_SHARE
        return palette, share / share.sum()


def partition(
    size: tuple[int, int], rate: float, rng: Rng
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a Mondrian process on [0, H) x [0, W) and a uniform number for each of its rectangles.

    Parameters
    ----------
    rate
        Mean number of cuts per pixel of a straight line.
    rng
        Of one image.

    Returns
    -------
    boxes
        float64 [n, 4]: top, bottom, left, right.
    chance
        float64 [n], uniform in (0, 1).
    """
    rows = UniformRows(rng, Stream.PARTITION)
    waiting = deque([(0.0, float(size[0]), 0.0, float(size[1]), 0.0)])
    boxes, chance = [], []
    while waiting:
        top, bottom, left, right, born = waiting.popleft()
        time, place, uniform, _ = rows.following()
        height, width = bottom - top, right - left
        cut_at = born - math.log(time) / (height + width)
        where = place * (height + width)
        if cut_at > rate:
            boxes.append((top, bottom, left, right))
            chance.append(uniform)
        elif where < height:
            waiting.append((top, top + where, left, right, cut_at))
            waiting.append((top + where, bottom, left, right, cut_at))
        else:
            waiting.append((top, bottom, left, left + where - height, cut_at))
            waiting.append((top, bottom, left + where - height, right, cut_at))
    return np.array(boxes), np.array(chance)


def paint(
    size: tuple[int, int], boxes: NDArray[np.float64], light: NDArray[np.float64], inset: float = 0.0
) -> NDArray[np.float32]:
    """Return float32 [3, H, W], the mean over each pixel of rectangles ``boxes`` [n, 4] of ``light`` [n, 3].

    ``inset`` moves every side that is not the image's own inwards; what is bared is black.
    """
    image = np.zeros((3, *size))
    for (top, bottom, left, right), colour in zip(boxes, light, strict=True):
        down, rows = _cover(top, bottom, size[0], inset)
        across, columns = _cover(left, right, size[1], inset)
        image[:, rows, columns] += colour[:, None, None] * (down[:, None] * across)
    return np.clip(image, 0, 1).astype(np.float32)


def _cover(start: float, stop: float, length: int, inset: float) -> tuple[NDArray[np.float64], slice]:
    """Return the share of each pixel of ``slice`` that lies between ``start`` and ``stop``."""
    start = start + inset if start > 0 else start
    stop = stop - inset if stop < length else stop
    first, last = math.floor(start), math.ceil(stop)
    if stop <= start:
        return np.zeros(0), slice(0, 0)
    edge = np.arange(first, last + 1, dtype=np.float64)
    return np.minimum(edge[1:], stop) - np.maximum(edge[:-1], start), slice(first, last)
