"""Wavelet shrinkage over all shifts: small coefficients are noise.

Coifman and Donoho, "Translation-invariant de-noising", 1995, as a stationary transform with the wavelet of
Daubechies with two vanishing moments; soft thresholds after Chang, Yu, Vetterli, "Adaptive wavelet
thresholding for image denoising and compression" (BayesShrink), IEEE TIP 2000, from the spread of each band
around a pixel.
Colours are taken apart into their mean and differences first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.windows import box_mean

_ROOT = math.sqrt(3)
LOW = tuple(value / 8 for value in (1 + _ROOT, 3 + _ROOT, 3 - _ROOT, 1 - _ROOT))
"""Low-pass filter, its sum 1: the two filters' squared responses then sum to 1."""
HIGH = (LOW[3], -LOW[2], LOW[1], -LOW[0])

_WINDOW = 4
"""Radius in samples of the band's own grid over which its spread is taken."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How far down it goes."""

    levels: int = field(default=4, metadata={"help": "halvings of the resolution", "range": (1, 8)})


class Wavelet(nn.Module):
    """See the module.

    Attributes
    ----------
    halo
        Pixels that a pixel depends on.
    """

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.levels = (options or Options()).levels
        self.halo = (3 + 2 * _WINDOW) << self.levels

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return [B, C, H, W] denoised of planes with noise of ``sigma`` [B, 1 or C, H, W], in their unit."""
        level = sigma.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)
        axes = _opponent(noisy.shape[1]).to(noisy)
        planes = torch.einsum("dc,bchw->bdhw", axes, noisy / level)
        # The filters are periodic: what they carry around the borders falls into padding.
        reach = (3 + _WINDOW) << self.levels
        padded = functional.pad(planes, (reach,) * 4, mode="replicate")
        kept = self._shrunk(padded, 0, 1.0)[..., reach:-reach, reach:-reach]
        return torch.einsum("dc,bdhw->bchw", axes, kept) * level

    def _shrunk(self, low: Tensor, scale: int, noise: float) -> Tensor:
        """Return planes whose bands from ``scale`` on are shrunk; ``noise`` is its standard deviation."""
        if scale == self.levels:
            return low
        step = 1 << scale
        # Both filters have unit sums of responses, so their energies say what is left of white noise.
        gain_low, gain_high = (math.sqrt(sum(v * v for v in taps)) for taps in (LOW, HIGH))
        bands = [
            _filtered(_filtered(low, a, step, -2), b, step, -1) for a in (LOW, HIGH) for b in (LOW, HIGH)
        ]
        rest = self._shrunk(bands[0], scale + 1, noise * gain_low * gain_low)
        spreads = (noise * gain_low * gain_high, noise * gain_high * gain_low, noise * gain_high * gain_high)
        kept = [
            rest,
            *(_soft(band, spread, _WINDOW * step) for band, spread in zip(bands[1:], spreads, strict=True)),
        ]
        pairs = [(a, b) for a in (LOW, HIGH) for b in (LOW, HIGH)]
        parts = [
            _filtered(_filtered(band, a, step, -2, back=True), b, step, -1, back=True)
            for band, (a, b) in zip(kept, pairs, strict=True)
        ]
        return sum(parts[1:], parts[0])


def _soft(band: Tensor, noise: float, radius: int) -> Tensor:
    """Return a band less BayesShrink's threshold: noise variance over the signal's standard deviation."""
    signal = (box_mean(band.square(), radius) - noise**2).clamp_min(1e-12).sqrt()
    threshold = noise**2 / signal
    return band.sign() * (band.abs() - threshold).clamp_min(0)


def _filtered(planes: Tensor, taps: tuple[float, ...], step: int, axis: int, *, back: bool = False) -> Tensor:
    """Return planes filtered along an axis, taps ``step`` apart, or by the mirrored filter; periodic."""
    sign = -1 if back else 1
    parts = [value * planes.roll(sign * n * step, axis) for n, value in enumerate(taps)]
    return sum(parts[1:], parts[0])


def _opponent(planes: int) -> Tensor:
    """Return an orthonormal matrix whose first row is the mean: that of the discrete cosine transform."""
    n = torch.arange(planes, dtype=torch.float64)
    matrix = torch.cos(math.pi / planes * (n + 0.5) * n[:, None]) * math.sqrt(2 / planes)
    matrix[0] /= math.sqrt(2)
    return matrix.float()
