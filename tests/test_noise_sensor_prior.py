"""The noise model sensor-prior, and what training makes of sensors that differ from image to image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import tukeylambda

from synthnoise.errors import UsageError
from synthnoise.noise.sensor_prior import READ_LEVELS, Options, SensorPrior
from synthnoise.noise.stabilise import Stabiliser, expected_transform
from synthnoise.rng import Rng
from synthnoise.training.stabilisation import BatchStabiliser
from synthnoise.training.unprocessing import BLUR, CROSSTALK, EXPOSURE, NEUTRAL, unprocess

WIDE = Options(shot=(1e-5, 1e-2), read=(0.5, 8.0), rows=(0.1, 0.4), columns=(0.05, 0.2), tails=0.2)


def rng(count: int, seed: int = 5) -> Rng:
    return Rng(seed=seed, indices=torch.arange(count))


def test_sensors_fill_the_ranges_that_are_given() -> None:
    model = SensorPrior(WIDE)
    sensors = model.per_image(None, rng(4000))
    electrons = sensors.read.sqrt() / sensors.shot
    share = (sensors.rows / sensors.read).sqrt()
    for values, (low, high) in ((sensors.shot, WIDE.shot), (electrons, WIDE.read)):
        place = ((values / low).log() / torch.tensor(high / low).log()).flatten()
        assert -1e-4 < place.min() < 0.01
        assert 0.99 < place.max() < 1 + 1e-4
        assert float(place.mean()) == pytest.approx(0.5, abs=5 * 12**-0.5 / 4000**0.5)
    assert (float(share.min()), float(share.max())) == pytest.approx((0.1, 0.4), abs=1e-3)
    assert len({f"{value:.4g}" for value in electrons.flatten().tolist()}) == READ_LEVELS


def test_most_sensors_have_little_banding_and_light_tails() -> None:
    """The place in the range is the square of a uniform number, which is below 1/4 half of the time."""
    sensors = SensorPrior(WIDE).per_image(None, rng(4000))
    for variance, (low, high) in ((sensors.rows, WIDE.rows), (sensors.columns, WIDE.columns)):
        place = ((variance / sensors.read).sqrt() - low) / (high - low)
        assert float((place < 0.25).double().mean()) == pytest.approx(0.5, abs=5 * 0.5 / 4000**0.5)
        assert float(place.mean()) == pytest.approx(1 / 3, abs=5 * (4 / 45 / 4000) ** 0.5)
    # The shape is one of 16: below the square root of 1/16 every sensor's noise is normal.
    normal = (sensors.shape > sensors.shape.max() - 1e-6).double().mean()
    assert float(normal) == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / 4000) ** 0.5)


def test_its_variance_is_that_of_its_samples_sensor_by_sensor() -> None:
    model = SensorPrior(WIDE)
    clean = torch.full((6, 4, 128, 128), 0.1)
    sensors = model.per_image(None, rng(6))
    residual = model.sample(clean, sensors, rng(6)) - clean
    variance = model.variance(clean, sensors)[:, 0, 0, 0]
    # Rows and columns are the fewest: 2 x 128 values per image decide how well their part is known. The
    # heaviest tail, a shape of -0.065, has a kurtosis below 6.
    shared = (sensors.rows + sensors.columns).flatten() / variance
    tolerance = 5 * ((5 / (4 * 128**2)) ** 0.5 + shared * (2 / 256) ** 0.5)
    assert bool(((residual.square().mean((1, 2, 3)) / variance - 1).abs() < tolerance).all())


def test_both_colours_of_a_sensors_row_share_its_noise() -> None:
    model = SensorPrior(Options(shot=(1e-9, 1e-9), read=(1.0, 1.0), rows=(1000.0, 1000.0)))
    rows = model.sample(torch.zeros(1, 4, 64, 32), None, rng(1))[0].mean(2)
    assert torch.allclose(rows[0], rows[1], rtol=0.05, atol=float(rows.std()) / 50)
    assert torch.allclose(rows[2], rows[3], rtol=0.05, atol=float(rows.std()) / 50)
    assert abs(float(torch.corrcoef(rows[[0, 2]])[0, 1])) < 5 / 64**0.5


def test_both_colours_of_a_sensors_column_share_its_noise() -> None:
    model = SensorPrior(Options(shot=(1e-9, 1e-9), read=(1.0, 1.0), columns=(1000.0, 1000.0)))
    columns = model.sample(torch.zeros(1, 4, 32, 64), None, rng(1))[0].mean(1)
    assert torch.allclose(columns[0], columns[2], rtol=0.05, atol=float(columns.std()) / 50)
    assert torch.allclose(columns[1], columns[3], rtol=0.05, atol=float(columns.std()) / 50)
    assert abs(float(torch.corrcoef(columns[[0, 1]])[0, 1])) < 5 / 64**0.5


def test_read_noise_has_the_tails_of_its_law() -> None:
    """Quantiles against SciPy's Tukey-lambda law of the drawn shape, scaled to variance 1."""
    model = SensorPrior(Options(shot=(1e-9, 1e-9), read=(1.0, 1.0), tails=0.3))
    sensors = model.per_image(None, rng(8))
    assert float(sensors.shape.max() - sensors.shape.min()) > 0.1
    noise = model.sample(torch.zeros(8, 4, 128, 128), sensors, rng(8)) / sensors.read.sqrt()
    for values, shape in zip(noise, sensors.shape.flatten().tolist(), strict=True):
        law = tukeylambda(shape, scale=tukeylambda.var(shape) ** -0.5)
        for p in (0.5, 0.9, 0.999):
            share = float((values < law.ppf(p)).double().mean())
            assert abs(share - p) < 5 * (p * (1 - p) / values.numel()) ** 0.5


def test_as_many_pixels_are_hot_as_it_says() -> None:
    model = SensorPrior(Options(hot=0.01))
    sensors = model.per_image(None, rng(20))
    assert 1e-4 <= float(sensors.hot.min()) < float(sensors.hot.max()) <= 1e-2
    clean = torch.zeros(20, 4, 128, 128)
    # Excesses are exponential with a mean of 30: exp(-8 / 30) of them exceed what no Gaussian reaches.
    found = (model.sample(clean, sensors, rng(20)) > 8 * sensors.read.sqrt()).sum()
    expected = float(sensors.hot.sum()) * 4 * 128**2 * 0.766
    assert abs(float(found) - expected) < 5 * expected**0.5 + 0.02 * expected


def test_pixels_differ_in_their_response_to_light_and_to_nothing_else() -> None:
    """Bright planes spread by PRNU beside their shot noise, dark ones not at all; the mean stays."""
    model = SensorPrior(Options(shot=(1e-9, 1e-9), read=(1.0, 1.0), prnu=0.01))
    sensors = model.per_image(None, rng(200))
    assert 0 <= float(sensors.prnu.min()) < float(sensors.prnu.max()) <= 0.01
    assert float(sensors.prnu.double().mean()) == pytest.approx(0.005, abs=5 * 0.01 * (12 * 200) ** -0.5)
    light = torch.full((200, 4, 32, 32), 0.5)
    spread = model.sample(light, sensors, rng(200)) - light
    expected = (0.5 * sensors.prnu).square() + model.variance(light, sensors)[:, :1, :1, :1]
    ratio = spread.square().mean((1, 2, 3)) / expected.flatten()
    assert float((ratio - 1).abs().max()) < 6 * (2 / 4096) ** 0.5
    assert float((spread.mean((1, 2, 3)) / expected.flatten().sqrt()).abs().max()) < 6 / 4096**0.5
    dark = model.sample(torch.zeros(200, 4, 32, 32), sensors, rng(200))
    assert torch.equal(
        dark, SensorPrior(Options(shot=(1e-9, 1e-9), read=(1.0, 1.0))).sample(dark * 0, None, rng(200))
    )


@pytest.mark.parametrize("values", [{"shot": (1e-2, 1e-3)}, {"read": (0.0, 1.0)}, {"rows": (-0.1, 0.0)}])
def test_what_is_no_range_is_refused(values: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(UsageError):
        Options(**values)


def test_each_scene_is_seen_by_a_camera_of_its_own() -> None:
    """Grey stays proportional to the balance, ranges are those stated, and batches do not matter."""
    grey = torch.full((500, 3, 2, 2), 0.5)
    seen = unprocess(grey, rng(500))
    ratios = seen[:, :, 0, 0] / seen[:, 1:2, 0, 0]
    assert NEUTRAL[0] <= float(ratios[:, [0, 2]].min()) < 0.37
    assert 0.97 < float(ratios[:, [0, 2]].max()) <= NEUTRAL[1] * (1 + 1e-6)
    exposure = seen[:, 1, 0, 0] / 0.5
    assert float(exposure.min()) >= EXPOSURE[0]
    assert float(exposure.max()) <= EXPOSURE[1] * (1 + 1e-6)
    assert torch.equal(unprocess(grey[7:9], rng(500).at(torch.tensor([7, 8]))), seen[7:9])
    red = torch.zeros(500, 3, 1, 1)
    red[:, 0] = 0.1
    mixed = unprocess(red, rng(500))[:, :, 0, 0]
    own = mixed[:, 1] / exposure / 0.1
    assert float(own.min()) >= 0
    assert 0.3 < float(own.max()) <= CROSSTALK


def test_each_scene_is_seen_through_a_lens_of_its_own() -> None:
    """The second moment of the slope of a grey edge is the square of the width of the blur."""
    edge = torch.full((300, 3, 12, 48), 0.1)
    edge[..., 24:] = 0.3
    seen = unprocess(edge, rng(300))[:, 1, 6]
    slope = seen.diff(dim=-1)
    slope = slope / slope.sum(-1, keepdim=True)
    place = torch.arange(47.0)
    middle = slope @ place
    width = (slope @ place.square() - middle.square()).clamp(min=0).sqrt()
    assert float(width.min()) < 0.05
    # Cut at three standard deviations, of which the widest lose a few percent.
    assert 0.95 * BLUR[1] < float(width.max()) <= BLUR[1] * 1.001
    below = math.log(1 / BLUR[0]) / math.log(BLUR[1] / BLUR[0])
    assert abs(float((width < 1).double().mean()) - below) < 5 * 0.5 / 300**0.5
    assert torch.equal(unprocess(edge[7:9], rng(300).at(torch.tensor([7, 8])))[:, 1, 6], seen[7:9])


def test_a_batch_is_stabilised_as_each_sample_alone() -> None:
    shot, read = torch.tensor([[1e-3, 2e-3], [4e-4, 0.0]]), torch.tensor([[1e-6, 3e-6], [2e-7, 1e-6]])
    batch = BatchStabiliser(shot, read)
    planes = torch.linspace(-0.002, 1, 500).expand(2, 2, 1, -1)
    for number in range(2):
        alone = Stabiliser(tuple(shot[number].tolist()), tuple(read[number].tolist()))
        stabilised = batch.forward(planes)
        torch.testing.assert_close(stabilised[number], alone.forward(planes[number]), rtol=1e-5, atol=1e-5)
        # Tables of read noises one hundredth apart: 0.005 of the noise at most.
        inverse, exact = batch.inverse(stabilised)[number], alone.inverse(stabilised[number])
        spread = (shot[number] * exact[:, 0].T.clamp(min=0) + read[number]).sqrt().T[:, None]
        assert float(((inverse - exact) / spread).abs().max()) < 5e-3


@pytest.mark.parametrize("electrons", [0.0, 0.5, 3.0, 20.0, 200.0])
def test_the_target_is_the_expected_transform(electrons: float) -> None:
    """Against the sum over Poisson counts and Gaussian deviates."""
    shot, read = torch.full((1, 1), 1e-3), torch.full((1, 1), 2.25e-6)
    target = BatchStabiliser(shot, read).expected(torch.full((1, 1, 1, 1), electrons * 1e-3))
    assert float(target) == pytest.approx(float(expected_transform(np.array([electrons]), 1.5)[0]), abs=3e-3)
