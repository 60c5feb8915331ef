"""What other RAW converters make of our DNGs. Judged by the picture: they exit with 0 on a black one."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from raw_scenes import field_frame

from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.reading import read_frame
from synthnoise.raw.rewrite import rewrite_dng

# LibRaw and RawTherapee refuse X-Trans pictures below 512 pixels.
SHAPE = (600, 720)
ODD_AREA = (7, 13, 590, 707)


def _dcraw(path, folder):
    picture = folder / "out.ppm"
    command = ["dcraw", "-c", "-w", "-W", "-t", "0", path]
    picture.write_bytes(subprocess.run(command, capture_output=True, check=False, timeout=120).stdout)
    return picture


def _darktable(path, folder):
    picture = folder / "out.png"
    picture.unlink(missing_ok=True)
    own = ["--core", "--configdir", folder / "configuration", "--library", ":memory:"]
    subprocess.run(["darktable-cli", path, picture, *own], capture_output=True, check=False, timeout=300)
    return picture


def _rawtherapee(path, folder):
    picture = folder / "out.tif"
    picture.unlink(missing_ok=True)
    command = ["rawtherapee-cli", "-Y", "-t", "-b8", "-o", picture, "-c", path]
    subprocess.run(command, capture_output=True, check=False, timeout=300)
    return picture


JUDGED = pytest.mark.parametrize(
    "render",
    [
        pytest.param(("dcraw", _dcraw), id="dcraw"),
        pytest.param(("darktable-cli", _darktable), id="darktable", marks=pytest.mark.slow),
        pytest.param(("rawtherapee-cli", _rawtherapee), id="rawtherapee", marks=pytest.mark.slow),
    ],
    indirect=True,
)


@pytest.fixture
def render(tmp_path, request):
    """Return a function from a DNG to the mean colours [left, right][R, G, B] of its rendering."""
    program, judge = request.param
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed, so it cannot judge our files")

    def means(path):
        picture = np.asarray(Image.open(judge(path, tmp_path)).convert("RGB"), float)
        height, width = picture.shape[:2]
        assert min(height, width) > 500, f"{program} shows a thumbnail"
        middle = picture[height // 4 : 3 * height // 4]
        return np.array(
            [middle[:, width * a // 8 : width * (a + 2) // 8].reshape(-1, 3).mean(0) for a in (1, 5)]
        )

    return means


def _scene(pattern, area=None, **known):
    """Return a frame that is grey on the left and red on the right, under a strong cast."""
    grey, red = (
        field_frame(rgb, pattern, SHAPE, active_area=area, make="Acme", model="One", iso=100, **known)
        for rgb in ((0.25, 0.25, 0.25), (0.5, 0.08, 0.08))
    )
    grey.mosaic[:, 360:] = red.mosaic[:, 360:]
    return grey


def _assert_grey_and_red(colours):
    grey, red = colours
    assert 40 < grey.mean() < 230
    assert np.ptp(grey) < 2
    assert red[0] > red[1:].max() + 60


@JUDGED
@pytest.mark.parametrize("area", [None, ODD_AREA], ids=["whole", "odd"])
@pytest.mark.parametrize("pattern", ["RGGB", "GBRG", "X-Trans"])
def test_colours_are_right(tmp_path, render, pattern, area):
    write_dng(tmp_path / "a.dng", _scene(pattern, area))
    _assert_grey_and_red(render(tmp_path / "a.dng"))


@JUDGED
def test_a_rewritten_file_looks_like_its_source(tmp_path, render):
    frame = _scene("GRBG", ODD_AREA)
    write_dng(tmp_path / "a.dng", frame)
    rewrite_dng(tmp_path / "a.dng", tmp_path / "b.dng", frame.mosaic, noise_reduction=1.0)
    first, second = render(tmp_path / "a.dng"), render(tmp_path / "b.dng")
    _assert_grey_and_red(second)
    assert np.abs(first - second).max() < 0.01


@JUDGED
def test_linear_files(tmp_path, render):
    frame = _scene("RGGB")
    light = np.array([[0.25, 0.25, 0.25], [0.5, 0.08, 0.08]]) * frame.as_shot_neutral
    rgb = np.round(65535 * light[(np.arange(720) >= 360).astype(int)][None].repeat(600, 0)).astype(np.uint16)
    write_linear_dng(tmp_path / "a.dng", rgb, frame)
    _assert_grey_and_red(render(tmp_path / "a.dng"))


@JUDGED
@pytest.mark.slow
@pytest.mark.parametrize("name", ["canon_550d_colorchart.dng", "gopro_fusion_iso100.dng"])
def test_real_files_look_the_same(tmp_path, shared_data, render, name):
    source = shared_data / "real_raw" / name
    frame = read_frame(source)
    write_dng(tmp_path / "fresh.dng", frame)
    rewrite_dng(source, tmp_path / "rewritten.dng", frame.mosaic)
    original = render(source)
    assert original.mean() > 20
    assert np.abs(render(tmp_path / "rewritten.dng") - original).max() < 0.01
    # A fresh file states one colour matrix where the camera states two.
    assert np.abs(render(tmp_path / "fresh.dng") - original).max() < 1
