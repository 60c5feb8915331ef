"""SFRN: shot noise plus a crop of a real dark frame, its rounding undone.

Y. Zhang, H. Qin, X. Wang, H. Li, "Rethinking noise synthesis and modeling in raw denoising", ICCV 2021:
sampling from real noise aligned with the Bayer pattern, and high-bit reconstruction.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synthnoise.noise.poisson_gaussian import add_shot_noise
from synthnoise.noise.real_darks import DarkOptions, RealDarks, ShadingKind, check_planes, gain_and_darks
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile


@dataclass(frozen=True, kw_only=True)
class Options(DarkOptions):
    """Which darks, and what is done to them."""

    high_bit: bool = field(
        default=True, metadata={"help": "undo the rounding to DN by uniform noise of one step"}
    )
    keep_shading: bool = field(
        default=False, metadata={"help": "leave dark shading and black-level bias in the crops"}
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameters:
    """What is known of the camera, normalised so that white is 1.

    Attributes
    ----------
    shot
        float32 [C, 1, 1], S: one electron is worth S.
    dark_variance
        float32 [C, 1, 1], of the residuals.
    step
        float32 [C, 1, 1], width of the uniform noise: one DN, or 0.
    darks
        The darks.
    """

    shot: Tensor
    dark_variance: Tensor
    step: Tensor
    darks: RealDarks


class Sfrn:
    """y = S·Poisson(x / S) + real dark + U(-1/2, 1/2) DN.

    Every image takes a random crop of one of the darks, so there are no more patterns than darks. A crop of
    the whole equals the crop; nothing is clipped.
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
        remove: ShadingKind = "none" if self.options.keep_shading else "low"
        shot, darks = gain_and_darks(
            "sfrn", self.options.dark, self.options.gain, remove, profile=profile, iso=iso
        )
        step = (1.0 if self.options.high_bit else 0.0) / darks.full_scale
        return Parameters(shot=shot, dark_variance=darks.variance(), step=step, darks=darks)

    def before_rounding(self, parameters: Parameters) -> Parameters:
        """Return the parameters for readouts that are rounded: the darks already are."""
        return dataclasses.replace(parameters, step=torch.zeros_like(parameters.step))

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1.

        Raises
        ------
        UsageError
            The planes are of another number than the darks'.
        """
        check_planes(parameters.darks, clean)
        noisy = add_shot_noise(clean, parameters.shot.to(clean.device), rng)
        noisy += parameters.darks.draw(rng, (clean.shape[2], clean.shape[3]))
        if bool((parameters.step > 0).any()):
            uniform = rng.uniform(Stream.ROUNDING, (clean.shape[1], clean.shape[2], clean.shape[3]))
            noisy += uniform.sub_(0.5).mul_(parameters.step.to(clean.device))
        return noisy

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return S x + variance of the darks + 1/12 DN² where rounding is undone, [B, C, H, W]."""
        dark = parameters.dark_variance + parameters.step**2 / 12
        return clean.clamp(min=0) * parameters.shot.to(clean.device) + dark.to(clean.device)
