"""The models themselves: loaded only when one is used."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from synthnoise.rng import Rng, Stream


@dataclass(frozen=True)
class GradientOptions:
    """Options of :class:`Gradients`, as in ``-o contrast=0.5``."""

    contrast: float = field(default=1.0, metadata={"help": "Range of the colours.", "range": (0, 1)})


class Gradients:
    """An image model: colours change linearly from one corner of the image to another."""

    def __init__(self, options: GradientOptions) -> None:
        self.options = options

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W] in [0, 1]: image i depends on (options, seed, i, size) alone."""
        height, width = size
        start, stop = rng.uniform(Stream.PLUGIN, (2, 3)).unbind(1)
        angle = 2 * torch.pi * rng.uniform(Stream.PLUGIN + 1, (1,))[:, :, None]
        y = torch.linspace(-0.5, 0.5, height, device=rng.device)[None, :, None]
        x = torch.linspace(-0.5, 0.5, width, device=rng.device)[None, None, :]
        ramp = (0.5 + 0.7 * (y * angle.sin() + x * angle.cos())).clamp(0, 1)[:, None]
        image = start[:, :, None, None] * (1 - ramp) + stop[:, :, None, None] * ramp
        return (0.5 + self.options.contrast * (image - 0.5)).float()


@dataclass(frozen=True)
class UniformOptions:
    """Options of :class:`Uniform`."""

    width: float = field(
        default=0.1, metadata={"help": "Full width of the noise.", "unit": "normalised", "range": (0, 2)}
    )


class Uniform:
    """A noise model: adds a uniform variate to each pixel."""

    def __init__(self, options: UniformOptions) -> None:
        self.options = options

    def parameters(self, profile: Any = None, iso: float | None = None) -> UniformOptions:
        """Return the width; a camera profile has nothing to say about it."""
        return self.options

    def sample(self, clean: Tensor, parameters: UniformOptions, rng: Rng) -> Tensor:
        """Return noisy float32 [B, C, H, W]; a crop of the whole equals the crop."""
        return clean + parameters.width * (rng.uniform(Stream.PLUGIN + 2, clean.shape[1:]) - 0.5)

    def variance(self, clean: Tensor, parameters: UniformOptions) -> Tensor:
        """Return the variance of ``sample`` for each pixel of ``clean``."""
        return torch.full_like(clean, parameters.width**2 / 12)


class BoxFilter(nn.Module):
    """A denoiser: tiling, padding, devices and files are the core's business."""

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return [B, C, H, W]; ``sigma`` [B, 1, H, W] is the noise's standard deviation."""
        padded = nn.functional.pad(noisy, (1, 1, 1, 1), mode="replicate")
        return nn.functional.avg_pool2d(padded, 3, stride=1)
