"""The image model ``stylegan``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from synthnoise.devices import full_precision
from synthnoise.images.batches import one_by_one
from synthnoise.images.colours import decode_srgb
from synthnoise.images.statistical.spectra import modulus, moments, with_modulus
from synthnoise.images.stylegan.network import STYLE, Weights, doubled, network, resolutions
from synthnoise.rng import Rng, Stream

MEAN, MEAN_SPREAD = (0.483, 0.455, 0.401), (0.145, 0.142, 0.161)
"""Mean and deviation, over images, of the means of red, green and blue in sRGB (Baradad et al. 2021)."""

DEVIATION, DEVIATION_SPREAD = (0.219, 0.213, 0.213), (0.063, 0.062, 0.069)
"""The same of their standard deviations."""

_LEAST_DEVIATION = 0.01
_ENVELOPE = 4


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the weights are drawn."""

    weights: Weights = field(
        default="oriented",
        metadata={
            "help": "random: normal; highfreq: wavelets, and noise in every layer; sparse: biases too; "
            "oriented: one wavelet per plane, one noise for all layers"
        },
    )
    every: int = field(
        default=400, metadata={"help": "number of images that share a network", "range": (1, 1 << 30)}
    )
    noise: float = field(
        default=0.3, metadata={"help": "largest strength of the noise in a layer", "range": (0.0, 10.0)}
    )


class StyleGAN:
    """Images of untrained generators, scaled to the colour statistics of photographs, clipped to [0, 1]."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        Image i depends on (options, seed, i, size) alone; its network on seed, i // every and the power of
        two above the longer side, of whose square image it is a random window.
        """
        return one_by_one(self._draw, size, rng)

    def _draw(self, size: tuple[int, int], rng: Rng) -> Tensor:
        options = self.options
        number = int(rng.indices[0]) // options.every
        net = network(rng.seed, number, max(size), options.weights, str(torch.device(rng.device)))
        count = len(net.layers)
        styles = functional.leaky_relu(rng.normal(Stream.LAYER_STYLE, (count, STYLE))[0], 0.2)
        sides = resolutions(max(size))
        with torch.no_grad(), full_precision():
            image = net.synthesise(styles, self._noises(sides, rng))
        chance = rng.uniform(Stream.WINDOW, (4,), double=True)[0].tolist()
        top, left = (int(u * (sides[-1] - length + 1)) for u, length in zip(chance, size, strict=False))
        return decode_srgb(
            standardised(image[:, top : top + size[0], left : left + size[1]], rng).clamp(0, 1)
        )

    def _noises(self, sides: list[int], rng: Rng) -> tuple[Tensor | None, ...]:
        """Return noise [r, r] for each layer, or None."""
        layers = [sides[0]] + [side for side in sides[1:] for _ in range(2)]
        if self.options.weights == "random" or not self.options.noise:
            return (None,) * len(layers)
        largest = sides[-1]
        shared = self.options.weights == "oriented"
        white = rng.normal(Stream.LAYER_NOISE, (1 if shared else len(layers), largest, largest))[0]
        chance = rng.uniform(Stream.CONTRAST, (len(layers), 4), double=True)[0].cpu()
        envelopes = _laplacian(rng.uniform(Stream.ILLUMINATION, (len(layers), _ENVELOPE, _ENVELOPE))[0])
        fields = [
            self._pink(white[0 if shared else k], envelopes[0 if shared else k], chance[0 if shared else k])
            for k in range(1 if shared else len(layers))
        ]
        return tuple(
            float(chance[k, 1]) * self.options.noise * _reduced(fields[0 if shared else k], side)
            for k, side in enumerate(layers)
        )

    def _pink(self, white: Tensor, envelope: Tensor, chance: Tensor) -> Tensor:
        """Return noise [R, R] of spectrum 1 / f^U(0.5, 1.5), its strength varying from place to place."""
        exponent = 0.5 + float(chance[0])
        side = white.shape[-1]
        pink = with_modulus(white[None], modulus((side, side), exponent, exponent, white.device))
        grown = envelope[None, None]
        while grown.shape[-1] < side:
            grown = doubled(grown)
        return pink[0] * grown[0, 0, :side, :side]


def _laplacian(uniform: Tensor) -> Tensor:
    """Return Laplacian variates of unit variance from uniform ones."""
    centred = uniform - 0.5
    return -centred.sign() * torch.log((1 - 2 * centred.abs()).clamp(min=1e-7)) / math.sqrt(2)


def _reduced(plane: Tensor, side: int) -> Tensor:
    """Return a plane [R, R] at ``side`` pixels, of its own variance."""
    if plane.shape[-1] == side:
        return plane
    small = functional.avg_pool2d(plane[None, None], plane.shape[-1] // side)[0]
    return (small * moments(plane[None])[1] / moments(small)[1].clamp(min=1e-6))[0]


def standardised(image: Tensor, rng: Rng) -> Tensor:
    """Return [3, H, W] whose channels have means and deviations drawn as those of photographs in sRGB."""
    normal = rng.normal(Stream.COLOUR_NOISE, (2, 4))[0, :, :3]
    device = image.device

    def drawn(row: int, middle: tuple[float, ...], spread: tuple[float, ...]) -> Tensor:
        return (torch.tensor(middle, device=device) + torch.tensor(spread, device=device) * normal[row])[
            :, None, None
        ]

    mean, deviation = moments(image)
    wanted = drawn(1, DEVIATION, DEVIATION_SPREAD).clamp(min=_LEAST_DEVIATION)
    return (image - mean) / deviation.clamp(min=1e-6) * wanted + drawn(0, MEAN, MEAN_SPREAD)
