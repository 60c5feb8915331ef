"""DnCNN: a plain stack of 3x3 convolutions that predicts the noise.

Zhang, Zuo, Chen, Meng, Zhang: "Beyond a Gaussian denoiser: residual learning of deep CNN for image
denoising", IEEE TIP 2017. Three things are not in that paper. The noise level enters as further input
planes (as in FFDNet, Zhang, Zuo, Zhang, IEEE TIP 2018). The network can do without biases, which makes
it scale with its input (Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda, ICLR 2020). And its first
kernels can sum to zero, which makes it shift with its input: both together are the equivariance of
Herbreteau, Moebel and Kervrann (NeurIPS 2023), by other means.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from synthnoise.denoisers.convolutions import Centred, convolution, one_level
from synthnoise.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Options:
    """The shape of the network. The defaults suit a CPU; the paper's DnCNN-S is
    ``channels=1 depth=17 width=64 sigma_planes=0 centred=false bias_free=false batch_norm=true``.

    Raises
    ------
    UsageError
        The values make no sense together.
    """

    channels: int = field(default=4, metadata={"help": "image planes in and out", "range": (1, 64)})
    depth: int = field(
        default=10, metadata={"help": "convolutions, also the halo in pixels", "range": (2, 64)}
    )
    width: int = field(
        default=32, metadata={"help": "feature planes between convolutions", "range": (1, 512)}
    )
    sigma_planes: int = field(
        default=1,
        metadata={
            "help": "noise level planes: 0 blind, 1 for all planes, or one per image plane",
            "range": (0, 64),
        },
    )
    centred: bool = field(
        default=True, metadata={"help": "first kernels sum to zero: output shifts with input, plane by plane"}
    )
    bias_free: bool = field(
        default=True, metadata={"help": "no additive constants: output scales with input"}
    )
    batch_norm: bool = field(default=False, metadata={"help": "batch normalisation as in the paper"})

    def __post_init__(self) -> None:
        if self.sigma_planes not in (0, 1, self.channels):
            raise UsageError(
                f"dncnn: sigma_planes is {self.sigma_planes}",
                hint=f"use 0, 1 or the {self.channels} of channels",
            )
        if self.bias_free and self.batch_norm:
            raise UsageError(
                "dncnn: batch normalisation adds constants", hint="choose bias_free or batch_norm"
            )


class DnCNN(nn.Module):
    """Subtracts the noise that its convolutions find; untrained, it finds none.

    Attributes
    ----------
    channels
        Image planes in and out.
    halo
        Receptive radius in pixels: one per convolution.
    """

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options = options or Options()
        self.channels, self.halo = options.channels, options.depth
        bias, width = not options.bias_free, options.width
        planes = options.channels + options.sigma_planes
        first = convolution(planes, width, bias=bias)
        layers: list[nn.Module] = [Centred(first, options.channels) if options.centred else first, nn.ReLU()]
        for _ in range(options.depth - 2):
            layers.append(convolution(width, width, bias=bias and not options.batch_norm))
            layers += [nn.BatchNorm2d(width), nn.ReLU()] if options.batch_norm else [nn.ReLU()]
        last = convolution(width, options.channels, bias=bias)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(*layers, last)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised image, [B, C, H, W] in the unit of ``noisy``.

        Parameters
        ----------
        noisy
            float32 [B, C, H, W].
        sigma
            Standard deviation of the noise per pixel in the unit of ``noisy``, [B, 1 or C, H, W].
        """
        planes = self.options.sigma_planes
        if planes == 1 and sigma.shape[1] > 1:
            sigma = one_level(sigma)
        elif planes > sigma.shape[1]:
            sigma = sigma.expand(-1, planes, -1, -1)
        seen = torch.cat((noisy, sigma), 1) if planes else noisy
        noise: Tensor = self.layers(seen)
        return noisy - noise
