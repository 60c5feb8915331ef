"""U-Net as in "Learning to see in the dark": pairs of convolutions on five scales, joined by concatenation.

Ronneberger, Fischer, Brox, MICCAI 2015; Chen, Chen, Xu, Koltun, CVPR 2018, section 4.1 (leaky ReLU, maximum
pooling, transposed convolutions, no normalisation). The last layer there widens to twelve planes; here it
gives as many as came in. The noise level enters as a further plane.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.convolutions import convolution, one_level
from synthnoise.errors import UsageError

SLOPE = 0.2
"""Of the leaky ReLU for negative values."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The shape of the network. ``widths=32,64,128,256,512`` is the paper's.

    Raises
    ------
    UsageError
        There is no such network.
    """

    channels: int = field(default=4, metadata={"help": "image planes in and out", "range": (1, 64)})
    widths: tuple[int, ...] = field(
        default=(16, 32, 64, 128, 256), metadata={"help": "feature planes of each scale, finest first"}
    )
    sigma_plane: bool = field(default=True, metadata={"help": "tell it the noise level"})
    bias_free: bool = field(
        default=False, metadata={"help": "no additive constants: output scales with input"}
    )
    residual: bool = field(default=True, metadata={"help": "predict the noise instead of the image"})

    def __post_init__(self) -> None:
        # From a weights file the widths come as a list.
        object.__setattr__(self, "widths", tuple(self.widths))
        if not 1 <= len(self.widths) <= 8 or min(self.widths) < 1:
            raise UsageError(f"widths={self.widths}: give one to eight numbers above zero")


class UNet(nn.Module):
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

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options = options or Options()
        self.channels = options.channels
        widths, bias = options.widths, not options.bias_free
        coarsest = 1 << len(widths) - 1
        self.multiple_of = coarsest
        # Two convolutions per scale and direction, and the grid of the pooling.
        self.halo = 2 * (2 * (coarsest - 1)) + 2 * coarsest + coarsest
        planes = options.channels + options.sigma_plane
        self.down = nn.ModuleList(
            _pair(before, width, bias) for before, width in itertools.pairwise((planes, *widths))
        )
        steps = list(reversed(list(itertools.pairwise(widths))))
        self.rise = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, 2, bias=False) for fine, coarse in steps
        )
        self.up = nn.ModuleList(_pair(2 * fine, fine, bias) for fine, _ in steps)
        self.last = nn.Conv2d(widths[0], options.channels, 1, bias=bias)
        if options.residual:
            nn.init.zeros_(self.last.weight)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised image, [B, C, H, W] in the unit of ``noisy``.

        Parameters
        ----------
        noisy
            float32 [B, C, H, W], height and width multiples of ``multiple_of``.
        sigma
            Standard deviation of the noise per pixel in the unit of ``noisy``, [B, 1 or C, H, W].
        """
        x = torch.cat((noisy, one_level(sigma)), 1) if self.options.sigma_plane else noisy
        skips: list[Tensor] = []
        for number, down in enumerate(self.down):
            x = down(functional.max_pool2d(x, 2) if number else x)
            skips.append(x)
        skips.pop()
        for rise, up in zip(self.rise, self.up, strict=True):
            x = up(torch.cat((rise(x), skips.pop()), 1))
        found: Tensor = self.last(x)
        return noisy - found if self.options.residual else found


def _pair(planes_in: int, planes_out: int, bias: bool) -> nn.Sequential:
    return nn.Sequential(
        convolution(planes_in, planes_out, bias=bias),
        nn.LeakyReLU(SLOPE),
        convolution(planes_out, planes_out, bias=bias),
        nn.LeakyReLU(SLOPE),
    )
