"""The dark frame of a profile, subtracted of itself: judged by virtual cameras whose truth is known."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import synthnoise
from synthnoise.calibration import calibrate
from synthnoise.denoising import Settings, denoise_files, denoise_frame
from synthnoise.denoising.dark_pattern import level_is_shared, subtract_dark
from synthnoise.denoising.profile_darks import ProfileDarks
from synthnoise.errors import InputError
from synthnoise.files import FileOutcome
from synthnoise.plugins import default_plugins
from synthnoise.profiles.schema import CameraProfile
from synthnoise.profiles.store import kept_dark, load_profile, save_profile
from synthnoise.progress import Progress
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.mean_dark import MeanDark
from synthnoise.raw.reading import read_frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

SENSOR = dataclasses.replace(SENSORS["hard"], size=(256, 384), exposure_time=0.5)
CAMERA = VirtualCamera(SENSOR)
RATIO = 200.0
SHARED = "subtracted, from the profile's dark frame"


def night(index: int = 5, **known: float) -> tuple[Frame, np.ndarray]:
    """Return a frame far underexposed, with noise that no calibration has seen, and its truth in DN."""
    scene = SENSOR.camera_rgb(dead_leaves(SENSOR.size, seed=9))
    return CAMERA.shoot(scene, ratio=RATIO, index=index, **known), CAMERA.clean(scene, RATIO)


@pytest.fixture(scope="module")
def shots(tmp_path_factory) -> Path:
    """Return a folder with the two shots of a calibration, its profile ("p"), and a night shot."""
    folder = tmp_path_factory.mktemp("shots")
    write_dng(folder / "dark.dng", CAMERA.dark())
    day = SENSOR.camera_rgb(dead_leaves(SENSOR.size, seed=2))
    write_dng(folder / "noisy.dng", CAMERA.shoot(day, ratio=20, index=1))
    calibrate([folder / "dark.dng"], [folder / "noisy.dng"], output=folder / "p")
    write_dng(folder / "night.dng", night()[0])
    return folder


@pytest.fixture
def copied(shots, tmp_path) -> Path:
    """Return a copy of the profile that a test may damage."""
    return Path(shutil.copytree(shots / "p", tmp_path / "p"))


def untouched(profile: Path | CameraProfile, **changes: bool) -> Settings:
    """Return settings that leave the noise: only the dark is subtracted."""
    return Settings(profile=profile, denoiser="patch-dct", strength=0.0, **changes)


def one(outcomes: list[FileOutcome]) -> FileOutcome:
    (outcome,) = outcomes
    assert outcome.error is None
    return outcome


def unused(profile: CameraProfile, frame: Frame) -> str:
    """Return why the profile's dark is not used on a frame, which has to stay as it is."""
    found = ProfileDarks(profile).subtract(frame)
    assert found.frame is frame
    assert found.dark is None
    return found.unused


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def test_a_profile_with_its_dark_denoises_better(shots, tmp_path):
    _, truth = night()
    errors = {}
    for name, wanted in (("with", True), ("without", False)):
        settings = Settings(profile=shots / "p", profile_dark=wanted)
        outcome = one(denoise_files([shots / "night.dng"], tmp_path / f"{name}.dng", settings))
        errors[name] = read_frame(outcome.output).mosaic - truth
        said = [remark for remark in outcome.remarks if "dark" in remark]
        assert len(said) == (1 if wanted else 0)
        assert ("dark" in outcome.details) == wanted
        if wanted:
            assert said[0].startswith(SHARED)
            assert outcome.details["dark"]["frames"] == 1
    gain = 20 * np.log10(rms(errors["without"]) / rms(errors["with"]))
    # Dark current is 4 DN in the mean, glow 40 DN in a corner; the rows of a frame drift by 0.5 DN.
    assert gain > 2


def test_without_it_the_bytes_are_those_of_a_profile_that_has_none(shots, copied, tmp_path):
    (copied / "iso-03200-dark.dng").unlink()
    document = copied / "profile.toml"
    document.write_text(document.read_text().replace('dark_file = "iso-03200-dark.dng"\n', ""))
    paths = []
    for name, settings in (
        ("off", untouched(shots / "p", profile_dark=False)),
        ("none", untouched(copied)),
        ("on", untouched(shots / "p")),
    ):
        outcome = one(denoise_files([shots / "night.dng"], tmp_path / f"{name}.dng", settings))
        assert any("dark" in remark for remark in outcome.remarks) == (name == "on")
        paths.append(outcome.output)
    off, none, on = (read_frame(path).mosaic for path in paths)
    assert np.array_equal(off, none)
    assert not np.array_equal(off, on)


def test_a_dark_that_is_given_wins(shots, tmp_path):
    write_dng(tmp_path / "other.dng", CAMERA.dark(9))
    results = []
    for name, settings in (
        ("both", untouched(shots / "p")),
        ("given", untouched(shots / "p", profile_dark=False)),
    ):
        outcome = one(
            denoise_files(
                [shots / "night.dng"], tmp_path / f"{name}.dng", settings, darks=[tmp_path / "other.dng"]
            )
        )
        assert "subtracted, from a dark frame: " in outcome.remarks[0]
        results.append(read_frame(outcome.output).mosaic)
    assert np.array_equal(*results)


def test_python_gets_the_same_in_one_call(shots, tmp_path):
    settings = untouched(load_profile(shots / "p"))
    outcome = one(denoise_files([shots / "night.dng"], tmp_path / "a.dng", settings))
    frame = read_frame(shots / "night.dng")
    result = denoise_frame(frame, settings)
    assert np.array_equal(result.frame.mosaic, read_frame(outcome.output).mosaic)
    assert result.frame.mosaic.dtype == np.uint16
    assert dataclasses.asdict(result.dark) == outcome.details["dark"]
    assert denoise_frame(frame, settings, profile_dark=False).dark is None


def test_a_profile_in_memory_knows_where_its_dark_was_shot(shots, monkeypatch, tmp_path):
    monkeypatch.chdir(shots)
    profile = synthnoise.calibrate(["dark.dng"], ["noisy.dng"]).profile
    monkeypatch.chdir(tmp_path)
    frame = read_frame(shots / "night.dng")
    kept = ProfileDarks(load_profile(shots / "p")).subtract(frame)
    found = ProfileDarks(profile).subtract(frame)
    assert np.array_equal(found.frame.mosaic, kept.frame.mosaic)
    # What is stored states no place on somebody's disk.
    save_profile(profile, tmp_path / "stored")
    assert str(shots) not in (tmp_path / "stored" / "profile.toml").read_text()
    assert ProfileDarks(load_profile(tmp_path / "stored")).subtract(frame).unused == ""
    in_memory = calibrate([CAMERA.dark()], [read_frame(shots / "noisy.dng")]).profile
    assert unused(in_memory, frame) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iso": 1600.0}, "of ISO 3200"),
        ({"noise_reduction": 1.0}, "denoised before"),
        ({"model": "Other"}, "is of a Virtual Hard"),
        ({"white": 4095.0}, "white level"),
        ({"cfa": np.array([[2, 1], [1, 0]], np.uint8)}, "colour filters"),
        ({"active_area": (0, 0, 254, 384)}, "differs in size"),
    ],
)
def test_what_does_not_fit_is_left_with_a_remark(shots, change, reason):
    frame = dataclasses.replace(night()[0], **change)
    said = unused(load_profile(shots / "p"), frame)
    assert reason in said
    assert said.startswith("the profile's dark frame")
    assert "\n" not in said


def test_what_does_not_fit_is_no_error(shots, tmp_path):
    frame = night()[0].crop((0, 0, 128, 128))
    write_dng(tmp_path / "small.dng", frame)
    outcome = one(denoise_files([tmp_path / "small.dng"], None, untouched(shots / "p")))
    assert "differs in size" in outcome.remarks[0]
    assert "differs in size" in outcome.details["dark_unused"]
    assert "differs in size" in denoise_frame(frame, untouched(shots / "p")).remarks[-1]


def test_a_file_without_iso_and_exposure_is_taken_for_the_only_one(shots):
    profile, frame = load_profile(shots / "p"), night()[0]
    bare = dataclasses.replace(frame, iso=None, exposure_time=None)
    for darks in (ProfileDarks(profile), ProfileDarks(profile, 3200.0)):
        found = darks.subtract(bare)
        assert found.dark is not None
        assert "exposure time of the photograph is not known" in found.dark.left
    assert "of ISO 3200, not 400" in ProfileDarks(profile, 400.0).subtract(frame).unused
    two = dataclasses.replace(profile, isos=profile.isos | {400.0: profile.isos[3200.0]})
    assert ProfileDarks(two).subtract(bare).dark is None


@pytest.mark.parametrize("damage", ["missing", "cut", "not a file", "link"])
def test_a_dark_that_cannot_be_read_is_left_with_a_remark(copied, shots, damage):
    dark = copied / "iso-03200-dark.dng"
    data = dark.read_bytes()
    dark.unlink()
    if damage == "cut":
        dark.write_bytes(data[: len(data) // 2])
    elif damage == "not a file":
        dark.mkdir()
    elif damage == "link":
        dark.symlink_to(shots / "dark.dng")
    said = unused(load_profile(copied), night()[0])
    assert "iso-03200-dark.dng" in said
    assert ("link out of the profile's folder" in said) == (damage == "link")


@pytest.mark.parametrize("model", ["sfrn", "two-shots"])
def test_noise_models_do_not_follow_links_out_of_a_profile_either(copied, shots, model):
    (copied / "iso-03200-dark.dng").unlink()
    (copied / "iso-03200-dark.dng").symlink_to(shots / "dark.dng")
    with pytest.raises(InputError, match="link out of the profile's folder"):
        default_plugins().create("noise_models", model).parameters(load_profile(copied), 3200.0)


def test_links_within_the_folder_will_do(copied):
    (copied / "iso-03200-dark.dng").rename(copied / "mine.dng")
    (copied / "iso-03200-dark.dng").symlink_to("mine.dng")
    assert kept_dark(load_profile(copied), 3200.0).exists()
    with pytest.raises(InputError, match="ISO 800"):
        kept_dark(load_profile(copied), 800.0)


def test_the_dark_of_many_files_is_read_once(copied, shots, tmp_path):
    # It vanishes when the first file is done, and the others do not miss it.
    class Thief(Progress):
        def advance(self, count: int = 1) -> None:
            (copied / "iso-03200-dark.dng").unlink(missing_ok=True)

    files = []
    for number in range(3):
        files.append(tmp_path / f"{number}.dng")
        write_dng(files[-1], night(number)[0])
    outcomes = denoise_files(files, tmp_path / "out", untouched(copied), progress=Thief())
    assert not (copied / "iso-03200-dark.dng").exists()
    assert [outcome.remarks[0].startswith(SHARED) for outcome in outcomes] == [True] * 3


def test_files_at_a_time_and_previews_get_it_too(shots, tmp_path):
    for number in range(2):
        write_dng(tmp_path / f"{number}.dng", night(number)[0])
    settings = untouched(shots / "p")
    for more in ({"jobs": 2}, {"preview": True}):
        outcomes = denoise_files([tmp_path / "0.dng", tmp_path / "1.dng"], tmp_path / "o", settings, **more)
        assert [outcome.remarks[0].startswith(SHARED) for outcome in outcomes] == [True] * 2


def test_the_command_says_it(shots, tmp_path):
    from synthnoise.cli.main import app

    command = ["denoise", str(shots / "night.dng"), "--profile", str(shots / "p"), "-d", "patch-dct"]
    command += ["--strength", "0"]
    done = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "a.dng")])
    assert done.exit_code == 0
    assert f"\n  {SHARED}: offset " in done.output
    done = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "b.dng"), "--json", "--no-profile-dark"])
    (file,) = json.loads(done.output)["files"]
    assert file["status"] == "done"
    assert "dark" not in file


@pytest.mark.parametrize(
    ("dark", "photograph", "shared"),
    [
        (0.1, 0.1, True),
        (0.05, 0.1, True),
        (0.04, 0.1, False),
        (0.12, 0.1, True),
        (0.14, 0.1, True),
        (0.16, 0.1, False),
        (1 / 4000, 1 / 60, True),
        (1 / 60, 1 / 4000, True),
        (1 / 60, 1 / 15, False),
        (None, 0.1, False),
        (0.1, None, False),
        (0.0, 0.0, False),
    ],
)
def test_what_exposure_times_share(dark, photograph, shared):
    assert level_is_shared(dark, photograph) is shared


@pytest.mark.parametrize("seconds", [0.001, 8.0, None])
def test_other_exposures_share_lines_and_pixels(seconds):
    """A dark of 8 s has 70 DN of glow; of it nothing must come into a frame of 0.5 s, nor the other way."""
    frame, truth = night()
    dark = dataclasses.replace(CAMERA.dark(exposure_time=seconds), exposure_time=seconds)
    with pytest.raises(InputError, match="exposed") if seconds else np.errstate():
        subtract_dark(frame, MeanDark(dark, 1))
    clean, said = subtract_dark(frame, MeanDark(dark, 1), any_exposure=True)
    assert said.left
    assert "not offset and shading" in str(said)
    assert said.offset == said.shading == 0
    assert said.lines > 0.3 * SENSOR.column_pattern
    hot = CAMERA.unit.hot_pixels
    sound = np.ones(frame.mosaic.shape, bool)
    sound[hot.rows, hot.columns] = False
    assert rms((clean.mosaic - truth)[sound]) < rms((frame.mosaic - truth)[sound])
    assert rms(clean.mosaic - truth) < rms(frame.mosaic - truth)
