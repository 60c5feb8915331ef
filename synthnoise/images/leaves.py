"""The leaves of a dead-leaves image: how large, where, of what shape. Painters find which of them show."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.rng import Rng, Stream

PALETTE_SIZE = 2048
"""Colours per image; a power of two, so that the low bits of a word choose one without bias."""

LONGEST_RATIO, SHORTEST_RATIO = 1.0, 0.5
RECTANGLE_REACH = math.sqrt(math.pi * (SHORTEST_RATIO + 1 / SHORTEST_RATIO)) / 2
"""Largest half diagonal of a rectangle leaf in radii of the disc of its area."""

SHADED_FROM = 30.0
"""Leaves of a smaller radius in canvas pixels stay flat when shading is on."""


@dataclass(frozen=True)
class Leaves:
    """Consecutive leaves of B images, frontmost first; lengths in canvas pixels.

    Pixel (row i, column j) covers [i, i + 1) x [j, j + 1) and belongs to a leaf that holds its centre.

    Attributes
    ----------
    y, x, radius
        float64 [B, n]; the area of a leaf of any shape is pi radius^2.
    colour
        int64 [B, n], entry of the palette.
    box
        float64 [B, n, 4]: half sides along and across, cosine and sine of the turn, of a rectangle;
        half sides of 0 for a disc. n is 0 where all leaves are discs.
    shade
        float64 [B, n, 3]: brightness is shade[0] + shade[1] row + shade[2] column, in canvas
        coordinates. n is 0 where nothing is shaded.
    """

    y: Tensor
    x: Tensor
    radius: Tensor
    colour: Tensor
    box: Tensor
    shade: Tensor


@dataclass(frozen=True)
class PowerLaw:
    """Density proportional to r^-exponent on [low, high]."""

    exponent: float
    low: float
    high: float

    @property
    def mass(self) -> float:
        """The integral of r^-exponent."""
        if self.exponent == 1:
            return math.log(self.high / self.low)
        power = 1 - self.exponent
        mass: float = (self.low**power - self.high**power) / -power
        return mass

    def above(self, mass: Tensor) -> Tensor:
        """Return r such that the integral from r to ``high`` is ``mass``."""
        mass = mass.clamp(0, self.mass)
        if self.exponent == 1:
            return self.high * torch.exp(-mass)
        power = 1 - self.exponent
        return mass.mul(-power).add_(self.high**power).pow_(1 / power)


@dataclass(frozen=True)
class LeafLaw:
    """What is drawn: the law of radius, place and shape of the leaves that may touch a canvas.

    In the plane leaves are a Poisson process with radii r^-exponent. Those that reach a canvas
    of H x W have their centres in the canvas grown by their reach k r, and a radius density of
    r^-exponent (H + 2 k r) (W + 2 k r): a mixture of three power laws. With ``inside`` all centres
    lie on the canvas itself, as in Achddou et al. 2021, and the image is not stationary: less covers
    a pixel near the border.
    """

    size: tuple[int, int]
    r_min: float
    r_max: float
    exponent: float
    rectangle_share: float = 0.0
    shading: float = 0.0
    inside: bool = False

    @property
    def reach(self) -> float:
        """How far a leaf may extend from its centre, in radii."""
        return RECTANGLE_REACH if self.rectangle_share else 1.0

    def _mixture(self) -> list[tuple[float, PowerLaw]]:
        """Return (factor, law) with the fewest and largest leaves first."""
        height, width = self.size
        factors = [float(height * width), 2 * self.reach * (height + width), 4 * self.reach**2]
        laws = [PowerLaw(self.exponent - degree, self.r_min, self.r_max) for degree in range(3)]
        mixture = list(zip(factors, laws, strict=True))
        return mixture[:1] if self.inside else mixture[::-1]

    def coverage(self) -> float:
        """Return the mean share of the canvas that one leaf covers (over the plane, for ``inside``)."""
        thrown = sum(factor * law.mass for factor, law in self._mixture())
        if not thrown:
            height, width = self.size
            grown = (0.0 if self.inside else 2 * self.reach) * self.r_min
            return math.pi * self.r_min**2 / ((height + grown) * (width + grown))
        return math.pi * PowerLaw(self.exponent - 2, self.r_min, self.r_max).mass / thrown

    def radius(self, uniform: Tensor) -> Tensor:
        """Return radii of uniform numbers in (0, 1): the smaller the number, the larger the leaf."""
        if self.r_min == self.r_max:
            return torch.full_like(uniform, self.r_min)
        *rare, (factor, usual) = self._mixture()
        bounds = [0.0, *itertools.accumulate(factor * law.mass for factor, law in rare)]
        thrown = uniform * (bounds[-1] + factor * usual.mass)
        radius = usual.above((thrown - bounds[-1]).mul_(1 / factor))
        if rare:
            places = (thrown < bounds[-1]).nonzero(as_tuple=True)
            few = thrown[places]
            large = torch.empty_like(few)
            for (factor, law), low in zip(rare, bounds, strict=False):
                large = torch.where(few >= low, law.above((few - low) / factor), large)
            radius[places] = large
        return radius.clamp_(self.r_min, self.r_max)

    def draw(self, rng: Rng, start: int, count: int) -> Leaves:
        """Return leaves number ``start`` to ``start + count`` of each image."""
        words = _words(rng, Stream.LEAF_POSITION, start, count)
        uniform = _unit(words[:, :3])
        radius = self.radius(uniform[:, 0])
        y, x = (self._centre(uniform[:, 1 + axis], radius, self.size[axis]) for axis in (0, 1))
        box = shade = torch.empty((len(rng.indices), 0, 4), dtype=torch.float64, device=rng.device)
        if self.rectangle_share:
            box = self._boxes(_words(rng, Stream.LEAF_SHAPE, start, count), radius)
        if self.shading:
            shade = self._shades(_words(rng, Stream.LEAF_SHADING, start, count), y, x, radius)
        return Leaves(y, x, radius, words[:, 3] & (PALETTE_SIZE - 1), box, shade)

    def _centre(self, uniform: Tensor, radius: Tensor, length: int) -> Tensor:
        """Return a coordinate of the centres, uniform on the canvas grown by the reach of each leaf."""
        if self.inside:
            return uniform * length
        reach = radius * self.reach
        return torch.addcmul(-reach, uniform, reach.mul(2).add_(length))

    def _boxes(self, words: Tensor, radius: Tensor) -> Tensor:
        """Return ``Leaves.box``: side ratio uniform in [0.5, 1], turn uniform, area that of the disc."""
        ratio = SHORTEST_RATIO + (LONGEST_RATIO - SHORTEST_RATIO) * _unit(words[:, 1])
        angle = math.pi * _unit(words[:, 2])
        half = math.sqrt(math.pi) / 2 * radius
        rectangle = _unit(words[:, 0]) < self.rectangle_share
        along = torch.where(rectangle, half * ratio.sqrt(), 0.0)
        across = torch.where(rectangle, half / ratio.sqrt(), 0.0)
        return torch.stack((along, across, angle.cos(), angle.sin()), -1)

    def _shades(self, words: Tensor, y: Tensor, x: Tensor, radius: Tensor) -> Tensor:
        """Return ``Leaves.shade``: a ramp of 1 - a to 1 + a across the disc, a uniform, at a random angle."""
        ramp = torch.where(radius >= SHADED_FROM, self.shading * _unit(words[:, 0]), 0.0)
        angle = 2 * math.pi * _unit(words[:, 1])
        down, right = ramp / radius * angle.sin(), ramp / radius * angle.cos()
        return torch.stack((1 - down * y - right * x, down, right), -1)


def _words(rng: Rng, stream: Stream, start: int, count: int) -> Tensor:
    """Return int64 [B, 4, n], four random words of each leaf; a leaf's number is its column."""
    placed = dataclasses.replace(rng, origin=(0, start))
    return placed.bits(stream, (4, 1, count))[:, :, 0]


def _unit(words: Tensor) -> Tensor:
    """Return float64 in (0, 1)."""
    return words.double().add_(0.5).mul_(2.0**-32)
