"""Where rays meet the objects of a scene, and how bright they are there. Any device of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.images.primitives.scene import CYLINDER, SPHERE, Scene

SKY = -1
"""Number of what a ray meets that meets nothing; the ground has the number after the last object's."""

_NEAR = 1e-3
_SKY_LIGHT = 0.35
_SHINE = {False: (0.08, 12.0), True: (0.6, 90.0)}
"""Strength and exponent of the highlight of rubber and of metal (Blinn 1977)."""

_MIRROR = 0.55
_PARALLEL = 1e-7


@dataclass(frozen=True)
class Hits:
    """Where P rays end first.

    Attributes
    ----------
    distance
        float32 [P], infinite in the sky.
    number
        int64 [P], of the object, the ground or ``SKY``.
    normal
        float32 [3, P], outwards, of unit length.
    """

    distance: Tensor
    number: Tensor
    normal: Tensor


def nearest(scene: Scene, origin: Tensor, direction: Tensor) -> Hits:
    """Return what rays from ``origin`` [3, P] along unit ``direction`` [3, P] meet first."""
    distance = torch.full_like(direction[0], math.inf)
    number = torch.full(distance.shape, SKY, device=distance.device)
    normal = torch.zeros_like(direction)
    up = torch.tensor([0.0, 0.0, 1.0], device=distance.device)[:, None]
    ground = torch.where(direction[2] < -_PARALLEL, -origin[2] / direction[2], math.inf)
    ground = torch.where(ground > _NEAR, ground, math.inf)
    for which in range(len(scene.kind) + 1):
        if which == len(scene.kind):
            entry, outwards = ground, up.expand_as(direction)
        else:
            entry, outwards = _entry(scene, which, origin, direction)
        closer = entry < distance
        distance = torch.where(closer, entry, distance)
        number = torch.where(closer, which, number)
        normal = torch.where(closer, outwards, normal)
    return Hits(distance, number, normal)


def hidden(scene: Scene, origin: Tensor, direction: Tensor, distance: Tensor) -> Tensor:
    """Return bool [P]: whether an object lies between ``origin`` and ``distance`` [P] along the ray."""
    blocked = torch.zeros_like(distance, dtype=torch.bool)
    for which in range(len(scene.kind)):
        blocked |= _entry(scene, which, origin, direction)[0] < distance
    return blocked


def _entry(scene: Scene, which: int, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Return distance [P] at which rays enter an object (infinite: never) and the normal [3, P] there.

    Boxes and cylinders are intersections of slabs, and of a slab and an endless cylinder: a ray is inside
    from the last entry to the first exit.
    """
    half = scene.half[which]
    local = origin - torch.tensor([*scene.place[which], half], device=origin.device)[:, None]
    if scene.kind[which] == SPHERE:
        along = (local * direction).sum(0)
        near, _ = _roots(torch.ones_like(along), along, local.square().sum(0) - half**2)
        entry = torch.where(near > _NEAR, near, math.inf)
        return entry, (local + torch.where(near.isfinite(), near, 0.0) * direction) / half
    turn = 0.0 if scene.kind[which] == CYLINDER else scene.turn[which]
    cosine, sine = math.cos(turn), math.sin(turn)
    o, d = _turned(local, cosine, -sine), _turned(direction, cosine, -sine)
    d = torch.where(d.abs() < _PARALLEL, _PARALLEL, d)
    low, high = (-half - o) / d, (half - o) / d
    enter, leave = torch.minimum(low, high), torch.maximum(low, high)
    sign = -d.sign()
    if scene.kind[which] == CYLINDER:
        round_enter, round_leave = _roots(
            d[:2].square().sum(0), (o[:2] * d[:2]).sum(0), o[:2].square().sum(0) - half**2
        )
        first, last = torch.maximum(round_enter, enter[2]), torch.minimum(round_leave, leave[2])
        side = round_enter > enter[2]
        flat = torch.where(side, 0.0, sign[2])
        mantle = torch.where(side & first.isfinite(), (o[:2] + first * d[:2]) / half, 0.0)
        normal = torch.cat((mantle, flat[None]))
    else:
        first, axis = enter.max(0)
        last = leave.amin(0)
        facing = torch.zeros_like(d).scatter_(0, axis[None], 1.0)
        normal = _turned(facing * sign, cosine, sine)
    met = (first <= last) & (first > _NEAR)
    return torch.where(met, first, math.inf), normal


def _roots(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return the roots of a t^2 + 2 b t + c in order; none: +inf and -inf."""
    discriminant = b * b - a * c
    root = discriminant.clamp(min=0).sqrt()
    there = discriminant > 0
    return torch.where(there, (-b - root) / a, math.inf), torch.where(there, (-b + root) / a, -math.inf)


def _turned(vector: Tensor, cosine: float, sine: float) -> Tensor:
    """Return vectors [3, P] turned about the vertical."""
    x, y, z = vector
    return torch.stack((cosine * x - sine * y, sine * x + cosine * y, z))


def light(scene: Scene, origin: Tensor, direction: Tensor, chance: Tensor, *, mirrors: bool = True) -> Tensor:
    """Return linear light [3, P] that comes back along rays; not clipped.

    Lambert's law, lamps that weaken with the square of the distance, the highlight of Blinn, and on metal
    one mirror image. ``chance`` [s, 2, P] in (0, 1) chooses s points of the key lamp: its light is their
    mean.
    """
    hits = nearest(scene, origin, direction)
    in_sky = hits.number == SKY
    point = origin + torch.where(in_sky, 0.0, hits.distance) * direction
    point = point + _NEAR * hits.normal
    surface = _surface(scene, hits.number.clamp(min=0), direction.device)
    diffuse = torch.full_like(hits.distance, scene.ambient)
    shine = torch.zeros_like(diffuse)
    for which in range(len(scene.lamps)):
        reached, glance = _lit(scene, which, point, hits.normal, direction, surface, chance)
        diffuse, shine = diffuse + reached, shine + glance
    result = surface[:3] * diffuse + shine
    metal = (surface[5] > 0).nonzero()[:, 0]
    if mirrors and len(metal):
        incoming, normal = direction[:, metal], hits.normal[:, metal]
        mirrored = incoming - 2 * (incoming * normal).sum(0) * normal
        seen = light(scene, point[:, metal], mirrored, chance[:, :, metal], mirrors=False)
        tint = surface[:3, metal]
        result[:, metal] = (1 - _MIRROR) * result[:, metal] + _MIRROR * (0.1 + 0.9 * tint) * seen
    return torch.where(in_sky, _SKY_LIGHT, result)


def _surface(scene: Scene, number: Tensor, device: torch.device) -> Tensor:
    """Return float32 [6, P]: colour, strength and exponent of the highlight, and 1 on metal."""
    rows = [
        [*colour, *_SHINE[metal], float(metal)]
        for colour, metal in zip(scene.colour.tolist(), scene.metal, strict=True)
    ]
    rows.append([scene.ground] * 3 + [0.0, 1.0, 0.0])
    return torch.tensor(rows, device=device)[number].T


def _lit(
    scene: Scene,
    which: int,
    point: Tensor,
    normal: Tensor,
    direction: Tensor,
    surface: Tensor,
    chance: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return diffuse and mirror-like light [P] of one lamp at points [3, P]."""
    lamp = torch.tensor(scene.lamps[which], device=point.device)[:, None]
    reference = float(lamp.square().sum())
    diffuse, shine = torch.zeros_like(point[0]), torch.zeros_like(point[0])
    soft = which == 0
    for sample in chance if soft else chance[:1]:
        place = lamp + scene.lamp_radius * _disc(sample) if soft else lamp
        towards = place - point
        square = towards.square().sum(0)
        towards = towards / square.sqrt()
        facing = (normal * towards).sum(0).clamp(min=0)
        strength = scene.power[which] * reference / square
        if soft:
            strength = torch.where(hidden(scene, point, towards, square.sqrt()), 0.0, strength)
        between = towards - direction
        between = between / between.square().sum(0).sqrt().clamp(min=_PARALLEL)
        glance = (normal * between).sum(0).clamp(min=1e-6, max=1)
        diffuse = diffuse + strength * facing
        lit = torch.where(facing > 0, strength, 0.0)
        # A power, but rounded alike on any number of threads.
        shine = shine + lit * surface[3] * torch.exp(surface[4] * torch.log(glance))
    count = len(chance) if soft else 1
    return diffuse / count, shine / count


def _disc(chance: Tensor) -> Tensor:
    """Return points [3, P] of a level unit disc, uniform, of uniform numbers [2, P]."""
    radius, angle = chance[0].sqrt(), 2 * math.pi * chance[1]
    return torch.stack((radius * angle.cos(), radius * angle.sin(), torch.zeros_like(radius)))
