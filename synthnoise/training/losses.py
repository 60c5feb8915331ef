"""What a step makes smaller: one number for how far a batch of denoised images is from its targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.denoisers.windows import gaussian_mean
from synthnoise.training.examples import Example

SSIM_SHARE = 0.84
"""Of the structural similarity, the rest being the absolute error: Zhao et al. 2017, section III-D."""

WINDOW_SIGMA, WINDOW_RADIUS = 1.5, 5
"""Of SSIM's Gaussian window in pixels (Wang et al. 2004)."""

CONSTANTS = 0.01, 0.03
"""SSIM's K1 and K2 (Wang et al. 2004)."""

LEAST_ERROR = 0.01
"""Squared error of an image, in noise variances, below which ``psnr`` asks for little more: flat cuts, where
next to no noise need be left, would outweigh all others."""

LAG = 2
"""Farthest neighbours, in pixels along rows and columns, whose products ``noise-residual`` compares."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A measure to train by.

    Attributes
    ----------
    measure
        (denoised, example) to a scalar; ``denoised`` is float32 [B, C, H, W] in the example's domain.
    summary
        What it is and in which unit, for people.
    least_crop
        Height and width in pixels of the smallest images it can measure.
    """

    measure: Callable[[Tensor, Example], Tensor]
    summary: str
    least_crop: int = 1


def squared_error(denoised: Tensor, example: Example) -> Tensor:
    """Return the mean squared error in noise variances: doing nothing costs 1, faint or not."""
    return ((denoised - example.clean) / example.sigma).square().mean()


def logarithmic_error(denoised: Tensor, example: Example) -> Tensor:
    """Return the mean over images of their squared error in dB above ``LEAST_ERROR``; doing nothing costs 20.

    A plain squared error is ruled by the images that little noise can be taken from; here a dB counts the
    same in a dark image as in a bright one. The PSNR itself was made the loss by Chen et al., "HINet: Half
    instance normalization network for image restoration", CVPR workshops 2021; ``LEAST_ERROR`` is ours.
    """
    errors = ((denoised - example.clean) / example.sigma).square().mean((1, 2, 3))
    return 10 * (errors / LEAST_ERROR + 1).log10().mean()


def absolute_error(denoised: Tensor, example: Example) -> Tensor:
    """Return the mean absolute error in the unit of the network's input."""
    return (denoised - example.clean).abs().mean()


def dissimilarity(denoised: Tensor, example: Example) -> Tensor:
    """Return 0.84 (1 - SSIM) + 0.16 L1, both with what white is worth as their unit.

    Zhao, Gallo, Frosio, Kautz, "Loss functions for image restoration with neural networks", IEEE TCI 2017,
    section III-D, but with SSIM at one scale (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004, eq. 13), where
    the window fits.
    """
    x, y = denoised / example.white, example.clean / example.white
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    variances = _local_mean(x.square()) - mean_x.square() + _local_mean(y.square()) - mean_y.square()
    covariance = _local_mean(x * y) - mean_x * mean_y
    c1, c2 = (constant**2 for constant in CONSTANTS)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return SSIM_SHARE * (1 - (luminance * structure).mean()) + (1 - SSIM_SHARE) * (x - y).abs().mean()


def noise_residual(denoised: Tensor, example: Example) -> Tensor:
    """Return how far what was removed is from the noise: pixel by pixel, and in how neighbours go together.

    The first is the mean absolute error in standard deviations of the noise. The second is the mean absolute
    difference of the autocovariances of both, per plane, in noise variances, over lags up to two pixels:
    detail that was taken away has neighbours that go together, which noise has not, or only as much as the
    noise model says. After the whiteness of residuals (Almeida and Figueiredo, IEEE TIP 2013), here
    compared with the very noise that was added, so that the noise of rows may have its own.
    """
    removed = (example.noisy - denoised) / example.sigma
    noise = (example.noisy - example.clean) / example.sigma
    lags = [
        (down, right) for down in range(LAG + 1) for right in range(-LAG, LAG + 1) if (down, right) > (0, 0)
    ]
    apart = [(_autocovariance(removed, lag) - _autocovariance(noise, lag)).abs().mean() for lag in lags]
    return (removed - noise).abs().mean() + torch.stack(apart).mean()


LOSSES: dict[str, Loss] = {
    "mse": Loss(measure=squared_error, summary="squared error in noise variances"),
    "psnr": Loss(measure=logarithmic_error, summary="squared error of each image in dB"),
    "l1": Loss(measure=absolute_error, summary="absolute error in the unit of the network's input"),
    "ssim": Loss(
        measure=dissimilarity,
        summary="0.84 (1 - SSIM) + 0.16 absolute error, white being 1",
        least_crop=2 * WINDOW_RADIUS + 1,
    ),
    "noise-residual": Loss(
        measure=noise_residual,
        summary="what was removed against the noise, in its standard deviations: error and autocovariance",
        least_crop=LAG + 1,
    ),
}
"""Losses by name."""


def _local_mean(images: Tensor) -> Tensor:
    return gaussian_mean(images, WINDOW_SIGMA, WINDOW_RADIUS)


def _autocovariance(images: Tensor, lag: tuple[int, int]) -> Tensor:
    """Return the mean product of pixels ``lag`` = (rows, columns) apart, [B, C]."""
    down, right = lag
    height, width = images.shape[-2:]
    here = images[..., : height - down, max(-right, 0) : width - max(right, 0)]
    there = images[..., down:, max(right, 0) : width + min(right, 0)]
    return (here * there).mean((2, 3))
