"""Additive white Gaussian noise: the textbook model, of images that a camera has already rendered."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile

EIGHT_BIT = 255.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """How strong the noise is."""

    sigma: float = field(
        default=25.0,
        metadata={"help": "standard deviation", "unit": "8-bit levels, 255 = white", "range": (0, math.inf)},
    )
    sigma_max: float | None = field(
        default=None,
        metadata={
            "help": "draw each image's standard deviation uniformly from sigma to this",
            "unit": "8-bit levels",
            "range": (0, math.inf),
        },
    )

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < math.inf:
            raise UsageError(f"a standard deviation of {self.sigma:g}", hint="use 0 or more")
        if self.sigma_max is not None and not self.sigma <= self.sigma_max < math.inf:
            raise UsageError(f"sigma_max {self.sigma_max:g} is below sigma {self.sigma:g}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameters:
    """Standard deviation where white is 1: least and greatest, and of each image once it is drawn.

    ``sigma`` is float32 [B, 1, 1, 1].
    """

    low: float
    high: float
    sigma: Tensor | None = None


class Gaussian:
    """y = x + N(0, sigma^2), the same for every pixel, plane and signal level.

    A crop of the whole equals the crop. Nothing is clipped.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Parameters:
        """Return the standard deviation of the options; a profile says nothing of rendered images."""
        low = self.options.sigma / EIGHT_BIT
        high = low if self.options.sigma_max is None else self.options.sigma_max / EIGHT_BIT
        return Parameters(low=low, high=high)

    def per_image(self, parameters: Parameters, rng: Rng) -> Parameters:
        """Return the parameters of each image of ``rng``, where the options give a range to draw from."""
        return dataclasses.replace(parameters, sigma=self._draw(parameters, rng))

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W] noisy images."""
        sigma = parameters.sigma
        if sigma is None:
            sigma = self._draw(parameters, rng)
        return rng.normal(Stream.READ_NOISE, tuple(clean.shape[1:])).mul_(sigma).add_(clean)

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return sigma^2, [B, C, H, W]; of parameters that are a range, the mean over it."""
        if parameters.sigma is not None:
            return (parameters.sigma**2).to(clean).expand_as(clean)
        low, high = parameters.low, parameters.high
        return torch.full_like(clean, (low * low + low * high + high * high) / 3)

    def _draw(self, parameters: Parameters, rng: Rng) -> Tensor:
        """Return the standard deviation of each image, float32 [B, 1, 1, 1]."""
        share = rng.uniform(Stream.NOISE_LEVEL, (1,)).view(-1, 1, 1, 1)
        return parameters.low + share * (parameters.high - parameters.low)
