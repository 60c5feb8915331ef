"""What stands where: the objects, lamps and camera of one scene, and the rules they are placed by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.images.colours import decode_srgb
from synthnoise.images.uniform_rows import UniformRows

SPHERE, BOX, CYLINDER = range(3)

COLOURS = (
    (87, 87, 87),
    (173, 35, 35),
    (42, 75, 215),
    (29, 105, 20),
    (129, 74, 25),
    (129, 38, 192),
    (41, 208, 208),
    (255, 238, 51),
)
"""Grey, red, blue, green, brown, purple, cyan, yellow, in 8-bit sRGB: those of CLEVR."""

_LARGE, _SMALL = 0.7, 0.35
_REACH = 3.0
_GAP, _MARGIN = 0.25, 0.4
_TRIES = 50
_CAMERA = (7.2, -6.6, 5.2)
_CAMERA_JITTER, _LAMP_JITTER = 0.5, 1.0
_FOCAL = 35 / 32
_LAMPS = ((-2.6, -5.6, 6.5), (5.0, 3.5, 3.5), (-4.0, 4.0, 5.0))
"""Key, fill and back lamp."""

_POWER = (0.75, 0.16, 0.14)
_KEY_RADIUS = 0.8


@dataclass(frozen=True)
class Camera:
    """A pinhole at ``eye`` that looks at ``target``; upright.

    ``focal`` is in lengths of the image's longer side.
    """

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    focal: float = _FOCAL

    def axes(self) -> Tensor:
        """Return float32 [3, 3]: rows point right, down and forward."""
        forward = torch.tensor(self.target, dtype=torch.float64) - torch.tensor(self.eye, dtype=torch.float64)
        forward = forward / forward.norm()
        right = torch.stack((forward[1], -forward[0], torch.zeros((), dtype=torch.float64)))
        right = right / right.norm()
        return torch.stack((right, torch.linalg.cross(forward, right), forward)).float()

    def rays(self, y: Tensor, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Return unit directions float32 [3, P] through points (y, x) [P], in pixels from the corner."""
        length = self.focal * max(size)
        right, down, forward = self.axes().to(x.device)
        across, below = (x - size[1] / 2) / length, (y - size[0] / 2) / length
        direction = forward[:, None] + across * right[:, None] + below * down[:, None]
        unit: Tensor = direction / direction.square().sum(0).sqrt()
        return unit


@dataclass(frozen=True)
class Scene:
    """Objects on the plane z = 0, and what lights and sees them. Everything of one image.

    Attributes
    ----------
    kind
        Per object ``SPHERE``, ``BOX`` or ``CYLINDER``.
    place
        (x, y) of each; they stand on the plane, their middle ``half`` above it.
    half
        Radius and half height of each.
    turn
        Radians that each is turned about the vertical.
    colour
        Linear light reflected, float32 [n, 3].
    metal
        Whether each is a mirror as well.
    lamps
        (x, y, z) of each lamp; the first casts shadows, as a disc of ``lamp_radius``.
    power
        Light of each lamp on a white surface that faces it from as far as the origin is.
    ambient
        Light from everywhere.
    camera
        What sees it.
    """

    kind: tuple[int, ...]
    place: tuple[tuple[float, float], ...]
    half: tuple[float, ...]
    turn: tuple[float, ...]
    colour: Tensor
    metal: tuple[bool, ...]
    lamps: tuple[tuple[float, float, float], ...]
    power: tuple[float, ...] = _POWER
    lamp_radius: float = _KEY_RADIUS
    ambient: float = 0.12
    ground: float = 0.45
    camera: Camera = Camera(_CAMERA, (0.0, 0.0, 0.3))


def draw(rows: UniformRows, fewest: int, most: int) -> Scene:
    """Return a scene of ``fewest`` to ``most`` objects, kept apart from each other as in CLEVR.

    Their bounding circles have gaps of at least 0.25, and along the camera's two directions on the plane
    their centres differ by at least 0.4. Where an object finds no place 50 times, all start anew.
    """
    first, second = rows.following(), rows.following()
    count = fewest + int(first[0] * (most - fewest + 1))
    eye = _jittered(_CAMERA, first[1:], _CAMERA_JITTER)
    lamps = tuple(_jittered(lamp, rows.following()[:3], _LAMP_JITTER) for lamp in _LAMPS)
    camera = Camera(eye, (0.0, 0.0, 0.3))
    right, _, _ = camera.axes().tolist()
    for _ in range(_TRIES):
        found = _placed(rows, count, (right[0], right[1]))
        if len(found) == count:
            break
    turns = [rows.following() for _ in found]
    colours = torch.tensor(COLOURS)[[int(row[1] * len(COLOURS)) for row in turns]]
    return Scene(
        kind=tuple(int(row[2] * 3) for row in turns),
        place=tuple((x, y) for x, y, _ in found),
        half=tuple(half for _, _, half in found),
        turn=tuple(2 * math.pi * row[0] for row in turns),
        colour=decode_srgb(colours.float() / 255),
        metal=tuple(row[3] < 0.5 for row in turns),
        lamps=lamps,
        camera=camera,
        lamp_radius=_KEY_RADIUS * (0.5 + second[0]),
    )


def _jittered(point: tuple[float, ...], chance: list[float], by: float) -> tuple[float, float, float]:
    x, y, z = (value + by * (2 * u - 1) for value, u in zip(point, chance, strict=True))
    return x, y, z


def _placed(rows: UniformRows, count: int, right: tuple[float, float]) -> list[tuple[float, float, float]]:
    """Return (x, y, half) of objects that keep their distances; fewer than ``count`` if one did not fit."""
    found: list[tuple[float, float, float]] = []
    for _ in range(count):
        half = _LARGE if rows.following()[0] < 0.5 else _SMALL
        for _ in range(_TRIES):
            row = rows.following()
            x, y = _REACH * (2 * row[0] - 1), _REACH * (2 * row[1] - 1)
            if all(_apart((x, y, half), other, right) for other in found):
                found.append((x, y, half))
                break
        else:
            return found
    return found


def _apart(
    one: tuple[float, float, float], other: tuple[float, float, float], right: tuple[float, float]
) -> bool:
    """Return whether two objects (x, y, half) keep the gap, and the margin along and across ``right``."""
    dx, dy = one[0] - other[0], one[1] - other[1]
    norm = math.hypot(*right)
    along, across = (dx * right[0] + dy * right[1]) / norm, (dx * right[1] - dy * right[0]) / norm
    return math.hypot(dx, dy) - one[2] - other[2] >= _GAP and min(abs(along), abs(across)) >= _MARGIN
