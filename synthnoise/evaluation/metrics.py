"""How far one image is from another: PSNR and SSIM."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from synthnoise.denoisers.windows import gaussian_mean
from synthnoise.errors import UsageError
from synthnoise.plugins import Plugins, default_plugins

Metric = Callable[[Tensor, Tensor], Tensor]
"""(prediction, target), both [B, C, H, W], to one value per image, float64 [B]."""
Measures = dict[str, Metric]
"""Metrics by the heading of their column: name and unit."""

_WINDOW_SIGMA = 1.5
_WINDOW_RADIUS = 5
_LUMINANCE_CONSTANT = 0.01
_CONTRAST_CONSTANT = 0.03


def load_metrics(names: Sequence[str], *, plugins: Plugins | None = None) -> Measures:
    """Return registered metrics, ours and those of plugins, in the order of their names.

    Raises
    ------
    PluginError
        There is none of that name, or it cannot be imported.
    """
    registry = plugins or default_plugins()
    records = [registry.find("metrics", name) for name in names]
    return {
        f"{record.name.upper()} {record.unit}".strip(): registry.create("metrics", record.qualified_name)
        for record in records
    }


def psnr(prediction: Tensor, target: Tensor, *, data_range: float = 1.0) -> Tensor:
    """Return the peak signal-to-noise ratio in dB over all planes, float64 [B]; infinite for equal images.

    Parameters
    ----------
    prediction, target
        [B, C, H, W].
    data_range
        The peak: what white is worth.

    Raises
    ------
    UsageError
        The shapes differ.
    """
    _same_shape(prediction, target)
    error = (prediction.double() - target.double()).square().mean((1, 2, 3))
    return 10 * torch.log10(data_range**2 / error)


def ssim(prediction: Tensor, target: Tensor, *, data_range: float = 1.0) -> Tensor:
    """Return the structural similarity, float64 [B], 1 for equal images.

    Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004, eq. 13: Gaussian window of 11 pixels and
    standard deviation 1.5, population (not sample) covariances, only positions where the whole
    window fits; mean over pixels and planes.

    Parameters
    ----------
    prediction, target
        [B, C, H, W], at least 11 pixels high and wide.
    data_range
        What white is worth.

    Raises
    ------
    UsageError
        The shapes differ, or the images are smaller than the window.
    """
    _same_shape(prediction, target)
    if min(prediction.shape[-2:]) < 2 * _WINDOW_RADIUS + 1:
        raise UsageError(f"SSIM needs at least 11 by 11 pixels, got {tuple(prediction.shape[-2:])}")
    # The variances below are differences of nearly equal numbers: single precision is not enough.
    x, y = prediction.double(), target.double()
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    variance_x = _local_mean(x * x) - mean_x**2
    variance_y = _local_mean(y * y) - mean_y**2
    covariance = _local_mean(x * y) - mean_x * mean_y
    c1, c2 = (_LUMINANCE_CONSTANT * data_range) ** 2, (_CONTRAST_CONSTANT * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).mean((1, 2, 3))


def psnr_metric() -> Metric:
    """Return :func:`psnr` on images in [0, 1], for the metric record."""
    return psnr


def ssim_metric() -> Metric:
    """Return :func:`ssim` on images in [0, 1], for the metric record."""
    return ssim


def _same_shape(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape or prediction.ndim != 4:
        raise UsageError(
            f"cannot compare images of shapes {tuple(prediction.shape)} and {tuple(target.shape)}",
            hint="both must be [B, C, H, W]",
        )


def _local_mean(image: Tensor) -> Tensor:
    return gaussian_mean(image, _WINDOW_SIGMA, _WINDOW_RADIUS)
