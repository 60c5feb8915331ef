"""``synthnoise profiles`` on the command line: import, export, show and draw."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from PIL import Image
from test_profiles_store import camera
from typer.testing import CliRunner

from synthnoise.calibration import tag_profile
from synthnoise.cli.profiles import app
from synthnoise.errors import InputError, SynthnoiseError
from synthnoise.profiles.store import load_profile, save_profile
from synthnoise.raw.dng import write_dng
from synthnoise.sensors.presets import MILD, PHONE
from synthnoise.sensors.virtual_camera import VirtualCamera


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def profile(tmp_path):
    return save_profile(camera(100.0, 1600.0, black=(512.0,) * 4), tmp_path / "profile")


def test_one_iso_goes_to_vkdt_and_back(profile, tmp_path):
    file = tmp_path / "Sony-ILCE-7SM2-1600.nprof"
    done = run("export", profile.folder, "--format", "vkdt", "--iso", 1600, "-o", file)
    assert done.exit_code == 0, done.output
    levels = ("--black", 512, "--white", 16383)
    done = run("import", file, "--format", "vkdt", *levels, "-o", tmp_path / "back")
    assert done.exit_code == 0, done.output
    back = load_profile(tmp_path / "back").isos[1600.0]
    assert back.shot[1] == pytest.approx(profile.isos[1600.0].shot[1], rel=1e-12)
    assert isinstance(run("export", profile.folder, "--format", "vkdt").exception, SynthnoiseError)


def test_the_tag_of_a_dng_is_a_profile_without_a_shot(tmp_path):
    sensor = replace(PHONE, size=(64, 96))
    write_dng(tmp_path / "phone.dng", VirtualCamera(sensor).flat(500))
    done = run("import", tmp_path / "phone.dng", "-o", tmp_path / "phone")
    assert done.exit_code == 0, done.output
    found = load_profile(tmp_path / "phone")
    noise = found.isos[800.0]
    assert noise.gain == pytest.approx(sensor.gain, rel=1e-6)
    assert noise.read_noise[0] == pytest.approx(sensor.temporal_noise(), rel=1e-6)
    assert (noise.gain_regime, noise.sources[0].role) == ("stated", "tag")
    assert "phone.dng" in found.provenance
    assert noise.sources[0].sha256
    plain = replace(MILD, size=(64, 96))
    write_dng(tmp_path / "plain.dng", VirtualCamera(plain).dark())
    with pytest.raises(InputError, match="no NoiseProfile") as caught:
        tag_profile(tmp_path / "plain.dng")
    assert "calibrate" in (caught.value.hint or "")


def test_show_draws_what_it_says(profile, tmp_path):
    picture = tmp_path / "a.png"
    done = run("show", profile.folder, "--plot", picture, "--json")
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["plot"] == str(picture)
    assert data["isos"][0]["quantities"]["dsnu"] == {"value": 0.7, "se": 0.02, "unit": "DN"}
    with Image.open(picture) as image:
        assert image.size == (1200, 900)
        panels = image.convert("RGB")
        for corner in ((0, 0), (600, 0), (600, 450)):
            box = panels.crop((*corner, corner[0] + 600, corner[1] + 450))
            coloured = [c for c in box.getcolors(1 << 20) or [] if max(c[1]) - min(c[1]) > 60]
            assert sum(count for count, _ in coloured) > 200, "a coloured curve in every panel with data"
    assert run("show", profile.folder, "--plot", picture).exit_code != 0, "not overwritten unasked"
    assert isinstance(run("show", profile.folder, "--plot", tmp_path / "a.jpg").exception, SynthnoiseError)


def test_an_import_of_nothing_says_so():
    done = run("import")
    assert isinstance(done.exception, SynthnoiseError)
    assert "name a file" in (done.exception.hint or "")
