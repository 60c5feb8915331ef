"""From files to a profile: grouping, agreement of the frames, and what stands in for a missing dark."""

from __future__ import annotations

import functools
import shutil
from dataclasses import replace

import numpy as np
import pytest

from synthnoise.calibration import calibrate
from synthnoise.calibration.one_iso import masked_border, zero_shift
from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.files import sha256
from synthnoise.profiles.store import load_profile
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_frame
from synthnoise.sensors.presets import MILD, PHONE
from synthnoise.sensors.scenes import patches
from synthnoise.sensors.virtual_camera import VirtualCamera

SENSOR = replace(MILD, size=(256, 384))


@functools.cache
def shots(iso: float, sensor=SENSOR, ratio: float = 30.0) -> tuple[Frame, Frame]:
    """Return a dark and a noisy frame of a chart at an ISO."""
    device = VirtualCamera(sensor.at_iso(iso))
    return device.dark(), device.shoot(patches(sensor.size), ratio=ratio, index=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder with a dark and a noisy DNG each at ISO 3200 and 6400."""
    folder = tmp_path_factory.mktemp("shots")
    for iso in (3200, 6400):
        dark, noisy = shots(iso)
        write_dng(folder / f"dark-{iso}.dng", dark)
        write_dng(folder / f"noisy-{iso}.dng", noisy)
    return folder


def calibrate_files(files, *isos: int, **options):
    darks, noisy = ([files / f"{kind}-{iso}.dng" for iso in isos] for kind in ("dark", "noisy"))
    return calibrate(darks, noisy, **options)


@pytest.fixture(scope="module")
def calibrated(files):
    """Return what the calibration of both ISOs gave; its profile is in the folder ``p`` beside the files."""
    return calibrate_files(files, 6400, 3200, output=files / "p")


def test_two_shots_per_iso_make_a_profile(files, calibrated):
    result, profile = calibrated, load_profile(files / "p")
    assert list(profile.isos) == [3200.0, 6400.0]
    assert (profile.name, profile.size, profile.white) == ("Virtual Mild", (256, 384), 16383.0)
    for iso, noise in profile.isos.items():
        truth = SENSOR.at_iso(iso)
        assert noise.gain_interval[0] <= truth.gain <= noise.gain_interval[1]
        assert abs(noise.gain - truth.gain) < 5 * noise.gain_se
        assert noise.read_noise == pytest.approx([truth.dark_noise()] * 4, rel=0.03)
        assert noise.shot[1] == pytest.approx(noise.gain / (16383 - 512))
        assert noise.read[1] == pytest.approx(np.mean(np.square(noise.read_noise[1:3])) / (16383 - 512) ** 2)
        assert noise.arrays.keys() >= {"shading", "hot_pixels", "row_spectrum", "column_spectrum", "marginal"}
        assert [source.role for source in noise.sources] == ["dark", "noisy"]
        assert noise.sources[0].sha256 == sha256(files / f"dark-{iso:.0f}.dng")
        assert noise.sources[0].name == f"dark-{iso:.0f}.dng"
    assert result.warnings == ()
    assert result.as_dict()["isos"][1]["iso"] == 6400.0
    text = "\n".join(result.report)
    for word in ("ISO 3200", "95 % sure", "hold-out", "second dark frame would"):
        assert word in text


def test_the_kept_dark_is_the_dark(files, calibrated, tmp_path):
    for iso, noise in calibrated.profile.isos.items():
        kept = read_frame(files / "p" / noise.dark_file)
        np.testing.assert_array_equal(kept.mosaic, read_frame(files / f"dark-{iso:.0f}.dng").mosaic)
        assert kept.iso == iso
    lean = calibrate_files(files, 6400, output=tmp_path, keep_dark=False).profile
    assert lean.isos[6400.0].dark_file == ""
    assert not list(tmp_path.glob("*.dng"))


def test_frames_in_memory_give_what_files_give(calibrated):
    dark, noisy = shots(6400)
    in_memory = calibrate([dark], [noisy]).profile
    assert in_memory.folder == ""
    assert in_memory.isos[6400.0].gain == calibrated.profile.isos[6400.0].gain
    assert in_memory.isos[6400.0].read == calibrated.profile.isos[6400.0].read


def test_the_hot_pixels_of_the_profile_lie_where_they_are():
    sensor = replace(SENSOR, hot_fraction=1e-3, hot_current=3000.0)
    device = VirtualCamera(sensor)
    profile = calibrate([device.dark(i) for i in range(2)], [shots(6400, sensor)[1]]).profile
    hot = profile.isos[6400.0].arrays["hot_pixels"]
    mean = np.mean([device.dark(i).mosaic for i in range(2)], axis=0) - 512
    assert len(hot) > 50
    assert mean[hot[:, 0], hot[:, 1]] == pytest.approx(hot[:, 2], abs=5 * sensor.dark_noise())


def test_an_existing_profile_is_kept_unless_told_otherwise(files, calibrated, tmp_path):
    folder = shutil.copytree(files / "p", tmp_path / "p")
    with pytest.raises(OutputExistsError):
        calibrate_files(files, 6400, output=folder)
    dark, noisy = (replace(frame, iso=12800.0) for frame in shots(6400))
    added = calibrate([dark], [noisy], output=folder, merge=True)
    assert list(added.profile.isos) == [3200.0, 6400.0, 12800.0]
    assert load_profile(folder).isos[6400.0].dark_file == "iso-06400-dark.dng"
    again = calibrate_files(files, 3200, output=folder, overwrite=True)
    assert list(again.profile.isos) == [3200.0]


def test_isos_of_other_levels_are_merged_as_if_calibrated_at_once(tmp_path):
    """Cameras state black levels a DN apart at different ISOs, and some another white."""
    one = list(shots(3200))
    two = [
        replace(frame, mosaic=frame.mosaic + np.uint16(1), black=frame.black + 1, white=15000.0)
        for frame in shots(6400)
    ]
    at_once = calibrate([one[0], two[0]], [one[1], two[1]]).profile
    calibrate(one[:1], one[1:], output=tmp_path / "p")
    merged = calibrate(two[:1], two[1:], output=tmp_path / "p", merge=True).profile
    assert (merged.black, merged.white) == (at_once.black, at_once.white) == ((512.0,) * 4, 16383.0)
    for iso, noise in at_once.isos.items():
        for name in ("gain", "offset", "read_noise", "shot", "shot_se", "read", "read_se"):
            assert getattr(merged.isos[iso], name) == pytest.approx(getattr(noise, name), rel=1e-9), name


def test_several_darks_are_split_into_fixed_and_temporal():
    device = VirtualCamera(SENSOR)
    result = calibrate([device.dark(i) for i in range(3)], [shots(6400)[1]])
    noise = result.profile.isos[6400.0]
    assert noise.diagnostics["dark_frames"] == 3
    assert noise.diagnostics["held_back"] == "a second dark"
    value, error = noise.quantities["dsnu"]
    assert value == pytest.approx(np.hypot(SENSOR.dsnu, SENSOR.column_pattern), abs=5 * error)
    assert any("3 darks" in line for line in result.report)


# What is missing or wrong


def test_every_dark_needs_a_noisy_frame_of_its_iso():
    with pytest.raises(UsageError, match="noisy frame"):
        calibrate([shots(6400)[0]], [])
    with pytest.raises(UsageError, match="ISO 3200") as caught:
        calibrate([shots(3200)[0]], [shots(6400)[1]])
    assert "same ISO" in (caught.value.hint or "")


def test_the_report_says_that_grain_widened_the_interval():
    clean = calibrate(*([frame] for frame in shots(200, ratio=3.0)))
    noise = clean.profile.isos[200.0]
    bare_low, bare_high = noise.diagnostics["gain_interval_without_grain"]
    assert noise.gain_interval[0] < bare_low < bare_high
    assert any("widened downwards" in line and f"{bare_low:.4g}" in line for line in clean.report)
    assert not any("widened" in line for line in calibrate(*([f] for f in shots(6400))).report)


def test_an_unknown_iso_must_be_given_and_a_camera_can_be_named():
    dark, noisy = (replace(frame, iso=None) for frame in shots(6400))
    with pytest.raises(UsageError, match="does not say its ISO"):
        calibrate([dark], [noisy])
    named = calibrate([dark], [noisy], iso=6400, camera="My Own 1").profile
    assert list(named.isos) == [6400.0]
    assert not any("says ISO" in warning for warning in calibrate([dark], [noisy], iso=6400).warnings)
    otherwise = calibrate(*([frame] for frame in shots(6400)), iso=100)
    assert list(otherwise.profile.isos) == [100.0]
    (warning,) = (warning for warning in otherwise.warnings if "says ISO" in warning)
    assert "says ISO 6400, and is taken for ISO 100" in warning
    assert named.name == "My Own 1"


def test_swapped_files_are_refused():
    dark, noisy = shots(6400, ratio=3.0)
    with pytest.raises(InputError, match=r"not dark|picture"):
        calibrate([noisy], [dark])


def test_a_noisy_frame_without_light_is_refused():
    device = VirtualCamera(SENSOR)
    with pytest.raises(InputError, match=r"too dark|no flat"):
        calibrate([device.dark(0)], [device.dark(1)])


def test_another_camera_is_refused():
    dark, noisy = shots(6400)
    with pytest.raises(InputError, match="Other Brand"):
        calibrate([replace(dark, make="Other", model="Brand")], [noisy])


def test_a_damaged_file_writes_nothing(files, tmp_path):
    broken = tmp_path / "broken.dng"
    broken.write_bytes((files / "dark-6400.dng").read_bytes()[:20000])
    with pytest.raises(InputError, match=r"broken\.dng"):
        calibrate([broken], [files / "noisy-6400.dng"], output=tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_a_gain_out_of_proportion_is_pointed_out():
    frames = [shots(iso) for iso in (1600, 3200, 6400)]
    mislabelled = [tuple(replace(f, iso=25600.0) for f in frames[0]), *frames[1:]]
    darks, noisy = zip(*mislabelled, strict=True)
    assert any("ISO 25600" in warning for warning in calibrate(darks, noisy).warnings)


# What stands in for a dark


def test_the_masked_border_stands_in_for_a_dark():
    sensor = replace(SENSOR, masked_rows=50, masked_columns=60, black_bias=())
    noisy = VirtualCamera(sensor).shoot(patches(sensor.size), ratio=30, index=1)
    result = calibrate([], [noisy])
    noise = result.profile.isos[6400.0]
    assert noise.gain_interval[0] <= sensor.gain <= noise.gain_interval[1]
    assert noise.read_noise[0] == pytest.approx(sensor.dark_noise(), rel=0.15)
    assert noise.arrays.keys() >= {"row_spectrum", "column_spectrum", "marginal"}
    assert not noise.arrays.keys() & {"shading", "hot_pixels"}, "those of the border are not the picture's"
    assert noise.dark_file == ""
    assert {source.role for source in noise.sources} == {"masked border"}
    assert any("masked border" in line for line in result.report)


@pytest.mark.parametrize("corner", [(0, 0), (3, 2), (5, 7)])
def test_a_border_begins_where_the_colours_of_the_picture_do(corner):
    cfa = np.array([[0, 1], [1, 2]], dtype=np.uint8)
    mosaic = np.tile(cfa.astype(np.uint16) * 100 + 600, (100, 100))
    frame = Frame(
        mosaic=mosaic,
        cfa=cfa,
        black=np.full((2, 2), 512.0),
        white=16383,
        active_area=(101, 100, 200, 200),
        masked_areas=((*corner, 90, 90), (0, 100, 20, 200)),
    )
    rectangle = masked_border(frame)
    assert rectangle is not None
    np.testing.assert_array_equal(frame.crop(rectangle).cfa, frame.active().cfa)
    first = frame.crop(rectangle).mosaic[::2, ::2]
    assert (first == 600 + 100 * int(frame.active().cfa[0, 0])).all()


def test_a_drift_of_the_black_level_is_taken_out():
    sensor = replace(SENSOR, masked_rows=16)
    dark, noisy = shots(6400, sensor, ratio=300.0)
    drifted = replace(noisy, mosaic=noisy.mosaic + np.uint16(3))
    assert zero_shift(drifted, dark) - zero_shift(noisy, dark) == pytest.approx(3)
    gains = [calibrate([dark], [frame]).profile.isos[6400.0].gain for frame in (noisy, drifted)]
    assert gains[1] == pytest.approx(gains[0], rel=1e-3)


def test_the_tag_is_the_last_resort():
    sensor = replace(PHONE, size=(256, 384))
    result = calibrate([], [VirtualCamera(sensor).shoot(patches(sensor.size), index=1)])
    noise = result.profile.isos[800.0]
    assert noise.gain == pytest.approx(sensor.gain)
    assert noise.gain_regime == "stated"
    assert noise.read_noise[0] == pytest.approx(sensor.temporal_noise())
    assert any("NoiseProfile" in line for line in result.report)
    assert result.warnings


def test_the_noisy_frame_alone_is_better_than_nothing_and_says_how_unsure():
    result = calibrate([], [shots(6400)[1]])
    noise = result.profile.isos[6400.0]
    assert noise.gain_interval[0] <= SENSOR.gain <= noise.gain_interval[1]
    # rows and columns cannot be seen
    there = float(np.sqrt(SENSOR.dark_noise() ** 2 - SENSOR.row_total**2 - SENSOR.column_total**2))
    assert noise.read_noise[0] == pytest.approx(there, abs=3 * noise.read_noise_se[0])
    assert 0.02 * there < noise.read_noise_se[0] < 0.3 * there
    assert noise.row_noise_se == noise.read_noise[0]
    assert {source.role for source in noise.sources} == {"noisy"}
    assert any("no dark frame" in warning for warning in result.warnings)
    assert any("noisy frame alone" in line for line in result.report)


def test_a_real_file_with_a_masked_border(shared_data):
    path = shared_data / "real_raw" / "canon_550d_colorchart.dng"
    if not path.is_file():
        pytest.skip("no canon_550d_colorchart.dng in the data folder")
    with pytest.raises(UsageError, match="ISO"):
        calibrate([], [path])
    noise = calibrate([], [path], iso=100).profile.isos[100.0]
    # a blind fit of the picture gives S = 1.60e-4 to 1.64e-4 and O = 7e-7
    assert noise.shot[1] == pytest.approx(1.62e-4, rel=0.1)
    assert noise.read[1] == pytest.approx(7e-7, rel=0.25)
