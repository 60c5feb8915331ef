"""PMN: real pairs made richer by shot noise that is added to both halves, and dark shading taken out.

H. Feng, L. Wang, Y. Wang, H. Huang, "Learnability enhancement for low-light raw denoising: where paired real
data meets noise modeling", MM 2022 (TPAMI 2024): shot noise augmentation and dark shading correction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synthnoise.noise.poisson_gaussian import add_shot_noise
from synthnoise.noise.real_darks import DarkOptions, RealDarks, check_planes, gain_and_darks
from synthnoise.rng import Rng

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile


@dataclass(frozen=True, kw_only=True)
class Options(DarkOptions):
    """Which darks, and the gain of the shot noise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameters:
    """What is known of the camera, normalised so that white is 1.

    Attributes
    ----------
    shot
        float32 [C, 1, 1], S: one electron is worth S.
    dark_variance
        float32 [C, 1, 1], of the corrected darks.
    darks
        The darks, dark shading taken out: at each pixel the mean of all of them; of a single dark, its
        low frequencies.
    """

    shot: Tensor
    dark_variance: Tensor
    darks: RealDarks


class Pmn:
    """The pair (black, corrected dark) made richer by the light x: y = dark - shading + S·Poisson(x / S).

    With two or more darks what is fixed on the sensor is gone from the noise, so a denoiser trained on it
    expects frames whose dark shading has been taken out likewise. Pairs of photographs are made richer by
    :func:`add_light`. A crop of the whole equals the crop; nothing is clipped.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Parameters:
        """Return the parameters of dark frames and a gain, of a profile at an ISO or of the options.

        Raises
        ------
        UsageError
            There is no gain, or no dark frame.
        InputError
            A dark frame cannot be read, or they differ in size.
        """
        shot, darks = gain_and_darks(
            "pmn", self.options.dark, self.options.gain, "pixel", profile=profile, iso=iso
        )
        return Parameters(shot=shot, dark_variance=darks.variance(), darks=darks)

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1.

        Raises
        ------
        UsageError
            The planes are of another number than the darks'.
        """
        check_planes(parameters.darks, clean)
        dark = parameters.darks.draw(rng, (clean.shape[2], clean.shape[3]))
        return add_light(torch.zeros_like(clean), dark, clean, parameters.shot.to(clean.device), rng)[1]

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return S x + variance of the corrected darks, [B, C, H, W]."""
        dark = parameters.dark_variance.to(clean.device)
        return clean.clamp(min=0) * parameters.shot.to(clean.device) + dark


def add_light(clean: Tensor, noisy: Tensor, light: Tensor, shot: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    """Return a pair as if ``light`` more had fallen on it: clean + light, noisy + S·Poisson(light / S).

    Sums of Poisson counts are Poisson, so the new pair has exactly the noise of a brighter exposure
    (MM 2022, section 3.2). All arguments are [B, C, H, W] in one unit, ``light`` 0 or more, ``shot`` S
    broadcast against them. The paper takes ``light`` proportional to ``clean``, with random gains per
    colour.
    """
    return clean + light, noisy + add_shot_noise(light, shot, rng)
