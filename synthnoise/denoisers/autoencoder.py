"""A convolutional autoencoder: down by strides, up by transposed convolutions, nothing in between.

Gondara: "Medical image denoising using convolutional denoising autoencoders", ICDM workshops 2016, in kind.
For teaching: all that is finer than its coarsest features is lost, so it blurs. That is what the skip
connections of every other network here are for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.convolutions import convolution, one_level

STEPS = 2
"""Halvings of the resolution."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The shape of the network."""

    channels: int = field(default=3, metadata={"help": "image planes in and out", "range": (1, 64)})
    width: int = field(
        default=32,
        metadata={"help": "feature planes at half resolution; twice that at a quarter", "range": (1, 512)},
    )


class Autoencoder(nn.Module):
    """See the module.

    Attributes
    ----------
    channels
        Image planes in and out.
    multiple_of
        Height and width must be a multiple of it.
    halo
        Receptive radius in pixels.
    """

    multiple_of = 1 << STEPS
    halo = 20

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options = options or Options()
        self.channels, width = options.channels, options.width
        self.first = nn.Conv2d(options.channels + 1, width, 3, 2, 1)
        self.second = nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.middle = convolution(2 * width, 2 * width, bias=True)
        self.third = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.fourth = nn.ConvTranspose2d(width, options.channels, 2, 2)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised image, [B, C, H, W] in the unit of ``noisy``.

        Parameters
        ----------
        noisy
            float32 [B, C, H, W], height and width multiples of 4.
        sigma
            Standard deviation of the noise per pixel in the unit of ``noisy``, [B, 1 or C, H, W].
        """
        x = torch.cat((noisy, one_level(sigma)), 1)
        for layer in (self.first, self.second, self.middle, self.third):
            x = functional.relu(layer(x))
        denoised: Tensor = self.fourth(x)
        return denoised
