"""The colours of an image by chance: a few of them, in random shares, with soft passages between."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.rng import Rng, Stream

_STRIP = 1 << 13
"""Pixels of the strip of colours that the law is read from."""

_LEAST_SHARE = 1e-3
_GRAIN = 4.0
"""Standard deviation in grey levels of the noise on the strip, which keeps histograms from being spikes."""


@dataclass(frozen=True)
class ColourLaw:
    """Distribution of the colours of one image, in grey levels 0 to 255 of sRGB.

    Attributes
    ----------
    mean
        float32 [3].
    axes
        float32 [3, 3]: columns are the principal axes, largest variance first.
    deviation
        float32 [3], standard deviation along each.
    quantiles
        float32 [3, k]: sorted values of the distance from the mean along each.
    """

    mean: Tensor
    axes: Tensor
    deviation: Tensor
    quantiles: Tensor

    def place(self, rgb: Tensor) -> Tensor:
        """Return coordinates along the axes, float32 [3, H, W], of grey levels [3, H, W]."""
        return _turned(self.axes.T, rgb - self.mean[:, None, None])

    def colour(self, place: Tensor) -> Tensor:
        """Return grey levels [3, H, W] of coordinates along the axes; not clipped."""
        return _turned(self.axes, place) + self.mean[:, None, None]


def draw(rng: Rng, colours: tuple[int, int], blur: tuple[int, int]) -> ColourLaw:
    """Return the law of one image (``rng`` has one index).

    The reference is a picture of ``colours`` flat stripes, uniform in the sRGB cube, sorted by
    brightness, with box-blurred edges and a little noise (Baradad et al. 2021). ``blur`` is the width
    of the passages in hundredths of the picture.
    """
    number = int(rng.integers(Stream.COLOUR_CHOICE, (4,), colours[0], colours[1] + 1)[0, 0])
    width = int(rng.integers(Stream.BLUR, (4,), blur[0], blur[1] + 1)[0, 0])
    uniform = rng.uniform(Stream.PALETTE, (number, 4))[0].cpu()
    palette, share = 255 * uniform[:, :3], uniform[:, 3] + _LEAST_SHARE
    brightest = (palette * torch.tensor([0.299, 0.587, 0.114])).sum(-1).argsort()
    palette, share = palette[brightest], share[brightest].double()
    ends = (_STRIP * share.cumsum(0) / share.sum()).contiguous()
    centre = torch.arange(_STRIP, dtype=torch.float64) + 0.5
    strip = palette[torch.searchsorted(ends, centre).clamp(max=number - 1)].T
    strip = _box_blurred(strip, max(1, _STRIP * width // 100))
    strip = (strip + _GRAIN * rng.normal(Stream.COLOUR_NOISE, (_STRIP, 4))[0, :, :3].cpu().T).clamp(0, 255)
    return _law(strip.double(), torch.device(rng.device))


def _law(strip: Tensor, device: torch.device) -> ColourLaw:
    """Return the law of the colours float64 [3, n]."""
    mean = strip.mean(-1)
    centred = strip - mean[:, None]
    variance, axes = torch.linalg.eigh(centred @ centred.T / strip.shape[1])
    axes = axes.flip(-1)
    # A principal axis has no sign of its own: each points to the brighter side.
    axes = axes * torch.where(axes.sum(0) < 0, -1.0, 1.0)
    quantiles = (axes.T @ centred).sort(-1).values
    deviation = variance.flip(-1).clamp(min=0).sqrt()
    return ColourLaw(*(t.to(device, torch.float32) for t in (mean, axes, deviation, quantiles)))


def _box_blurred(strip: Tensor, width: int) -> Tensor:
    """Return [3, n] averaged over ``width`` neighbours, its ends repeated."""
    before, after = width // 2, width - 1 - width // 2
    padded = torch.nn.functional.pad(strip[None].double(), (before + 1, after), mode="replicate")[0]
    total = padded.cumsum(-1)
    return ((total[:, width:] - total[:, :-width]) / width).float()


def _turned(matrix: Tensor, planes: Tensor) -> Tensor:
    """Return ``matrix`` [3, 3] applied to the colour of each pixel; a sum of products on every device."""
    return sum((matrix[:, c, None, None] * planes[c] for c in range(3)), torch.zeros_like(planes))
