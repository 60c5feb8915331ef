"""The dark frames that a profile keeps: one, and the mean of all that were exposed alike."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import rawpy
import torch

from synthnoise.calibration import calibrate
from synthnoise.denoising.dark_pattern import subtract_dark
from synthnoise.denoising.profile_darks import ProfileDarks
from synthnoise.errors import InputError
from synthnoise.plugins import default_plugins
from synthnoise.profiles.store import kept_dark, kept_mean_dark, load_profile, save_profile
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.mean_dark import average_darks, in_whole_steps
from synthnoise.raw.reading import read_frame
from synthnoise.rng import Rng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

SENSOR = dataclasses.replace(SENSORS["hard"], size=(192, 256), exposure_time=0.5)
CAMERA = VirtualCamera(SENSOR)
COUNT = 8
ISO = SENSOR.iso


def leaves(seed: int) -> np.ndarray:
    return SENSOR.camera_rgb(dead_leaves(SENSOR.size, seed=seed))


@pytest.fixture(scope="module")
def shots(tmp_path_factory) -> Path:
    """Return a folder with darks, a photograph, and their profile in "p"."""
    folder = tmp_path_factory.mktemp("shots")
    for number in range(COUNT):
        write_dng(folder / f"dark{number}.dng", CAMERA.dark(number))
    write_dng(folder / "noisy.dng", CAMERA.shoot(leaves(2), ratio=20, index=100))
    calibrate(darks_in(folder), [folder / "noisy.dng"], output=folder / "p")
    return folder


def darks_in(folder: Path) -> list[Path]:
    return [folder / f"dark{number}.dng" for number in range(COUNT)]


@pytest.fixture
def copied(shots, tmp_path) -> Path:
    """Return a copy of the profile that a test may damage."""
    return Path(shutil.copytree(shots / "p", tmp_path / "p"))


def night() -> Frame:
    return CAMERA.shoot(leaves(9), ratio=200.0, index=50)


def test_the_mean_is_that_of_all_darks_to_a_fraction_of_a_dn(shots):
    (noise,) = load_profile(shots / "p").isos.values()
    assert noise.mean_dark is not None
    assert noise.mean_dark.frames == COUNT
    steps = noise.mean_dark.steps
    truth = np.mean([CAMERA.dark(number).mosaic.astype(np.float64) for number in range(COUNT)], 0)
    with rawpy.imread(str(shots / "p" / noise.mean_dark.file)) as raw:
        stored = raw.raw_image.astype(np.float64) / steps
        assert raw.white_level == steps * SENSOR.white
        assert raw.black_level_per_channel[0] == steps * SENSOR.black
    # Single frames have 12 DN of temporal noise, their mean 4: whole DN are steps enough.
    assert np.abs(stored - truth).max() <= 0.5 / steps
    assert np.array_equal(read_frame(kept_dark(load_profile(shots / "p"), ISO)).mosaic, CAMERA.dark(0).mosaic)


def test_quiet_cameras_get_finer_steps():
    quiet = VirtualCamera(dataclasses.replace(SENSORS["low-noise"], size=(192, 256)))
    frames = [quiet.dark(number) for number in range(16)]
    mean = average_darks(frames)
    whole = in_whole_steps(mean, frames[0])
    apart = whole.frame.mosaic / whole.steps - mean.frame.mosaic
    assert whole.frame.mosaic.dtype == np.uint16
    assert np.abs(apart).max() <= 0.5 / whole.steps
    # The mean has 0.17 DN of the frames' noise. Steps of half of that would do; 16 bits end at a quarter DN.
    temporal = np.var(frames[0].mosaic.astype(np.float64) - frames[1].mosaic) / 2
    assert whole.steps == 4
    assert whole.frame.white == whole.steps * frames[0].white <= 65535
    assert apart.var() < 0.25 * temporal / 16


def test_a_camera_of_sixteen_bits_has_no_room_and_still_keeps_its_mean():
    frames = [
        dataclasses.replace(
            CAMERA.dark(number), white=65535.0, mosaic=np.full((192, 256), 512 + number, "u2")
        )
        for number in range(4)
    ]
    frames[3].mosaic[0, 0] = 65535
    whole = in_whole_steps(average_darks(frames), frames[0])
    assert whole.steps == 1
    assert whole.frame.mosaic[0, 0] == round((512 + 513 + 514 + 65535) / 4)


def test_denoising_takes_the_mean_off(shots):
    frame, truth = night(), CAMERA.clean(leaves(9), 200.0)
    found = ProfileDarks(load_profile(shots / "p")).subtract(frame)
    assert found.dark is not None
    assert found.dark.frames == COUNT
    assert str(found.dark).startswith(f"from the profile's {COUNT} dark frames: offset ")
    exactly, _ = subtract_dark(frame, average_darks(CAMERA.dark(number) for number in range(COUNT)))
    single, _ = subtract_dark(frame, average_darks([CAMERA.dark(0)]))
    error, other, one = (np.mean((f.mosaic - truth) ** 2) for f in (found.frame, exactly, single))
    assert abs(error / other - 1) < 1e-3
    assert error < one


def test_what_is_fixed_is_out_of_the_noise_of_pmn(shots):
    profile = load_profile(shots / "p")
    known = default_plugins().create("noise_models", "pmn").parameters(profile, ISO)
    planes = known.darks.draw(Rng(3, torch.arange(8)), (96, 128)).numpy() * known.darks.scale[0]
    new = [CAMERA.dark(number).mosaic.astype(float) for number in (20, 21)]
    temporal = 1.4826 * np.median(np.abs(new[0] - new[1])) / np.sqrt(2)
    # With one dark, columns and dark signal of pixels stay in it: 1.4 times as much.
    assert 1.4826 * np.median(np.abs(planes)) == pytest.approx(temporal, rel=0.04)


def test_a_profile_in_memory_averages_the_files(shots, monkeypatch, tmp_path):
    monkeypatch.chdir(shots)
    profile = calibrate([path.name for path in darks_in(shots)], ["noisy.dng"]).profile
    monkeypatch.chdir(tmp_path)
    frame = night()
    found = ProfileDarks(profile).subtract(frame)
    assert found.dark is not None
    assert found.dark.frames == COUNT
    exactly, _ = subtract_dark(frame, average_darks(CAMERA.dark(number) for number in range(COUNT)))
    assert np.array_equal(found.frame.mosaic, exactly.mosaic)


def test_darks_of_other_exposure_times_are_not_mixed_in(shots, tmp_path):
    for number, seconds in enumerate((0.5, 0.4, 0.502)):
        write_dng(tmp_path / f"{number}.dng", CAMERA.dark(number, exposure_time=seconds))
    done = calibrate([tmp_path / f"{number}.dng" for number in range(3)], [shots / "noisy.dng"],
                     output=tmp_path / "p")  # fmt: skip
    (line,) = [line for line in done.report if "keeps" in line]
    assert "the mean of 2 exposed 0.5 s; 1 exposed otherwise left out" in line
    file = done.profile.isos[ISO].mean_dark
    assert file is not None
    assert file.frames == 2
    truth = (CAMERA.dark(0).mosaic / 2.0) + CAMERA.dark(2, exposure_time=0.502).mosaic / 2.0
    stored = read_frame(tmp_path / "p" / file.file).mosaic / file.steps
    assert np.abs(stored - truth).max() <= 0.5 / file.steps


def test_one_dark_is_kept_alone_and_none_where_none_is_wanted(shots, tmp_path):
    for name, darks, more in (("one", 1, {}), ("none", 2, {"keep_dark": False})):
        done = calibrate(darks_in(shots)[:darks], [shots / "noisy.dng"], output=tmp_path / name, **more)
        assert done.profile.isos[ISO].mean_dark is None
        assert len(list((tmp_path / name).glob("*.dng"))) == (1 if name == "one" else 0)
        assert not [line for line in done.report if "keeps" in line]
        assert kept_mean_dark(load_profile(tmp_path / name), ISO) is None


def test_a_profile_from_before_means_were_kept_still_loads(copied):
    document = copied / "profile.toml"
    lines = document.read_text().splitlines()
    start = lines.index("[iso.mean_dark]")
    assert lines[start + 1].startswith("file = ")
    document.write_text("\n".join(lines[:start] + lines[start + 4 :]))
    found = ProfileDarks(load_profile(copied)).subtract(night())
    assert found.dark is not None
    assert found.dark.frames == 1
    assert "from the profile's dark frame: " in str(found.dark)


def test_copies_of_a_profile_bring_both(shots, tmp_path):
    save_profile(load_profile(shots / "p"), tmp_path / "copy")
    for name in ("iso-03200-dark.dng", "iso-03200-mean-dark.dng"):
        assert (tmp_path / "copy" / name).read_bytes() == (shots / "p" / name).read_bytes()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("frames = 8", "frames = 1", "frames"),
        ("steps = 1", "steps = 0", "steps"),
        ('"iso-03200-mean-dark.dng"', '"../dark.dng"', "plain name"),
        ('"iso-03200-mean-dark.dng"', '""', "file is missing"),
        ('file = "iso-03200-mean-dark.dng"\n', "", "file is missing"),
    ],
)
def test_a_damaged_entry_is_refused_in_one_line(copied, before, after, said):
    document = copied / "profile.toml"
    text = document.read_text()
    assert before in text
    document.write_text(text.replace(before, after))
    with pytest.raises(InputError, match=said) as caught:
        load_profile(copied)
    assert "[mean_dark]" in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("damage", ["missing", "link", "other levels"])
def test_a_mean_that_does_not_belong_is_left_with_a_remark(copied, shots, damage):
    mean = copied / "iso-03200-mean-dark.dng"
    frame = read_frame(mean)
    mean.unlink()
    if damage == "link":
        mean.symlink_to(shots / "p" / mean.name)
    elif damage == "other levels":  # as from a calibration that was broken off
        write_dng(mean, dataclasses.replace(frame, white=frame.white * 2, black=frame.black * 2))
    found = ProfileDarks(load_profile(copied)).subtract(night())
    assert found.dark is None
    assert "iso-03200-mean-dark.dng" in found.unused
