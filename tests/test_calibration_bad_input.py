"""Frames that are not what they are said to be: one clear line each, and nothing written."""

from __future__ import annotations

import functools
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from synthnoise.calibration import calibrate
from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.sensors.presets import MILD
from synthnoise.sensors.scenes import patches
from synthnoise.sensors.virtual_camera import VirtualCamera

SENSOR = replace(MILD, size=(256, 384))
CAMERA = VirtualCamera(SENSOR)
DARK = CAMERA.dark()


@functools.cache
def photograph(ratio: float = 30.0) -> Frame:
    """Return a noisy frame of a chart."""
    return CAMERA.shoot(patches(SENSOR.size), ratio=ratio, index=1)


def of_planes(frame: Frame, change) -> Frame:
    """Return a frame whose CFA planes went through ``change``, in float64 DN."""
    mosaic = frame.mosaic.astype(np.float64)
    for row in (0, 1):
        for column in (0, 1):
            mosaic[row::2, column::2] = change(mosaic[row::2, column::2])
    return replace(frame, mosaic=np.clip(np.rint(mosaic), 0, frame.white).astype(np.uint16))


def denoised(frame: Frame, sigma: float) -> Frame:
    return of_planes(frame, lambda plane: gaussian_filter(plane, sigma))


def textured(ratio: float) -> Frame:
    """Return a frame of bricks, each of another brightness: no place is flat."""
    bricks = np.kron(np.random.default_rng(6).uniform(0.05, 0.95, (86, 128)), np.ones((3, 3)))
    scene = np.broadcast_to(bricks[: SENSOR.size[0]], (3, *SENSOR.size)).astype(np.float32)
    return CAMERA.shoot(scene, ratio=ratio, index=1)


REFUSED = {
    "a lit dark": (lambda: ([photograph(2.0)], [photograph()]), "not dark|shows a picture"),
    "a picture for a dark": (lambda: ([photograph(20.0)], [photograph()]), "shows a picture|darker than"),
    "swapped, bright": (lambda: ([photograph(20.0)], [DARK]), "swapped"),
    "swapped, dim": (lambda: ([photograph(1000.0)], [DARK]), "swapped"),
    "two darks": (lambda: ([DARK], [CAMERA.dark(1)]), "too dark|no flat|less than"),
    "another camera": (lambda: ([replace(DARK, model="Other")], [photograph()]), "Other"),
    "black cut off in the dark": (
        lambda: ([of_planes(DARK, lambda plane: np.maximum(plane, 512))], [photograph()]),
        "cuts black off",
    ),
    "black cut off in the picture": (
        lambda: ([DARK], [of_planes(photograph(300.0), lambda plane: np.maximum(plane, 512))]),
        "cuts black off",
    ),
    "a smoothed picture": (lambda: ([DARK], [denoised(photograph(10.0), 0.45)]), "smoother than a sensor"),
    "a strongly smoothed picture": (lambda: ([DARK], [denoised(photograph(), 1.0)]), "less than|smoother"),
    "a saturated picture": (lambda: ([DARK], [photograph(0.005)]), "saturated"),
    "no flat place": (lambda: ([DARK], [textured(1.0)]), "few flat|no flat|textured|smoother"),
    "copies of a dark": (lambda: ([DARK, DARK], [photograph()]), "copies of one another"),
    "a dark of another size": (
        lambda: ([DARK.crop((0, 0, 128, 384))], [photograph()]),
        "differ in size",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_frames_that_are_something_else_are_refused_in_one_line(case, tmp_path):
    frames, message = REFUSED[case]
    with pytest.raises(InputError) as caught:
        calibrate(*frames(), output=tmp_path / "p")
    assert re.search(message, f"{caught.value.message} {caught.value.hint}")
    assert "\n" not in caught.value.message
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "darks",
    [
        lambda dim, dark: [dim],
        lambda dim, dark: [dark, dim],
        lambda dim, dark: [dark, replace(dim, exposure_time=0.5)],
    ],
)
def test_a_dim_picture_among_darks_is_refused_by_its_colours(darks):
    body = VirtualCamera(replace(SENSOR, size=(336, 384)))
    scene = body.sensor.camera_rgb(patches(body.sensor.size))
    with pytest.raises(InputError, match="red, green and blue vary unlike"):
        calibrate(darks(body.shoot(scene, ratio=300.0), body.dark()), [body.shoot(scene, ratio=30.0)])


WARNED = {
    "another exposure time": (
        lambda: ([CAMERA.dark(exposure_time=5.0)], [photograph()]),
        "exposures range from 0.1 to 5 s",
    ),
    "a smoothed dark": (
        lambda: ([of_planes(DARK, lambda p: (p + np.roll(p, 1, 1)) / 2)], [photograph()]),
        "probably denoised",
    ),
    "codes left out where it is bright": (
        lambda: ([DARK], [of_planes(photograph(), lambda p: np.where(p > 560, np.rint(p / 3) * 3, p))]),
        "compressed with loss",
    ),
    "a dim picture for a dark, too small to be told": (
        lambda: ([photograph(300.0)], [photograph()]),
        "dim picture",
    ),
    "a dark with fewer bits": (
        lambda: ([of_planes(DARK, lambda p: np.rint(p / 4) * 4)], [photograph()]),
        "4th code",
    ),
    "a warmer dark": (
        lambda: (
            [replace(DARK, mosaic=np.rint(512 + 1.25 * (DARK.mosaic - 512.0)).astype(np.uint16))],
            [photograph()],
        ),
        "quieter than the dark",
    ),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_is_odd_but_usable_is_said(case):
    frames, message = WARNED[case]
    warnings = calibrate(*frames()).warnings
    assert any(message in warning for warning in warnings), warnings
    assert not any("\n" in warning for warning in warnings)


def test_sound_frames_give_no_warning():
    assert calibrate([DARK], [photograph()]).warnings == ()


def test_iso_mismatches_are_refused_even_when_an_iso_is_given():
    other = replace(DARK, iso=100.0)
    with pytest.raises(UsageError, match="ISO 100"):
        calibrate([other], [photograph()])
    with pytest.raises(UsageError, match=r"says ISO 100.*ISO 6400.*cannot be ISO 800"):
        calibrate([other], [photograph()], iso=800)


def test_one_file_as_dark_and_noisy_is_refused(tmp_path):
    write_dng(tmp_path / "a.dng", photograph())
    with pytest.raises(UsageError, match="given twice, as dark and as noisy"):
        calibrate([tmp_path / "a.dng"], [tmp_path / "a.dng"])


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "a.dng"
    write_dng(path, DARK)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SynthnoiseError, match=r"a\.dng") as caught:
        calibrate([path], [photograph()])
    assert "\n" not in caught.value.message


def test_a_file_in_the_place_of_the_folder_is_refused_at_once(tmp_path):
    taken = tmp_path / "profile"
    taken.write_text("mine")
    for output in (taken, taken / "deeper"):
        with pytest.raises(UsageError, match="profile: is a file"):
            calibrate([], [], output=output)
    assert taken.read_text() == "mine"
