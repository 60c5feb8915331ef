"""Damaged and hostile files: whatever the bytes, the answer is a frame or an InputError."""

from __future__ import annotations

import functools
import io
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_scenes import foreign_dng, noise_frame

from synthnoise.errors import InputError, SynthnoiseError
from synthnoise.raw.dng import write_dng
from synthnoise.raw.inheritance import inherit
from synthnoise.raw.limits import ReadLimits
from synthnoise.raw.reading import read_frame, read_metadata
from synthnoise.raw.rewrite import rewrite_dng
from synthnoise.raw.tiff import Tiff

SHAPE = (32, 48)
LIMITS = ReadLimits(pixels=1_000_000, file_bytes=1 << 24)
FUZZ = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Seeds(list[bytes]):
    """Whole files, not to be printed by Hypothesis."""

    def __repr__(self) -> str:
        return "seeds"


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> Seeds:
    """Return whole files of several makes."""
    folder = tmp_path_factory.mktemp("seeds")
    area = {"active_area": (3, 5, 30, 45), "default_crop": (5, 7, 25, 40), "masked_areas": ((0, 0, 32, 4),)}
    write_dng(
        folder / "a.dng",
        noise_frame(shape=SHAPE, iso=102400, make="Acme", **area),
        noise_profile=((1e-4, 1e-7),),
    )
    write_dng(folder / "x.dng", noise_frame("X-Trans", SHAPE))
    mosaic = noise_frame(shape=SHAPE).mosaic
    for order in ("<", ">"):
        foreign_dng(folder / f"f{ord(order)}.dng", mosaic, byteorder=order, t50713=("H", 2, (1, 1)))
    foreign_dng(
        folder / "t.dng", (mosaic >> 8).astype(np.uint8), t50712=("H", 256, tuple(range(0, 65536, 256)))
    )
    tiff = (folder / "a.dng").read_bytes()
    jpeg = b"\xff\xd8\xff\xe1" + struct.pack(">H", 2008) + b"Exif\0\0" + tiff[:2000] + b"\xff\xd9"
    raf = b"FUJIFILMCCD-RAW ".ljust(84, b"0") + struct.pack(">6I", 108, len(jpeg), 0, 0, 3000, 500) + jpeg
    boxes = struct.pack(">I4s", 2008, b"CMT1") + tiff[:2000]
    canon = struct.pack(">I4s", 32 + len(boxes), b"moov") + struct.pack(">I4s", 24 + len(boxes), b"uuid")
    cr3 = struct.pack(">I4s8s", 16, b"ftyp", b"crx \0\0\0\1") + canon + bytes(16) + boxes
    return Seeds([*(path.read_bytes() for path in sorted(folder.glob("*.dng"))), raf, cr3])


@st.composite
def mutations(draw):
    """Return a recipe: which seed, where to cut, which bytes or words to change."""
    values = st.one_of(
        st.integers(0, 255).map(lambda v: bytes([v])),
        st.sampled_from([0, 1, 2, 7, 0x7FFF, 0xFFFF, 8, 12]).map(lambda v: struct.pack("<H", v)),
        st.sampled_from([0, 8, 2**31, 2**32 - 1, 65536, 10**6]).map(lambda v: struct.pack("<I", v)),
        st.sampled_from([0, 2**31, 2**32 - 1]).map(lambda v: struct.pack(">I", v)),
    )
    places = st.one_of(st.integers(0, 1200), st.integers(0, 40_000))
    return (
        draw(st.integers(0, 6)),
        draw(st.one_of(st.none(), st.integers(0, 40_000))),
        draw(st.lists(st.tuples(places, values), min_size=1, max_size=6)),
    )


def _mutated(seeds, recipe) -> bytes:
    which, cut, changes = recipe
    data = bytearray(seeds[which % len(seeds)])
    for place, value in changes:
        place %= len(data)
        data[place : place + len(value)] = value
    return bytes(data if cut is None else data[: 1 + cut % len(data)])


def _refusal(call: Callable[[], object]) -> str:
    """Return the message of the InputError that a call raises, or nothing; other errors pass."""
    try:
        call()
    except InputError as error:
        return error.message
    return ""


def _read_everything(data: bytes) -> None:
    tiff = Tiff(io.BytesIO(data), "a")
    for directory in tiff.all_directories():
        for tag in directory.entries:
            for read in (directory.numbers, directory.text, directory.integer, directory.integers):
                refusal = _refusal(functools.partial(read, tag))
                assert not refusal or refusal.startswith("a: ")


@given(recipe=mutations())
@FUZZ
def test_the_walker_raises_only_input_errors(seeds, recipe):
    assert "\n" not in _refusal(lambda: _read_everything(_mutated(seeds, recipe)))


@given(recipe=mutations())
@FUZZ
def test_metadata_raises_only_input_errors(tmp_path, seeds, recipe):
    path = tmp_path / "fuzz.dng"
    path.write_bytes(_mutated(seeds, recipe))
    assert "\n" not in _refusal(lambda: read_metadata(path, limits=LIMITS))


@given(recipe=mutations())
@FUZZ
def test_inheriting_raises_only_input_errors(tmp_path, seeds, recipe):
    path = tmp_path / "fuzz.dng"
    path.write_bytes(_mutated(seeds, recipe))
    assert "\n" not in _refusal(lambda: inherit(path))


@given(recipe=mutations())
@FUZZ
def test_rewriting_raises_only_our_errors_and_leaves_no_half_file(tmp_path, seeds, recipe):
    source, target = tmp_path / "fuzz.dng", tmp_path / "out.dng"
    source.write_bytes(_mutated(seeds, recipe))
    target.unlink(missing_ok=True)
    try:
        rewrite_dng(
            source, target, np.full(SHAPE, 900, np.uint16), noise_profile=((1e-4, 0.0),), limits=LIMITS
        )
    except SynthnoiseError:
        assert not target.exists()
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


def _tiff(entries, *, order="<", tail=b"", following=0) -> bytes:
    table = struct.pack(order + "H", len(entries)) + b"".join(
        struct.pack(order + "HHII", *e) for e in entries
    )
    return (
        (b"II*\0" if order == "<" else b"MM\0*")
        + struct.pack(order + "I", 8)
        + table
        + struct.pack(order + "I", following)
        + tail
    )


def _open(data: bytes) -> Tiff:
    return Tiff(io.BytesIO(data), "a")


def test_directories_that_loop_end():
    tiff = _open(_tiff([(330, 4, 1, 8)], following=8))
    assert len(list(tiff.all_directories())) == 1
    assert tiff.problems


def test_a_chain_of_directories_is_cut_off():
    link = struct.pack("<HHHIII", 1, 256, 4, 1, 1, 0)
    data = bytearray(b"II*\0" + struct.pack("<I", 8) + link * 1000)
    for i in range(999):
        struct.pack_into("<I", data, 8 + 18 * i + 14, 8 + 18 * (i + 1))
    assert len(_open(bytes(data)).directories) <= 64


def test_claims_beyond_the_file_are_refused_unread():
    tiff = _open(_tiff([(270, 2, 4_000_000_000, 100), (271, 2, 30_000_000, 8), (272, 12, 2**29, 8)]))
    with pytest.raises(InputError, match="numbers"):
        tiff.directories[0].numbers(272)
    for tag in (270, 271, 272):
        with pytest.raises(InputError, match=r"claims|truncated"):
            tiff.directories[0].data(tag)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"II*\0", "truncated"),
        (b"II*\0\0\0\0\0", "no directory"),
        (b"II+\0\x08\0\0\0", "BigTIFF"),
        (b"XX*\0\x08\0\0\0", "not a TIFF"),
        (b"II*\0\xff\xff\xff\xff", "truncated"),
        (b"II*\0\x08\0\0\0\0\0", "0 entries"),
        (b"II*\0\x08\0\0\0\xff\xff", "65535 entries"),
        (b"II*\0\x08\0\0\0\x02\0" + bytes(12), "truncated"),
    ],
)
def test_headers_that_are_none(data, message):
    with pytest.raises(InputError, match=message):
        _open(data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_of_every_type_agree_with_tifffile(tmp_path, order):
    extra = [
        (65001, "B", 3, (1, 2, 255), True),
        (65002, "s", 7, b"h\xc3\xa4llo\0", True),
        (65003, "H", 2, (7, 65535), True),
        (65004, "I", 2, (7, 2**32 - 1), True),
        (65005, "2I", 2, (1, 3, 7, 2), True),
        (65006, "b", 2, (-1, 127), True),
        (65007, "h", 3, (-1, 5, 6), True),
        (65008, "i", 1, (-(2**31),), True),
        (65009, "2i", 1, (-1, 4), True),
        (65010, "f", 2, (0.5, -2.25), True),
        (65011, "d", 1, (0.1,), True),
    ]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), byteorder=order, extratags=extra)
    with (tmp_path / "a.tif").open("rb") as file:
        directory = Tiff(file, "a").directories[0]
        expected = {
            65001: (1, 2, 255),
            65003: (7, 65535),
            65004: (7, 2**32 - 1),
            65005: (1 / 3, 3.5),
            65006: (-1, 127),
            65007: (-1, 5, 6),
            65008: (-(2**31),),
            65009: (-0.25,),
            65010: (0.5, -2.25),
            65011: (0.1,),
        }
        assert {tag: directory.numbers(tag) for tag in expected} == expected
        assert directory.text(65002) == "hällo"
        assert directory.numbers(65099) == ()
        assert directory.text(65099) == ""
        assert directory.integer(65099, 5) == 5


def test_a_rational_without_denominator_is_not_a_number():
    tiff = _open(_tiff([(282, 5, 1, 26)], tail=struct.pack("<II", 5, 0)))
    assert np.isnan(tiff.directories[0].number(282))
    assert tiff.directories[0].integer(282, 3) == 3
    with pytest.raises(InputError, match="whole numbers"):
        tiff.directories[0].integers(282)


def test_seeds_are_readable(tmp_path: Path, seeds):
    for i, data in enumerate(seeds):
        (tmp_path / f"{i}.dng").write_bytes(data)
        assert read_metadata(tmp_path / f"{i}.dng").path.name == f"{i}.dng"


def _patch(path: Path, tag: int, kind: int, count: int, value: int) -> None:
    """Change a directory entry of a little-endian file to a value that fits into it."""
    data = bytearray(path.read_bytes())
    place = _open(bytes(data)).directories[0].table[tag]
    struct.pack_into("<HHII", data, place, tag, kind, count, value)
    path.write_bytes(data)


def _rewrite_with(path: Path, level: int) -> None:
    rewrite_dng(path, path.with_name("b.dng"), np.full(SHAPE, level, np.uint16), limits=LIMITS)


def test_absurd_bits_and_black_repeats_cost_no_memory(tmp_path):
    foreign_dng(tmp_path / "bits.dng", noise_frame(shape=SHAPE).mosaic, t50717=None)
    _patch(tmp_path / "bits.dng", 258, 4, 1, 2**32 - 1)
    repeat = {"t50713": ("I", 2, (2**31, 2**31)), "t50714": None}
    foreign_dng(tmp_path / "black.dng", noise_frame(shape=SHAPE).mosaic, **repeat)
    for name, message in (("bits.dng", "bits per sample"), ("black.dng", "0 black levels")):
        with pytest.raises(InputError, match=message):
            _rewrite_with(tmp_path / name, 0)
        assert "\n" not in _refusal(functools.partial(read_metadata, tmp_path / name, limits=LIMITS))


def test_a_stray_cfa_size_of_a_monochrome_file_is_ignored(tmp_path):
    foreign_dng(tmp_path / "a.dng", noise_frame(shape=SHAPE).mosaic, t33421=("H", 2, (0, 0)))
    _patch(tmp_path / "a.dng", 262, 3, 1, 34892)
    _rewrite_with(tmp_path / "a.dng", 900)
    assert (read_frame(tmp_path / "b.dng").mosaic == 900).all()


@pytest.mark.parametrize("target", ["rewriter", "profile"])
def test_the_fuzz_target_runs_and_finds_nothing(tmp_path, target):
    command = [
        sys.executable,
        Path(__file__).with_name("fuzz.py"),
        target,
        "--cases",
        "60",
        "--state",
        "s.json",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 cases, 0 failed" in done.stdout
    assert json.loads((tmp_path / "s.json").read_text()) == {target: 60}
