"""Parallel-beam projections of images, and their inverse by filtered back-projection.

A. C. Kak, M. Slaney, "Principles of Computerized Tomographic Imaging", 1988, section 3.3. Lengths are pixels;
detectors are one pixel wide and cover the diagonal, their middle one sees the middle of the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional


def detectors(size: tuple[int, int]) -> int:
    """Return the odd number of detectors that see a whole image (height, width)."""
    return 2 * math.ceil(math.hypot(*size) / 2) + 1


def project(images: Tensor, angles: int) -> Tensor:
    """Return line integrals of images [B, C, H, W]: [B, C, angles, detectors], bilinear between pixels.

    Angle k of n is π k / n; the detector at s sees the line x cos θ + y sin θ = s, y down.
    """
    batch, channels, height, width = images.shape
    count = detectors((height, width))
    reach = torch.arange(count, device=images.device, dtype=images.dtype) - count // 2
    rows = images.new_empty(batch, channels, angles, count)
    for number in range(angles):
        angle = math.pi * number / angles
        # A pixel along the ray is a row of the turned image, one across it a column.
        along, across = reach[:, None], reach[None, :]
        x = across * math.cos(angle) - along * math.sin(angle)
        y = across * math.sin(angle) + along * math.cos(angle)
        grid = torch.stack((2 * x / width, 2 * y / height), -1)
        turned = functional.grid_sample(images, grid.expand(batch, -1, -1, -1), align_corners=False)
        rows[:, :, number] = turned.sum(2)
    return rows


def filter_ramp(projections: Tensor) -> Tensor:
    """Return projections [..., n] filtered by the sampled ramp of Ramachandran and Lakshminarayanan."""
    return _convolve(projections, ramp(projections.shape[-1], projections))


def ramp(count: int, like: Tensor) -> Tensor:
    """Return the filter at distances k from -(n - 1) to n - 1: 1/4 at 0, -1/(π k)² at odd k (eq. 61)."""
    k = torch.arange(1 - count, count, device=like.device, dtype=torch.float64)
    values = torch.where(k % 2 == 0, torch.zeros_like(k), -1 / (math.pi * k.abs().clamp(min=1)) ** 2)
    values[count - 1] = 0.25
    return values.to(like.dtype)


def back_project(filtered: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images [B, C, H, W] of filtered projections [B, C, angles, detectors], linear between these."""
    images = filtered.new_zeros(*filtered.shape[:2], *size)
    for number, lower, share in _places(filtered, size):
        row = filtered[:, :, number]
        images += torch.lerp(row[..., lower], row[..., lower + 1], share)
    return images.mul_(math.pi / filtered.shape[2])


def back_project_variance(variances: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the variance [B, C, H, W] of filtered back-projections of independent values of ``variances``.

    ``variances`` is [B, C, angles, detectors], before the filter. Neighbours between which is interpolated
    share noise, so their covariance counts.
    """
    kernel = ramp(variances.shape[-1], variances)
    own = _convolve(variances, kernel**2)
    # Cov(q[k], q[k + 1]) = sum over j of h[k - j] h[k + 1 - j] var[j].
    shifted = torch.cat((kernel[1:], kernel.new_zeros(1)))
    shared = _convolve(variances, kernel * shifted)
    images = variances.new_zeros(*variances.shape[:2], *size)
    for number, lower, share in _places(variances, size):
        first, second = own[:, :, number][..., lower], own[:, :, number][..., lower + 1]
        both = shared[:, :, number][..., lower]
        images += (1 - share) ** 2 * first + share**2 * second + 2 * share * (1 - share) * both
    return images.mul_((math.pi / variances.shape[2]) ** 2)


def _places(projections: Tensor, size: tuple[int, int]) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield each angle and, per pixel [H, W], the lower of the detectors it lies between, and its share."""
    angles, count = projections.shape[2], projections.shape[3]
    y, x = (torch.arange(n, device=projections.device, dtype=projections.dtype) - (n - 1) / 2 for n in size)
    for number in range(angles):
        angle = math.pi * number / angles
        place = x[None, :] * math.cos(angle) + y[:, None] * math.sin(angle) + count // 2
        lower = place.floor().clamp(0, count - 2)
        yield number, lower.to(torch.int64), place - lower


def _convolve(rows: Tensor, kernel: Tensor) -> Tensor:
    """Return the convolution of rows [..., n] with a kernel at -(n - 1) to n - 1, the first n of it."""
    count = rows.shape[-1]
    length = 1 << (3 * count - 2).bit_length()
    spectrum = torch.fft.rfft(rows, length) * torch.fft.rfft(kernel, length)
    whole: Tensor = torch.fft.irfft(spectrum, length)
    return whole[..., count - 1 : 2 * count - 1]
