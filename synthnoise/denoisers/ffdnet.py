"""FFDNet: convolutions at half resolution, told the noise level by a further plane.

Zhang, Zuo, Zhang: "FFDNet: toward a fast and flexible solution for CNN-based image denoising", IEEE TIP 2018,
section III. The pixels of each 2x2 block become planes at the input and pixels again at the output. Batch
normalisation, which the paper trains with, is folded into the convolutions here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.convolutions import convolution, one_level

UNSHUFFLE = 2


@dataclass(frozen=True, kw_only=True)
class Options:
    """The shape of the network. The defaults are the paper's for colour; for grey it has
    ``channels=1 depth=15 width=64``.
    """

    channels: int = field(default=3, metadata={"help": "image planes in and out", "range": (1, 64)})
    depth: int = field(default=12, metadata={"help": "convolutions", "range": (2, 64)})
    width: int = field(default=96, metadata={"help": "feature planes between them", "range": (1, 512)})
    residual: bool = field(default=False, metadata={"help": "predict the noise instead of the image"})


class FFDNet(nn.Module):
    """Returns the image, or with ``residual`` the input less the noise it finds.

    Attributes
    ----------
    channels
        Image planes in and out.
    multiple_of
        Height and width must be a multiple of it.
    halo
        Receptive radius in pixels.
    """

    multiple_of = UNSHUFFLE

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options = options or Options()
        self.channels = options.channels
        self.halo = UNSHUFFLE * options.depth + UNSHUFFLE - 1
        planes, width = options.channels * UNSHUFFLE**2, options.width
        layers: list[nn.Module] = [convolution(planes + 1, width, bias=True), nn.ReLU()]
        for _ in range(options.depth - 2):
            layers += [convolution(width, width, bias=True), nn.ReLU()]
        self.layers = nn.Sequential(*layers, convolution(width, planes, bias=True))

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised image, [B, C, H, W] in the unit of ``noisy``.

        Parameters
        ----------
        noisy
            float32 [B, C, H, W], height and width even.
        sigma
            Standard deviation of the noise per pixel in the unit of ``noisy``, [B, 1 or C, H, W].
        """
        planes = functional.pixel_unshuffle(noisy, UNSHUFFLE)
        level = functional.avg_pool2d(one_level(sigma), UNSHUFFLE)
        found = functional.pixel_shuffle(self.layers(torch.cat((planes, level), 1)), UNSHUFFLE)
        return noisy - found if self.options.residual else found
