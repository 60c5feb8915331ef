"""Watched folders: what arrives is denoised once it is whole, once, and where it belongs."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from raw_scenes import noise_frame
from typer.testing import CliRunner

from synthnoise.cli.main import app
from synthnoise.denoising.watching import watch_folders
from synthnoise.errors import InputError, UsageError
from synthnoise.progress import Silent
from synthnoise.raw.dng import write_dng
from synthnoise.raw.reading import read_frame


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> bytes:
    """Return the bytes of a small DNG."""
    path = tmp_path_factory.mktemp("photo") / "a.dng"
    write_dng(path, noise_frame(shape=(64, 64)), noise_profile=((1e-3, 1e-6),))
    return path.read_bytes()


def _seen(folder, output, steps, **batch):
    """Return the outcomes of a run whose pauses are ``steps``, and which is then interrupted."""
    outcomes, left = [], iter(steps)

    def pause():
        step = next(left, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    try:
        for outcome in watch_folders([folder], output, pause=pause, **batch):
            outcomes.append(outcome)
    except KeyboardInterrupt:
        return outcomes
    raise AssertionError("watching ended by itself")


def test_a_file_is_taken_when_it_has_stopped_growing(tmp_path, photo):
    folder, path = tmp_path / "in", tmp_path / "in" / "a.dng"
    folder.mkdir()
    sizes = [100, 2000, len(photo)]
    steps = [lambda size=size: path.write_bytes(photo[:size]) for size in sizes]
    outcomes = _seen(folder, tmp_path / "out", [*steps, *[lambda: None] * 3])
    assert [outcome.error for outcome in outcomes] == [None]
    assert read_frame(tmp_path / "out" / "a-denoised.dng").mosaic.shape == (64, 64)


@pytest.mark.parametrize("recursive", [False, True])
def test_a_folder_may_go_and_come_back(tmp_path, photo, recursive):
    folder, away = tmp_path / "in", tmp_path / "away"
    folder.mkdir()
    (folder / "a.dng").write_bytes(photo)
    still = [lambda: None] * 2
    steps = [*still, lambda: folder.rename(away), *still, lambda: away.rename(folder), *still]
    steps += [lambda: (folder / "b.dng").write_bytes(photo), *still]
    outcomes = _seen(folder, tmp_path / "out", steps, recursive=recursive)
    assert [outcome.source.name for outcome in outcomes] == ["a.dng", "b.dng"]
    assert all(outcome.error is None for outcome in outcomes)


def test_what_is_there_is_taken_first_and_results_are_no_input(tmp_path, photo):
    (tmp_path / "a.dng").write_bytes(photo)
    (tmp_path / "b.dng").write_bytes(b"II*\0 no DNG")
    (tmp_path / ".hidden.dng").write_bytes(photo)
    outcomes = _seen(tmp_path, None, [lambda: None] * 4)
    assert [(o.source.name, o.error is None) for o in outcomes] == [("a.dng", True), ("b.dng", False)]
    again = _seen(tmp_path, None, [lambda: None] * 4)
    assert [(o.source.name, o.skipped) for o in again] == [("a.dng", True), ("b.dng", False)]


def test_darks_that_are_given_are_no_input(tmp_path, photo):
    (tmp_path / "a.dng").write_bytes(photo)
    light = read_frame(tmp_path / "a.dng")
    unlit = np.full(light.mosaic.shape, round(light.black.mean()), np.uint16)
    write_dng(tmp_path / "dark.dng", dataclasses.replace(light, mosaic=unlit))
    outcomes = _seen(tmp_path, None, [lambda: None] * 3, darks=[tmp_path / "dark.dng"])
    assert [outcome.source.name for outcome in outcomes] == ["a.dng"]


def test_darks_that_are_given_are_read_once(tmp_path, photo):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.dng").write_bytes(photo)
    light = read_frame(folder / "a.dng")
    unlit = np.full(light.mosaic.shape, round(light.black.mean()), np.uint16)
    dark = tmp_path / "dark.dng"
    write_dng(dark, dataclasses.replace(light, mosaic=unlit))
    steps = [lambda: None, lambda: (dark.unlink(), (folder / "b.dng").write_bytes(photo)), lambda: None]
    outcomes = _seen(folder, tmp_path / "out", [*steps, lambda: None], darks=[dark])
    assert [(outcome.source.name, outcome.error) for outcome in outcomes] == [
        ("a.dng", None),
        ("b.dng", None),
    ]
    assert read_frame(outcomes[0].output).mosaic.tolist() == read_frame(outcomes[1].output).mosaic.tolist()


def test_darks_that_are_missing_are_said_before_anything_arrives(tmp_path):
    with pytest.raises(InputError, match=r"none\.dng: no such file"):
        _seen(tmp_path, None, [], darks=[tmp_path / "none.dng"])


def test_folders_inside_are_mirrored(tmp_path, photo):
    inner = tmp_path / "in" / "day.v2"
    inner.mkdir(parents=True)
    (inner / "a.dng").write_bytes(photo)
    assert not _seen(tmp_path / "in", tmp_path / "out", [lambda: None] * 2)
    (outcome,) = _seen(tmp_path / "in", tmp_path / "out", [lambda: None] * 2, recursive=True)
    assert outcome.output == tmp_path / "out" / "day.v2" / "a-denoised.dng"


def test_watching_says_so_before_anything_arrives(tmp_path):
    class Notes(Silent):
        def note(self, text):
            heard.append(text)

    heard: list[str] = []
    assert not _seen(tmp_path, None, [], progress=Notes())
    assert heard == [f"watching {tmp_path}; Ctrl-C ends it"]


def test_only_folders_can_be_watched(tmp_path):
    (tmp_path / "b.dng").touch()
    for name, hint in (("none", "make the folder"), ("b.dng", "name the folder")):
        with pytest.raises(UsageError, match="only folders") as refusal:
            next(watch_folders([tmp_path / name]))
        assert hint in refusal.value.hint
    with pytest.raises(UsageError, match="one file cannot hold"):
        next(watch_folders([tmp_path], tmp_path / "a.dng"))


def test_watching_takes_no_several_files_at_a_time(tmp_path):
    result = CliRunner().invoke(app, ["denoise", "--watch", "--jobs", "2", str(tmp_path)])
    assert isinstance(result.exception, UsageError)
    assert "--jobs" in result.exception.hint


@pytest.mark.slow
def test_the_command_ends_cleanly_at_ctrl_c(tmp_path, photo):
    folder, result = tmp_path / "in", tmp_path / "out" / "a-denoised.dng"
    folder.mkdir()
    command = [sys.executable, "-m", "synthnoise", "denoise", "--watch", folder, "-o", tmp_path / "out"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        (folder / "a.dng").write_bytes(photo)
        until = time.monotonic() + 120
        while not result.exists() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "a-denoised.dng" in out
    assert "1 done, 0 skipped, 0 failed" in out
    assert "Traceback" not in errors
