"""The steerable pyramid, applied in the Fourier domain.

Simoncelli and Freeman, ICIP 1995; the raised-cosine filters are those of Portilla and Simoncelli,
IJCV 2000. It is a tight frame: the squared filters add up to one at every frequency, so synthesis is
analysis turned round. On the torus; height and width must be multiples of 2^scales.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.images.statistical.spectra import scaled


@dataclass(frozen=True)
class Bands:
    """What a plane [H, W] is taken apart into.

    Attributes
    ----------
    high
        float32 [H, W], what lies beyond the finest bands, near the highest frequencies.
    oriented
        Per scale, finest first, float32 [orientations, H / 2^k, W / 2^k].
    low
        float32 [H / 2^scales, W / 2^scales], what is left.
    """

    high: Tensor
    oriented: tuple[Tensor, ...]
    low: Tensor


@dataclass(frozen=True)
class _Filters:
    """Real masks on a half spectrum: highest frequencies; per scale the orientations, and the low-pass."""

    high: Tensor
    first_low: Tensor
    oriented: tuple[Tensor, ...]
    low: tuple[Tensor, ...]


def analyse(plane: Tensor, scales: int, orientations: int) -> Bands:
    """Return the bands of a float32 plane [H, W]."""
    size = plane.shape[0], plane.shape[1]
    filters = _filters(size, scales, orientations, str(plane.device))
    spectrum = torch.fft.rfft2(plane, norm="forward")
    high = _plane(scaled(spectrum, filters.high), size)
    spectrum = scaled(spectrum, filters.first_low)
    oriented = []
    for masks, low in zip(filters.oriented, filters.low, strict=True):
        odd = len(masks) % 2 == 0  # an odd function of the angle: times -i it belongs to a real filter
        turned = torch.complex(spectrum.imag, -spectrum.real) if odd else spectrum
        oriented.append(_plane(scaled(turned, masks), size))
        spectrum = _cropped(scaled(spectrum, low), size)
        size = size[0] // 2, size[1] // 2
    return Bands(high, tuple(oriented), _plane(spectrum, size))


def synthesise(bands: Bands) -> Tensor:
    """Return the plane float32 [H, W] whose bands these are, or nearly are where no plane has them."""
    size = bands.high.shape[0], bands.high.shape[1]
    scales, orientations = len(bands.oriented), len(bands.oriented[0])
    filters = _filters(size, scales, orientations, str(bands.high.device))
    spectrum = torch.fft.rfft2(bands.low, norm="forward")
    for level in reversed(range(scales)):
        masks, planes = filters.oriented[level], bands.oriented[level]
        here = planes.shape[-2], planes.shape[-1]
        spectrum = scaled(_embedded(spectrum, here), filters.low[level])
        parts = scaled(torch.fft.rfft2(planes, norm="forward"), masks).sum(0)
        odd = len(masks) % 2 == 0
        spectrum = spectrum + (torch.complex(-parts.imag, parts.real) if odd else parts)
    high = scaled(torch.fft.rfft2(bands.high, norm="forward"), filters.high)
    return _plane(scaled(spectrum, filters.first_low) + high, size)


def _plane(spectrum: Tensor, size: tuple[int, int]) -> Tensor:
    plane: Tensor = torch.fft.irfft2(spectrum, s=size, norm="forward")
    return plane


def _cropped(spectrum: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the half spectrum [h / 2, w / 4 + 1] of the plane at half the sampling rate."""
    quarter, width = size[0] // 4, size[1] // 4 + 1
    return torch.cat((spectrum[: size[0] // 2 - quarter, :width], spectrum[size[0] - quarter :, :width]))


def _embedded(spectrum: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the half spectrum of size [h, w / 2 + 1] that holds this one and zeros."""
    whole = spectrum.new_zeros((size[0], size[1] // 2 + 1))
    quarter, width = size[0] // 4, size[1] // 4 + 1
    rest = size[0] // 2 - quarter
    whole[:rest, :width] = spectrum[:rest]
    whole[size[0] - quarter :, :width] = spectrum[rest:]
    return whole


@functools.lru_cache(maxsize=8)
def _filters(size: tuple[int, int], scales: int, orientations: int, device: str) -> _Filters:
    radius, angle = _polar(size)
    high, first_low = _crossover(radius, math.pi)
    oriented, low = [], []
    # |cos|^(n - 1) at n angles: their squares add up to a constant, which this makes one.
    power = orientations - 1
    gain = 2**power * math.factorial(power) / math.sqrt(orientations * math.factorial(2 * power))
    for _ in range(scales):
        pass_high, pass_low = _crossover(radius, math.pi / 2)
        turns = [math.pi * k / orientations for k in range(orientations)]
        angular = torch.stack([gain * (angle - turn).cos() ** power for turn in turns])
        oriented.append(_to(pass_high * angular, device))
        low.append(_to(pass_low, device))
        size = size[0] // 2, size[1] // 2
        radius, angle = _polar(size)
    return _Filters(_to(high, device), _to(first_low, device), tuple(oriented), tuple(low))


def _to(mask: Tensor, device: str) -> Tensor:
    return mask.to(device, torch.float32)


def _polar(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return radius in radians per sample and angle of each frequency, float64 [H, W // 2 + 1]."""
    fy = 2 * math.pi * torch.fft.fftfreq(size[0], dtype=torch.float64)[:, None]
    fx = 2 * math.pi * torch.fft.rfftfreq(size[1], dtype=torch.float64)
    return torch.hypot(fy, fx), torch.atan2(fy, fx.expand(size[0], -1))


def _crossover(radius: Tensor, edge: float) -> tuple[Tensor, Tensor]:
    """Return a high-pass that is one from ``edge`` up and zero below half of it, and its complement."""
    octave = torch.log2(radius.clamp(min=1e-9) / edge).clamp(-1, 0)
    return (math.pi / 2 * octave).cos(), (math.pi / 2 * octave).sin().abs()
