"""The classical denoisers beside networks: what they keep, what they gain, and how far they look."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from synthnoise.denoisers.total_variation import TotalVariation, _divergence, _gradient
from synthnoise.denoisers.wavelet import HIGH, LOW, Wavelet
from synthnoise.denoising.networks import load_denoiser
from synthnoise.plugins import default_plugins
from synthnoise.sensors.scenes import dead_leaves

NAMES = ("wiener", "tv", "nlm", "wavelet")


def build(name: str, **options: Any) -> torch.nn.Module:
    return default_plugins().create("denoisers", name, options)


def noisy_leaves(level: float, size: tuple[int, int] = (96, 128)) -> tuple[torch.Tensor, torch.Tensor]:
    clean = torch.from_numpy(dead_leaves(size, seed=3))[None] ** (1 / 2.2)
    generator = torch.Generator().manual_seed(0)
    return clean, clean + level * torch.randn(clean.shape, generator=generator)


@pytest.mark.parametrize("name", NAMES)
def test_it_gains_several_decibels(name: str) -> None:
    clean, noisy = noisy_leaves(0.1)
    denoised = build(name)(noisy, torch.full_like(noisy[:, :1], 0.1))
    gain = 10 * ((noisy - clean).square().mean() / (denoised - clean).square().mean()).log10()
    assert gain > 4


@pytest.mark.parametrize("name", NAMES)
def test_without_noise_nothing_is_lost(name: str) -> None:
    clean, _ = noisy_leaves(0)
    denoised = build(name)(clean, torch.full_like(clean[:, :1], 1e-5))
    assert float((denoised - clean).abs().max()) < 2e-4


@pytest.mark.parametrize("name", NAMES)
def test_the_output_scales_with_the_input(name: str) -> None:
    _, noisy = noisy_leaves(0.1, (40, 48))
    sigma = torch.full_like(noisy[:, :1], 0.1)
    network = build(name)
    torch.testing.assert_close(
        network(20 * noisy, 20 * sigma), 20 * network(noisy, sigma), rtol=1e-3, atol=2e-3
    )


@pytest.mark.parametrize(
    ("name", "options"), [("wiener", {"radius": 24}), ("tv", {"iterations": 300}), ("wavelet", {"levels": 6})]
)
def test_tiles_have_the_context_that_the_options_ask_for(name: str, options: dict[str, int]) -> None:
    loaded = load_denoiser(name, options)
    assert isinstance(loaded.network, torch.nn.Module)
    assert loaded.record.halo >= loaded.network.halo > load_denoiser(name, {}).record.halo


def test_the_wiener_filter_looks_as_far_as_it_says() -> None:
    network = build("wiener", radius=5)
    noisy = torch.rand(1, 1, 9, 61, generator=torch.Generator().manual_seed(0))
    other = noisy.clone()
    other[..., 30] += 1
    sigma = torch.full_like(noisy, 0.1)
    touched = (network(noisy, sigma) != network(other, sigma)).any(-2).squeeze().nonzero().ravel()
    assert (30 - int(touched.min()), int(touched.max()) - 30) == (network.halo, network.halo)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_beyond_the_halo_matters(name: str) -> None:
    halo = default_plugins().find("denoisers", name).halo
    generator = torch.Generator().manual_seed(1)
    noisy = torch.rand(1, 1, 24, 2 * halo + 48, generator=generator)
    other = noisy.clone()
    other[..., -16:] += 1
    network, sigma = build(name), torch.full_like(noisy, 0.2)
    kept = noisy.shape[-1] - 16 - halo
    difference = network(noisy, sigma)[..., :kept] - network(other, sigma)[..., :kept]
    assert float(difference.abs().max()) < 1e-5


def test_the_wavelets_filters_share_all_there_is() -> None:
    """|L|^2 + |H|^2 = 1 at every frequency, and the wavelet has two vanishing moments."""
    frequencies = torch.linspace(0, 3.1415, 50, dtype=torch.float64)
    responses = [
        sum(value * torch.exp(-1j * n * frequencies) for n, value in enumerate(taps)) for taps in (LOW, HIGH)
    ]
    torch.testing.assert_close(sum(r.abs() ** 2 for r in responses), torch.ones_like(frequencies))
    assert sum(HIGH) == pytest.approx(0, abs=1e-12)
    assert sum(n * value for n, value in enumerate(HIGH)) == pytest.approx(0, abs=1e-12)


def test_the_wavelets_noise_levels_are_true() -> None:
    """Of noise alone next to nothing is left; a threshold too low in any band would let it through."""
    noise = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    assert float(Wavelet()(noise, torch.ones(1, 1, 256, 256)).std()) < 0.2


def test_divergence_is_the_negative_adjoint_of_the_gradient() -> None:
    generator = torch.Generator().manual_seed(3)
    planes, down, right = (torch.randn(1, 2, 7, 9, generator=generator).double() for _ in range(3))
    dy, dx = _gradient(planes)
    assert float((dy * down + dx * right).sum()) == pytest.approx(
        -float((planes * _divergence(down, right)).sum())
    )


def test_total_variation_falls_and_the_mean_stays() -> None:
    _, noisy = noisy_leaves(0.1)
    denoised = TotalVariation()(noisy, torch.full_like(noisy[:, :1], 0.1))
    variation = [sum(float(d.abs().sum()) for d in _gradient(x)) for x in (noisy, denoised)]
    assert variation[1] < 0.5 * variation[0]
    torch.testing.assert_close(denoised.mean((2, 3)), noisy.mean((2, 3)), rtol=1e-5, atol=1e-5)
