"""ELD and the Tukey-lambda law: closed forms, SciPy's law, and parameters found again from a camera."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from sampling import assert_correlation, assert_distribution, assert_mean, assert_variance
from test_noise import camera, iso_noise

from synthnoise.errors import UsageError
from synthnoise.noise import eld, tukey_lambda
from synthnoise.noise.eld import Eld
from synthnoise.noise.eld_bodies import BODIES
from synthnoise.rng import Rng, Stream
from synthnoise.sensors.presets import SENSORS

SCALE = 15871.0


def rng(*indices: int, seed: int = 3) -> Rng:
    return Rng(seed, torch.tensor(indices or (0,)))


def law(shape: float, scale: float):
    return scipy.stats.tukeylambda(shape, scale=scale)


@pytest.mark.parametrize("shape", [-0.3, -0.07, 0.0, 0.14, 0.4])
def test_quantiles_and_variance_are_those_of_the_law(shape):
    uniform = Rng(1, torch.tensor([0])).uniform(Stream.READ_NOISE, (1, 100, 100))
    drawn = tukey_lambda.tukey_lambda(uniform, torch.tensor(shape))
    expected = scipy.stats.tukeylambda.ppf(uniform.double().numpy(), shape)
    assert np.allclose(drawn.numpy(), expected, rtol=2e-5, atol=2e-5)
    assert tukey_lambda.variance(shape) == pytest.approx(float(scipy.stats.tukeylambda.var(shape)), rel=1e-6)


def test_a_law_without_variance_is_refused():
    with pytest.raises(ValueError, match="no variance"):
        tukey_lambda.variance(-0.5)


@pytest.mark.parametrize("shape", [-0.2, -0.05, 0.14])
@pytest.mark.parametrize("deviation", [0.6, 6.0])
def test_the_shape_is_found_again_under_rounding(shape, deviation):
    """A rounding of 1 DN adds a uniform error, which a plain plot of 0.6 DN takes for the law's."""
    scale = deviation / math.sqrt(tukey_lambda.variance(shape))
    random = np.random.default_rng(1)
    values = law(shape, scale).ppf(random.random(400_000))
    offsets = np.repeat(random.normal(0, 3, 400), 1000)  # rows: the code boundaries lie anywhere
    probabilities = scipy.stats.norm.cdf(np.linspace(-4.5, 4.5, 257))
    quantiles = np.quantile(np.rint(values + offsets) - offsets, probabilities)
    found = tukey_lambda.fit_shape(quantiles, probabilities, deviation, 1.0)
    # Scatter over 20 seeds: 0.004 at 6 DN, 0.02 at 0.6 DN.
    assert found == pytest.approx(shape, abs=0.02 if deviation > 1 else 0.1)


def test_the_plot_accounts_for_rounding_exactly():
    """Quantiles of law plus uniform, against its distribution function by quadrature of SciPy's."""
    probabilities = np.array([0.001, 0.1, 0.5, 0.8, 0.999])
    spots = tukey_lambda.rounded_quantiles(probabilities, -0.1, 0.5, 1.0)
    grid = np.linspace(-0.5, 0.5, 4001)
    inner = law(-0.1, 0.5 / math.sqrt(tukey_lambda.variance(-0.1)))
    assert np.allclose(inner.cdf(spots[:, None] - grid).mean(1), probabilities, atol=2e-4)


@pytest.mark.parametrize("electrons", [0.0, 5.0])
def test_the_noise_is_the_sum_of_its_four_parts(electrons):
    options = eld.Options(gain=2.0, scale=3.0, shape=-0.1, row_noise=1.5, step=4.0)
    model = Eld(options)
    parameters = model.parameters()
    clean = torch.full((1, 4, 600, 300), electrons * 2 / SCALE)
    noise = (model.sample(clean, parameters, rng()) - clean).double().numpy()[0] * SCALE
    rows = noise.mean(2)
    pixel = noise - rows[..., None]
    read = 9 * tukey_lambda.variance(-0.1)
    inner = 4 * electrons + read + 16 / 12
    kurtosis = float(law(-0.1, 1).stats("k"))
    fourth = 3 * inner**2 + read**2 * kurtosis + 16 * electrons - 1.2 * (16 / 12) ** 2
    assert_variance(pixel * math.sqrt(300 / 299), inner, fourth, detects=0.05)
    assert_variance(rows, 1.5**2 + inner / 300, detects=0.5)
    assert_mean(noise, 0, inner + 1.5**2, detects=0.7, effective_n=2400 / (1 + inner / 300 / 1.5**2))
    assert_correlation(rows[0], rows[1], 0, detects=0.5)
    stated = float(model.variance(clean, parameters)[0, 0, 0, 0]) * SCALE**2
    assert stated == pytest.approx(inner + 1.5**2, rel=1e-5)


def test_the_read_noise_has_the_distribution_of_the_law():
    model = Eld(eld.Options(gain=1.0, scale=3.0, shape=-0.1, step=0.0))
    noise = model.sample(torch.zeros(1, 4, 150, 150), model.parameters(), rng()) * SCALE
    assert_distribution(noise, law(-0.1, 3.0).cdf, detects=0.02)


def test_rounding_is_left_to_the_converter():
    model = Eld(eld.Options(gain=1.0, scale=1.0, step=2.0))
    parameters = model.parameters()
    clean = torch.zeros(1, 4, 8, 8)
    inside = model.variance(clean, parameters) - model.variance(clean, model.before_rounding(parameters))
    assert inside[0, 0, 0, 0].item() * SCALE**2 == pytest.approx(4 / 12, rel=1e-3)


def test_a_profile_gives_the_law_of_the_camera(profile):
    """The virtual camera's tail, width and rows; one dark of 98304 pixels per plane shows λ to 0.01."""
    sensor = SENSORS["mild"]
    parameters = Eld().parameters(profile)
    shapes = parameters.shape.flatten().numpy()
    # Dark current and DSNU, which are not of the law, make the tails a little lighter.
    assert shapes.mean() == pytest.approx(sensor.tail, abs=0.05)
    dark = Eld().variance(torch.zeros(1, 4, 1, 1), parameters).flatten().numpy() * SCALE**2
    assert np.sqrt(dark.mean()) == pytest.approx(sensor.dark_noise(), rel=0.02)
    # The row noise of one frame: 512 rows.
    assert float(parameters.row[0, 0]) * SCALE == pytest.approx(sensor.row_noise, rel=0.2)


def test_bodies_draw_gain_and_noise_jointly_for_each_image():
    body = BODIES["sony-a7s2"]
    model = Eld(eld.Options(body="sony-a7s2"))
    wide = model.parameters()
    generator = rng(*range(5000))
    drawn = model.per_image(wide, generator)
    log_gain = np.log(drawn.shot.double().flatten().numpy() * SCALE)
    low, high = np.log(body.gains)
    assert_distribution((log_gain - low) / (high - low), lambda x: np.clip(x, 0, 1), detects=0.08)
    for values, line in ((drawn.scale, body.scale), (drawn.row, body.row)):
        logs = np.log(values.double().flatten().numpy() * SCALE)
        scores = (logs - line.slope * log_gain - line.intercept) / line.spread
        assert_distribution(scores, scipy.stats.norm.cdf, detects=0.08)
    shape = (drawn.shape.flatten().numpy() - body.shapes[0]) / (body.shapes[1] - body.shapes[0])
    assert_distribution(shape, lambda x: np.clip(x, 0, 1), detects=0.08)
    # What is stated of a body is the mean over its draws.
    clean = torch.full((5000, 1, 1, 1), 0.01)
    each = model.variance(clean, drawn).flatten().double().numpy()
    stated = float(model.variance(clean[:1], wide))
    assert abs(each.mean() - stated) < 5 * each.std() / math.sqrt(each.size)
    # The published line at ISO 25600 of the A7S2 says 26 DN; K = 24.5 lies outside, so judge at K = 6.
    assert math.exp(body.scale.slope * math.log(6.01) + body.scale.intercept) == pytest.approx(4.03, rel=0.01)


def test_a_drawn_image_does_not_depend_on_its_batch():
    model = Eld(eld.Options(body="any"))
    clean = torch.full((40, 4, 8, 8), 0.001)
    batch = model.sample(clean, model.parameters(), rng(*range(40)))
    alone = model.sample(clean[:1], model.parameters(), rng(17))
    assert torch.equal(alone[0], batch[17])
    fixed = Eld(eld.Options(body="any", gain=2.0))
    shots = fixed.per_image(fixed.parameters(), rng(*range(40))).shot
    assert torch.allclose(shots * SCALE, torch.tensor(2.0))


def test_what_cannot_be_known_is_refused():
    with pytest.raises(UsageError, match="the gain of which camera"):
        Eld().parameters()
    with pytest.raises(UsageError, match="the scale of which camera"):
        Eld(eld.Options(gain=1.0)).parameters()
    with pytest.raises(UsageError, match="draws scale"):
        eld.Options(body="any", scale=1.0)
    with pytest.raises(UsageError, match="not measured"):
        Eld().parameters(camera(iso_noise(shot=(math.nan,) * 3)))
    with pytest.raises(UsageError, match="4 planes"):
        Eld().sample(torch.zeros(1, 3, 4, 4), Eld().parameters(camera()), rng())
