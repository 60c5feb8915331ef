"""Profiles on the disk: whole or not at all, never overwritten unasked, and guarded against any file."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import tomllib

import numpy as np
import pytest
import tomli_w
from safetensors.numpy import save

from synthnoise.errors import InputError, OutputExistsError, SynthnoiseError, UsageError
from synthnoise.naming import folder_name
from synthnoise.plugins import Plugins
from synthnoise.profiles import arrays as array_file
from synthnoise.profiles.interpolation import noise_at
from synthnoise.profiles.schema import CameraProfile, IsoNoise, Quantity, SourceFile
from synthnoise.profiles.store import (
    describe_profile,
    find_profiles,
    load_profile,
    save_profile,
    shipped_folder,
)
from synthnoise.specs import ProfileDir


def noise(iso: float = 1600.0, **changes) -> IsoNoise:
    """Return the noise of an ISO; gain and noises grow with it."""
    unit = iso / 1600
    values = {
        "iso": iso,
        "gain": 1.53 * unit,
        "gain_se": 0.02 * unit,
        "gain_interval": (1.4 * unit, 1.6 * unit),
        "gain_regime": "good",
        "offset": (0.1, -0.25, 1 / 3, 0.0),
        "read_noise": tuple(unit * v for v in (2.65, 2.66, 2.64, 2.6)),
        "read_noise_se": (0.01,) * 4,
        "row_noise": 0.33 * unit,
        "row_noise_se": 0.01,
        "column_noise": 0.1 * unit,
        "column_noise_se": 0.01,
        "shot": (1e-4 * unit,) * 3,
        "shot_se": (1e-6,) * 3,
        "read": (3e-8 * unit**2, 2.9e-8 * unit**2, 2.8e-8 * unit**2),
        "read_se": (1e-10,) * 3,
        "hot_pixel_fraction": 1e-5,
        "exposure_time": 1 / 30,
        "offset_se": (0.01, 0.02, 0.01, 0.015),
        "hot_pixel_fraction_se": 1e-6,
        "quantities": {"dsnu": Quantity(0.7, 0.02), "dark_current": Quantity(-0.1, 0.3)},
        "arrays": {
            "shading": np.arange(24, dtype=np.float32).reshape(4, 2, 3) / 7,
            "hot_pixels": np.array([[1, 2, 300], [5, 9, -40]], dtype=np.int32),
            "marginal": np.linspace(-9, 9, 4 * 257, dtype=np.float32).reshape(4, 257),
        },
        "diagnostics": {"dark_frames": 2, "warnings": ["said ä thing"]},
        "sources": (
            SourceFile(role="dark", name="d.dng", sha256="0" * 64, iso=iso, date="2026:01:01 00:00:00"),
        ),
    }
    return IsoNoise(**(values | changes))


def camera(*isos: float, **changes) -> CameraProfile:
    """Return a profile of a Bayer camera."""
    values = {
        "make": "Sony",
        "model": "ILCE-7SM2",
        "cfa": ((0, 1), (1, 2)),
        "black": (512.0, 512.0, 512.25, 512.0),
        "white": 16383.0,
        "isos": {iso: noise(iso) for iso in isos or (1600.0,)},
        "bits": 14,
        "size": (2848, 4256),
        "as_shot_neutral": (0.5, 1.0, 0.7),
        "colour_matrix": ((0.7, -0.1, 0.0), (-0.4, 1.2, 0.2), (0.0, 0.1, 0.6)),
        "software": "synthnoise 0",
        "created": "2026-01-01T00:00:00Z",
    }
    return CameraProfile(**(values | changes))


def assert_same(first: CameraProfile, second: CameraProfile) -> None:
    """Fail unless two profiles say exactly the same, folders aside."""
    plain = [
        dataclasses.replace(
            p, folder="", isos={k: dataclasses.replace(n, arrays={}) for k, n in p.isos.items()}
        )
        for p in (first, second)
    ]
    assert plain[0] == plain[1]
    for iso, one in first.isos.items():
        other = second.isos[iso]
        assert one.arrays.keys() == other.arrays.keys()
        for name, array in one.arrays.items():
            assert array.dtype == other.arrays[name].dtype
            np.testing.assert_array_equal(array, other.arrays[name])


# Written and read


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path):
    profile = camera(100.0, 1600.0, 102400.0)
    saved = save_profile(profile, tmp_path / "p")
    loaded = load_profile(tmp_path / "p")
    assert_same(profile, loaded)
    assert loaded.folder == saved.folder == str(tmp_path / "p")
    assert sorted(f.name for f in (tmp_path / "p").iterdir()) == [
        "iso-00100.safetensors",
        "iso-01600.safetensors",
        "iso-102400.safetensors",
        "profile.toml",
    ]
    assert_same(profile, load_profile(tmp_path / "p" / "profile.toml"))


def test_an_unmeasured_gain_and_fractional_isos_survive(tmp_path):
    nan = math.nan
    unmeasured = noise(
        40.5,
        gain=nan,
        gain_se=nan,
        gain_interval=(nan, nan),
        gain_regime="unmeasured",
        shot=(nan,) * 3,
        shot_se=(nan,) * 3,
    )
    save_profile(camera(isos={40.5: unmeasured}), tmp_path)
    found = load_profile(tmp_path).isos[40.5]
    assert math.isnan(found.gain)
    assert found.read == unmeasured.read
    assert "= nan" not in (tmp_path / "profile.toml").read_text()


def test_nothing_is_overwritten_unasked(tmp_path):
    save_profile(camera(), tmp_path)
    before = {f.name: f.read_bytes() for f in tmp_path.iterdir()}
    with pytest.raises(OutputExistsError):
        save_profile(camera(800.0), tmp_path)
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == before
    save_profile(camera(800.0), tmp_path, overwrite=True)
    assert list(load_profile(tmp_path).isos) == [800.0]


def test_merging_adds_isos_of_the_same_camera(tmp_path):
    save_profile(camera(1600.0), tmp_path)
    with pytest.raises(OutputExistsError, match="1600"):
        save_profile(camera(400.0, 1600.0), tmp_path, merge=True)
    whole = save_profile(camera(400.0), tmp_path, merge=True)
    assert list(whole.isos) == [400.0, 1600.0]
    assert_same(camera(400.0, 1600.0), load_profile(tmp_path))
    changed = camera(isos={1600.0: noise(1600.0, row_noise=9.0)})
    save_profile(changed, tmp_path, merge=True, overwrite=True)
    assert load_profile(tmp_path).isos[1600.0].row_noise == 9.0
    with pytest.raises(UsageError, match="ILCE-7SM2"):
        save_profile(camera(200.0, model="ILCE-7M4"), tmp_path, merge=True)
    with pytest.raises(UsageError, match="bit depth"):
        save_profile(camera(200.0, black=(128.0,) * 4, white=4095.0), tmp_path, merge=True)


def test_a_profile_that_cannot_be_written_leaves_no_profile(tmp_path):
    bad = camera(isos={1600.0: noise(arrays={"shading": np.zeros((2, 2), np.float64)})})
    with pytest.raises(UsageError, match="shading"):
        save_profile(bad, tmp_path / "p")
    assert not (tmp_path / "p" / "profile.toml").exists()


def test_what_an_interrupted_run_left_is_taken_over(tmp_path):
    save_profile(camera(), tmp_path)
    (tmp_path / "profile.toml").unlink()
    assert_same(camera(), save_profile(camera(), tmp_path))
    (tmp_path / "profile.toml").unlink()
    (tmp_path / "iso-01600.safetensors").write_bytes(b"someone's")
    with pytest.raises(OutputExistsError):
        save_profile(camera(), tmp_path)


def test_kept_darks_move_along(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    with_dark = camera(isos={1600.0: noise(dark_file="iso-01600-dark.dng")})
    with pytest.raises(InputError, match=r"iso-01600-dark\.dng"):
        save_profile(with_dark, first)
    first.mkdir(exist_ok=True)
    (first / "iso-01600-dark.dng").write_bytes(b"dark")
    save_profile(with_dark, first)
    save_profile(load_profile(first), second)
    assert (second / "iso-01600-dark.dng").read_bytes() == b"dark"


# Found by name


def test_profiles_are_found_by_name_and_the_users_own_win(tmp_path, monkeypatch):
    # A folder of that name where the tests run, as the README's tour makes one, would be taken for a path.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    plugins = Plugins(candidates=[])
    own = tmp_path / "config" / "synthnoise" / "profiles"
    save_profile(camera(), own / "my-camera")
    (own / "broken").mkdir()
    (own / "broken" / "profile.toml").write_text("schema = [")
    found = find_profiles(plugins)
    assert found["my-camera"].name == "Sony ILCE-7SM2"
    assert "broken" not in found
    assert load_profile("my-camera", plugins).isos.keys() == {1600.0}
    with pytest.raises(InputError, match="not valid TOML"):
        load_profile("broken", plugins)
    with pytest.raises(InputError) as caught:
        load_profile("my-camra", plugins)
    assert caught.value.hint == "did you mean my-camera?"


def test_plugins_bring_profile_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    save_profile(camera(), tmp_path / "shelf" / "theirs")
    record = ProfileDir(name="shelf", summary="A shelf.", factory=lambda: tmp_path / "shelf")
    plugins = Plugins(candidates=[])
    monkeypatch.setattr(plugins, "records", lambda kind: [record])
    assert load_profile("theirs", plugins).name == "Sony ILCE-7SM2"


def test_a_folder_without_a_profile_says_so(tmp_path):
    with pytest.raises(InputError, match=r"profile\.toml"):
        load_profile(tmp_path, Plugins(candidates=[]))


def test_descriptions_name_the_essentials(tmp_path):
    data, lines = describe_profile(save_profile(camera(), tmp_path))
    assert data["isos"][0]["gain"] == 1.53
    assert any("1.53 DN/e-" in line for line in lines)
    assert folder_name(camera().name) == "sony-ilce-7sm2"


# Hostile files


def document(tmp_path) -> dict:
    save_profile(camera(), tmp_path)
    return tomllib.loads((tmp_path / "profile.toml").read_text())


def rewrite(tmp_path, content: dict) -> None:
    (tmp_path / "profile.toml").write_text(tomli_w.dumps(content))


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("", "schema", 99),
        ("", "iso", []),
        ("camera", "white", 3.0),
        ("camera", "white", "bright"),
        ("camera", "white", True),
        ("camera", "white", float("nan")),
        ("camera", "white", 10**400),
        ("camera", "black", [512.0]),
        ("camera", "black", [-1.0] * 4),
        ("camera", "cfa", ["RGGB", "RG"]),
        ("camera", "cfa", ["R" * 9] * 9),
        ("camera", "cfa", ["RX", "GB"]),
        ("camera", "cfa", []),
        ("camera", "size", [1e12, 2.0]),
        ("camera", "colour_matrix", [[1.0, 2.0, 3.0]]),
        ("camera", "make", 7),
        ("iso", "iso", -100.0),
        ("iso", "gain", 0.0),
        ("iso", "gain", float("inf")),
        ("iso", "gain_interval", [2.0, 1.0]),
        ("iso", "gain_regime", "excellent"),
        ("iso", "read_noise", [1.0, 2.0]),
        ("iso", "read", [-1e-9, 0.0, 0.0]),
        ("iso", "hot_pixel_fraction", 2.0),
        ("iso", "dark_file", "../../etc/passwd"),
        ("iso", "dark_file", "/etc/passwd"),
        ("iso", "dark_file", ".hidden"),
        ("iso", "arrays", "..\\evil.safetensors"),
        ("iso", "arrays", "nested/iso.safetensors"),
        ("iso", "source", [{"role": "spy", "name": "", "sha256": ""}]),
        ("iso", "diagnostics", "none"),
        ("iso", "quantities", 3.0),
        ("iso", "quantities", {"dsnu": 1.0}),
    ],
)
def test_a_wrong_value_is_refused_by_file_and_key(tmp_path, place, key, value):
    content = document(tmp_path)
    table = content if not place else content["iso"][0] if place == "iso" else content[place]
    table[key] = value
    rewrite(tmp_path, content)
    with pytest.raises(InputError) as caught:
        load_profile(tmp_path)
    assert "profile.toml" in caught.value.message
    assert (key if key != "source" else "role") in caught.value.message


REQUIRED = {
    "": ("schema", "camera", "iso"),
    "camera": ("make", "model", "cfa", "black", "white"),
    "iso": (
        "iso",
        "gain",
        "gain_regime",
        "offset",
        "read_noise",
        "row_noise",
        "shot",
        "read",
        "arrays_sha256",
    ),
}


@pytest.mark.parametrize(("place", "key"), [(place, key) for place, keys in REQUIRED.items() for key in keys])
def test_a_missing_key_is_named(tmp_path, place, key):
    content = document(tmp_path)
    table = content if not place else content["iso"][0] if place == "iso" else content[place]
    del table[key]
    rewrite(tmp_path, content)
    with pytest.raises(InputError, match=key):
        load_profile(tmp_path)


def test_any_value_anywhere_is_either_fine_or_refused(tmp_path):
    content = document(tmp_path)
    strange = (None, -1, 0, 1e308, 2**70, "x\x1b[2J", True, [], [[]], {}, [{}], ["a", 1], [1e308] * 4)
    for table in (content, content["camera"], content["iso"][0], content["iso"][0]["source"][0]):
        for key in list(table):
            kept = table.pop(key)
            for value in strange:
                if value is not None:
                    table[key] = value
                rewrite(tmp_path, content)
                try:
                    describe_profile(load_profile(tmp_path))
                except SynthnoiseError as error:
                    assert "\x1b" not in error.message  # noqa: PT017
            table[key] = kept


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"[" * 5000, b"a = 1\n" * 300_000])
def test_files_that_are_no_profile_are_refused(tmp_path, data):
    (tmp_path / "profile.toml").write_bytes(data)
    with pytest.raises(InputError):
        load_profile(tmp_path)


def test_a_repeated_iso_is_refused(tmp_path):
    content = document(tmp_path)
    content["iso"] *= 2
    rewrite(tmp_path, content)
    with pytest.raises(InputError, match="twice"):
        load_profile(tmp_path)


def replace_arrays(tmp_path, data: bytes) -> None:
    """Put other bytes into the array file and make the checksum right."""
    content = document(tmp_path)
    (tmp_path / "iso-01600.safetensors").write_bytes(data)
    content["iso"][0]["arrays_sha256"] = hashlib.sha256(data).hexdigest()
    rewrite(tmp_path, content)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        (2**62).to_bytes(8, "little") + b"{}",
        (40).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[9],"data_of',
        save({"shading": np.zeros((4, 2, 2))}),
        save({"shading": np.full((4, 2, 2), np.nan, np.float32)}),
        save({"hot_pixels": np.zeros(9, np.int32)}),
        save({"mask": np.zeros(3, bool)}),
    ],
)
def test_damaged_and_unfit_arrays_are_refused(tmp_path, data):
    replace_arrays(tmp_path, data)
    with pytest.raises(InputError, match=r"iso-01600\.safetensors"):
        load_profile(tmp_path)


def test_arrays_of_a_later_version_are_kept(tmp_path):
    replace_arrays(tmp_path, save({"novelty": np.zeros(3, np.float16)}))
    assert load_profile(tmp_path).isos[1600.0].arrays["novelty"].shape == (3,)


def test_exchanged_missing_and_huge_arrays_are_refused(tmp_path, monkeypatch):
    save_profile(camera(), tmp_path)
    path = tmp_path / "iso-01600.safetensors"
    data = path.read_bytes()
    path.write_bytes(save({"novelty": np.zeros(3, np.float32)}))
    with pytest.raises(InputError, match="is not the file"):
        load_profile(tmp_path)
    path.write_bytes(data)
    monkeypatch.setattr(array_file, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="more than"):
        load_profile(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        load_profile(tmp_path)


# Between ISOs


def test_between_isos_noise_follows_a_power_law():
    profile = camera(400.0, 1600.0)
    middle = noise_at(profile, 800.0)
    assert middle.gain == pytest.approx(0.765, rel=1e-12)
    assert middle.read_noise[0] == pytest.approx(2.65 / 2, rel=1e-12)
    assert middle.read[1] == pytest.approx(2.9e-8 / 4, rel=1e-12)
    assert middle.offset == pytest.approx(noise(400.0).offset)
    assert middle.arrays == {}
    assert middle.dark_file == ""
    assert middle.diagnostics["interpolated_between"] == [400.0, 1600.0]
    assert noise_at(profile, 400.0) is profile.isos[400.0]


def test_zeros_are_interpolated_too():
    isos = {400.0: noise(400.0, row_noise=0.0), 1600.0: noise(1600.0, row_noise=0.3)}
    assert noise_at(camera(isos=isos), 1000.0).row_noise == pytest.approx(0.15)


@pytest.mark.parametrize("iso", [100.0, 3200.0])
def test_outside_the_range_is_refused(iso):
    with pytest.raises(UsageError, match="400 to 1600"):
        noise_at(camera(400.0, 1600.0), iso)


@pytest.mark.parametrize("iso", [math.nan, math.inf, -5.0, 0.0])
def test_what_is_no_iso_is_refused_as_such(iso):
    with pytest.raises(UsageError, match="is no ISO"):
        noise_at(camera(400.0, 1600.0), iso)


def test_nothing_is_interpolated_across_a_change_of_conversion_gain():
    isos = {1600.0: noise(1600.0, read_noise=(6.3,) * 4), 2000.0: noise(2000.0, read_noise=(2.65,) * 4)}
    with pytest.raises(UsageError, match="conversion gain"):
        noise_at(camera(isos=isos), 1800.0)


def test_the_less_trustworthy_regime_wins():
    isos = {400.0: noise(400.0, gain_regime="high-snr"), 1600.0: noise(1600.0)}
    assert noise_at(camera(isos=isos), 800.0).gain_regime == "high-snr"


@pytest.mark.parametrize("name", sorted(path.name for path in shipped_folder().iterdir() if path.is_dir()))
def test_shipped_profiles_can_be_used(name, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    profile = load_profile(name, Plugins(candidates=[]))
    assert folder_name(profile.name) == name
    assert profile.provenance
    for noise_of in profile.isos.values():
        gain, scale = noise_of.gain, profile.scale[0]
        assert noise_of.shot[1] == pytest.approx(gain / scale, rel=1e-6)
        assert noise_of.gain_interval[0] <= gain <= noise_of.gain_interval[1]
        # A colour's figure is the mean of its positions: the two greens of a sensor may differ.
        greens = [place for place, colour in enumerate(profile.colours) if colour == 1]
        variances = [(noise_of.read_noise[place] / profile.scale[place]) ** 2 for place in greens]
        assert noise_of.read[1] == pytest.approx(sum(variances) / len(greens), rel=1e-6)


def test_a_file_where_a_profile_is_wanted_is_told_what_one_is(tmp_path):
    photograph = tmp_path / "photo.dng"
    photograph.write_bytes(b"II*\0")
    with pytest.raises(
        InputError, match=r"photo\.dng: is a file, and a camera profile is a folder"
    ) as refusal:
        load_profile(photograph)
    assert "calibrate" in str(refusal.value.hint)
