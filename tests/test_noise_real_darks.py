"""SFRN and PMN: the noise is that of the darks that were shot, pixel for pixel, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sampling import assert_distribution, assert_variance
from test_noise import camera as profile_without_dark
from test_noise import iso_noise

from synthnoise.errors import InputError, UsageError
from synthnoise.noise import pmn, sfrn
from synthnoise.noise.pmn import Pmn, add_light
from synthnoise.noise.sfrn import Sfrn
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.dng import write_dng
from synthnoise.rng import Rng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.virtual_camera import VirtualCamera

SENSOR = replace(SENSORS["hard"], size=(256, 320))
SCALE = SENSOR.white - SENSOR.black
PLANES = (4, 128, 160)
COUNT = 4


def rng(*indices: int, seed: int = 5) -> Rng:
    return Rng(seed, torch.tensor(indices or (0,)))


@pytest.fixture(scope="module")
def frames():
    camera = VirtualCamera(SENSOR, 3)
    return [camera.dark(index) for index in range(COUNT)]


@pytest.fixture(scope="module")
def files(tmp_path_factory, frames) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("darks")
    for number, frame in enumerate(frames):
        write_dng(folder / f"{number}.dng", frame)
    return tuple(str(folder / f"{number}.dng") for number in range(COUNT))


@pytest.fixture(scope="module")
def whole(files):
    """SFRN with nothing done to the darks."""
    return Sfrn(sfrn.Options(dark=files, gain=SENSOR.gain, high_bit=False, keep_shading=True))


def place_of(crop: np.ndarray, dark: np.ndarray) -> tuple[int, int] | None:
    """Return where, on the torus, the crop [C, h, w] lies in the dark, or None."""
    start = np.logical_and.reduce([np.roll(dark[0], -n, 1) == crop[0, 0, n] for n in range(5)])
    for y, x in np.argwhere(start):
        rows, columns = (np.arange(n) + at for n, at in zip(crop.shape[1:], (y, x), strict=True))
        if np.array_equal(dark[:, rows[:, None] % PLANES[1], columns % PLANES[2]], crop):
            return int(y), int(x)
    return None


def test_images_take_crops_of_the_darks_in_phase_with_the_colour_filter_array(whole, frames):
    noise = whole.sample(torch.zeros(60, 4, 12, 10), whole.parameters(), rng(*range(60))).numpy()
    darks = [linear_planes(frame) for frame in frames]
    found = [[place_of(crop, dark) for dark in darks] for crop in noise]
    # Every crop is one of the four darks, in all of its planes.
    assert all(sum(place is not None for place in places) == 1 for places in found)
    used = [sum(places[n] is not None for places in found) for n in range(COUNT)]
    assert min(used) > 2  # of 60 fair throws among four, once in ten thousand
    assert len({place for places in found for place in places}) > 50


def test_a_sample_depends_on_seed_and_number_alone(whole):
    parameters = whole.parameters()
    clean = torch.full((3, 4, 40, 60), 0.01)
    batch = whole.sample(clean, parameters, rng(4, 0, 9))
    assert torch.equal(whole.sample(clean[:1], parameters, rng(9)), batch[2:])
    part = whole.sample(clean[:1, :, 7:20, 3:30], parameters, rng(9).cropped(7, 3))
    assert torch.equal(part[0], batch[2, :, 7:20, 3:30])


def test_high_bit_reconstruction_adds_a_uniform_number_below_one_dn(files, whole):
    """Rounding the sum to DN again gives the codes of the camera back."""
    fine = Sfrn(sfrn.Options(dark=files, gain=SENSOR.gain, keep_shading=True))
    clean = torch.zeros(1, *PLANES)
    before = whole.sample(clean, whole.parameters(), rng()).double().numpy() * SCALE
    after = fine.sample(clean, fine.parameters(), rng()).double().numpy() * SCALE
    assert_distribution(after - before + 0.5, lambda x: np.clip(x, 0, 1), detects=0.02)
    assert np.array_equal(np.rint(after - 1e-9 * np.sign(after)), np.rint(before))
    known = fine.parameters()
    assert torch.equal(
        fine.sample(clean, fine.before_rounding(known), rng()), whole.sample(clean, whole.parameters(), rng())
    )


def test_the_variance_stated_is_that_of_darks_and_electrons(files, frames):
    model = Sfrn(sfrn.Options(dark=files, gain=SENSOR.gain))
    parameters = model.parameters()
    electrons = 50.0
    clean = torch.full((COUNT, *PLANES), electrons * SENSOR.gain / SCALE)
    noise = model.sample(clean, parameters, rng(*range(COUNT)))
    dark = noise - model.sample(torch.zeros_like(clean), parameters, rng(*range(COUNT)))
    fourth = SENSOR.gain**4 * (electrons + 3 * electrons**2)
    assert_variance(dark.double().numpy() * SCALE, SENSOR.gain**2 * electrons, fourth, detects=0.04)
    stated = model.variance(clean, parameters)[0, :, 0, 0].double().numpy() * SCALE**2
    # Less than of the whole dark, whose glow and gradient are taken out.
    plain = np.mean([linear_planes(f).var((1, 2), dtype=np.float64) for f in frames], 0) * SCALE**2
    assert (stated < plain + SENSOR.gain**2 * electrons).all()
    assert (stated > SENSOR.dark_noise() ** 2 + SENSOR.gain**2 * electrons).all()


def test_dark_shading_of_several_darks_takes_all_that_is_fixed(files, frames):
    """What is left of the `hard` camera, whose darks share columns, DSNU and hot pixels, is temporal."""
    parameters = Pmn(pmn.Options(dark=files, gain=SENSOR.gain)).parameters()
    residuals = [parameters.darks._crop(n, [0, 0], (0, 0), PLANES[1:]) for n in range(COUNT)]
    assert np.abs(np.mean(residuals, 0)).max() * SCALE < 1e-3
    raw = np.stack([linear_planes(f) for f in frames]) * SCALE
    calm = np.abs(raw).max(0) < 30  # neither hot nor telegraph pixels
    spread = (np.stack(residuals) * SCALE)[:, calm].std()
    differences = np.diff(raw, axis=0)[:, calm].std() / np.sqrt(2)
    # Both from the same frames: they differ by the weights of the frames, which share 128 rows.
    assert spread == pytest.approx(differences, rel=0.02)
    assert raw[:, calm].std() > 1.05 * spread  # DSNU, columns and glow were there
    alone = Pmn(pmn.Options(dark=files[:1], gain=SENSOR.gain)).parameters().darks
    assert alone.factor == 1
    fixed = alone._crop(0, [0, 0], (0, 0), PLANES[1:]) * SCALE
    assert fixed.std() > 1.5 * spread  # hot pixels stay where there is but one dark


def test_pairs_with_light_added_are_pairs_of_a_brighter_exposure():
    """Poisson(a) + Poisson(b) is Poisson(a + b): the count, not just its moments."""
    shot = torch.full((4, 1, 1), 0.01)
    clean = torch.full((1, 4, 200, 200), 0.02)
    from scipy import stats

    from synthnoise.noise.poisson_gaussian import add_shot_noise

    noisy = add_shot_noise(clean, shot, rng(1))
    brighter, both = add_light(clean, noisy, 1.5 * clean, shot, rng(2))
    assert torch.allclose(brighter, torch.tensor(0.05))
    assert_distribution((both / 0.01).round(), stats.poisson(5).cdf, detects=0.02, integers=True)


@pytest.mark.parametrize("model", [Sfrn, Pmn])
def test_what_is_missing_is_named(model, files, tmp_path):
    options = {Sfrn: sfrn.Options, Pmn: pmn.Options}[model]
    with pytest.raises(UsageError, match="needs a dark frame"):
        model(options(gain=1.0)).parameters()
    with pytest.raises(UsageError, match="needs the gain"):
        model(options(dark=files)).parameters()
    with pytest.raises(UsageError, match="no dark frame is kept"):
        model(options()).parameters(profile_without_dark(iso_noise()))
    with pytest.raises(UsageError, match="colour filter array"):
        model(options(dark=files, gain=1.0)).parameters(profile_without_dark(iso_noise()))
    small = VirtualCamera(replace(SENSOR, size=(128, 160))).dark()
    write_dng(tmp_path / "small.dng", small)
    with pytest.raises(InputError, match="not of the size"):
        model(options(dark=(files[0], str(tmp_path / "small.dng")), gain=1.0)).parameters()
    known = model(options(dark=files[:1], gain=1.0))
    with pytest.raises(UsageError, match="4 planes, the image 3"):
        known.sample(torch.zeros(1, 3, 4, 4), known.parameters(), rng())
