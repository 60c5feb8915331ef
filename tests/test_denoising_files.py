"""Batches of files: RAW to DNG, pictures to pictures, and what happens when something goes wrong."""

from __future__ import annotations

import dataclasses
import gc
import os
import resource
import signal
import time
import tracemalloc

import numpy as np
import pytest
from raw_scenes import noise_frame

from synthnoise.denoising import denoise_files, file_pipeline
from synthnoise.denoising.denoiser import Settings
from synthnoise.denoising.file_pipeline import FileWork
from synthnoise.denoising.files import Batch
from synthnoise.denoising.tiles import ALIGNMENT, equal_tiles, tiles
from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.profiles.schema import CameraProfile
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import read_image, write_png
from synthnoise.raw.reading import read_frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera


@pytest.fixture
def shoot(tmp_path):
    """Return a folder of two DNGs."""
    design = dataclasses.replace(SENSORS["mild"], size=(128, 192))
    camera = VirtualCamera(design)
    scene = design.camera_rgb(dead_leaves(design.size, seed=2))
    folder = tmp_path / "shoot"
    folder.mkdir()
    for number in range(2):
        write_dng(folder / f"{number}.dng", camera.shoot(scene, ratio=50, index=number))
    return folder


def test_one_broken_file_does_not_stop_the_rest(shoot):
    (shoot / "0a.dng").write_bytes(b"II*\0 this is no DNG")
    outcomes = denoise_files([shoot])
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    for outcome in outcomes:
        if outcome.error is None:
            noisy, result = read_frame(outcome.source), read_frame(outcome.output)
            assert linear_planes(result).std() < linear_planes(noisy).std()
            assert result.noise_profile[0][0] < outcome.details["noise_profile"][0][0]
    assert not list(shoot.glob(".*"))


def test_nothing_is_overwritten_unasked(shoot):
    target = shoot / "0-denoised.dng"
    target.write_bytes(b"precious")
    (outcome,) = denoise_files([shoot / "0.dng"])
    assert isinstance(outcome.error, OutputExistsError)
    (outcome,) = denoise_files([shoot / "0.dng"], on_existing="skip")
    assert outcome.skipped
    assert target.read_bytes() == b"precious"
    (outcome,) = denoise_files([shoot / "0.dng"], on_existing="overwrite")
    assert outcome.error is None
    assert target.read_bytes() != b"precious"


def test_a_source_is_never_its_own_result(shoot):
    before = (shoot / "0.dng").read_bytes()
    (outcome,) = denoise_files([shoot / "0.dng"], shoot / "0.dng", on_existing="overwrite")
    assert outcome.error is not None
    assert (shoot / "0.dng").read_bytes() == before


@pytest.mark.parametrize("on_existing", ["error", "overwrite"])
def test_the_hint_for_a_source_as_result_is_not_to_overwrite(shoot, on_existing):
    (outcome,) = denoise_files([shoot / "0.dng"], shoot / "0.dng", on_existing=on_existing)
    assert "never overwritten" in outcome.error.hint
    assert "--on-existing" not in outcome.error.hint


def test_folders_inside_are_mirrored(shoot, tmp_path):
    inner = shoot / "day 2"
    inner.mkdir()
    (shoot / "1.dng").rename(inner / "1.dng")
    assert len(denoise_files([shoot], tmp_path / "flat")) == 1
    outcomes = denoise_files([shoot], tmp_path / "out", recursive=True)
    assert all(outcome.error is None for outcome in outcomes)
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.dng"))
    assert found == ["0-denoised.dng", "day 2/1-denoised.dng"]


def test_two_sources_never_share_a_result(shoot, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (shoot / "1.dng").rename(other / "0.dng")
    outcomes = denoise_files([shoot / "0.dng", other / "0.dng"], tmp_path / "out", on_existing="overwrite")
    assert outcomes[0].error is None
    assert "would become" in outcomes[1].error.message


def test_overlapping_files_make_the_bytes_of_each_alone(shoot, tmp_path, monkeypatch):
    (shoot / "0a.dng").write_bytes(b"II*\0 this is no DNG")
    good = [o.error is None for o in denoise_files([shoot], tmp_path / "overlapping")]
    assert good == [True, False, True]
    denoise_files([shoot], tmp_path / "two", jobs=2)
    monkeypatch.setattr(file_pipeline, "SMALL", 1)
    denoise_files([shoot], tmp_path / "large")
    for number in range(2):
        denoise_files([shoot / f"{number}.dng"], tmp_path / "alone")
        name = f"{number}-denoised.dng"
        results = {(tmp_path / way / name).read_bytes() for way in ("overlapping", "two", "large", "alone")}
        assert len(results) == 1


def test_the_result_of_one_file_may_be_the_next_one(shoot):
    inputs = [shoot / "0.dng", shoot / "0-denoised.dng"]
    for path in inputs:
        denoise_files([path], on_existing="overwrite")
    twice = (shoot / "0-denoised-denoised.dng").read_bytes()
    inputs[1].write_bytes((shoot / "1.dng").read_bytes())
    assert all(outcome.error is None for outcome in denoise_files(inputs, on_existing="overwrite"))
    assert (shoot / "0-denoised-denoised.dng").read_bytes() == twice


def test_a_result_that_is_still_being_written_is_not_read(shoot, tmp_path):
    class Slow(FileWork):
        def write(self):
            time.sleep(0.5)
            super().write()

    def work(kind, source, target):
        batch = Batch(on_existing="overwrite")
        return kind(path=source, find_target=lambda: target, settings=Settings(), batch=batch)

    between, twice, expected = (tmp_path / f"{name}.dng" for name in ("between", "twice", "expected"))
    denoise_files([shoot / "0.dng"], between)
    denoise_files([between], expected)
    between.write_bytes((shoot / "1.dng").read_bytes())
    works = [
        work(Slow, shoot / "0.dng", between),
        work(FileWork, shoot / "1.dng", tmp_path / "other.dng"),
        work(FileWork, between, twice),
    ]
    file_pipeline.work_in_turn(works, lambda work: None)
    assert twice.read_bytes() == expected.read_bytes()


def test_folders_may_have_dots_in_their_names(shoot, tmp_path):
    (outcome,) = denoise_files([shoot / "0.dng"], tmp_path / "2026.11.22")
    assert outcome.output == tmp_path / "2026.11.22" / "0-denoised.dng"
    outcomes = denoise_files([shoot], tmp_path / "trip.v2")
    assert [outcome.output.parent for outcome in outcomes] == [tmp_path / "trip.v2"] * 2
    assert all(outcome.output.is_file() for outcome in outcomes)
    (outcome,) = denoise_files([shoot / "0.dng"], tmp_path / "trip.v3")
    assert outcome.error.message.endswith("trip.v3: the result is a .dng file")
    assert outcome.error.hint == f"name it trip.dng or {tmp_path / 'trip.v3'}/ for a folder"


def test_a_preview_takes_no_name(shoot):
    with pytest.raises(UsageError, match=r"b\.jpg: no such file") as caught:
        denoise_files([shoot / "0.dng", shoot / "b.jpg"], preview=True)
    assert "-o NAME.png" in caught.value.hint
    with pytest.raises(UsageError, match=r"r\.png: one file cannot hold the results of .*0\.dng, .*1\.dng"):
        denoise_files([shoot], shoot / "r.png", preview=True)
    assert len(list(shoot.iterdir())) == 2


def test_a_preview_shows_the_middle_before_and_after(tmp_path):
    design = dataclasses.replace(SENSORS["mild"], size=(700, 900))
    camera = VirtualCamera(design)
    flat = np.full((3, 700, 900), 0.3, np.float32)
    write_dng(tmp_path / "a.dng", camera.shoot(flat, ratio=50))
    (outcome,) = denoise_files([tmp_path / "a.dng"], preview=True)
    assert outcome.error is None
    assert outcome.output.name == "a-preview.png"
    picture = read_image(outcome.output).astype(np.float64)
    assert picture.shape == (640, 2 * 640 + 4, 3)
    before, after = picture[:, :640], picture[:, 644:]
    # Demosaicing, the sRGB curve and rounding to 8 bits bend what noise there is; not its mean by much.
    assert after.std((0, 1)).max() < 0.3 * before.std((0, 1)).min()
    assert np.abs(after.mean((0, 1)) - before.mean((0, 1))).max() < 0.05 * before.mean()


def test_an_interrupted_run_leaves_nothing(shoot, tmp_path):
    class Impatient:
        def start(self, title, total=None): ...
        def note(self, text): ...
        def advance(self, steps=1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise_files([shoot / "0.dng"], tmp_path / "out", progress=Impatient())
    assert not list((tmp_path / "out").glob("*"))


def test_a_file_that_vanishes_or_whose_name_is_too_long_does_not_stop_the_rest(shoot, tmp_path):
    long = shoot / f"{'n' * 245}.dng"  # and -denoised is too much
    long.write_bytes((shoot / "0.dng").read_bytes())
    circle = shoot / "circle.dng"
    circle.symlink_to(circle)

    class Thief:
        def start(self, title, total=None): ...
        def note(self, text): ...
        def advance(self, steps=1):
            (shoot / "1.dng").unlink(missing_ok=True)

    inputs = [shoot / "0.dng", circle, long, shoot / "1.dng"]
    outcomes = denoise_files(inputs, tmp_path / "out", progress=Thief())
    assert [outcome.error is None for outcome in outcomes] == [True, False, False, False]
    assert "File name too long" in outcomes[2].error.message
    assert "no such file" in outcomes[3].error.message
    assert not any("\n" in str(outcome.error) for outcome in outcomes)


def test_failed_files_hold_no_images(tmp_path):
    size = (384, 512)
    for number in range(4):
        write_dng(tmp_path / f"{number}.dng", noise_frame("RGGB", size), noise_profile=((1e-3, 1e-6),))
    inputs = sorted(tmp_path.glob("*.dng"))
    settings = Settings(strength=0)  # for which no network has to run
    denoise_files(inputs[:1], tmp_path / "warm", settings)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    tracemalloc.start()
    try:
        # As a disk that is full.
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        outcomes = denoise_files(inputs, tmp_path / "out", settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert all("cannot write: File too large" in outcome.error.message for outcome in outcomes)
    assert held < size[0] * size[1] * 2  # less than one of the four
    assert not list((tmp_path / "out").iterdir())


def test_a_frame_whose_result_is_in_single_precision_is_not_kept_in_both(tmp_path):
    size = (136, 200)  # which no other test keeps a frame of
    frame = noise_frame("RGGB", size)
    frame = dataclasses.replace(frame, mosaic=frame.mosaic // 16, black=frame.black // 16, white=4095.0)
    write_dng(tmp_path / "a.dng", frame, noise_profile=((1e-3, 1e-6),))
    kinds = []

    class Census:
        def start(self, title, total=None): ...
        def note(self, text): ...
        def advance(self, steps=1):
            frames = [one for one in gc.get_objects() if type(one) is Frame and one.mosaic.shape == size]
            kinds.append({one.mosaic.dtype.name for one in frames})

    del frame
    (outcome,) = denoise_files([tmp_path / "a.dng"], settings=Settings(strength=0), progress=Census())
    assert outcome.error is None
    assert kinds
    assert all(len(found) == 1 for found in kinds)


def test_ctrl_c_between_two_files_leaves_whole_ones_alone(shoot, tmp_path):
    class Impatient:
        def start(self, title, total=None): ...
        def note(self, text): ...
        def advance(self, steps=1):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        denoise_files([shoot], tmp_path / "out", progress=Impatient())
    results = list((tmp_path / "out").iterdir())
    assert tmp_path / "out" / "0-denoised.dng" in results
    for path in results:
        assert read_frame(path).mosaic.shape == (128, 192)
    # The same request goes on where it was left.
    outcomes = denoise_files([shoot], tmp_path / "out", on_existing="skip")
    assert [outcome.skipped for outcome in outcomes] == [True, len(results) == 2]
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_picture_stays_a_picture(tmp_path):
    random = np.random.default_rng(3)
    clean = np.clip(dead_leaves((128, 160), seed=4).transpose(1, 2, 0) ** (1 / 2.2) * 255, 0, 255)
    noisy = np.clip(np.rint(clean + random.normal(0, 12, clean.shape)), 0, 255).astype(np.uint8)
    write_png(tmp_path / "a.png", noisy, False)
    (outcome,) = denoise_files([tmp_path / "a.png"])
    result = read_image(outcome.output)
    assert result.dtype == np.uint8
    gain = 10 * np.log10(np.mean((noisy - clean) ** 2) / np.mean((result - clean) ** 2))
    assert gain > 4


def test_what_pictures_have_no_use_for_is_said(tmp_path):
    write_png(tmp_path / "a.png", np.full((64, 64, 3), 99, np.uint8), False)
    with pytest.raises(InputError, match="no profile of that name"):
        denoise_files([tmp_path / "a.png"], settings=Settings(profile="nonexistent"))
    (outcome,) = denoise_files([tmp_path / "a.png"], sandbox=True)
    assert "sandbox" in outcome.error.message
    assert not (tmp_path / "a-denoised.png").exists()
    profile = CameraProfile(make="", model="M", cfa=((0, 1), (1, 2)), black=(0.0,) * 4, white=1.0, isos={})
    settings = Settings(profile=profile, iso=800)
    (outcome,) = denoise_files([tmp_path / "a.png"], settings=settings, bits=16)
    assert "not used, as it is a picture: profile, ISO, bits" in outcome.remarks


def test_an_iso_without_a_profile_is_refused():
    with pytest.raises(UsageError, match="ISO 800 chooses from a camera profile"):
        Settings(iso=800)


@pytest.mark.parametrize(
    ("size", "edge", "halo"), [((100, 70), 64, 8), ((1, 1), 64, 100), ((333, 500), 128, 48)]
)
def test_tiles_cover_every_pixel_once_with_their_context(size, edge, halo):
    count = np.zeros(size, int)
    for tile in tiles(size, edge, halo):
        (top, left, bottom, right), (otop, oleft, obottom, oright) = tile.inner, tile.outer
        count[top:bottom, left:right] += 1
        assert otop <= max(top - halo, 0)
        assert oleft <= max(left - halo, 0)
        assert obottom >= min(bottom + halo, size[0])
        assert oright >= min(right + halo, size[1])
    assert (count == 1).all()


@pytest.mark.parametrize(
    ("size", "area", "halo"),
    [((100, 70), 7000, 8), ((1, 1), 10, 100), ((333, 501), 40_000, 48), ((2000, 3000), 1_250_000, 72)],
)
def test_equal_tiles_are_of_one_size_and_cover_every_pixel_once(size, area, halo):
    count = np.zeros(size, np.int8)
    grid = equal_tiles(size, area, halo, 8)
    edges = {(tile.outer[2] - tile.outer[0], tile.outer[3] - tile.outer[1]) for tile in grid}
    # Of another size only by what the last of a row lacks to a whole step.
    assert len({(-(-rows // 8), -(-columns // 8)) for rows, columns in edges}) == 1
    assert max(tile.pixels for tile in grid) <= area
    for tile in grid:
        (top, left, bottom, right), (otop, oleft, obottom, oright) = tile.inner, tile.outer
        count[top:bottom, left:right] += 1
        assert top % ALIGNMENT == left % ALIGNMENT == otop % 8 == oleft % 8 == 0
        assert otop <= max(top - halo, 0)
        assert oleft <= max(left - halo, 0)
        assert obottom >= min(bottom + halo, size[0])
        assert oright >= min(right + halo, size[1])
    assert (count == 1).all()


def test_equal_tiles_have_less_context_than_squares_of_one_edge():
    grid = equal_tiles((2000, 3000), 1_250_000, 72, 8)
    squares = list(tiles((2000, 3000), 672, 72, 8))
    assert sum(tile.pixels for tile in grid) < 1.21 * 6e6 < 1.36 * 6e6 < sum(t.pixels for t in squares)


def test_earlier_results_are_not_denoised_again(shoot):
    denoise_files([shoot])
    assert {outcome.source.name for outcome in denoise_files([shoot], on_existing="skip")} == {
        "0.dng",
        "1.dng",
    }
    for name in ("0.dng", "1.dng"):
        (shoot / name).unlink()
    with pytest.raises(InputError, match="nothing but earlier results"):
        denoise_files([shoot])


@pytest.mark.parametrize(("pattern", "says"), [("RGGB", False), ("Quad-Bayer", True)])
def test_a_dng_that_nobody_renders_comes_with_advice(tmp_path, pattern, says):
    write_dng(tmp_path / "a.dng", noise_frame(pattern, (64, 64)), noise_profile=((1e-3, 1e-6),))
    (outcome,) = denoise_files([tmp_path / "a.dng"])
    assert any("--format linear-dng" in remark for remark in outcome.remarks) == says


def test_a_rendering_is_offered_to_who_names_one(tmp_path):
    (tmp_path / "a.dng").write_bytes(b"never read")
    (outcome,) = denoise_files([tmp_path / "a.dng"], tmp_path / "a.jpeg")
    assert outcome.error is not None
    assert outcome.error.hint == "name it a.dng or add --format jpeg"
