"""Fractals as in FractalDB: attractors of random affine maps, drawn by the chaos game.

Kataoka et al., *Pre-training without natural images*, ACCV 2020. A category is a system of 2 to 7 affine maps
whose attractor fills enough of a square; its images vary one coefficient, the stamp and the mirroring.
"""

from __future__ import annotations

import colorsys
import functools
import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images import chaos_game
from synthnoise.images.batches import one_by_one
from synthnoise.images.colours import decode_srgb
from synthnoise.images.uniform_rows import UniformRows
from synthnoise.rng import Rng, Stream

_SEARCH_SIDE, _SEARCH_POINTS = 512, 100_000
_MARGIN = 6
_CANVAS = 362
"""Side of the images of the paper, for which ``points`` are counted."""

_FACTORS = (0.2, 0.6, 1.4, 1.8)
_HUES = 128
_LEAST_MAPS, _MOST_MAPS = 2, 7
_MOST_CANDIDATES = 10_000


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which fractals, and how they are drawn."""

    categories: int = field(
        default=1000, metadata={"help": "number of systems that images choose from", "range": (1, 1 << 20)}
    )
    fill: float = field(
        default=0.2, metadata={"help": "least share of a square that a system hits", "range": (0.0, 0.6)}
    )
    vary: bool = field(
        default=True, metadata={"help": "vary one coefficient of the maps, and mirror, for each image"}
    )
    render: Literal["patch", "point"] = field(
        default="patch",
        metadata={"help": "each point as a random 3x3 stamp, the same in an image, or a pixel"},
    )
    colour: Literal["grey", "hue"] = field(
        default="grey", metadata={"help": "mid-grey on black, or hues that change along the orbit"}
    )
    points: int = field(
        default=200_000, metadata={"help": "points per 362 x 362 pixels", "range": (1, 100_000_000)}
    )


class FractalDB:
    """The image model ``fractal-db``. Points are found on the processor."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        Image i depends on (options, seed, i, size) alone. Systems of a seed are searched when first needed.
        """
        if min(size) < 2 * _MARGIN + 4:
            raise UsageError(f"fractal-db: {size[0]}x{size[1]} is too small", hint="from 16 pixels up")
        return one_by_one(self._draw, size, rng)

    def category(self, rng: Rng) -> int:
        """Return the number of the system of one image."""
        return int(rng.integers(Stream.COLOUR_CHOICE, (4,), 0, self.options.categories)[0, 0])

    def _draw(self, size: tuple[int, int], rng: Rng) -> Tensor:
        options = self.options
        maps = search(rng.seed, self.category(rng), options.fill)
        chance = rng.uniform(Stream.WINDOW, (8,), double=True)[0].tolist()
        if options.vary:
            maps = varied(maps, int(chance[0] * 25))
        count = max(1, options.points * size[0] * size[1] // _CANVAS**2)
        orbit = chaos_game.orbit(maps, count, int(rng.bits(Stream.CHAOS_GAME, (4,))[0, 0]))
        stamp = self._stamp(int(chance[1] * 511) + 1)
        levels = self._levels(count)
        image = chaos_game.stamped(size, chaos_game.placed(orbit, size, _MARGIN), levels, stamp)
        if options.vary:
            image = image[:: -1 if chance[2] < 0.5 else 1, :: -1 if chance[3] < 0.5 else 1]
        srgb = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
        return decode_srgb(srgb).to(rng.device)

    def _stamp(self, bits: int) -> NDArray[np.bool_]:
        """Return number ``bits`` (1 to 511) of the binary 3x3 stamps that are not empty, or one pixel."""
        if self.options.render == "point":
            return np.array([[False] * 3, [False, True, False], [False] * 3])
        return (bits >> np.arange(9) & 1).astype(bool).reshape(3, 3)

    def _levels(self, count: int) -> NDArray[np.uint8]:
        """Return the colour uint8 [count, 3] of each point."""
        if self.options.colour == "grey":
            return np.full((count, 3), 127, dtype=np.uint8)
        cycle = [colorsys.hsv_to_rgb(k / _HUES, 0.75, 0.75) for k in range(_HUES)]
        hues: NDArray[np.uint8] = np.rint(255 * np.array(cycle)).astype(np.uint8)
        return hues[np.arange(count) * _HUES // count]


@functools.lru_cache(maxsize=4096)
def search(seed: int, number: int, fill: float) -> NDArray[np.float64]:
    """Return system ``number`` of a seed, float64 [n, 6]: maps (x, y) to (a x + b y + e, c x + d y + f).

    Columns are a to f. Coefficients are uniform in (-1, 1) and are drawn until the chaos game hits at least
    ``fill`` of the pixels of a 512 x 512 square. Whether maps contract is not asked: what runs away fills
    nothing.

    Raises
    ------
    UsageError
        No system was found.
    """
    rng = Rng(seed, torch.tensor([number]))
    rows = UniformRows(rng, Stream.AFFINE_MAPS)
    for candidate in range(_MOST_CANDIDATES):
        count = _LEAST_MAPS + int(rows.following()[0] * (_MOST_MAPS - _LEAST_MAPS + 1))
        maps = np.array([(*rows.following(), *rows.following()[:2]) for _ in range(count)]) * 2 - 1
        if filled(maps, candidate, fill) >= fill:
            maps.flags.writeable = False
            return maps
    raise UsageError(f"fractal-db: no system fills {fill:g} of a square", hint="ask for a smaller fill")


def filled(maps: NDArray[np.float64], seed: int, least: float = 0.0) -> float:
    """Return the share of pixels of a 512 x 512 square that 100 000 points hit.

    Where a first few thousand points already show that it will hardly reach ``least``, 0: every further
    point hits something new with less chance than those before it.
    """
    few = chaos_game.orbit(maps, _SEARCH_POINTS // 16, seed)
    if chaos_game.hit_share(few, _SEARCH_SIDE, _MARGIN) < least / 16:
        return 0.0
    return chaos_game.hit_share(chaos_game.orbit(maps, _SEARCH_POINTS, seed), _SEARCH_SIDE, _MARGIN)


def varied(maps: NDArray[np.float64], variant: int) -> NDArray[np.float64]:
    """Return the maps as they are (variant 0), or with one of six coefficients scaled in all of them (1-24).

    What runs away when scaled stays as it is.
    """
    if variant == 0:
        return maps
    changed = maps.copy()
    changed[:, (variant - 1) // len(_FACTORS)] *= _FACTORS[(variant - 1) % len(_FACTORS)]
    orbit = chaos_game.orbit(changed, 4096, 0)
    runs_away = not np.isfinite(orbit).all() or np.abs(orbit).max() > 1 / math.ulp(1.0) ** 0.5
    return maps if runs_away or (np.ptp(orbit, axis=0) == 0).any() else changed
