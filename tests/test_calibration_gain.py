"""The gain from one noisy image, against virtual cameras whose gain is known."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
from sampling import assert_variance
from scipy.ndimage import gaussian_filter

from synthnoise.calibration.blind import noise_without_dark
from synthnoise.calibration.detail import lattice_of, tabulate, zero_of
from synthnoise.calibration.gain import estimate_gain
from synthnoise.calibration.grain import interval_with_grain
from synthnoise.calibration.photon_transfer import fit_points, photon_transfer
from synthnoise.calibration.published_gain import published_gain
from synthnoise.calibration.variance_line import VarianceLine
from synthnoise.errors import InputError, UsageError
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import read_image
from synthnoise.sensors.presets import MILD, SENSORS
from synthnoise.sensors.scenes import dead_leaves, patches, ramp
from synthnoise.sensors.sensor import CFA_PATTERNS, Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

SIZE, SMALL = (512, 768), (256, 384)
READ_NOISE = {0.1: 1.0, 0.5: 2.4, 2.0: 2.7, 8.0: 9.2, 25.0: 26.0}
LARGEST_ERROR = 0.06
"""What docs promise for grain-free scenes of K from 0.1 to 25 DN/e- and ratios from 10 to 300."""


def camera(gain: float, *, size: tuple[int, int] = SIZE, unit: int = 0) -> VirtualCamera:
    """Return a camera with every kind of noise, of which the gain estimate is to see none."""
    noise = READ_NOISE[gain]
    sensor = Sensor(
        size=size,
        gain=gain,
        read_noise=noise,
        tail=-0.075,
        row_noise=0.1 * noise,
        column_noise=0.05 * noise,
        column_pattern=0.05 * noise,
        dsnu=0.1 * noise,
        prnu=0.008,
        full_well=1e9,
        hot_fraction=1e-4,
        hot_current=600 * noise / gain,
    )
    return VirtualCamera(sensor, unit)


@functools.cache
def leaves(seed: int, size: tuple[int, int] = SIZE):
    """Return a grain-free scene, drawn once for all tests."""
    return dead_leaves(size, seed)


def measure(device: VirtualCamera, scene, ratio: float, **options):
    """Return the estimate from one dark and one noisy frame."""
    return estimate_gain([device.shoot(scene, ratio=ratio, index=1)], [device.dark()], **options)


@pytest.mark.parametrize("gain", [0.5, 2.0, 25.0])
def test_even_patches_give_the_gain_within_its_own_error(gain):
    estimate = measure(camera(gain), patches(SIZE), 100)
    assert estimate.standard_error < 0.025 * gain
    assert abs(estimate.gain - gain) < 5 * estimate.standard_error


@pytest.mark.parametrize(("gain", "ratio"), [(0.1, 100), (0.5, 30), (2.0, 300), (8.0, 10), (25.0, 100)])
def test_leaves_give_the_gain_within_six_per_cent_and_the_interval_holds_it(gain, ratio):
    estimate = measure(camera(gain), leaves(2), ratio)
    assert abs(estimate.gain / gain - 1) <= LARGEST_ERROR
    low, high = estimate.interval
    assert low <= gain <= high
    assert high - low < 0.35 * gain


@pytest.mark.parametrize("name", sorted(SENSORS))
def test_every_sensor_gives_its_gain(name):
    sensor = SENSORS[name]
    device = VirtualCamera(sensor, 3)
    estimate = measure(device, sensor.camera_rgb(leaves(2)[:, : sensor.size[0], : sensor.size[1]]), 30)
    low, high = estimate.interval
    assert low <= sensor.gain <= high
    assert abs(estimate.gain / sensor.gain - 1) < 0.1


def test_a_monochrome_sensor_is_measured_on_its_phases():
    sensor = replace(MILD, cfa="monochrome", black_bias=())
    device = VirtualCamera(sensor)
    estimate = measure(device, leaves(2)[1], 100)
    assert len(estimate.by_plane) == 4
    assert abs(estimate.gain / sensor.gain - 1) <= LARGEST_ERROR


@pytest.mark.parametrize(
    ("pattern", "period", "planes"), [("RGGB", (2, 2), 4), ("X-Trans", (3, 3), 5), ("monochrome", (2, 2), 4)]
)
def test_lattices_hold_one_colour_each(pattern, period, planes):
    cfa = np.array([["RGB".index(c) for c in row] for row in CFA_PATTERNS[pattern]], dtype=np.uint8)
    lattice = lattice_of(cfa)
    assert lattice.period == period
    assert len(lattice.positions) == planes
    tiled = np.tile(cfa, (6, 6))
    for colours in lattice.planes(tiled, 0, tiled.shape[0] // period[0]):
        assert len(np.unique(colours)) == 1


def test_a_cfa_without_three_positions_is_refused():
    with pytest.raises(UsageError, match="1x2"):
        lattice_of(np.array([[0, 1]], dtype=np.uint8))


def test_detail_keeps_white_noise_and_drops_rows_and_columns():
    random = np.random.default_rng(1)
    white = random.normal(1000, 5, (800, 800)).astype(np.float32)
    lines = 40 * random.standard_normal((800, 1)) + 40 * random.standard_normal(800)
    lattice = lattice_of(np.array([[0, 1], [1, 2]], dtype=np.uint8))
    for mosaic in (white, (white + lines).astype(np.float32)):
        zero = zero_of([mosaic], lattice)
        assert zero.detail == pytest.approx(25, rel=5 * math.sqrt(7.6 / 150_000))
        assert zero.coarse == pytest.approx(25, rel=5 * math.sqrt(7.6 / 150_000))


def test_hot_and_blinking_pixels_of_the_noisy_frame_do_not_count():
    device = camera(2.0, size=SMALL)
    dark, noisy = device.dark(), device.shoot(patches(SMALL), ratio=100, index=1)
    struck = noisy.mosaic.copy()
    random = np.random.default_rng(0)
    struck[random.integers(0, SMALL[0], 75), random.integers(0, SMALL[1], 75)] += 2000
    plain, hit = (estimate_gain([f], [dark]) for f in (noisy, replace(noisy, mosaic=struck)))
    assert hit.gain == pytest.approx(plain.gain, abs=plain.standard_error)


def test_texture_of_single_pixels_widens_the_interval():
    random = np.random.default_rng(5)
    grain = 1 + 0.15 * random.standard_normal(SIZE)
    scene = np.clip(patches(SIZE) * grain, 0, 1).astype(np.float32)
    estimate = measure(camera(0.1), scene, 10)
    low, high = estimate.interval
    assert low <= 0.1 <= high
    assert high - low > 0.5 * estimate.gain
    assert estimate.prnu > 0.03


@pytest.mark.parametrize("blur", [0.45, 1.0])
def test_texture_everywhere_is_inside_the_interval(blur):
    white = gaussian_filter(np.random.default_rng(7).standard_normal(SIZE), blur)
    scene = np.clip(patches(SIZE) * (1 + 0.15 * white / white.std()), 0, 1).astype(np.float32)
    low, high = measure(camera(2.0), scene, 100).interval
    assert low <= 2.0 <= high
    assert high - low < 1.2


def even_grain(scene, contrast: float, colours=(1.0, 1.0, 1.0)):
    """Return a scene with white grain, even behind a tone curve of exponent 2.4, of a contrast at 0.2."""
    random = np.random.default_rng(11)
    strength = contrast / 2.4 * 0.2 ** (1 / 2.4) * np.array(colours)[:, None, None]
    tone = scene ** (1 / 2.4) + strength * random.standard_normal(scene.shape)
    return np.clip(np.clip(tone, 0, None) ** 2.4, 0, 1).astype(np.float32)


@pytest.mark.parametrize("colours", [(1.0, 1.0, 1.0), (1.0, 0.8, 1.6)])
def test_grain_of_film_is_inside_the_interval_which_says_so(colours):
    estimate = measure(camera(0.5), even_grain(leaves(2), 0.02, colours), 10)
    bare_low, _ = estimate.without_grain
    assert bare_low > 0.5, "it passes for shot noise"
    low, high = estimate.interval
    assert low <= 0.5 <= high
    assert estimate.widened


def test_where_shot_noise_is_strong_no_grain_widens_the_interval():
    estimate = measure(camera(8.0, size=SMALL), patches(SMALL), 100)
    assert not estimate.widened
    assert estimate.interval == pytest.approx(estimate.without_grain, rel=0.03)


def line_of(gain: float, lowest: float, grain: float = 0.0, exponent: float = 1.0) -> VarianceLine:
    """Return the line of four planes, from a level to 10000 DN, whose variance is exactly as said."""
    level = np.tile(np.geomspace(lowest, 1e4, 12), 4)
    variance = gain * level + grain**2 * 1e4**2 * (level / 1e4) ** exponent
    weight = 1e3 / variance**2
    design = np.stack([level, level**2])
    return VarianceLine(
        gain=gain,
        square=0.0,
        covariance=np.linalg.inv((design * weight) @ design.T),
        level=level,
        weight=weight,
        dark=np.ones(48),
        places=1000,
        plane=np.repeat(np.arange(4), 12),
        above=variance,
    )


def test_grain_lowers_the_interval_as_far_as_light_and_law_leave_it_open():
    low, high = interval_with_grain(line_of(200.0, 9000))
    assert 0.9 * 200 < low < 200 < high < 1.05 * 200, "50 electrons, where grain weighs little"
    low, high = interval_with_grain(line_of(5.0, 9000))
    assert low < 0.8 * 5, "2000 electrons"
    assert interval_with_grain(line_of(5.0, 10))[0] > 0.9 * 5, (
        "but three decades of level tell the laws apart"
    )


@pytest.mark.parametrize("exponent", [0.6, 2 - 2 / 2.4, 1.7])
def test_grain_of_any_law_is_inside_the_interval(exponent):
    line = line_of(0.5, 10, 0.03, exponent)
    assert line.above[11] / line.level[11] > 10 * 0.5, "the gain would be ten times too high"
    low, high = interval_with_grain(line)
    assert low <= 0.5 <= high


def test_planes_share_texture_but_no_noise():
    device = camera(2.0)
    lattice = lattice_of(device.dark().cfa)
    zero = zero_of([device.dark().mosaic], lattice)

    def shared(scene) -> tuple[float, float]:
        noisy = device.shoot(scene, ratio=100, index=1)
        table = tabulate(noisy, [device.dark()], lattice, zero, gain=2.0).flattest(8.0)
        places = table.count.sum()
        return table.shared.sum() / places, (table.noisy - table.dark).sum() / places / math.sqrt(places)

    even, error = shared(np.full((3, *SIZE), 0.5, np.float32))
    assert abs(even) < 5 * error
    white = gaussian_filter(np.random.default_rng(7).standard_normal(SIZE), 1.0)
    waved, _ = shared(np.broadcast_to(0.5 + 0.05 * white / white.std(), (3, *SIZE)).astype(np.float32))
    assert waved > 20 * error


def test_an_image_that_is_textured_everywhere_is_called_so():
    random = np.random.default_rng(6)
    bricks = np.kron(random.uniform(0.1, 0.9, (32, 48)), np.ones((8, 8)))
    scene = np.broadcast_to(bricks, (3, *SMALL)).astype(np.float32)
    estimate = measure(camera(0.5, size=SMALL), scene, 100)
    assert estimate.regime in ("textured", "unmeasured")


def test_a_bright_clean_image_says_that_texture_may_weigh():
    assert measure(camera(0.1, size=SMALL), patches(SMALL), 10).regime == "high-snr"
    assert measure(camera(2.0, size=SMALL), patches(SMALL), 100).regime == "good"


def test_more_noisy_frames_and_more_darks_make_it_surer():
    device, scene = camera(8.0, size=SMALL), patches(SMALL)
    one = measure(device, scene, 100)
    noisy = device.burst(scene, 3, ratio=100)
    several = estimate_gain(noisy, [device.dark(i) for i in range(3)])
    assert several.standard_error < 0.8 * one.standard_error
    assert abs(several.gain - 8.0) < 5 * several.standard_error


@pytest.mark.parametrize("light", [0.0, 1.0])
def test_without_usable_light_there_is_no_gain_but_a_reason(light):
    estimate = measure(camera(2.0, size=SMALL), np.full((3, *SMALL), light, np.float32), 1)
    assert estimate.regime == "unmeasured"
    assert math.isnan(estimate.gain)
    assert estimate.reason


@pytest.mark.parametrize(("gain", "ratio"), [(0.1, 100), (2.0, 10), (8.0, 300)])
def test_a_noisy_frame_alone_gives_gain_and_read_noise_within_their_errors(gain, ratio):
    device = camera(gain)
    noise = noise_without_dark([device.shoot(leaves(2), ratio=ratio, index=1)])
    low, high = noise.gain.interval
    assert low <= gain <= high
    assert high - low < 0.6 * gain
    # of the read noise, the filter sees all but rows and columns
    truth = READ_NOISE[gain] ** 2 * 1.01 + 1 / 12
    assert abs(noise.variance - truth) < 3 * noise.variance_se


def test_without_a_dark_a_wrong_black_level_leaves_the_gain():
    biased = VirtualCamera(replace(camera(2.0).sensor, black_bias=(3.0,) * 4))
    noise = noise_without_dark([biased.shoot(leaves(2), ratio=100, index=1)])
    assert noise.gain.gain == pytest.approx(2.0, rel=0.1)


def test_a_masked_border_does_instead_of_a_dark():
    device = VirtualCamera(replace(camera(2.0).sensor, masked_rows=64))
    noisy = device.shoot(patches(SIZE), ratio=30, index=1)
    border = noisy.crop((0, 0, 64, SIZE[1]))
    estimate = estimate_gain([noisy.active()], border=border)
    assert abs(estimate.gain - 2.0) < max(5 * estimate.standard_error, 0.04)
    assert abs(estimate.floor) < 5 * estimate.floor_se


def test_a_border_noisier_than_the_picture_is_noticed_and_does_no_harm():
    device = VirtualCamera(replace(camera(2.0).sensor, masked_rows=64))
    noisy = device.shoot(patches(SIZE), ratio=30, index=1)
    border = noisy.crop((0, 0, 64, SIZE[1]))
    extra = np.random.default_rng(0).normal(0, 4, border.mosaic.shape)
    loud = replace(border, mosaic=np.rint(border.mosaic + extra).astype(np.uint16))
    estimate = estimate_gain([noisy.active()], border=loud)
    assert abs(estimate.gain - 2.0) < max(5 * estimate.standard_error, 0.04)
    assert estimate.floor == pytest.approx(-16, abs=5 * estimate.floor_se + 1)


def test_frames_of_two_sizes_are_refused():
    with pytest.raises(InputError, match="size"):
        estimate_gain([camera(2.0).dark()], [camera(2.0, size=(256, 256)).dark()])


# The published estimator, for comparison


def test_the_published_estimator_is_an_eighth_too_low_on_a_smooth_ramp():
    sensor = Sensor(size=SIZE, gain=8.0, read_noise=1.0, full_well=1e9)
    device = VirtualCamera(sensor)
    noisy, dark = device.shoot(ramp(SIZE, 0.2, 0.9), ratio=30, index=1), device.dark()
    assert published_gain(noisy, dark) == pytest.approx(8.0 * 8 / 9, rel=0.03)
    assert estimate_gain([noisy], [dark]).gain == pytest.approx(8.0, rel=0.03)


def test_the_published_estimator_takes_leaves_for_noise():
    device, scene = camera(0.5), leaves(2)
    noisy, dark = device.shoot(scene, ratio=100, index=1), device.dark()
    assert published_gain(noisy, dark) > 2 * 0.5


# Photon transfer


def test_pairs_of_flats_give_gain_and_dark_noise():
    sensor = Sensor(size=(256, 256), gain=2.0, read_noise=3.0, prnu=0.02)
    device = VirtualCamera(sensor)
    levels = (50, 400, 1500, 3000)
    pairs = [(device.flat(e, 0), device.flat(e, 1)) for e in levels]
    found = photon_transfer(pairs)
    for gain, error, dark in zip(found.gain, found.gain_se, found.dark_variance, strict=True):
        assert error < 0.02
        assert abs(gain - 2.0) < 5 * error
        assert dark == pytest.approx(9 + 1 / 12, abs=25)
    first, second = (f.mosaic.astype(float) for f in pairs[0])
    assert_variance(first - second, 2 * (4 * 50 + 9 + 1 / 12), detects=0.06)


def test_a_line_over_levels_that_err_is_not_too_shallow():
    random = np.random.default_rng(3)
    pixels, points = 32, 40_000
    level = np.repeat([0.0, 2.0], points // 2)
    variance = 1.0 + 0.5 * level
    seen = level + random.normal(size=points) * np.sqrt(variance / (2 * pixels))
    found = variance * random.chisquare(pixels - 1, points) / (pixels - 1)
    slope, error, *_ = fit_points(np.stack([seen, found, np.full(points, pixels - 1.0)], 1))
    # uncorrected, the errors of level make it 3 % less, which is seven standard errors
    assert error < 0.005 * 0.5
    assert abs(slope - 0.5) < 3 * error


def test_photon_transfer_needs_two_levels():
    device = VirtualCamera(Sensor(size=(64, 64)))
    with pytest.raises(InputError, match="pair"):
        photon_transfer([])
    with pytest.raises(InputError, match="two levels"):
        photon_transfer([(device.flat(100, 0), device.flat(100, 1))])


def test_photon_transfer_of_real_flats(shared_data):
    fits = pytest.importorskip("astropy.io.fits")
    folder = shared_data / "d7000_crops"
    if not folder.is_dir():
        pytest.skip("no d7000_crops in the data folder")
    import csv

    by_shutter: dict[str, list[Frame]] = {}
    with (folder / "iso100White.csv").open() as table:
        for row in csv.DictReader(table):
            path = folder / row["crop.file.name"]
            if path.is_file():
                mosaic = fits.getdata(path).astype(np.uint16)
                cfa = np.array([[1, 0], [2, 1]], dtype=np.uint8)
                frame = Frame(mosaic=mosaic, cfa=cfa, black=np.zeros((2, 2)), white=16383)
                by_shutter.setdefault(row["shutter.speed"], []).append(frame)
    pairs = []
    for frames in by_shutter.values():
        frames.sort(key=lambda frame: frame.mosaic.mean())
        for first, second in zip(frames[::2], frames[1::2], strict=False):
            if second.mosaic.mean() < 1.03 * first.mosaic.mean():
                pairs.append((first, second))
    found = photon_transfer(pairs)
    # published for this body: 0.39 to 0.46 DN/e- over the planes
    assert min(found.gain) > 0.39 - 3 * max(found.gain_se)
    assert max(found.gain) < 0.46 + 3 * max(found.gain_se)


# The promise, measured


@pytest.mark.slow
def test_stated_intervals_hold_the_truth_in_85_of_100_cases():
    held, errors = [], []
    for gain in READ_NOISE:
        for ratio in (10, 30, 100, 300):
            for seed in range(3):
                device = camera(gain, size=(768, 1152), unit=seed)
                estimate = measure(
                    device, leaves(seed, (768, 1152)), ratio, row_noise=device.sensor.row_noise
                )
                held.append(estimate.interval[0] <= gain <= estimate.interval[1])
                errors.append(abs(estimate.gain / gain - 1))
    assert len(held) == 60
    assert np.mean(held) >= 0.85
    assert max(errors) <= LARGEST_ERROR


def photographs(folder, step: int):
    """Yield linear photographs [3, H, W]."""
    for path in sorted(folder.glob("*.jpg"))[10::step]:
        yield (read_image(path).astype(np.float32).transpose(2, 0, 1) / 255) ** 2.2


@pytest.mark.slow
def test_on_photographs_the_interval_says_what_texture_and_grain_may_do(shared_data):
    folder = shared_data / "natural" / "BSDS500-train"
    if not folder.is_dir():
        pytest.skip("no BSDS500-train in the data folder")
    held, precise = [], []
    for number, light in enumerate(photographs(folder, step=12)):
        for gain in (0.5, 2.0, 8.0):
            for ratio in (10, 100):
                estimate = measure(camera(gain, size=light.shape[1:], unit=number), light, ratio)
                if estimate.regime != "unmeasured":
                    held.append(estimate.interval[0] <= gain <= estimate.interval[1])
                    precise.append(abs(estimate.gain / gain - 1) <= 0.1)
    assert len(held) >= 80
    # 95 in 100 are meant to hold; photographs are few, and one that fails does so at several gains
    assert np.mean(held) >= 0.88
    assert np.mean(np.array(held) | np.array(precise)) >= 0.92
    assert np.mean(precise) >= 0.5
