"""The image model ``primitives-3d``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images.batches import one_by_one
from synthnoise.images.primitives import ray_tracer, scene
from synthnoise.images.uniform_rows import UniformRows
from synthnoise.rng import Rng, Stream

_BAND = 1 << 16
"""Rays followed at a time."""

_LEAST_VISIBLE = 200 / (320 * 240)
"""Smallest share of the image that each object must show, as in CLEVR."""

_CHECKED = 64
_GOLDEN = (3 - math.sqrt(5)) / 2
_TRIES = 20


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many objects, and how finely they are rendered."""

    objects: tuple[int, int] = field(default=(3, 10), metadata={"help": "fewest and most objects in a scene"})
    samples: int = field(
        default=2, metadata={"help": "rays per pixel, each way: antialiasing", "range": (1, 16)}
    )
    shadows: int = field(
        default=2, metadata={"help": "points of the lamp per ray: softness of shadows", "range": (1, 64)}
    )

    def __post_init__(self) -> None:
        fewest, most = self.objects
        if not 1 <= fewest <= most <= 12:
            raise UsageError(f"objects={fewest},{most}: expected two numbers from 1 to 12, in order")


class Primitives:
    """Scenes of spheres, boxes and cylinders, rubber or metal, in eight colours under three lamps."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def scene(self, size: tuple[int, int], rng: Rng) -> scene.Scene:
        """Return the scene of one image: the first of twenty in which every object shows enough."""
        rows = UniformRows(rng, Stream.SCENE)
        for _ in range(_TRIES):
            found = scene.draw(rows, *self.options.objects)
            if _all_show(found, size):
                break
        return found

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        Image i depends on (options, seed, i, size) alone.
        """
        return one_by_one(self._draw, size, rng)

    def _draw(self, size: tuple[int, int], rng: Rng) -> Tensor:
        return render(self.scene(size, rng), size, self.options.samples, self.options.shadows, rng)


def render(chosen: scene.Scene, size: tuple[int, int], samples: int, shadows: int, rng: Rng) -> Tensor:
    """Return float32 [3, H, W], linear light in [0, 1]: the mean over ``samples``^2 rays per pixel."""
    height, width = size
    eye = torch.tensor(chosen.camera.eye, device=rng.device)[:, None]
    image = torch.zeros((3, height, width), device=rng.device)
    rows = max(1, _BAND // width)
    x = torch.arange(width, device=rng.device)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        y = torch.arange(top, top + count, device=rng.device)
        chance = rng.cropped(top, 0).uniform(Stream.ILLUMINATION, (2, count, width))[0].flatten(1)
        points = _spread(chance, samples**2 * shadows).reshape(samples**2, shadows, 2, -1)
        for ray in range(samples**2):
            down, across = (ray // samples + 0.5) / samples, (ray % samples + 0.5) / samples
            place = (y + down)[:, None].expand(-1, width), (x + across).expand(count, -1)
            direction = chosen.camera.rays(place[0].reshape(-1), place[1].reshape(-1), size)
            seen = ray_tracer.light(chosen, eye.expand_as(direction), direction, points[ray])
            image[:, top : top + count] += seen.reshape(3, count, width)
    return (image / samples**2).clamp(0, 1)


def _spread(chance: Tensor, count: int) -> Tensor:
    """Return [count, 2, P]: points of the unit square, of uniform ones [2, P], evenly spread for each pixel.

    On a disc of that radius and angle they are a spiral of golden angles in rings of equal area (Vogel 1979),
    turned at random.
    """
    number = torch.arange(count, device=chance.device)[:, None]
    radius, angle = (number + chance[0]) / count, (number * _GOLDEN + chance[1]) % 1
    return torch.stack((radius, angle), 1)


def _all_show(chosen: scene.Scene, size: tuple[int, int]) -> bool:
    """Return whether every object covers enough of the image, by a coarse grid of rays."""
    steps = [torch.arange(_CHECKED).add(0.5).mul(length / _CHECKED) for length in size]
    y, x = torch.meshgrid(*steps, indexing="ij")
    direction = chosen.camera.rays(y.reshape(-1), x.reshape(-1), size)
    eye = torch.tensor(chosen.camera.eye)[:, None].expand_as(direction)
    number = ray_tracer.nearest(chosen, eye, direction).number
    shown = torch.bincount(number + 1, minlength=len(chosen.kind) + 2)[1 : len(chosen.kind) + 1]
    return bool((shown >= _LEAST_VISIBLE * _CHECKED**2).all())
