"""NAFNet: a U-Net of gates instead of activations.

Chen, Chu, Zhang, Sun: "Simple baselines for image restoration", ECCV 2022, sections 3 and 4. Layer
normalisation over the features and attention from a mean over the whole image are slow on a CPU, and the
mean makes tiles differ from the whole: ``norm=false attention=false`` leaves both out. The noise level can
enter as a further plane; the paper's network is blind.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.convolutions import one_level
from synthnoise.errors import UsageError

_EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class Options:
    """The shape of the network. The paper's for SIDD is ``channels=3 width=32 down=2,2,4,8 middle=12
    up=2,2,2,2 sigma_plane=false``.

    Raises
    ------
    UsageError
        There is no such network.
    """

    channels: int = field(default=4, metadata={"help": "image planes in and out", "range": (1, 64)})
    width: int = field(default=16, metadata={"help": "feature planes of the finest scale", "range": (1, 256)})
    down: tuple[int, ...] = field(default=(1, 1, 1), metadata={"help": "blocks per scale on the way down"})
    middle: int = field(default=2, metadata={"help": "blocks of the coarsest scale", "range": (1, 64)})
    up: tuple[int, ...] = field(default=(1, 1, 1), metadata={"help": "blocks per scale on the way up"})
    sigma_plane: bool = field(default=True, metadata={"help": "tell it the noise level"})
    norm: bool = field(default=True, metadata={"help": "layer normalisation over the features"})
    attention: bool = field(default=True, metadata={"help": "weigh features by a mean over the whole image"})

    def __post_init__(self) -> None:
        # From a weights file they come as lists.
        for name in ("down", "up"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.down) != len(self.up) or not 1 <= len(self.down) <= 6 or min(*self.down, *self.up) < 1:
            raise UsageError(
                f"nafnet: down={self.down} and up={self.up}", hint="as many numbers above zero, one to six"
            )


class NAFNet(nn.Module):
    """Adds what its blocks find.

    Attributes
    ----------
    channels
        Image planes in and out.
    multiple_of
        Height and width must be a multiple of it.
    halo
        Receptive radius in pixels, without attention.
    global_context
        Every pixel depends on the whole image.
    """

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options = options or Options()
        self.channels, self.global_context = options.channels, options.attention
        scales = len(options.down)
        self.multiple_of = 1 << scales
        blocks = sum(
            (d + u) << n for n, (d, u) in enumerate(zip(options.down, reversed(options.up), strict=True))
        )
        # A block reaches one pixel of its scale; first and last convolution, and the grid of the strides.
        self.halo = blocks + (options.middle << scales) + 2 + self.multiple_of
        widths = [options.width << scale for scale in range(scales + 1)]
        self.intro = nn.Conv2d(options.channels + options.sigma_plane, widths[0], 3, padding=1)
        self.ending = nn.Conv2d(widths[0], options.channels, 3, padding=1)
        self.encoders = nn.ModuleList(
            self._blocks(width, count) for width, count in zip(widths, options.down, strict=False)
        )
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in itertools.pairwise(widths))
        self.middle = self._blocks(widths[-1], options.middle)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, 2 * width, 1, bias=False), nn.PixelShuffle(2))
            for width in reversed(widths[1:])
        )
        self.decoders = nn.ModuleList(
            self._blocks(width, count) for width, count in zip(reversed(widths[:-1]), options.up, strict=True)
        )

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised image, [B, C, H, W] in the unit of ``noisy``.

        Parameters
        ----------
        noisy
            float32 [B, C, H, W], height and width multiples of ``multiple_of``.
        sigma
            Standard deviation of the noise per pixel in the unit of ``noisy``, [B, 1 or C, H, W].
        """
        x = self.intro(torch.cat((noisy, one_level(sigma)), 1) if self.options.sigma_plane else noisy)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + skips.pop())
        found: Tensor = self.ending(x)
        return noisy + found

    def _blocks(self, width: int, count: int) -> nn.Sequential:
        options = self.options
        return nn.Sequential(*(_Block(width, options.norm, options.attention) for _ in range(count)))


class _Block(nn.Module):
    """Convolutions and gates, twice, each added with a learnt factor that begins at zero."""

    def __init__(self, width: int, norm: bool, attention: bool) -> None:
        super().__init__()
        self.first_norm = _LayerNorm(width) if norm else nn.Identity()
        self.second_norm = _LayerNorm(width) if norm else nn.Identity()
        self.expand = nn.Conv2d(width, 2 * width, 1)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.attention = (
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1)) if attention else None
        )
        self.contract = nn.Conv2d(width, width, 1)
        self.wide, self.narrow = nn.Conv2d(width, 2 * width, 1), nn.Conv2d(width, width, 1)
        self.first_factor = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.second_factor = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        found = _gate(self.depthwise(self.expand(self.first_norm(x))))
        if self.attention is not None:
            found = found * self.attention(found)
        x = x + self.contract(found) * self.first_factor
        added: Tensor = self.narrow(_gate(self.wide(self.second_norm(x)))) * self.second_factor
        return x + added


class _LayerNorm(nn.Module):
    """Normalises the features of each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        last = functional.layer_norm(
            x.permute(0, 2, 3, 1), self.norm.normalized_shape, self.norm.weight, self.norm.bias, _EPSILON
        )
        return last.permute(0, 3, 1, 2)


def _gate(x: Tensor) -> Tensor:
    first, second = x.chunk(2, 1)
    return first * second
