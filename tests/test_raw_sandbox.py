"""Decoding in a process of its own: the same frames, and one line when the process crashes, hangs or lies."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from raw_scenes import noise_frame

from synthnoise.errors import InputError
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.limits import ReadLimits
from synthnoise.raw.reading import Geometry, Sandbox, read_frame
from synthnoise.raw.sandbox import ARRAYS, FIELDS, received_frame, sent_frame

LIMITS = ReadLimits(pixels=1 << 20)
LINE = ("black_rows", "black_columns")

PLUGIN = """
import os
from synthnoise import ReaderSpec, hookimpl

def read(path, limits):
    exec(path.read_text())
    yield

@hookimpl
def synthnoise_readers():
    yield ReaderSpec(name="hostile", summary="Does what it reads.", factory=read, suffixes=(".hostile",))
"""


def _same(one: Frame, two: Frame) -> None:
    for field in dataclasses.fields(Frame):
        a, b = getattr(one, field.name), getattr(two, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            assert np.array_equal(a, b)
        else:
            assert a == b, field.name


def test_every_field_of_a_frame_is_checked():
    assert {field.name for field in dataclasses.fields(Frame)} == {*ARRAYS, *FIELDS, "path"}


def test_the_frame_is_the_same(tmp_path):
    frame = noise_frame(
        make="Acme", model="One", iso=400, active_area=(3, 5, 90, 120), black_rows=np.arange(96) / 7
    )
    write_dng(tmp_path / "a.dng", frame, noise_profile=((1e-4, 1e-7),))
    _same(read_frame(tmp_path / "a.dng"), read_frame(tmp_path / "a.dng", sandbox=True))
    np.save(tmp_path / "a.npy", frame.mosaic)
    geometry = Geometry(black=(1, 2, 3, 4.5), white=16383, iso=200)
    plain = read_frame(tmp_path / "a.npy", geometry=geometry)
    _same(plain, read_frame(tmp_path / "a.npy", geometry=geometry, sandbox=True))


def test_refusals_are_those_of_the_reader(tmp_path):
    (tmp_path / "a.dng").write_bytes(b"II*\0 this is no DNG")
    messages = []
    for sandbox in (False, True):
        with pytest.raises(InputError) as caught:
            read_frame(tmp_path / "a.dng", sandbox=sandbox)
        messages.append((caught.value.message, caught.value.hint))
    assert messages[0] == messages[1]


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """Return a function from Python code to a file whose reader runs it, as if it had taken LibRaw over."""
    (tmp_path / "hostile_reader.py").write_text(PLUGIN)
    information = tmp_path / "hostile_reader-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile-reader\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[synthnoise]\nhostile = hostile_reader\n")
    monkeypatch.syspath_prepend(tmp_path)

    def written(code: str) -> Path:
        (tmp_path / "a.hostile").write_text(code)
        return tmp_path / "a.hostile"

    return written


@pytest.mark.skipif(os.name != "posix", reason="a sandbox needs POSIX resource limits")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os.abort()", "its decoder crashed (SIGABRT)"),
        ("os._exit(0)", "its decoder crashed (exit code 0)"),
        ("while True: pass", "was not decoded within 1 CPU seconds"),
        ("bytearray(1 << 30)", "needs more than 256 MiB"),
        ("path.with_suffix('.out').write_text('x')", "its decoder crashed (exit code 1)"),
        ("os.write(1, b'{}\\n'); os._exit(0)", "its decoder returned no frame"),
    ],
)
def test_a_hostile_file_costs_one_line(hostile, code, message):
    path = hostile(code)
    # On a busy machine a second may pass before the process has started.
    seconds = 1 if "while" in code else 60
    with pytest.raises(InputError) as caught:
        read_frame(path, sandbox=Sandbox(memory=1 << 28, seconds=seconds))
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert not path.with_suffix(".out").exists() or not path.with_suffix(".out").stat().st_size


def _answer(**changes) -> bytes:
    stream = io.BytesIO()
    sent_frame(noise_frame(shape=(4, 6)), stream)
    line, _, rest = stream.getvalue().partition(b"\n")
    header = json.loads(line)
    header["fields"] |= changes.pop("fields", {})
    return json.dumps(header | changes).encode() + b"\n" + rest


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": {"white": "many"}},
        {"fields": {"white": 1e999}},
        {"fields": {"white": 1.0}},
        {"fields": {"make": "x" * 5000}},
        {"fields": {"active_area": [0, 0, 9999, 9999]}},
        {"fields": {"orientation": True}},
        {"fields": None},
        {"arrays": []},
        {"arrays": [["mosaic", "uint16", [1 << 20, 1 << 20]]]},
        {"arrays": [["mosaic", "uint16", [-4, 6]]]},
        {"arrays": [["mosaic", "object", [4, 6]]]},
        {"arrays": [["__class__", "uint16", [4, 6]]]},
        {"error": ["SystemExit", 5]},
    ],
)
def test_what_a_child_returns_is_not_believed(changes):
    nothing = changes.get("fields", {}) is None
    data = b'{"fields": null, "arrays": []}\n' if nothing else _answer(**changes)
    with pytest.raises(InputError):
        received_frame(io.BytesIO(data), Path("a.dng"), LIMITS)


def test_an_answer_that_ends_early_is_none():
    with pytest.raises(EOFError):
        received_frame(io.BytesIO(_answer()[:-1]), Path("a.dng"), LIMITS)
