"""Losses against closed forms, and training by each of them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.evaluation.metrics import ssim
from synthnoise.plugins import default_plugins
from synthnoise.profiles.arrangement import rearranged
from synthnoise.profiles.store import load_profile, save_profile
from synthnoise.training import train
from synthnoise.training.budget import Budget
from synthnoise.training.examples import Example, Examples
from synthnoise.training.losses import LOSSES
from synthnoise.training.plan import LossName, TrainingPlan

RAW: dict[str, Any] = {
    "noise": "poisson-gaussian",
    "noise_options": {"shot": 4e-3, "read": 1e-5},
    "denoiser": "dncnn",
    "denoiser_options": {"depth": 4, "width": 8},
    "batch": 2,
    "crop": 16,
}


def example(clean: Tensor, noisy: Tensor, sigma: float, white: float = 1.0) -> Example:
    """A batch of which losses use nothing but these."""
    level = torch.full_like(clean[:, :1], sigma)
    return Example(
        noisy=noisy,
        clean=clean,
        sigma=level,
        white=torch.full((1, 1, 1, 1), white),
        pair=None,  # type: ignore[arg-type]
    )


def of(name: str, denoised: Tensor, batch: Example) -> float:
    return float(LOSSES[name].measure(denoised, batch))


def test_every_loss_that_a_plan_may_name_is_there() -> None:
    assert set(LOSSES) == set(get_args(LossName))


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_image_costs_nothing(name: str) -> None:
    clean = torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(0))
    assert of(name, clean, example(clean, clean + 0.1, 0.1)) == pytest.approx(0, abs=1e-6)


def test_a_dark_image_counts_as_much_as_a_bright_one() -> None:
    clean = torch.zeros(2, 1, 8, 8)
    left = torch.tensor([0.5, 4.0]).sqrt().reshape(2, 1, 1, 1).expand_as(clean)
    before, half_of_one, half_of_other = (
        of("psnr", left * torch.tensor(scale).sqrt().reshape(2, 1, 1, 1), example(clean, clean, 1.0))
        for scale in ([1.0, 1.0], [0.5, 1.0], [1.0, 0.5])
    )
    assert before == pytest.approx(5 * (math.log10(51) + math.log10(401)), rel=1e-5)
    # Half the squared error is 3 dB, in one image of two 1.5.
    assert before - half_of_one == pytest.approx(1.5, abs=0.1)
    assert before - half_of_other == pytest.approx(1.5, abs=0.1)


def test_errors_are_in_their_units() -> None:
    clean = torch.zeros(1, 1, 12, 12)
    batch = example(clean, clean, sigma=0.5)
    assert of("mse", clean + 1, batch) == pytest.approx(4)
    assert of("l1", clean - 1, batch) == pytest.approx(1)


def test_ssim_of_flat_images_is_their_luminance_term() -> None:
    """Two flat images a and b: SSIM is (2 a b + c1) / (a^2 + b^2 + c1), c1 = 0.01^2, whatever white is."""
    a, b = 0.2, 0.6
    similarity = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    expected = 0.84 * (1 - similarity) + 0.16 * (b - a)
    for white in (1.0, 300.0):
        clean = torch.full((1, 4, 16, 16), b * white)
        batch = example(clean, clean, sigma=1.0, white=white)
        assert of("ssim", torch.full_like(clean, a * white), batch) == pytest.approx(expected, rel=1e-3)


def test_ssim_agrees_with_the_metric() -> None:
    """Which has been compared with an independent implementation."""
    generator = torch.Generator().manual_seed(1)
    clean = torch.rand(2, 3, 24, 24, generator=generator)
    denoised = clean + 0.1 * torch.randn(clean.shape, generator=generator)
    expected = 0.84 * (1 - float(ssim(denoised, clean).mean())) + 0.16 * float(
        (denoised - clean).abs().mean()
    )
    assert of("ssim", denoised, example(clean, clean, 0.1)) == pytest.approx(expected, rel=1e-4)


def test_noise_residual_of_what_has_neighbours_that_go_together() -> None:
    """Without noise, removing a flat c or a chequerboard of +-c costs |c| and c^2 at every lag, in sigmas."""
    clean = torch.zeros(1, 2, 12, 12)
    c, sigma = 0.3, 0.1
    chequers = c * (-1.0) ** torch.arange(12).view(1, -1).add(torch.arange(12).view(-1, 1))
    batch = example(clean, clean, sigma)
    for removed in (torch.full_like(clean, c), chequers.expand_as(clean)):
        assert of("noise-residual", -removed, batch) == pytest.approx(c / sigma + (c / sigma) ** 2, rel=1e-4)


def test_noise_residual_counts_taken_detail_more_than_left_noise() -> None:
    """Errors of the same size: removed stripes of the image cost more than white noise that was left."""
    generator = torch.Generator().manual_seed(2)
    clean = torch.zeros(1, 1, 64, 64)
    noise = torch.randn(clean.shape, generator=generator)
    batch = example(clean, clean + noise, 1.0)
    stripes = torch.where(torch.arange(64) % 16 < 8, 0.5, -0.5).expand_as(clean)
    signs = torch.where(torch.rand(clean.shape, generator=generator) < 0.5, 0.5, -0.5)
    error = 0.5
    # Of twelve lags two lie along the stripes, five cross by one pixel, five by two; a triangle of products.
    together = error**2 * (2 + 5 * 6 / 8 + 5 * 4 / 8) / 12
    # Products with the noise have a standard error of 0.5 sqrt(2 / 4096) = 0.01 at each lag.
    assert of("noise-residual", stripes, batch) == pytest.approx(error + together, abs=0.03)
    assert of("noise-residual", signs, batch) == pytest.approx(error, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssim", "noise-residual"])
def test_they_teach_to_denoise(name: LossName, tmp_path: Path) -> None:
    settings = RAW | {"batch": 4, "ratio": (5.0, 20.0), "lr": 5e-3, "device": "cpu"}
    summary = train(output=tmp_path / "net", steps=40, loss=name, **settings)
    assert summary.psnr > summary.noisy_psnr + 1


def test_crops_too_small_for_the_window_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs crops of 11 pixels"):
        train(output=tmp_path / "net", steps=1, loss="ssim", **RAW | {"crop": 8})
    assert not list(tmp_path.iterdir())


def test_white_is_what_lies_between_black_and_white() -> None:
    plan = TrainingPlan(images="dead-leaves", budget=Budget(steps=1), **RAW)
    batch = Examples(plan, torch.device("cpu"), default_plugins()).draw(0, 4)
    # At a gain of r an electron is worth r S; the root goes on by its tangent below the read noise.
    electrons = 1 / (4e-3 * batch.pair.ratio)
    read = 1e-5**0.5 / 4e-3
    offset = 0.375 + read**2
    black = 2 * (read + offset) ** 0.5 - read / (read + offset) ** 0.5
    expected = (2 * (electrons + offset).sqrt() - black).view(-1, 1, 1, 1).expand(4, 4, 1, 1)
    torch.testing.assert_close(batch.white, expected, rtol=1e-4, atol=0)


def test_planes_are_in_the_order_that_denoising_has(tmp_path: Path) -> None:
    """A camera whose repeat begins with blue gives red, green, green, blue all the same."""
    profile = load_profile("virtual-mild")
    blue_first = dataclasses.replace(rearranged(profile, ((2, 1), (1, 0))), model="Blue first")
    save_profile(blue_first, tmp_path / "blue-first")
    settings = RAW | {"noise_options": {}, "iso": min(profile.isos)}
    noisy = []
    for place in ("virtual-mild", str(tmp_path / "blue-first")):
        plan = TrainingPlan(images="dead-leaves", budget=Budget(steps=1), profile=place, **settings)
        noisy.append(Examples(plan, torch.device("cpu"), default_plugins()).draw(0, 4).pair)
    torch.testing.assert_close(noisy[0].clean, noisy[1].clean)
    torch.testing.assert_close(noisy[0].noisy, noisy[1].noisy)
