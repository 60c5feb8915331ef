"""The power-law spectrum: its modulus, and how it is given to an image."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def modulus(size: tuple[int, int], down: float, across: float, device: torch.device | str = "cpu") -> Tensor:
    """Return 1 / (|fx|^across + |fy|^down), float32 [H, W // 2 + 1], with 0 at frequency 0.

    Frequencies are in cycles per pixel, those of a real image's half transform. Along each axis the
    power then falls as f^(-2 across) and f^(-2 down); in between, level sets are not circles.
    """
    fy = _power(torch.fft.fftfreq(size[0], dtype=torch.float64).abs(), down)[:, None]
    fx = _power(torch.fft.rfftfreq(size[1], dtype=torch.float64), across)
    inverse = fx + fy
    inverse[0, 0] = math.inf
    return (1 / inverse).to(device, torch.float32)


def _power(frequency: Tensor, exponent: float) -> Tensor:
    return torch.where(frequency > 0, torch.exp(exponent * torch.log(frequency.clamp(min=1e-9))), 0.0)


def with_modulus(planes: Tensor, wanted: Tensor) -> Tensor:
    """Return float32 planes [C, H, W] of unchanged phases, means and variances, with this modulus.

    ``wanted`` is [H, W // 2 + 1]; its scale plays no part. Where a plane has no phase to keep, it is 0.
    """
    transform = torch.fft.rfft2(planes)
    transform = scaled(transform, wanted / transform.abs().clamp(min=1e-12))
    # The modulus at frequency 0 is 0: these planes have no mean.
    shaped = torch.fft.irfft2(transform, s=planes.shape[-2:])
    mean, deviation = moments(planes)
    result: Tensor = mean + deviation * shaped / moments(shaped)[1].clamp(min=1e-12)
    return result


def scaled(transform: Tensor, factor: Tensor) -> Tensor:
    """Return a complex transform times a real factor of its shape, or of one that broadcasts.

    torch's own product rounds complex numbers differently in vectors and in their tails, hence with the
    number of threads.
    """
    parts = torch.view_as_real(transform)
    return torch.view_as_complex(parts * factor.unsqueeze(-1))


def moments(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each plane [C, H, W], as [C, 1, 1]."""
    mean = planes.mean((-2, -1), keepdim=True)
    return mean, (planes - mean).square().mean((-2, -1), keepdim=True).sqrt()
