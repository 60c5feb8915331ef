"""White Gaussian and Poissonian-Gaussian noise, judged by their sampling error."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.stats
import torch
from sampling import (
    assert_correlation,
    assert_distribution,
    assert_mean,
    assert_variance,
    poisson_gaussian_fourth_moment,
    poisson_gaussian_variance,
)

from synthnoise.errors import UsageError
from synthnoise.noise import gaussian, poisson_gaussian
from synthnoise.noise.gaussian import Gaussian
from synthnoise.noise.poisson_gaussian import PoissonGaussian
from synthnoise.profiles.schema import CameraProfile, IsoNoise
from synthnoise.rng import Rng


def rng(*indices: int, seed: int = 11) -> Rng:
    return Rng(seed, torch.tensor(indices or (0,)))


def iso_noise(iso: float = 800, **changes) -> IsoNoise:
    values = {
        "gain": 2.0,
        "gain_se": 0.01,
        "gain_interval": (1.98, 2.02),
        "gain_regime": "good",
        "offset": (0.0,) * 4,
        "read_noise": (3.0,) * 4,
        "read_noise_se": (0.01,) * 4,
        "row_noise": 0.0,
        "row_noise_se": 0.0,
        "column_noise": 0.0,
        "column_noise_se": 0.0,
        "shot": (2e-4, 1e-4, 3e-4),
        "shot_se": (0.0,) * 3,
        "read": (2e-6, 1e-6, 4e-6),
        "read_se": (0.0,) * 3,
    }
    return IsoNoise(iso=iso, **(values | changes))


def camera(*noises: IsoNoise, **changes) -> CameraProfile:
    noises = noises or (iso_noise(),)
    values = {
        "make": "Virtual",
        "model": "Test",
        "cfa": ((1, 0), (2, 1)),
        "black": (512.0, 512.0, 512.0, 512.0),
        "white": 16383.0,
        "isos": {noise.iso: noise for noise in noises},
    }
    return CameraProfile(**(values | changes))


def test_gaussian_noise_has_its_sigma_and_is_white():
    model = Gaussian(gaussian.Options(sigma=25))
    parameters = model.parameters()
    clean = torch.rand(1, 3, 200, 200, generator=torch.Generator().manual_seed(1))
    noise = model.sample(clean, parameters, rng()) - clean
    sigma = 25 / 255
    assert_distribution(noise / sigma, scipy.stats.norm.cdf, detects=0.02)
    assert_mean(noise, 0, sigma**2, detects=0.04)
    assert_variance(noise, sigma**2, detects=0.05)
    assert_correlation(noise[0, 0], noise[0, 1], 0)
    assert_correlation(noise[..., 1:], noise[..., :-1], 0)
    assert torch.allclose(model.variance(clean, parameters), torch.tensor(sigma**2))


def test_a_range_of_sigmas_is_drawn_per_image_and_does_not_depend_on_the_batch():
    model = Gaussian(gaussian.Options(sigma=5, sigma_max=50))
    wide = model.parameters()
    clean = torch.full((300, 1, 32, 32), 0.5)
    generator = rng(*range(300))
    parameters = model.per_image(wide, generator)
    noise = model.sample(clean, parameters, generator) - clean
    assert_distribution(parameters.sigma * 255, lambda s: (s - 5) / 45, detects=0.4)
    measured = noise.flatten(1).std(1) * 255
    # 1024 pixels show a standard deviation to 1 / sqrt(2048) = 2.2 %.
    assert (measured / (parameters.sigma.flatten() * 255) - 1).abs().max() < 5 * 2048**-0.5
    assert torch.equal(model.sample(clean, wide, generator), model.sample(clean, parameters, generator))
    alone = rng(77)
    assert torch.equal(model.sample(clean[:1], wide, alone)[0], model.sample(clean, wide, generator)[77])
    mean_variance = float(model.variance(clean[:1], wide)[0, 0, 0, 0]) * 255**2
    assert mean_variance == pytest.approx((5**2 + 5 * 50 + 50**2) / 3, rel=1e-5)


GAIN, SIGMA, SCALE = 1.7, 2.3, 15871.0


@pytest.mark.parametrize("electrons", [0.0, 0.4, 6.0, 150.0])
def test_poisson_gaussian_moments_are_those_of_the_law(electrons):
    model = PoissonGaussian(poisson_gaussian.Options(gain=GAIN, read_noise=SIGMA, full_scale=SCALE))
    clean = torch.full((1, 4, 500, 500), electrons * GAIN / SCALE)
    noisy = model.sample(clean, model.parameters(), rng()).double().numpy() * SCALE
    variance = poisson_gaussian_variance(GAIN, electrons, SIGMA)
    assert_mean(noisy, electrons * GAIN, variance, detects=0.05)
    assert_variance(noisy, variance, poisson_gaussian_fourth_moment(GAIN, electrons, SIGMA), detects=0.02)
    stated = model.variance(clean, model.parameters())[0, 0, 0, 0].item() * SCALE**2
    assert stated == pytest.approx(variance, rel=1e-5)


def test_poisson_gaussian_has_the_distribution_of_the_law_and_not_just_its_moments():
    electrons, gain, sigma = 3.0, 2.0, 0.5
    model = PoissonGaussian(poisson_gaussian.Options(gain=gain, read_noise=sigma, full_scale=1000))
    clean = torch.full((1, 4, 220, 220), electrons * gain / 1000)
    noisy = model.sample(clean, model.parameters(), rng()).double().numpy() * 1000
    counts = np.arange(40)
    weights = scipy.stats.poisson.pmf(counts, electrons)

    def cdf(x):
        return (weights * scipy.stats.norm.cdf((x[:, None] - gain * counts) / sigma)).sum(1)

    assert_distribution(noisy, cdf, detects=0.02)


def test_pixels_planes_and_images_are_independent():
    model = PoissonGaussian(poisson_gaussian.Options(shot=1e-3, read=1e-5))
    clean = torch.full((2, 4, 150, 150), 0.01)
    noise = (model.sample(clean, model.parameters(), rng(0, 1)) - clean).numpy()
    for first, second in (
        (noise[0], noise[1]),
        (noise[:, 0], noise[:, 1]),
        (noise[:, 0], noise[:, 2]),
        (noise[..., 1:], noise[..., :-1]),
        (noise[..., 1:, :], noise[..., :-1, :]),
    ):
        assert_correlation(first, second, 0.0, detects=0.06)


def test_a_profile_gives_each_plane_the_noise_of_its_colour():
    model = PoissonGaussian()
    parameters = model.parameters(camera(), 800)
    assert parameters.shot == (1e-4, 2e-4, 3e-4, 1e-4)
    assert parameters.read == (1e-6, 2e-6, 4e-6, 1e-6)
    assert model.parameters(camera()) == parameters
    clean = torch.full((1, 4, 300, 300), 0.05)
    noisy = model.sample(clean, parameters, rng())
    for plane in range(4):
        s, o = parameters.shot[plane], parameters.read[plane]
        fourth = poisson_gaussian_fourth_moment(s, 0.05 / s, o**0.5)
        assert_variance(noisy[0, plane], s * 0.05 + o, fourth, detects=0.05)


def test_rounding_is_part_of_what_a_profile_measured_and_can_be_taken_out():
    model = PoissonGaussian()
    profile = camera(iso_noise(read=((0.3**2 + 1 / 12) / SCALE**2,) * 3, shot=(1e-5,) * 3))
    whole = model.parameters(profile)
    before = model.before_rounding(whole)
    clean = torch.zeros(1, 4, 250, 250)
    continuous = model.sample(clean, before, rng()).double().numpy() * SCALE
    assert_variance(continuous, 0.3**2, detects=0.04)
    rounded = model.sample(clean, whole, rng()).double().numpy() * SCALE
    assert_variance(rounded, 0.3**2 + 1 / 12, detects=0.04)
    assert model.before_rounding(before) == before


def test_options_go_before_the_profile():
    profile = camera()
    assert PoissonGaussian(poisson_gaussian.Options(shot=0.5)).parameters(profile).shot == (0.5,) * 4
    halved = PoissonGaussian(poisson_gaussian.Options(gain=1.0)).parameters(profile)
    assert halved.shot == pytest.approx((1 / SCALE,) * 4)
    assert halved.read == (1e-6, 2e-6, 4e-6, 1e-6)


def test_what_cannot_be_known_is_refused():
    two = camera(iso_noise(100), iso_noise(200))
    with pytest.raises(UsageError, match="which ISO"):
        PoissonGaussian().parameters(two)
    with pytest.raises(UsageError, match="outside"):
        PoissonGaussian().parameters(two, 400)
    with pytest.raises(UsageError, match="shot noise of which camera"):
        PoissonGaussian().parameters()
    with pytest.raises(UsageError, match="read noise of which camera"):
        PoissonGaussian(poisson_gaussian.Options(shot=0.1)).parameters()
    with pytest.raises(UsageError, match="full scale"):
        PoissonGaussian(poisson_gaussian.Options(gain=1.0, read_noise=1.0)).parameters()
    with pytest.raises(UsageError, match="twice"):
        poisson_gaussian.Options(shot=1.0, gain=1.0)
    with pytest.raises(UsageError, match="not measured"):
        PoissonGaussian().parameters(camera(iso_noise(shot=(float("nan"),) * 3)))
    with pytest.raises(UsageError, match="4 planes"):
        PoissonGaussian().sample(torch.zeros(1, 3, 4, 4), PoissonGaussian().parameters(camera()), rng())
    with pytest.raises(UsageError, match="below sigma"):
        gaussian.Options(sigma=5, sigma_max=3)


def test_parameters_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PoissonGaussian().parameters(camera()).shot = ()
