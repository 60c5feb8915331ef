"""PSNR and SSIM against their definitions, computed another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from synthnoise.errors import UsageError
from synthnoise.evaluation.metrics import psnr, ssim

Image = NDArray[np.float64]


def pair(seed: int, shape: tuple[int, ...], sigma: float) -> tuple[Image, Image]:
    rng = np.random.default_rng(seed)
    target = ndimage.gaussian_filter(rng.random(shape), (0, 0, 2, 2))
    return target + sigma * rng.standard_normal(shape), target


def reference_ssim(x: Image, y: Image, data_range: float) -> float:
    """SSIM of one plane by SciPy's Gaussian filter, cropped to where the window fits."""

    def local(image: Image) -> Image:
        return ndimage.gaussian_filter(image, 1.5, radius=5)[5:-5, 5:-5]

    mean_x, mean_y = local(x), local(y)
    covariance = np.array([[local(a * b) - local(a) * local(b) for b in (x, y)] for a in (x, y)])
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    quotient = (2 * mean_x * mean_y + c1) * (2 * covariance[0, 1] + c2)
    quotient /= (mean_x**2 + mean_y**2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2)
    return float(quotient.mean())


@pytest.mark.parametrize("difference", [0.1, 0.01])
def test_psnr_of_a_constant_difference_is_known(difference: float) -> None:
    target = torch.rand(3, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.full((3,), -20 * math.log10(difference), dtype=torch.float64)
    torch.testing.assert_close(psnr(target + difference, target), expected)
    torch.testing.assert_close(psnr(255 * (target + difference), 255 * target, data_range=255), expected)


def test_psnr_is_per_image_and_infinite_for_equal_ones() -> None:
    target = torch.zeros(2, 1, 4, 4)
    prediction = target.clone()
    prediction[1] += 1
    assert psnr(prediction, target).tolist() == [math.inf, 0.0]


@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_ssim_is_that_of_an_independent_implementation(sigma: float, data_range: float) -> None:
    x, y = (data_range * image for image in pair(1, (2, 3, 24, 37), sigma))
    expected = [np.mean([reference_ssim(x[b, c], y[b, c], data_range) for c in range(3)]) for b in range(2)]
    found = ssim(torch.from_numpy(x), torch.from_numpy(y), data_range=data_range)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_ssim_knows_its_landmarks() -> None:
    """1 for equal images; constants by the luminance term; negative for an inverted texture."""
    x, _ = map(torch.from_numpy, pair(2, (1, 1, 20, 20), 0.1))
    assert ssim(x, x).item() == pytest.approx(1, abs=1e-12)
    a, b = torch.full((1, 1, 12, 12), 0.25), torch.full((1, 1, 12, 12), 0.75)
    assert ssim(a, b).item() == pytest.approx((2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4))
    # Around mid grey the luminance term stays near 1, so an inversion changes the sign.
    texture = torch.from_numpy(0.1 * np.random.default_rng(3).standard_normal((1, 1, 64, 64)))
    assert ssim(0.5 + texture, 0.5 - texture).item() < -0.5


def test_ssim_is_symmetric_and_survives_single_precision() -> None:
    x, y = map(torch.from_numpy, pair(4, (1, 3, 30, 30), 0.05))
    torch.testing.assert_close(ssim(x, y), ssim(y, x))
    torch.testing.assert_close(ssim(x.float(), y.float()), ssim(x, y), rtol=1e-5, atol=0)


def test_images_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(UsageError, match="shapes"):
        psnr(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
    with pytest.raises(UsageError, match="11 by 11"):
        ssim(torch.zeros(1, 3, 8, 30), torch.zeros(1, 3, 8, 30))
