"""DRUNet: a U-Net of residual blocks without biases or normalisation, told the noise level by a plane.

Zhang, Li, Zuo, Zhang, Van Gool, Timofte: "Plug-and-play image restoration with deep denoiser prior",
IEEE TPAMI 2022, section 4.1. Strided 2x2 convolutions go down, transposed ones come up, and skip
connections are sums. Without biases the network scales with its input (Mohan, Kadkhodaie, Simoncelli,
Fernandez-Granda, ICLR 2020), so that it also holds at noise levels beyond those it was trained on.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.convolutions import Centred, convolution, one_level
from synthnoise.errors import UsageError

_BRANCH_SCALE = 0.1
"""Initial scale of what a block adds: a deep sum of full ones would start far from its input."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The shape of the network. The defaults are the paper's, for colour.

    Raises
    ------
    UsageError
        The values make no sense together.
    """

    channels: int = field(default=3, metadata={"help": "image planes in and out", "range": (1, 64)})
    widths: tuple[int, ...] = field(
        default=(64, 128, 256, 512), metadata={"help": "feature planes of each scale, finest first"}
    )
    blocks: int = field(
        default=4, metadata={"help": "residual blocks per scale and direction", "range": (1, 16)}
    )
    unshuffle: int = field(
        default=1,
        metadata={"help": "edge of the blocks of pixels that become planes at the input", "range": (1, 4)},
    )
    residual: bool = field(default=False, metadata={"help": "predict the noise instead of the image"})
    centred: bool = field(
        default=False,
        metadata={"help": "first kernels sum to zero: output shifts with input"},
    )

    def __post_init__(self) -> None:
        # From a weights file the widths come as a list.
        object.__setattr__(self, "widths", tuple(self.widths))
        if not 1 <= len(self.widths) <= 8 or min(self.widths) < 1:
            raise UsageError(f"widths={self.widths}: give one to eight numbers above zero")
        if self.centred and not self.residual:
            raise UsageError("centred=true hides the level, which only the input has", hint="residual=true")


class DRUNet(nn.Module):
    """A residual U-Net; see the module.

    Attributes
    ----------
    channels
        Image planes in and out.
    multiple_of
        Height and width must be a multiple of it.
    halo
        Receptive radius in pixels.

    Parameters
    ----------
    maps
        Planes beside those of the image that :meth:`found` is told.
    """

    def __init__(self, options: Options | None = None, *, maps: int = 1) -> None:
        super().__init__()
        self.options = options = options or Options()
        self.channels = options.channels
        widths, blocks = options.widths, options.blocks
        planes = options.channels * options.unshuffle**2
        self.multiple_of = options.unshuffle * 2 ** (len(widths) - 1)
        self.halo = options.unshuffle * _radius(len(widths), blocks)
        head = convolution(planes + maps, widths[0])
        self.head = Centred(head, planes) if options.centred else head
        steps = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(
            nn.Sequential(*_blocks(fine, blocks), nn.Conv2d(fine, coarse, 2, 2, bias=False))
            for fine, coarse in steps
        )
        self.body = nn.Sequential(*_blocks(widths[-1], blocks))
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(coarse, fine, 2, 2, bias=False), *_blocks(fine, blocks))
            for fine, coarse in reversed(steps)
        )
        self.tail = convolution(widths[0], planes)
        if options.residual:
            nn.init.zeros_(self.tail.weight)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised image, [B, C, H, W] in the unit of ``noisy``.

        Parameters
        ----------
        noisy
            float32 [B, C, H, W], height and width multiples of ``multiple_of``.
        sigma
            Standard deviation of the noise per pixel in the unit of ``noisy``, [B, 1 or C, H, W].
        """
        step = self.options.unshuffle
        planes = functional.pixel_unshuffle(noisy, step)
        level = functional.avg_pool2d(one_level(sigma), step)
        found = functional.pixel_shuffle(self.found(planes, level), step)
        return noisy - found if self.options.residual else found

    def found(self, planes: Tensor, maps: Tensor) -> Tensor:
        """Return what the network makes of unshuffled planes [B, C, H, W] and maps of the noise on them."""
        features = [self.head(torch.cat((planes, maps), 1))]
        for down in self.down:
            features.append(down(features[-1]))
        x = self.body(features[-1])
        # The coarsest features are summed like the others: the body, too, is bridged by a skip connection.
        for up in self.up:
            x = up(x + features.pop())
        made: Tensor = self.tail(x + features.pop())
        return made


class _Block(nn.Module):
    """x + convolution(ReLU(convolution(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = convolution(width, width), convolution(width, width)
        with torch.no_grad():
            self.second.weight.mul_(_BRANCH_SCALE)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.second(functional.relu(self.first(x)))
        return x + added


def _blocks(width: int, count: int) -> list[nn.Module]:
    return [_Block(width) for _ in range(count)]


def _radius(scales: int, blocks: int) -> int:
    """Return the receptive radius in pixels of the finest scale.

    A block reaches two pixels of its scale; head and tail one each; a stride up to its own length.
    """
    reach = [2 * blocks << scale for scale in range(scales)]
    return 2 * sum(reach[:-1]) + reach[-1] + 2 + (1 << scales - 1)
