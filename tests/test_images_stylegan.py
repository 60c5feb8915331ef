"""Untrained generators: what layers promise, how weights are drawn, the colours of what comes out."""

from __future__ import annotations

import math

import pytest
import torch
from sampling import assert_distribution, assert_mean, assert_variance

from synthnoise.images.colours import encode_srgb
from synthnoise.images.stylegan.model import (
    DEVIATION,
    DEVIATION_SPREAD,
    MEAN,
    MEAN_SPREAD,
    Options,
    StyleGAN,
    standardised,
)
from synthnoise.images.stylegan.network import STYLE, Layer, network, resolutions, wavelets
from synthnoise.testing import rng


def test_channels_have_the_means_and_deviations_of_the_law():
    image = rng(9).normal(0, (3, 16, 16))[0] * 3 + 1
    results = torch.stack([standardised(image, rng(k)) for k in range(900)]).double()
    for channel in range(3):
        means = results[:, channel].mean((1, 2)).numpy()
        assert_mean(means, MEAN[channel], MEAN_SPREAD[channel] ** 2, detects=0.15)
        assert_variance(means, MEAN_SPREAD[channel] ** 2, detects=0.5)
        spread = results[:, channel].std((1, 2), correction=0).numpy()
        assert_mean(spread, DEVIATION[channel], DEVIATION_SPREAD[channel] ** 2, detects=0.12)


def test_layers_keep_unit_variance_whatever_the_style():
    generator = rng(1)
    normal = generator.normal(0, (1, 64, 64 * 9))[0, 0]
    layer = Layer(
        affine=generator.normal(1, (1, 32, STYLE))[0, 0] / math.sqrt(STYLE),
        weight=normal[:, : 32 * 9].reshape(64, 32, 3, 3),
        bias=torch.zeros(64),
        upsamples=False,
    )
    features = generator.normal(2, (32, 48, 48))
    for scale in (0.1, 1.0, 10.0):
        style = scale * generator.normal(3, (STYLE,))[0]
        square = float(layer.apply(features, style, None).square().mean())
        # Of a unit normal through a leaky rectifier of slope 0.2, times sqrt(2): 1 + 0.2^2.
        assert square == pytest.approx(1.04, rel=0.05)


def test_wavelets_differ_have_no_mean_and_unit_norm():
    bank = wavelets().flatten(1)
    assert bank.shape == (20, 9)
    assert torch.allclose(bank.sum(1), torch.zeros(20), atol=1e-6)
    product = (bank @ bank.T).abs()
    assert torch.allclose(product.diagonal(), torch.ones(20))
    assert (product - torch.eye(20)).max() < 0.9999


def test_weights_are_normal_or_wavelets_or_one_wavelet_per_plane():
    plain = network(0, 0, 16, "random", "cpu")
    weights = torch.cat([layer.weight.flatten() for layer in plain.layers])
    assert_distribution(weights[::4], lambda v: torch.special.ndtr(torch.as_tensor(v)).numpy(), detects=0.03)
    assert all((layer.bias == 0).all() for layer in plain.layers)
    bank = wavelets().flatten(1)
    for kind in ("highfreq", "sparse", "oriented"):
        layer = network(0, 0, 16, kind, "cpu").layers[1]
        kernels = layer.weight.flatten(2)
        match = (kernels @ bank.T).abs() / kernels.norm(dim=-1, keepdim=True)
        best, which = match.max(-1)
        assert torch.allclose(best, torch.ones_like(best), atol=1e-4)
        assert ((which == which[:1]).all() == (kind == "oriented")).item()
        assert (layer.bias.abs().max() > 0).item() == (kind != "highfreq")
        assert layer.bias.abs().max() <= 0.2


def test_a_network_serves_as_many_images_as_said():
    model = StyleGAN(Options(every=3, noise=0.0))
    images = encode_srgb(model.generate((16, 16), rng(0, 2, 3)))
    assert not torch.allclose(images[0], images[1], atol=0.05)  # other styles
    network.cache_clear()
    model.generate((16, 16), rng(0, 1, 2))
    assert network.cache_info().misses == 1
    model.generate((16, 16), rng(3))
    assert network.cache_info().misses == 2


def roughness(image: torch.Tensor) -> float:
    """Return the power of second differences as a share of the variance."""
    second = image[:, :, 2:] - 2 * image[:, :, 1:-1] + image[:, :, :-2]
    return float(second.square().mean() / image.var())


def test_noise_in_the_layers_brings_high_frequencies():
    smooth, rough = (
        [roughness(encode_srgb(StyleGAN(Options(weights=w)).generate((64, 64), rng(k)))[0]) for k in range(6)]
        for w in ("random", "oriented")
    )
    assert min(rough) > 2 * max(smooth)


def test_windows_of_any_size():
    assert resolutions(33) == [4, 8, 16, 32, 64]
    assert StyleGAN().generate((20, 33), rng(0)).shape == (1, 3, 20, 33)
    assert StyleGAN().generate((1, 3), rng(0)).shape == (1, 3, 1, 3)
