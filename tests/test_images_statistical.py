"""Baradad's noise images: each statistic that is imposed is measured on what comes out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sampling import assert_mean
from scipy import stats

from synthnoise.errors import UsageError
from synthnoise.images.colours import encode_srgb
from synthnoise.images.statistical import colour_law, steerable_pyramid
from synthnoise.images.statistical.marginals import generalised_laplacian, resampled, with_values
from synthnoise.images.statistical.model import Options, SpectrumOptions, StatisticalNoise, WaveletOptions
from synthnoise.testing import rng


def axis_exponents(image: torch.Tensor) -> tuple[float, float]:
    """Return the exponents of modulus down and across, fitted to sRGB [3, H, W] along the axes."""
    power = torch.fft.fft2(image.double()).abs() ** 2
    fits = []
    for line in (power[:, 1 : power.shape[1] // 2, 0], power[:, 0, 1 : power.shape[2] // 2]):
        x = np.log(np.arange(1, line.shape[1] + 1))
        fits.append(-np.polyfit(np.tile(x, 3), np.log(line.numpy()).ravel(), 1)[0] / 2)
    return fits[0], fits[1]


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_spectrum_falls_as_asked(exponent):
    model = StatisticalNoise(SpectrumOptions(exponent=(exponent, exponent), anisotropy=0.0))
    images = encode_srgb(model.generate((96, 64), rng(*range(60))))
    fits = np.array([axis_exponents(image) for image in images])
    spread = fits.var(0, ddof=1)
    for axis in (0, 1):
        assert_mean(fits[:, axis], exponent, spread[axis], detects=0.25)


def test_exponents_are_uniform_on_their_range_and_differ_little_between_axes():
    model = StatisticalNoise(SpectrumOptions(exponent=(1.0, 3.0), anisotropy=0.3))
    images = encode_srgb(model.generate((48, 48), rng(*range(200))))
    down, across = np.array([axis_exponents(image) for image in images]).T
    assert_mean((down + across) / 2, 2.0, ((down + across) / 2).var(), detects=0.25)
    fitting = (down - across).var() / 4 - 0.3**2  # what the fit adds: twice the same for either axis
    assert 0 < fitting < 0.3**2
    assert np.corrcoef(down, across)[0, 1] > 0.3


def test_the_spectrum_model_alone_fills_the_range():
    images = encode_srgb(StatisticalNoise(SpectrumOptions()).generate((32, 48), rng(0, 1)))
    assert torch.allclose(images.amin((1, 2, 3)), torch.zeros(2))
    assert torch.allclose(images.amax((1, 2, 3)), torch.ones(2))


@pytest.mark.parametrize(("scales", "orientations"), [(1, 2), (3, 4), (2, 5)])
def test_the_pyramid_is_a_tight_frame(scales, orientations):
    plane = rng(3).normal(0, (1, 48, 80))[0, 0]
    bands = steerable_pyramid.analyse(plane, scales, orientations)
    assert torch.allclose(steerable_pyramid.synthesise(bands), plane, atol=2e-6)
    assert [tuple(b.shape) for b in bands.oriented] == [
        (orientations, 48 >> k, 80 >> k) for k in range(scales)
    ]
    energy = bands.high.square().mean() + bands.low.square().mean()
    energy = energy + sum(b.square().mean((-2, -1)).sum() for b in bands.oriented)
    assert float(energy) == pytest.approx(float(plane.square().mean()), rel=1e-4)


@pytest.mark.parametrize("orientation", range(4))
@pytest.mark.parametrize("level", [0, 1])
def test_a_wave_falls_into_the_band_of_its_scale_and_direction(level, orientation):
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    # Radius just where a level's bands are alone (half its Nyquist frequency): 32 cycles, 16 at level 1.
    cycles = {0: (0, 32), 1: (22.627, 22.627), 2: (32, 0), 3: (-22.627, 22.627)}[orientation]
    fy, fx = (round(c / 2**level) for c in cycles)
    bands = steerable_pyramid.analyse((2 * math.pi * (fy * y + fx * x) / 128).cos(), 3, 4)
    energy = [b.square().mean((-2, -1)) / 0.5 for b in bands.oriented]
    radius = math.hypot(fy, fx) / (32 >> level)
    turn = math.atan2(fy, fx) - math.pi * orientation / 4
    gain = 2**6 * math.factorial(3) ** 2 / (4 * math.factorial(6))
    radial = math.cos(math.pi / 2 * min(math.log2(radius), 0)) ** 2
    if radius > 1:  # part of it lies beyond, in the crossover to the next finer bands
        radial = math.sin(math.pi / 2 * (math.log2(radius) - 1)) ** 2
    assert float(energy[level][orientation]) == pytest.approx(gain * radial * math.cos(turn) ** 6, abs=1e-3)


@pytest.mark.parametrize("shape", [0.4, 0.8, 2.0])
def test_wavelet_coefficients_follow_their_law_up_to_its_end(shape):
    values = generalised_laplacian(16.0, shape, 5000).double().numpy()
    law = stats.gennorm(shape, scale=16.0)
    low, high = law.cdf([-200.0, 200.0])
    wanted = law.ppf(low + (np.arange(5000) + 0.5) / 5000 * (high - low))
    assert np.abs(values - wanted).max() < 0.1
    assert np.abs(values - wanted)[1000:4000].max() < 0.01


def test_pixels_get_the_values_and_keep_their_order():
    plane = rng(0).uniform(0, (1, 64, 60))[0, 0] - 0.5
    values = generalised_laplacian(4.0, 0.7, plane.numel())
    changed = with_values(plane, values)
    assert torch.equal(changed.flatten().sort().values, values)
    assert (changed.flatten()[plane.flatten().argsort(stable=True)].diff() >= 0).all()
    ties = with_values(torch.zeros(5), resampled(torch.tensor([0.0, 1.0]), 5))
    assert torch.allclose(ties, torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]))


def distance_of_bands(shape: float, iterations: int) -> float:
    """Return the mean Kolmogorov-Smirnov distance of bands from their law, both of unit variance."""
    model = StatisticalNoise(WaveletOptions(shape=(shape, shape), iterations=iterations))
    planes = colour_law.draw(rng(1), (3, 22), (1, 10)).place(
        255 * encode_srgb(model.generate((128, 128), rng(1)))[0]
    )
    distances = []
    for plane in planes:
        for level, bands in enumerate(steerable_pyramid.analyse(plane, 3, 4).oriented):
            law = generalised_laplacian(4.0 ** (2**level), shape, bands[0].numel())
            distances += [
                stats.ks_2samp((band / band.std()).flatten(), law / law.std()).statistic for band in bands
            ]
    return float(np.mean(distances))


def test_wavelet_bands_approach_their_law_with_every_round():
    once, often = distance_of_bands(0.8, 1), distance_of_bands(0.8, 10)
    assert often < 0.03 < 0.06 < once
    assert distance_of_bands(2.0, 10) < 0.03  # a normal law: no heavier tails than were asked for


def test_colours_follow_their_law_up_to_what_lies_outside_the_cube():
    model = StatisticalNoise(Options(spectrum=True, color=True, iterations=3))
    for index in range(3):
        law = colour_law.draw(rng(index), (3, 22), (1, 10))
        grey = 255 * encode_srgb(model.generate((96, 96), rng(index)))[0]
        clipped = float(((grey < 1e-3) | (grey > 254.999)).any(0).float().mean())
        other = colour_law.draw(rng(index + 50), (3, 22), (1, 10))
        for axis, place in enumerate(law.place(grey)):
            distance = stats.ks_2samp(place.flatten(), law.quantiles[axis]).statistic
            assert distance <= clipped + 0.01
        assert stats.ks_2samp(other.place(grey)[0].flatten(), other.quantiles[0]).statistic > 0.1
        assert clipped < 0.4


def test_a_law_of_colours_has_principal_axes_and_the_colours_asked_for():
    law = colour_law.draw(rng(4), (3, 3), (0, 0))
    assert torch.allclose(law.axes.T @ law.axes, torch.eye(3), atol=1e-5)
    assert torch.allclose(law.quantiles.std(-1, correction=0), law.deviation, rtol=1e-3)
    assert law.deviation[0] >= law.deviation[1] >= law.deviation[2] > 0
    # Three flat colours with a grain of 4 levels: along the main axis, three narrow steps hold everything.
    steps = law.quantiles[0].diff()
    assert int((law.quantiles[0][::64].diff() > 12).sum()) <= 2
    assert steps.min() >= 0


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="no statistic"):
        Options()
    with pytest.raises(UsageError, match="exponent=3,1"):
        SpectrumOptions(exponent=(3, 1))
