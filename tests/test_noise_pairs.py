"""Clean/noisy pairs, and noise for files that exist already."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import rawpy
import tifffile
import torch
from PIL import Image
from sampling import assert_distribution, assert_mean, assert_variance, poisson_gaussian_fourth_moment
from test_noise import camera, iso_noise

from synthnoise.calibration import calibrate
from synthnoise.colour_filter_arrays import RGGB
from synthnoise.denoising.noise_source import find_noise
from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.noise.poisson_gaussian import Options, PoissonGaussian
from synthnoise.profiles.store import save_profile
from synthnoise.raw.cfa import linear_planes, unpack
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_frame
from synthnoise.rng import Rng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera
from synthnoise.stream.noising import Settings, add_noise_files, add_noise_stream
from synthnoise.stream.pairs import Converter, PairCamera, PairSource, mosaic_planes, pair_camera

XTRANS = ((1, 2, 1, 1, 0, 1), (0, 1, 0, 2, 1, 2)) * 3


def rng(*indices: int, seed: int = 3) -> Rng:
    return Rng(seed, torch.tensor(indices or (0,)))


def plain(shot: float = 1e-4, read: float = 1e-6) -> dict[str, str]:
    return {"shot": str(shot), "read": str(read)}


@pytest.mark.parametrize("cfa", [RGGB, ((2, 1), (1, 0)), XTRANS, ((1,),)])
def test_planes_hold_the_colour_of_their_position(cfa):
    h, w = len(cfa), len(cfa[0])
    images = torch.arange(2 * 3 * 13 * 15.0).view(2, 3, 13, 15)
    planes = mosaic_planes(images, cfa)
    rows, columns = 13 // h * h, 15 // w * w
    assert planes.shape == (2, h * w, rows // h, columns // w)
    for image, packed in zip(images, planes, strict=True):
        mosaic = unpack(packed.numpy(), (h, w))
        for y in range(rows):
            for x in range(columns):
                assert mosaic[y, x] == image[cfa[y % h][x % w], y, x]
    with pytest.raises(UsageError, match="smaller"):
        mosaic_planes(torch.zeros(1, 3, 1, 1), RGGB)


def test_underexposed_pairs_have_the_noise_of_the_dim_light():
    ratio, s, o = 50.0, 2e-4, 3e-7
    source = pair_camera("poisson-gaussian", plain(s, o), ratio=ratio)
    scenes = torch.full((1, 3, 400, 400), 0.3)
    pair = source.shoot(scenes, rng())
    x = 0.3 / ratio
    variance = ratio**2 * (s * x + o)
    assert pair.clean.shape == pair.noisy.shape == (1, 4, 200, 200)
    assert_mean(pair.noisy, 0.3, variance, detects=0.04)
    assert_variance(
        pair.noisy, variance, ratio**4 * poisson_gaussian_fourth_moment(s, x / s, o**0.5), detects=0.05
    )
    assert pair.variance[0, 0, 0, 0].item() == pytest.approx(variance, rel=1e-5)
    shot, read = pair.noise_profile[0, 2].tolist()
    assert shot * 0.3 + read == pytest.approx(variance, rel=1e-5)
    assert read == pytest.approx(ratio**2 * o, rel=1e-5)


def test_ratios_are_log_uniform_and_belong_to_the_sample():
    source = pair_camera("poisson-gaussian", plain(), ratio=(1.0, 100.0))
    scenes = torch.rand(400, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    pair = source.shoot(scenes, rng(*range(400)))
    assert_distribution(pair.ratio.log10() / 2, lambda x: x, detects=0.3)
    alone = source.shoot(scenes[123:124], rng(123))
    assert torch.equal(alone.noisy[0], pair.noisy[123])
    assert torch.equal(alone.variance[0], pair.variance[123])


def test_every_sample_has_one_of_the_isos():
    profile = camera(iso_noise(100, read=(1e-7,) * 3), iso_noise(400, read=(1e-5,) * 3), cfa=RGGB)
    source = pair_camera("poisson-gaussian", profile=profile, isos=(100, 400))
    pair = source.shoot(torch.zeros(80, 3, 40, 40), rng(*range(80)))
    stated = pair.variance[:, 0, 0, 0]
    measured = pair.noisy.flatten(1).var(1)
    # 1600 pixels show a variance to sqrt(2 / 1600) = 3.5 %.
    assert (measured / stated - 1).abs().max() < 5 * 0.0354
    low = int((stated < 1e-6).sum())
    assert 80 * 0.5 - 5 * 20**0.5 < low < 80 * 0.5 + 5 * 20**0.5
    assert torch.equal(source.shoot(torch.zeros(1, 3, 40, 40), rng(41)).noisy[0], pair.noisy[41])


def test_rounded_pairs_are_codes_of_the_camera_with_the_measured_variance():
    # Gaussian noise of 0.6 DN, rounded: the variance of the codes is 0.36 + 1/12 up to 1e-3 of it.
    scale = 16383.0 - 512
    profile = camera(iso_noise(read=((0.36 + 1 / 12) / scale**2,) * 3, shot=(1e-9,) * 3), cfa=RGGB)
    pair = pair_camera("poisson-gaussian", profile=profile, rounded=True).shoot(
        torch.zeros(1, 3, 700, 700), rng()
    )
    codes = pair.noisy.double() * scale + 512
    assert (codes - codes.round()).abs().max() < 1e-2
    assert_variance(codes, 0.36 + 1 / 12, detects=0.03)
    assert pair.variance.mean().item() * scale**2 == pytest.approx(0.36 + 1 / 12, rel=1e-4)


def test_every_sample_is_rounded_to_the_codes_of_its_own_iso():
    scale = 16383.0 - 512
    noises = (
        iso_noise(iso, read=((20.0 / scale) ** 2,) * 3, quantisation_step=step)
        for iso, step in ((100, 1.0), (6400, 16.0))
    )
    source = pair_camera(
        "poisson-gaussian", profile=camera(*noises, cfa=RGGB), isos=(100, 6400), rounded=True
    )
    codes = (source.shoot(torch.zeros(20, 3, 40, 40), rng(*range(20))).noisy.double() * scale + 512).round()
    coarse = (codes % 16 == 0).flatten(1)
    # Of 1600 codes one in 16 is a multiple of 16 by chance.
    assert ((coarse.double().mean(1) < 0.1) | coarse.all(1)).all()
    assert 0 < int(coarse.all(1).sum()) < 20


@pytest.mark.parametrize("noise", ["spectral", "two-shots-fast"])
def test_pairs_state_the_noise_that_denoising_is_told_of_their_camera(noise, tmp_path):
    """Hot pixels are most of the variance in the dark; the profile leaves them out, so does the median."""
    size = (320, 320)
    unit = VirtualCamera(replace(SENSORS["hard"], size=size))
    photograph = unit.shoot(unit.sensor.camera_rgb(dead_leaves(size, seed=1)))
    profile = calibrate([unit.dark()], [photograph], output=tmp_path / "hard").profile
    pair = pair_camera(noise, profile=profile, ratio=50.0).shoot(torch.zeros(1, 3, 300, 300), rng())
    shot, read = find_noise(photograph, profile).per_plane(profile.colours)
    stated = pair.noise_profile[0].T / torch.tensor([[50.0], [2500.0]])
    assert stated[0].tolist() == pytest.approx(shot, rel=1e-5)
    assert stated[1].tolist() == pytest.approx(read, rel=1e-5)
    deviation = (pair.noisy[0].flatten(1) - pair.noisy[0].flatten(1).median(1, keepdim=True).values).abs()
    assert pair.variance[0].mean() > 1.3 * pair.noise_profile[0, :, 1].mean()
    ratio = (deviation.median(1).values / 0.6745 / pair.noise_profile[0, :, 1].sqrt()).tolist()
    # Heavy tails take 5 to 15 percent off the median; were hot pixels told of, it would be 0.5 or 0.6.
    assert ratio == pytest.approx([1] * 4, abs=0.2)


def test_the_converter_clips_at_zero_and_white_and_keeps_its_step():
    convert = Converter(black=(64.0,), white=1023.0, step=4.0)
    values = torch.tensor([-1.0, -0.01, 0.5, 3.0]).view(1, 1, 1, 4)
    codes = convert(values).flatten() * (1023 - 64) + 64
    assert codes.tolist() == pytest.approx([0.0, 56.0, 544.0, 1023.0], abs=1e-3)


def test_scenes_take_the_camera_s_colour_and_rendered_ones_its_curve():
    profile = camera(cfa=RGGB, as_shot_neutral=(0.5, 1.0, 0.7))
    clean = pair_camera("poisson-gaussian", profile=profile).develop(torch.full((1, 3, 4, 4), 0.8))
    assert clean[0, :, 0, 0].tolist() == pytest.approx([0.4, 0.8, 0.8, 0.56])
    rendered = pair_camera("gaussian", {"sigma": "25"})
    pair = rendered.shoot(torch.full((1, 3, 200, 200), 0.2140411), rng())
    assert pair.clean.shape == (1, 3, 200, 200)
    assert_mean(pair.noisy, 0.5, (25 / 255) ** 2, detects=0.01)
    assert pair.noise_profile[0, 0].tolist() == pytest.approx([0, (25 / 255) ** 2])


def test_a_source_draws_the_scenes_of_its_image_model():
    class Ramp:
        def generate(self, size, rng):
            value = (rng.indices % 7).view(-1, 1, 1, 1) / 7
            return value.expand(-1, 3, *size).float()

    source = PairSource(Ramp(), pair_camera("poisson-gaussian", plain()), (8, 10))
    pair = source.draw(rng(5, 2))
    assert pair.clean[:, 0, 0, 0].tolist() == pytest.approx([5 / 7, 2 / 7])
    assert pair.noisy.shape == (2, 4, 4, 5)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(UsageError, match="ratio from 5 to 2"):
        pair_camera("poisson-gaussian", plain(), ratio=(5.0, 2.0))
    with pytest.raises(UsageError, match="needs a camera profile"):
        pair_camera("poisson-gaussian", plain(), rounded=True)
    with pytest.raises(UsageError, match="rendered images"):
        pair_camera("gaussian", ratio=10.0)
    for model in ("sensor-prior", "gaussian"):
        with pytest.raises(UsageError, match=f"{model} draws .* not that of Virtual Test"):
            pair_camera(model, profile=camera(cfa=RGGB), rounded=model == "sensor-prior")
    with pytest.raises(UsageError, match="2 converters for 1 ISO"):
        PairCamera(
            noise=PoissonGaussian(Options(shot=1.0, read=1.0)),
            parameters=(None,),
            converters=(Converter(black=(0.0,), white=1.0),) * 2,
        )
    with pytest.raises(UsageError, match="no ISO"):
        PairCamera(noise=PoissonGaussian(Options(shot=1.0, read=1.0)), parameters=())


def test_a_stream_of_images_becomes_a_stream_of_pairs():
    images = torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(4))
    settings = Settings(options=plain(), seed=9)
    ((indices, fields),) = add_noise_stream([([4, 1], {"clean": images})], settings)
    assert indices == [4, 1]
    assert fields["clean"].shape == fields["noisy"].shape == (2, 4, 3, 4)
    assert fields["noise_profile"][1, 3].tolist() == pytest.approx([1e-4, 1e-6])
    # Planes are taken as they are, under any name if there is but one field.
    ((_, again),) = add_noise_stream([([4, 1], {"planes": fields["clean"]})], settings)
    assert torch.equal(again["noisy"], fields["noisy"])
    with pytest.raises(UsageError, match="which is to get noise"):
        list(add_noise_stream([([0], {"a": images, "b": images})], settings))
    json.dumps(settings.as_dict())


def picture(folder, name="grey.png", value=128, size=(120, 160)):
    path = folder / name
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)
    return path


def test_results_go_into_folders_whose_names_have_dots(tmp_path):
    first, second = picture(tmp_path, "a.png", size=(8, 8)), picture(tmp_path, "b.png", size=(8, 8))
    settings = Settings(options=plain())
    (outcome,) = add_noise_files([first], tmp_path / "2026.11.22", settings=settings)
    assert outcome.output == tmp_path / "2026.11.22" / "a.png"
    outcomes = add_noise_files([first, second], tmp_path / "trip.v2", settings=settings)
    assert [outcome.output for outcome in outcomes] == [tmp_path / "trip.v2" / f"{n}.png" for n in "ab"]
    with pytest.raises(UsageError, match=r"out\.png: one file cannot hold the results of 2 files"):
        add_noise_files([first, second], tmp_path / "out.png", settings=settings)


def test_a_picture_gets_linear_noise_and_its_curve_back(tmp_path):
    source = picture(tmp_path, size=(300, 300))
    s, o = 4e-4, 1e-5
    (outcome,) = add_noise_files([source], tmp_path / "out.png", settings=Settings(options=plain(s, o)))
    noisy = np.asarray(Image.open(outcome.output)).astype(float) / 255
    linear = np.where(noisy <= 0.04045, noisy / 12.92, ((noisy + 0.055) / 1.055) ** 2.4)
    x = ((128 / 255 + 0.055) / 1.055) ** 2.4
    # Rounding to 8 bits adds 1/12 of a level, here at slope 0.95 / 255 of linear light per level.
    slope = 2.4 / 1.055 * ((128 / 255 + 0.055) / 1.055) ** 1.4 / 255
    assert_variance(linear, s * x + o + slope**2 / 12, detects=0.03)
    assert_mean(linear, x, s * x + o, detects=0.01)


def test_noise_of_a_file_does_not_depend_on_its_neighbours(tmp_path):
    a, b = picture(tmp_path, "a.png"), picture(tmp_path, "b.png")
    settings = Settings(options=plain(1e-3, 1e-5))
    both = add_noise_files([a, b], tmp_path / "both", settings=settings)
    alone = add_noise_files([b], tmp_path / "alone", settings=settings)
    other = add_noise_files([b], tmp_path / "other", settings=replace(settings, seed=1))
    assert both[1].output.read_bytes() == alone[0].output.read_bytes()
    assert both[0].output.read_bytes() != both[1].output.read_bytes()
    assert other[0].output.read_bytes() != alone[0].output.read_bytes()


def test_floats_and_sixteen_bits_stay_what_they_are(tmp_path):
    linear = np.full((40, 50, 3), 0.25, np.float32)
    tifffile.imwrite(tmp_path / "linear.tif", linear, photometric="rgb")
    tifffile.imwrite(tmp_path / "deep.tif", np.full((40, 50, 3), 30000, np.uint16), photometric="rgb")
    np.save(tmp_path / "planes.npy", np.full((4, 20, 25), 0.25, np.float32))
    np.save(tmp_path / "rows.npy", linear)
    outcomes = add_noise_files([tmp_path], tmp_path / "out", settings=Settings(options=plain(1e-3, 1e-4)))
    assert [outcome.error for outcome in outcomes] == [None] * 4
    out = tmp_path / "out"
    noisy = tifffile.imread(out / "linear.tif")
    assert noisy.dtype == np.float32
    assert_mean(noisy, 0.25, 1e-3 * 0.25 + 1e-4, detects=0.05)
    assert noisy.min() < 0.25 < noisy.max()
    assert tifffile.imread(out / "deep.tif").dtype == np.uint16
    assert np.load(out / "planes.npy").shape == (4, 20, 25)
    assert np.load(out / "rows.npy").shape == (3, 40, 50)


def test_what_fails_does_not_stop_the_rest_and_nothing_is_replaced_unasked(tmp_path):
    good, broken = picture(tmp_path), tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:300])
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY\x01\x00nonsense")
    settings = Settings(options=plain())
    paths = [broken, tmp_path / "absent.dng", tmp_path / "bad.npy", good]
    outcomes = add_noise_files(paths, tmp_path / "out", settings=settings)
    assert [type(outcome.error) for outcome in outcomes] == [InputError, InputError, InputError, type(None)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["grey.png"]
    before = outcomes[3].output.read_bytes()
    (again,) = add_noise_files([good], tmp_path / "out", settings=replace(settings, seed=5))
    assert isinstance(again.error, OutputExistsError)
    (skipped,) = add_noise_files([good], tmp_path / "out", settings=settings, on_existing="skip")
    assert skipped.skipped
    assert outcomes[3].output.read_bytes() == before
    (replaced,) = add_noise_files(
        [good], tmp_path / "out", settings=replace(settings, seed=5), on_existing="overwrite"
    )
    assert replaced.error is None
    assert outcomes[3].output.read_bytes() != before
    (own,) = add_noise_files([good], tmp_path, settings=settings, on_existing="overwrite")
    assert isinstance(own.error, UsageError)


def clean_frame(cfa, value=900, size=(300, 340), border=6, **changes) -> Frame:
    mosaic = np.full(size, value, np.uint16)
    pattern = np.array(cfa, np.uint8)
    values = {
        "cfa": pattern,
        "black": np.full(pattern.shape, 100.0),
        "white": 4095.0,
        "active_area": (border, border, *size),
        "make": "Virtual",
        "model": "Clean",
        "iso": 100.0,
    }
    return Frame(mosaic=mosaic, **(values | changes))


def test_a_raw_frame_gets_noise_in_its_own_cfa_and_levels(tmp_path):
    profile = camera(iso_noise(shot=(8e-4, 2e-4, 4e-4), read=(4e-6, 1e-6, 2e-6)))
    save_profile(profile, tmp_path / "profile")
    frame = clean_frame(((2, 1), (1, 0)), noise_profile=((1e-4, 1e-7),) * 3)
    write_dng(tmp_path / "clean.dng", frame)
    settings = Settings(profile=str(tmp_path / "profile"), iso=800, ratio=4.0)
    (outcome,) = add_noise_files([tmp_path / "clean.dng"], settings=settings)
    assert outcome.error is None
    assert outcome.output == tmp_path / "clean-noisy.dng"
    noisy = read_frame(outcome.output)
    border = np.ones(noisy.mosaic.shape, bool)
    border[6:, 6:] = False
    assert (noisy.mosaic[border] == 900).all()
    planes = linear_planes(noisy)
    x = 800 / 3995
    for plane, colour in zip(planes, (2, 1, 1, 0), strict=True):
        s, o = profile.isos[800].shot[colour] * 4, profile.isos[800].read[colour] * 16
        # The rounding of the readout, multiplied with it, and that to the DN of this frame.
        variance = s * x + o + 1 / 12 / 3995**2
        assert_mean(plane, x, variance, detects=0.015)
        assert_variance(plane, variance, detects=0.1)
        assert noisy.noise_profile[colour] == pytest.approx((s + 1e-4, o + 1e-7), rel=1e-6)


@pytest.mark.parametrize(("own", "ratio"), [(0.0, 1.0), (7.0, 1.0), (7.0, 20.0), (0.0, 20.0)])
def test_noise_on_noise_moves_no_level_and_is_as_strong_as_stated(tmp_path, own, ratio):
    """In the dark, where half of the frame's ``own`` noise, in DN, is below black and rounding is a sixth.

    Black and white of the frame are not those of the profile, its DN are.
    """
    save_profile(camera(iso_noise(shot=(1e-9,) * 3, read=(0.5 / 15871**2,) * 3)), tmp_path / "profile")
    dark = np.rint(np.random.default_rng(1).normal(2048, own, (400, 400))).astype(np.uint16)
    frame = clean_frame(RGGB, border=0, white=16383.0, black=np.full((2, 2), 2048.0), size=(400, 400))
    write_dng(tmp_path / "dark.dng", replace(frame, mosaic=dark))
    settings = Settings(profile=str(tmp_path / "profile"), iso=800, ratio=ratio)
    (outcome,) = add_noise_files([tmp_path / "dark.dng"], settings=settings)
    noisy = read_frame(outcome.output)
    added = noisy.mosaic - dark.astype(float)
    assert noisy.noise_profile[1][1] * 14335**2 == pytest.approx(0.5 * ratio**2, rel=1e-3)
    assert_mean(added, 0.0, 0.5 * ratio**2, detects=0.05)
    assert_variance(added, 0.5 * ratio**2, detects=0.06)
    assert not outcome.remarks


def test_a_file_states_the_camera_that_was_drawn_for_it(tmp_path):
    """The bodies of eld are up to 4 times as noisy as others of them."""
    paths = [tmp_path / f"{number}.dng" for number in range(4)]
    for path in paths:
        write_dng(path, clean_frame(RGGB, border=0, value=8000, white=16383.0))
    for outcome in add_noise_files(paths, settings=Settings(model="eld", options={"body": "any"})):
        noisy = read_frame(outcome.output)
        shot, read = noisy.noise_profile[1]
        x = 7900 / 16283
        assert_variance(linear_planes(noisy), shot * x + read, detects=0.05)


def test_black_is_raised_where_noise_goes_below_zero(tmp_path):
    """Seven DN a hundred times are 700, and black is at 100: four pixels of nine would be cut off."""
    save_profile(camera(iso_noise(shot=(1e-9,) * 3, read=((7 / 15871) ** 2,) * 3)), tmp_path / "profile")
    clean = clean_frame(RGGB, value=110, border=8, white=16383.0)
    black = float(clean.black[0, 0])
    write_dng(tmp_path / "dark.dng", clean)
    settings = Settings(profile=str(tmp_path / "profile"), iso=800, ratio=100.0)
    (outcome,) = add_noise_files([tmp_path / "dark.dng"], settings=settings)
    noisy = read_frame(outcome.output)
    pedestal = noisy.black[0, 0] - black
    assert f"raised by {pedestal:g} DN" in outcome.remarks[0]
    assert len(outcome.remarks) == 1
    top, left, bottom, right = noisy.area
    light = noisy.mosaic[top:bottom, left:right] - noisy.black[0, 0]
    assert_mean(light, 110 - black, 700.0**2, detects=0.05 * 700)
    assert_variance(light, 700.0**2, detects=0.05)
    assert noisy.mosaic.min() > 0
    # Borders lie as high above black as they did.
    assert np.array_equal(noisy.mosaic[:top], clean.mosaic[:top] + int(pedestal))
    with rawpy.imread(str(outcome.output)) as raw:
        assert raw.white_level == 16383 + pedestal
        assert raw.black_level_per_channel == [black + pedestal] * 4


@pytest.mark.parametrize(
    ("change", "ratio"), [({"white": 65535.0}, 100.0), ({"black": np.zeros((2, 2))}, 100.0)]
)
def test_noise_that_a_file_cannot_hold_is_told(tmp_path, change, ratio):
    """Sixteen bits have no room; and what a camera cuts off at 0 itself no ratio brings back."""
    save_profile(camera(iso_noise(read=((7 / 15871) ** 2,) * 3)), tmp_path / "profile")
    frame = clean_frame(RGGB, value=110, border=0, white=16383.0)
    write_dng(tmp_path / "dark.dng", replace(frame, **change))
    settings = Settings(profile=str(tmp_path / "profile"), iso=800, ratio=ratio)
    (outcome,) = add_noise_files([tmp_path / "dark.dng"], settings=settings)
    (remark,) = outcome.remarks
    assert "below 0 DN and are cut off" in remark
    noisy = read_frame(outcome.output)
    assert noisy.mosaic.min() == 0
    assert noisy.white == replace(frame, **change).white


def test_xtrans_and_partial_repeats_keep_their_colours(tmp_path):
    profile = camera(iso_noise(shot=(1e-9,) * 3, read=(1e-4, 1e-8, 1e-8)))
    save_profile(profile, tmp_path / "profile")
    frame = clean_frame(XTRANS, size=(206, 245), border=0, white=16383.0, value=2000)
    write_dng(tmp_path / "x.dng", frame)
    settings = Settings(profile=str(tmp_path / "profile"), iso=800)
    (outcome,) = add_noise_files([tmp_path / "x.dng"], tmp_path / "out.dng", settings=settings)
    assert outcome.error is None
    noise = read_frame(outcome.output).mosaic.astype(float)[:204, :240] - 2000
    red = np.tile(np.array(XTRANS) == 0, (34, 40))
    assert_variance(noise[red], 1e-4 * 16283**2, detects=0.2)
    assert noise[~red].var() < 10


def test_settings_that_cannot_work_fail_before_any_file(tmp_path):
    source = picture(tmp_path)
    with pytest.raises(UsageError, match="which camera"):
        add_noise_files([source], settings=Settings())
    with pytest.raises(UsageError, match="on-existing"):
        add_noise_files([source], settings=Settings(options=plain()), on_existing="replace")
    with pytest.raises(InputError):
        add_noise_files([tmp_path / "*.none"], settings=Settings(options=plain()))
    (outcome,) = add_noise_files([source], tmp_path / "out.jpg", settings=Settings(options=plain()))
    assert isinstance(outcome.error, UsageError)


def test_bands_do_not_show(tmp_path, monkeypatch):
    from synthnoise.stream import noising

    image = picture(tmp_path)
    write_dng(tmp_path / "clean.dng", clean_frame(RGGB, size=(101, 134)))
    settings = Settings(options=plain(1e-3, 1e-5))
    whole = add_noise_files([image, tmp_path / "clean.dng"], tmp_path / "whole", settings=settings)
    monkeypatch.setattr(noising, "BAND_SAMPLES", 3000)
    banded = add_noise_files([image, tmp_path / "clean.dng"], tmp_path / "banded", settings=settings)
    assert whole[0].output.read_bytes() == banded[0].output.read_bytes()
    assert np.array_equal(read_frame(whole[1].output).mosaic, read_frame(banded[1].output).mosaic)
