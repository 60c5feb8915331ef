"""darktable's noise profiles: read as a prior with its factor, found where it is installed, never trusted."""

from __future__ import annotations

import json

import pytest

from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.profiles import darktable
from synthnoise.profiles.convert import import_profile


def content(**changes) -> dict:
    """Return a file of two cameras in the format of the program; the numbers are made up."""
    row = {"name": "x iso 100", "iso": 100, "a": [1e-6, 2e-6, 3e-6], "b": [1e-9, -1e-9, 2e-9]}
    rows = [row, row | {"iso": 200, "a": [2e-6, 4e-6, 6e-6]}, row | {"iso": 400, "a": [-1e-6, 1e-6, 1e-6]}]
    rows += [row | {"iso": 800, "skip": True}]
    models = [{"comment": "", "model": "ILCE-7X", "profiles": rows}, {"model": "A 1", "profiles": [row]}]
    return {"version": 0, "noiseprofiles": [{"maker": "Sony", "models": models}]} | changes


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "noiseprofiles.json"
    file.write_text(json.dumps(content()))
    return file


def test_a_camera_is_a_prior_with_a_factor_of_two(path):
    profile = import_profile(path, "darktable", camera="sony ilce-7x", black=512, white=16383)
    assert (profile.name, list(profile.isos)) == ("Sony ILCE-7X", [100.0, 200.0])
    noise = profile.isos[100.0]
    assert noise.shot == pytest.approx((8e-6, 28e-6, 24e-6))
    assert noise.read == pytest.approx((8e-9, 0.0, 16e-9))
    scale = 16383 - 512
    assert noise.gain_interval == pytest.approx((8e-6 * scale / 2, 28e-6 * scale * 2))
    assert noise.gain_interval[0] < noise.gain < noise.gain_interval[1]
    assert noise.shot_se[1] == noise.shot[1] / 2
    assert noise.gain_regime == "stated"
    assert profile.provenance.startswith("prior")
    assert "not to be shipped" in profile.provenance


def test_the_installed_file_is_found(path, monkeypatch, tmp_path):
    (tmp_path / "darktable").mkdir()
    (tmp_path / "darktable" / "noiseprofiles.json").write_bytes(path.read_bytes())
    monkeypatch.setenv("XDG_DATA_DIRS", f"/nowhere:{tmp_path}")
    assert darktable.read_darktable(None, "Sony A 1").model == "A 1"
    monkeypatch.setenv("XDG_DATA_DIRS", "")
    monkeypatch.setattr(darktable, "PLACES", (str(tmp_path / "none"),))
    with pytest.raises(InputError, match="usual places"):
        darktable.installed_file()


def test_an_unknown_camera_is_answered_with_near_ones(path):
    with pytest.raises(UsageError, match="Sony ILCE-7Y") as caught:
        import_profile(path, "darktable", camera="Sony ILCE-7Y")
    assert "ILCE-7X" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="2 cameras"):
        import_profile(path, "darktable")


@pytest.mark.parametrize(
    "changed",
    [
        "",
        "[]",
        "{}",
        json.dumps(content(noiseprofiles=5)),
        json.dumps(content(noiseprofiles=[{"maker": "Sony"}])),
        json.dumps(content()).replace("1e-06", "1e999"),
        json.dumps(content()).replace("100,", "-100,"),
        json.dumps(content()).replace("true", '"yes"').replace("[1e-06", "[1"),
        json.dumps(content()).replace('"b"', '"c"'),
    ],
)
def test_other_files_are_refused_in_one_line(path, changed):
    path.write_text(changed)
    with pytest.raises(SynthnoiseError) as caught:
        import_profile(path, "darktable", camera="Sony ILCE-7X")
    assert "\n" not in caught.value.message


def test_every_camera_of_an_installed_darktable_is_read():
    try:
        path = darktable.installed_file()
    except InputError:
        pytest.skip("no darktable is installed")
    models = [
        f"{maker['maker']} {model['model']}"
        for maker in json.loads(path.read_text())["noiseprofiles"]
        for model in maker["models"]
    ]
    assert len(models) > 300
    for name in models[::40]:
        profile = darktable.read_darktable(path, name)
        assert profile.isos
        assert all(noise.gain > 0 for noise in profile.isos.values())
