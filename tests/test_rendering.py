"""Renderings as files: what profile, EXIF and levels say to Pillow, Little CMS, tifffile and exiftool."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from raw_scenes import exiftool, field_frame

from synthnoise.denoising import denoise_files
from synthnoise.errors import UsageError
from synthnoise.raw.colour import Tone, linear_srgb
from synthnoise.raw.develop import develop
from synthnoise.raw.dng import write_dng
from synthnoise.raw.icc import srgb_profile
from synthnoise.raw.rendering import write_rendering

NEUTRAL = (0.5, 1.0, 0.6)


@pytest.fixture
def frame():
    """Return a frame of orange light with an exposure, lying on its side."""
    return field_frame(
        (0.5, 0.3, 0.1), shape=(64, 96), neutral=NEUTRAL, make="Acme", model="One", iso=1600.0,
        exposure_time=0.02, orientation=6, date="2026:11:21 10:00:00",
    )  # fmt: skip


def transformed(pixels, profile):
    """Return uint8 pixels in the sRGB of Little CMS."""
    ours = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    theirs = ImageCms.createProfile("sRGB")
    image = Image.fromarray(pixels)
    return np.asarray(ImageCms.profileToProfile(image, ours, theirs, renderingIntent=1, outputMode="RGB"))


def test_little_cms_takes_our_srgb_for_its_own():
    colours = np.random.default_rng(2).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert np.abs(transformed(colours, srgb_profile()).astype(int) - colours).max() <= 1
    assert ImageCms.getProfileName(ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))).strip() == "sRGB"


def test_little_cms_encodes_our_linear_light_as_srgb():
    light = np.arange(256, dtype=np.uint8)[:, None, None].repeat(3, 2)
    linear = light[..., 0].astype(float) / 255
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    found = transformed(light, srgb_profile(linear=True))
    assert np.abs(found - np.rint(255 * encoded)[..., None]).max() <= 1


def test_exiftool_reads_the_profile(tmp_path):
    (tmp_path / "a.icc").write_bytes(srgb_profile())
    found = json.loads(exiftool("-j", "-n", "-validate", "-all", tmp_path / "a.icc"))[0]
    assert found["ProfileDescription"] == "sRGB"
    # As the ICC gives them for sRGB, adapted to D50.
    for tag, expected in (("Red", "0.4361 0.2225 0.0139"), ("Green", "0.3851 0.7169 0.0971"),
                          ("Blue", "0.1431 0.0606 0.7141")):  # fmt: skip
        column = np.array(found[f"{tag}MatrixColumn"].split(), float)
        assert np.abs(column - np.array(expected.split(), float)).max() < 3e-4


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_a_rendering_is_upright_and_says_how_it_was_shot(tmp_path, frame, suffix):
    write_dng(tmp_path / "a.dng", frame)
    write_rendering(tmp_path / f"a{suffix}", dataclasses.replace(frame, path=tmp_path / "a.dng"))
    with Image.open(tmp_path / f"a{suffix}") as picture:
        assert picture.size == (64, 96)
        assert picture.info["icc_profile"] == srgb_profile()
        found = picture.getexif()
        assert (found[271], found[272], found[274]) == ("Acme", "One", 1)
        shot = found.get_ifd(0x8769)
        assert (shot[34855], float(shot[33434]), shot[40961]) == (1600, 0.02, 1)
        assert (shot[40962], shot[40963]) == (64, 96)
    if suffix == ".tif":
        deep = tifffile.imread(tmp_path / "a.tif")
        assert deep.dtype == np.uint16
        assert np.abs(np.rint(deep / 257) - develop(frame)).max() <= 1
    assert "Error" not in exiftool("-validate", tmp_path / f"a{suffix}")


def test_linear_light_is_linear(tmp_path, frame):
    write_rendering(tmp_path / "a.tif", frame, linear=True)
    deep = tifffile.imread(tmp_path / "a.tif")
    # The stand-in camera has the primaries of sRGB; its last channel clips at twice the light of the first.
    assert np.abs(deep[20, 20] / 65535 - np.array([0.5, 0.3, 0.1]) / 2).max() < 1e-3
    with Image.open(io.BytesIO((tmp_path / "a.tif").read_bytes())) as picture:
        assert picture.info["icc_profile"] == srgb_profile(linear=True)
    with pytest.raises(UsageError, match="16 bits"):
        write_rendering(tmp_path / "a.png", frame, linear=True)


def test_blown_highlights_are_neutral_whatever_the_white_balance():
    frame = field_frame((0.3, 0.3, 0.3), neutral=NEUTRAL)
    # Some sensors saturate a little below their white level.
    for white in (16383, 16200):
        blown = dataclasses.replace(frame, mosaic=np.full_like(frame.mosaic, white))
        picture = develop(blown).astype(int)
        assert np.ptp(picture, axis=2).max() <= 1
        assert picture.min() >= 250


def test_light_that_grows_never_turns_magenta_nor_darker():
    frame = field_frame((0.3, 0.3, 0.3), neutral=NEUTRAL)
    gains = np.array([2.0, 1.0, 1 / 0.6], np.float32)
    light = np.linspace(0, 4, 400, dtype=np.float32)[:, None]
    for tint in ((1, 1, 1), (1, 0.9, 0.8), (0.85, 0.95, 1)):
        balanced = np.minimum(light * np.array(tint, np.float32), gains)
        red, green, blue = linear_srgb(balanced, frame).T
        grows = np.diff(red + green + blue)
        assert grows.min() > -1e-4
        # Magenta: green below both others by more than the light itself has it.
        assert (np.minimum(red, blue) - green).max() < 0.01


def test_tone_is_the_curve_of_srgb_but_for_its_contrast():
    tone = Tone()
    assert tone.levels(np.array([0, 1], np.float32)).tolist() == [0, 255]
    middle = ((0.5 + 0.055) / 1.055) ** 2.4
    assert tone.apply(np.array([middle], np.float32)) == pytest.approx(0.5, abs=1e-5)
    light = np.linspace(0, 2, 1000, dtype=np.float32)
    for gain, white in ((1, 1), (1, 2), (4, 2.5)):
        curve = Tone(gain, white).apply(light)
        assert np.diff(curve).min() >= 0
        assert curve.max() <= 1 + 1e-6


def test_denoise_renders_to_jpeg(tmp_path, frame):
    write_dng(tmp_path / "a.dng", frame)
    (outcome,) = denoise_files([tmp_path / "a.dng"], format="jpeg")
    assert outcome.error is None
    with Image.open(tmp_path / "a-denoised.jpg") as picture:
        assert picture.getexif()[272] == "One"
