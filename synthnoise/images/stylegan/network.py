"""The synthesis network: modulated convolutions from 4x4 pixels up, each resolution adding its colours."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from synthnoise.rng import Rng, Stream

Weights = Literal["random", "highfreq", "sparse", "oriented"]

STYLE = 64
"""Length of the style vector of a layer."""

_WIDEST, _NARROWEST = 64, 16
_FIRST = 4
_LARGEST_BIAS = 0.2


@dataclass(frozen=True)
class Layer:
    """A modulated convolution, and where its output is turned into colours.

    Attributes
    ----------
    affine
        float32 [in, STYLE], style to a factor per channel, about 1.
    weight
        float32 [out, in, 3, 3].
    bias
        float32 [out].
    upsamples
        Whether the layer doubles the resolution first.
    """

    affine: Tensor
    weight: Tensor
    bias: Tensor
    upsamples: bool

    def apply(self, features: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        """Return features [1, out, h, w] of [1, in, h, w], a style [STYLE] and noise [h, w] or None."""
        if self.upsamples:
            features = doubled(features)
        weight = self.weight * (1 + self.affine @ style)[None, :, None, None]
        weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        # Repeated borders: zeros would frame every image.
        padded = functional.pad(features, (1, 1, 1, 1), mode="replicate")
        features = functional.conv2d(padded, weight) + self.bias[:, None, None]
        if noise is not None:
            features = features + noise
        return functional.leaky_relu(features, 0.2) * math.sqrt(2)


@dataclass(frozen=True)
class Network:
    """Weights of one network; two layers per resolution after the first.

    Attributes
    ----------
    start
        float32 [1, C, 4, 4], the constant that it begins with.
    layers
        From coarse to fine.
    colours
        float32 [3, C] per resolution.
    """

    start: Tensor
    layers: tuple[Layer, ...]
    colours: tuple[Tensor, ...]

    def synthesise(self, styles: Tensor, noises: tuple[Tensor | None, ...]) -> Tensor:
        """Return float32 [3, R, R], of any mean and variance, from a style [n, STYLE] and noise per layer."""
        features, image = self.start, torch.zeros(1, 3, _FIRST, _FIRST, device=self.start.device)
        for number, layer in enumerate(self.layers):
            features = layer.apply(features, styles[number], noises[number])
            if number % 2 == 0:  # the last layer of a resolution
                if features.shape[-1] > image.shape[-1]:
                    image = doubled(image)
                image = image + _mixed(features[0], self.colours[number // 2])
        return image[0]


def _mixed(features: Tensor, weights: Tensor) -> Tensor:
    """Return [1, n, h, w], sums of features [C, h, w] with weights [n, C], in one order on any machine."""
    return torch.stack([(features * row[:, None, None]).sum(0) for row in weights])[None]


def doubled(planes: Tensor) -> Tensor:
    """Return planes [1, C, 2 h, 2 w], smoothly interpolated."""
    return functional.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False)


def resolutions(side: int) -> list[int]:
    """Return 4, 8, ... up to the first that is at least ``side``."""
    found = [_FIRST]
    while found[-1] < side:
        found.append(2 * found[-1])
    return found


def channels(resolution: int) -> int:
    """Return the number of feature planes at a resolution."""
    return max(_NARROWEST, min(_WIDEST, 2048 // resolution))


@functools.lru_cache(maxsize=8)
def network(seed: int, number: int, side: int, weights: Weights, device: str) -> Network:
    """Return network ``number`` of a seed, for images of ``side`` pixels or the next power of two."""
    widths = [channels(r) for r in resolutions(side)]
    # Layer 0 works at 4x4; then one that doubles the resolution and one that keeps it, again and again.
    plan = [(widths[0], widths[0], False)]
    for narrow, wide in zip(widths[1:], widths, strict=False):
        plan += [(wide, narrow, True), (narrow, narrow, False)]
    sizes = [(inner * STYLE, outer * inner * 9, outer) for inner, outer, _ in plan]
    total = sum(map(sum, sizes)) + widths[0] * _FIRST**2 + sum(3 * w for w in widths)
    rng = Rng(seed, torch.tensor([number]), device)
    numbers = _Numbers(rng.normal(Stream.LAYER_WEIGHTS, (1, 1, total)).flatten())
    start = numbers.take(1, widths[0], _FIRST, _FIRST)
    layers = []
    for inner, outer, upsamples in plan:
        affine = numbers.take(inner, STYLE) / math.sqrt(STYLE)
        weight = _kernels(numbers.take(outer, inner, 3, 3), weights)
        bias = torch.special.ndtr(numbers.take(outer)) - 0.5
        bias = bias * (2 * _LARGEST_BIAS if weights in ("sparse", "oriented") else 0.0)
        layers.append(Layer(affine, weight, bias, upsamples))
    return Network(start, tuple(layers), tuple(numbers.take(3, w) / math.sqrt(w) for w in widths))


class _Numbers:
    """A row of numbers that is handed out piece by piece."""

    def __init__(self, row: Tensor) -> None:
        self._row = row
        self._used = 0

    def take(self, *shape: int) -> Tensor:
        count = math.prod(shape)
        self._used += count
        return self._row[self._used - count : self._used].reshape(shape)


def _kernels(normal: Tensor, weights: Weights) -> Tensor:
    """Return kernels [out, in, 3, 3] from standard normal numbers of that shape.

    Plain ``random`` takes them as they are. Else each is one of the wavelets times a normal number; for
    ``oriented``, all kernels that read an input plane are the same wavelet.
    """
    if weights == "random":
        return normal
    bank = wavelets().to(normal.device)
    source = normal[:1, :, 1, 1] if weights == "oriented" else normal[:, :, 1, 1]
    which = (torch.special.ndtr(source.double()) * len(bank)).long().clamp(max=len(bank) - 1)
    return bank[which].expand(len(normal), -1, -1, -1) * normal[:, :, :1, :1]


def wavelets() -> Tensor:
    """Return float32 [20, 3, 3]: 8 edges, 8 bars and 4 centre-surrounds, of mean zero and unit norm.

    Their negatives need no entries of their own: the normal number that scales them has either sign.
    """
    y, x = torch.meshgrid(torch.arange(-1.0, 2), torch.arange(-1.0, 2), indexing="ij")
    bank = []
    for turn in range(8):
        across = x * math.cos(math.pi * turn / 8) + y * math.sin(math.pi * turn / 8)
        bank += [across, torch.exp(-2 * across.square())]
    for width in (0.3, 0.5, 0.8, 1.2):
        bank.append(torch.exp(-(x * x + y * y) / (2 * width**2)))
    planes = torch.stack(bank)
    planes = planes - planes.mean((-2, -1), keepdim=True)
    return planes / planes.square().sum((-2, -1), keepdim=True).sqrt()
