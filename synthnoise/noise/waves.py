"""Periodic patterns in single frames, such as clocks leave: plane waves of ever new phase and strength.

How strong a wave is changes from frame to frame, by far more than rows and columns do. Taken as a random
field, its power is exponentially distributed about an unknown mean; what n frames with mean power P say of
the next one is P times a variate of the F law with 2 and 2 n degrees of freedom (prior 1 / mean).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile, IsoNoise

STRONGEST = 0.25
"""Largest power of a wave, as a share of the variance of a pixel: the law of one frame has no mean."""

MOST_FRAMES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Waves:
    """Waves over the mosaic.

    Attributes
    ----------
    frequencies
        float64 [n, 2] in cycles per pixel of the mosaic, down and across.
    power
        float64 [n], mean square, white = 1.
    most
        float64 [n], largest factor of the power.
    frames
        Number of frames that the power was measured in.
    repeat
        Rows and columns of the CFA repeat.
    """

    frequencies: Tensor
    power: Tensor
    most: Tensor
    frames: int
    repeat: tuple[int, int]

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance [1], white = 1, mean over frames."""
        t, n = self.most.numpy(), self.frames
        mean = np.log1p(t) if n == 1 else n / (n - 1) * (1 - (1 + t / n) ** (1 - n))
        return np.asarray([float((self.power.numpy() * mean).sum())])

    def add_to(self, planes: Tensor, rng: Rng) -> None:
        """Add them to planes [B, C, H, W], in place; those of a tile are those of the whole."""
        h, w = self.repeat
        count, columns = len(self.power), 2 + self.frames
        draws = rng.uniform(Stream.WAVES, (count, columns), double=True)
        strength = -draws[..., 1].log() / -draws[..., 2:].log().mean(-1)
        strength = strength.minimum(self.most.to(strength))
        amplitude = (2 * strength * self.power.to(strength)).sqrt()
        frequencies = (2 * math.pi * self.frequencies).to(draws)
        for position in range(planes.shape[1]):
            i, j = divmod(position, w)
            y = (torch.arange(planes.shape[2], device=planes.device) + rng.origin[0]) * h + i
            x = (torch.arange(planes.shape[3], device=planes.device) + rng.origin[1]) * w + j
            for number in range(count):
                down = 2 * math.pi * draws[:, number, :1] + frequencies[number, 0] * y
                across = frequencies[number, 1] * x
                size = amplitude[:, number, None]
                even, odd = ((size * f(down)).float()[..., None] for f in (torch.cos, torch.sin))
                planes[:, position] += even * across.cos().float() - odd * across.sin().float()


def waves(noise: IsoNoise, profile: CameraProfile) -> Waves | None:
    """Return the waves at an ISO, or None where none were found."""
    found = noise.arrays.get("waves")
    if found is None or not len(found):
        return None
    table = torch.from_numpy(found.astype(np.float64))
    scale = float(profile.scale.mean())
    limit = STRONGEST * float(np.mean(np.square(noise.read_noise)))
    return Waves(
        frequencies=table[:, :2],
        power=table[:, 2] / scale**2,
        most=(limit / table[:, 2]).clamp(min=1),
        frames=min(max(int(table[0, 3]), 1), MOST_FRAMES),
        repeat=(len(profile.cfa), len(profile.cfa[0])),
    )
