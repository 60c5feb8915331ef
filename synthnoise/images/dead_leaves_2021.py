"""Dead leaves with the settings and shadings of Achddou, Gousseau and Ladjal, SSVM 2021."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from synthnoise.images import dead_leaves
from synthnoise.images.leaves import LeafLaw

_RAMPED_FROM, _RAMPED_SHARE = 200.0, 0.7
_DARKEST, _BRIGHTEST = 0.2, 0.8
_SHADING = 0.3


@dataclass(frozen=True, kw_only=True)
class Options(dead_leaves.Options):
    """The options of ``dead-leaves`` with the defaults of 2021, and their shadings."""

    boundary: Literal["stationary", "inside"] = field(
        default="inside", metadata={"help": "centres only on the canvas, as in 2021, or as in the plane"}
    )
    uncovered: float = field(
        default=0.002,
        metadata={
            "help": "stop at the number of leaves that leave this share black; 0: cover all",
            "range": (0.0, 0.5),
        },
    )
    ramps: Literal["none", "large", "all"] = field(
        default="none",
        metadata={
            "help": "brightness ramps: none; 0.2 to 0.8 across seven in ten leaves of radius above 200; "
            "or up to 30 % either way across every leaf of radius above 30"
        },
    )


@dataclass(frozen=True)
class RampedLaw(LeafLaw):
    """Leaves of which the large ones are ramps of brightness 0.2 to 0.8, seven in ten of them."""

    def _shades(self, words: Tensor, y: Tensor, x: Tensor, radius: Tensor) -> Tensor:
        uniform = words.double().add_(0.5).mul_(2.0**-32)
        ramped = (radius > _RAMPED_FROM) & (uniform[:, 0] < _RAMPED_SHARE)
        middle, swing = (_BRIGHTEST + _DARKEST) / 2, (_BRIGHTEST - _DARKEST) / 2
        angle = 2 * math.pi * uniform[:, 1]
        slope = torch.where(ramped, swing, 0.0) / radius
        down, right = slope * angle.sin(), slope * angle.cos()
        return torch.stack((torch.where(ramped, middle, 1.0) - down * y - right * x, down, right), -1)


class DeadLeaves2021(dead_leaves.DeadLeaves):
    """The image model ``dead-leaves-2021``."""

    def __init__(self, options: Options | None = None) -> None:
        chosen = options or Options()
        if chosen.ramps != "none":
            chosen = dataclasses.replace(chosen, shading=_SHADING)
        super().__init__(chosen)
        self._ramps = chosen.ramps

    def _law(self, size: tuple[int, int], r_min: float) -> LeafLaw:
        law = super()._law(size, r_min)
        return RampedLaw(**dataclasses.asdict(law)) if self._ramps == "large" else law
