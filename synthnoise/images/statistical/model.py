"""The image models ``spectrum``, ``color`` and ``wmm``, alone or together.

Baradad, Wulff, Wang, Isola and Torralba, *Learning to see by looking at noise*, NeurIPS 2021, section 3.2:
noise is pushed to and fro between images of a random power-law spectrum, images whose wavelet bands
have heavy-tailed histograms, and images of a random set of colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images.batches import one_by_one
from synthnoise.images.colours import decode_srgb
from synthnoise.images.statistical import colour_law, steerable_pyramid
from synthnoise.images.statistical.marginals import generalised_laplacian, resampled, with_values
from synthnoise.images.statistical.spectra import modulus, with_modulus
from synthnoise.rng import Rng, Stream

_LEAST_LOW_PASS = 16
"""The pyramid ends where the low-pass band is about this many pixels high or wide."""

_MOST_SCALES = 6

_SPECTRUM = "impose the modulus 1 / (|fx|^a + |fy|^b)"
_WMM = "impose heavy-tailed histograms on the bands of a steerable pyramid"
_COLOR = "impose the histograms of a few random colours"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which statistics are imposed, and from which laws they are drawn for each image."""

    spectrum: bool = field(default=False, metadata={"help": _SPECTRUM})
    wmm: bool = field(default=False, metadata={"help": _WMM})
    color: bool = field(default=False, metadata={"help": _COLOR})
    exponent: tuple[float, float] = field(
        default=(0.5, 3.5), metadata={"help": "range of the mean of a and b, uniform"}
    )
    anisotropy: float = field(
        default=0.05, metadata={"help": "standard deviation of (a - b) / 2", "range": (0.0, 1.0)}
    )
    shape: tuple[float, float] = field(
        default=(0.4, 0.8),
        metadata={"help": "range of r in the law exp(-|x / s|^r) of a band; 2: normal, less: heavier tails"},
    )
    growth: Literal["2021", "octave"] = field(
        default="2021",
        metadata={"help": "scale s of a band sampled at 1 / 2^k: 4^(2^k), or 4 x 2^k as in photographs"},
    )
    scales: int = field(
        default=0, metadata={"help": "scales of the pyramid; 0: as many as fit", "range": (0, _MOST_SCALES)}
    )
    orientations: int = field(default=4, metadata={"help": "orientations of the pyramid", "range": (2, 8)})
    colours: tuple[int, int] = field(
        default=(3, 22), metadata={"help": "fewest and most colours that the histograms are made of"}
    )
    blur: tuple[int, int] = field(
        default=(1, 10),
        metadata={"help": "range of the soft passage between colours", "unit": "% of the image"},
    )
    iterations: int = field(
        default=10, metadata={"help": "rounds in which the statistics are imposed in turn", "range": (1, 100)}
    )

    def __post_init__(self) -> None:
        if not (self.spectrum or self.wmm or self.color):
            raise UsageError("no statistic is left to impose", hint="set one of spectrum, wmm, color")
        for name, low in (("exponent", 0.0), ("shape", 0.1), ("colours", 1), ("blur", 0)):
            first, last = getattr(self, name)
            if not low <= first <= last:
                raise UsageError(f"{name}={first:g},{last:g}: expected two numbers from {low:g} up, in order")


@dataclass(frozen=True, kw_only=True)
class SpectrumOptions(Options):
    """Options of the image model ``spectrum``."""

    spectrum: bool = field(default=True, metadata={"help": _SPECTRUM})


@dataclass(frozen=True, kw_only=True)
class WaveletOptions(Options):
    """Options of the image model ``wmm``."""

    wmm: bool = field(default=True, metadata={"help": _WMM})


@dataclass(frozen=True, kw_only=True)
class ColourOptions(Options):
    """Options of the image model ``color``."""

    color: bool = field(default=True, metadata={"help": _COLOR})


class StatisticalNoise:
    """Noise with the statistics that are asked for. Values are made in sRGB and returned as linear light.

    The spectrum or the colours alone take one round; else all are imposed in turn, spectrum, bands, colours,
    for several, since each disturbs the others (and neighbouring bands each other). All act on
    the coordinates of the pixels along the principal axes of a set of random colours. Where ``color`` is
    off, the image is scaled so that its values just fill 0 to 255.
    """

    def __init__(self, options: Options) -> None:
        self.options = options

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        Image i depends on (options, seed, i, size) alone. Opposite edges meet, except with ``wmm`` where
        H or W is no multiple of 2^(scales + 1): then the image is cut from a larger one.
        """
        return one_by_one(self._draw, size, rng)

    def _draw(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return one image, linear light [3, H, W]."""
        options = self.options
        scales = options.scales or _fitting_scales(size)
        unit = 2 ** (scales + 1) if options.wmm else 1
        torus = -(-size[0] // unit) * unit, -(-size[1] // unit) * unit
        law = colour_law.draw(rng, options.colours, options.blur)
        white = rng.uniform(Stream.SPECTRUM, (3, *torus))[0] - 0.5
        planes = math.sqrt(12) * law.deviation[:, None, None] * white
        wanted = self._modulus(torus, rng) if options.spectrum else None
        tails = self._tails(torus, scales, rng) if options.wmm else ()
        colours = [resampled(row, planes[0].numel()) for row in law.quantiles] if options.color else []
        at_once = sum((options.spectrum, options.color)) == 1 and not options.wmm
        for _ in range(1 if at_once else options.iterations):
            if wanted is not None:
                planes = with_modulus(planes, wanted)
            if tails:
                planes = torch.stack([self._with_tails(*one) for one in zip(planes, tails, strict=True)])
            if colours:
                planes = torch.stack([with_values(*one) for one in zip(planes, colours, strict=True)])
        rgb = law.colour(planes)[:, : size[0], : size[1]]
        if not options.color:
            low, high = rgb.min(), rgb.max()
            rgb = 255 * (rgb - low) / (high - low).clamp(min=1e-6)
        return decode_srgb(rgb.clamp(0, 255) / 255)

    def _modulus(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return the modulus of one image: exponents s + d down and s - d across."""
        low, high = self.options.exponent
        middle = low + (high - low) * float(rng.uniform(Stream.CONTRAST, (4,))[0, 0])
        apart = self.options.anisotropy * float(rng.normal(Stream.WINDOW, (4,))[0, 0])
        return modulus(size, max(middle + apart, 0.0), max(middle - apart, 0.0), rng.device)

    def _tails(self, size: tuple[int, int], scales: int, rng: Rng) -> tuple[tuple[Tensor, ...], ...]:
        """Return for each plane the values of its bands: highest frequencies, then scale by scale.

        The highest frequencies have the scale of the finest bands; shapes are drawn for each band and plane.
        """
        low, high = self.options.shape
        levels = [0] + [k for k in range(scales) for _ in range(self.options.orientations)]
        drawn = rng.uniform(Stream.BAND_SHAPE, (3 * len(levels),)).double().reshape(3, -1)
        growth = {
            "2021": [4.0 ** (2**k) for k in range(scales)],
            "octave": [4.0 * 2**k for k in range(scales)],
        }
        return tuple(
            tuple(
                generalised_laplacian(
                    growth[self.options.growth][k],
                    low + (high - low) * float(u),
                    (size[0] >> k) * (size[1] >> k),
                ).to(rng.device)
                for k, u in zip(levels, row, strict=True)
            )
            for row in drawn
        )

    def _with_tails(self, plane: Tensor, tails: tuple[Tensor, ...]) -> Tensor:
        """Return a plane whose bands have these values, as nearly as one pass brings it."""
        orientations = self.options.orientations
        scales = (len(tails) - 1) // orientations
        bands = steerable_pyramid.analyse(plane, scales, orientations)
        oriented = tuple(
            torch.stack(
                [
                    with_values(band, tails[1 + level * orientations + k])
                    for k, band in enumerate(bands.oriented[level])
                ]
            )
            for level in range(scales)
        )
        return steerable_pyramid.synthesise(
            steerable_pyramid.Bands(with_values(bands.high, tails[0]), oriented, bands.low)
        )


def _fitting_scales(size: tuple[int, int]) -> int:
    """Return how many scales fit: 3 for 128 pixels, 4 for 256."""
    return min(max(round(math.log2(min(size) / _LEAST_LOW_PASS)), 1), _MOST_SCALES)
