"""Random damage to DNGs and camera profiles, without end: what reads them must refuse or succeed.

A case fails if anything but a SynthnoiseError of one line comes out (warnings count), if it takes more than
two CPU seconds, if memory grows by half a gigabyte, or if anything is written outside of its own folder
(an audit hook sees every file that Python opens, makes, renames or deletes).

    python tests/fuzz.py rewriter --cases 10000 --state fuzz.json   # goes on where the last run stopped
    python tests/fuzz.py rewriter --only 1234                       # one case again, with its traceback
    python tests/fuzz.py walker --atheris [libFuzzer options]       # guided by coverage: pip install atheris

A case is decided by the target and its number alone. Inputs that failed are kept in ``fuzz-failures/``.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from synthnoise.errors import SynthnoiseError
from synthnoise.profiles.schema import CameraProfile, IsoNoise
from synthnoise.profiles.store import describe_profile, load_profile, noise_at, save_profile
from synthnoise.raw import dng_reading
from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.inheritance import inherit
from synthnoise.raw.limits import ReadLimits
from synthnoise.raw.linear_dng import read_linear
from synthnoise.raw.reading import read_frame, read_metadata
from synthnoise.raw.rewrite import rewrite_dng
from synthnoise.raw.tiff import Tiff

LIMITS = ReadLimits(pixels=1_000_000, file_bytes=1 << 24)
SLOWEST = 2.0
MEMORY_GROWTH = 1 << 29
LARGEST_MOSAIC = 1 << 18
SHAPE = (32, 48)
DATE = "2026:01:01 00:00:00"

WORDS = (0, 1, 2, 3, 4, 7, 8, 9, 12, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 10**6, 2**31 - 1, 2**31, 2**32 - 1)
TAGS = (
    *(254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 317, 322, 323, 324, 325, 330, 339, 513, 514, 33421),
    *(33422, 34665, 34853, 37500, 40965, 50712, 50713, 50714, 50715, 50716, 50717, 50719, 50720, 50721),
    *(50728, 50829, 50830, 50975, 51008, 51009, 51022, 51041),
)
TOML_VALUES = (
    *(
        "-1",
        "0",
        "1",
        "16",
        "65536",
        "1e308",
        "-1e-308",
        "nan",
        "inf",
        "-inf",
        "9" * 400,
        "true",
        "1979-05-27",
    ),
    *(
        "''",
        "'../../x'",
        "'/etc/passwd'",
        "'RGGB'",
        "'iso-01600.safetensors'",
        f"'{'x' * 5000}'",
        '"\\u0000"',
    ),
    *("[]", "[[]]", "{}", "[1, [2]]", "[nan, nan, nan, nan]", "[[0, 1], [1, 2]]"),
)
X_TRANS = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")


@dataclasses.dataclass(frozen=True)
class Seed:
    """A whole file, and where its directory entries are (12 bytes each); none of what is no TIFF."""

    data: bytes
    entries: tuple[int, ...] = ()
    order: str = "<"


def frame(**changes: Any) -> Frame:
    """Return a small Bayer frame of random samples."""
    mosaic = np.random.default_rng(1).integers(0, 16384, SHAPE).astype(np.uint16)
    known: dict[str, Any] = {
        "mosaic": mosaic,
        "cfa": np.array([[0, 1], [1, 2]], np.uint8),
        "black": np.full((2, 2), 500.0),
        "white": 16383,
    }
    return Frame(**known | changes)


@functools.cache
def tiff_seeds() -> tuple[Seed, ...]:
    """Return whole DNGs of several makes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        areas = {
            "active_area": (3, 5, 30, 45),
            "default_crop": (5, 7, 25, 40),
            "masked_areas": ((0, 0, 32, 4),),
        }
        write_dng(
            folder / "a.dng", frame(iso=102400, make="Acme", **areas), noise_profile=((1e-4, 0.0),), date=DATE
        )
        write_dng(folder / "b.dng", frame(iso=100), metadata_from=folder / "a.dng", date=DATE)
        six = np.array([["RGB".index(letter) for letter in row] for row in X_TRANS], np.uint8)
        write_dng(folder / "c.dng", frame(cfa=six, black=np.full((6, 6), 500.0)), date=DATE)
        rgb = np.random.default_rng(2).integers(0, 65536, (*SHAPE, 3)).astype(np.uint16)
        write_linear_dng(folder / "d.dng", rgb, frame(), date=DATE)
        for order in "<>":
            foreign(folder / f"e{ord(order)}.dng", frame().mosaic, order, {50713: ("H", 2, (1, 1))})
            foreign(
                folder / f"f{ord(order)}.dng", rgb, order, {51009: ("B", 60, polynomial())}, compression=8
            )
            foreign(
                folder / f"g{ord(order)}.dng", rgb / np.float32(65535), order, {}, compression=8, predictor=3
            )
        table = {50712: ("H", 256, tuple(range(0, 65536, 256)))}
        foreign(folder / "h.dng", (frame().mosaic >> 8).astype(np.uint8), "<", table)
        foreign(folder / "i.dng", rgb[:, :, 0] / np.float32(65535), "<", {}, compression=8, predictor=3)
        return tuple(seed_of(path.read_bytes()) for path in sorted(folder.glob("*.dng")))


def polynomial() -> bytes:
    """Return an OpcodeList2 with one MapPolynomial of degree 1 over the whole picture."""
    area = struct.pack(">9I2d", 0, 0, *SHAPE, 0, 3, 1, 1, 1, 0.0, 1.0)
    return (struct.pack(">5I", 1, 8, 0, 0, len(area)) + area)[:60]


def foreign(path: Path, pixels: Any, order: str, tags: dict[int, Any], **options: Any) -> None:
    """Write a one-directory DNG with tifffile."""
    base: dict[int, Any] = {
        254: ("I", 1, 0),
        33421: ("H", 2, (2, 2)),
        33422: ("B", 4, bytes((0, 1, 1, 2))),
        50706: ("B", 4, bytes((1, 4, 0, 0))),
        50714: ("I", 1, 0),
        50721: ("2i", 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)),
        50728: ("2I", 3, (1, 2, 1, 1, 3, 5)),
    }
    extra = [(tag, *value, True) for tag, value in (base | tags).items()]
    kind = "cfa" if pixels.ndim == 2 else "linear_raw"
    tifffile.imwrite(
        path, pixels, photometric=kind, byteorder=order, extratags=extra, metadata=None, **options
    )


def seed_of(data: bytes) -> Seed:
    """Return a seed with the places of all its directory entries."""
    tiff = Tiff(io.BytesIO(data), "seed")
    places = sorted({place for d in tiff.all_directories() for place in d.table.values()})
    return Seed(data, tuple(places), tiff.order)


@functools.cache
def wrapped_seeds() -> tuple[Seed, ...]:
    """Return the headers of a TIFF inside of the containers of Fujifilm and Canon."""
    tiff = tiff_seeds()[0].data[:2000]
    jpeg = b"\xff\xd8\xff\xe1" + struct.pack(">H", 2008) + b"Exif\0\0" + tiff + b"\xff\xd9"
    raf = b"FUJIFILMCCD-RAW ".ljust(84, b"0") + struct.pack(">6I", 108, len(jpeg), 0, 0, 3000, 500) + jpeg
    boxes = struct.pack(">I4s", 2008, b"CMT1") + tiff
    canon = struct.pack(">I4s", 32 + len(boxes), b"moov") + struct.pack(">I4s", 24 + len(boxes), b"uuid")
    return Seed(raf), Seed(struct.pack(">I4s8s", 16, b"ftyp", b"crx \0\0\0\1") + canon + bytes(16) + boxes)


@functools.cache
def profile_seed() -> tuple[str, bytes]:
    """Return the TOML and the arrays of a profile."""
    noise: dict[str, Any] = dict.fromkeys(("offset", "offset_se", "read_noise", "read_noise_se"), (1.0,) * 4)
    noise |= dict.fromkeys(("shot", "shot_se", "read", "read_se"), (1e-4,) * 3)
    noise |= dict.fromkeys(("row_noise", "column_noise", "gain", "exposure_time"), 0.3)
    noise |= dict.fromkeys(("row_noise_se", "column_noise_se", "gain_se", "hot_pixel_fraction"), 0.01)
    arrays = {"shading": np.ones((4, 2, 3), np.float32), "hot_pixels": np.array([[1, 2, 300]], np.int32)}
    iso = IsoNoise(
        iso=1600.0,
        gain_interval=(0.2, 0.4),
        gain_regime="good",
        arrays=arrays,
        hot_pixel_fraction_se=1e-3,
        **noise,
    )
    profile = CameraProfile(
        make="Acme",
        model="One",
        cfa=((0, 1), (1, 2)),
        black=(512.0,) * 4,
        white=16383.0,
        isos={1600.0: iso},
    )
    with tempfile.TemporaryDirectory() as name:
        save_profile(profile, Path(name) / "p")
        arrays_file = next(Path(name).glob("p/*.safetensors"))
        return (Path(name) / "p" / "profile.toml").read_text(), arrays_file.read_bytes()


def damaged(seed: Seed, chance: random.Random) -> bytes:
    """Return a seed with up to six changes: entries, words, bytes, pieces moved or left out, an early end."""
    data = bytearray(seed.data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data))
        what = chance.random()
        if what < 0.5 and seed.entries:
            damage_entry(data, chance.choice(seed.entries), seed.order, chance)
        elif what < 0.7:
            word = struct.pack(chance.choice("<>") + "I", chance.choice(WORDS))
            data[place : place + 4] = word
        elif what < 0.9:
            data[place] = chance.randrange(256)
        elif what < 0.95:
            other = chance.randrange(len(data))
            size = chance.randint(1, 64)
            data[place : place + size] = data[other : other + size]
        else:
            del data[place:]
        if not data:
            return b"I"
    return bytes(data)


def damage_entry(data: bytearray, place: int, order: str, chance: random.Random) -> None:
    """Change tag, type, count or value of a directory entry."""
    if place + 12 > len(data):
        return
    tag, kind, count, value = struct.unpack_from(order + "HHII", data, place)
    what = chance.randrange(5)
    if what == 0:
        tag = chance.choice(TAGS)
    elif what == 1:
        kind = chance.randrange(20)
    elif what == 2:
        count = chance.choice((*WORDS, (count + 1) % 2**32, count * 2 % 2**32))
    else:
        value = chance.choice((*WORDS, chance.randrange(len(data)), value ^ 1 << chance.randrange(32)))
    struct.pack_into(order + "HHII", data, place, tag, kind, count, value)


def damaged_profile(chance: random.Random) -> bytes:
    """Return length-prefixed TOML and arrays, one of them or both changed."""
    text, arrays = profile_seed()
    lines = text.splitlines()
    changed = bytearray(arrays)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(lines))
        what = chance.random()
        if what < 0.55:
            key = lines[place].partition("=")[0]
            lines[place] = f"{key}= {chance.choice(TOML_VALUES)}"
        elif what < 0.65:
            lines[place] = ""
        elif what < 0.75:
            lines.append(lines[place])
        elif what < 0.85:
            lines[place] = lines[place][: chance.randrange(len(lines[place]) + 1)]
        else:
            where = chance.randrange(len(changed))
            changed[where] = chance.randrange(256)
    # What the digest guards is reached only if the digest is right.
    renewed = "\n".join(lines).replace(
        hashlib.sha256(arrays).hexdigest(), hashlib.sha256(changed).hexdigest()
    )
    toml = renewed.encode("utf-8", "replace")
    return struct.pack("<I", len(toml)) + toml + bytes(changed)


def walk(data: bytes, _: Path) -> None:
    """Read every value of every directory in every way."""
    tiff = Tiff(io.BytesIO(data), "a")
    for directory in tiff.all_directories():
        for tag in directory.entries:
            for read in (directory.numbers, directory.text, directory.integer, directory.integers):
                refused(functools.partial(read, tag))


def describe(data: bytes, folder: Path) -> None:
    """Read the metadata, and what a new DNG would take over."""
    (folder / "a.dng").write_bytes(data)
    refused(lambda: read_metadata(folder / "a.dng", limits=LIMITS))
    inherit(folder / "a.dng")


def read(data: bytes, folder: Path) -> None:
    """Decode a DNG that is linear or of floating-point numbers: those LibRaw does not see."""
    path = folder / "a.dng"
    path.write_bytes(data)
    with path.open("rb") as file:
        is_float = dng_reading.raw_image(Tiff(file, "a"), LIMITS).is_float
    if is_float:
        read_frame(path, limits=LIMITS, demosaiced=True)
    else:
        read_linear(path, limits=LIMITS)


def rewrite(data: bytes, folder: Path) -> None:
    """Rewrite a DNG with a mosaic of the size that it claims; the result must be readable."""
    source, target = folder / "a.dng", folder / "b.dng"
    source.write_bytes(data)
    with source.open("rb") as file:
        image = dng_reading.raw_image(Tiff(file, "a"), LIMITS)
    shape = image.height, image.width * image.samples
    if shape[0] * shape[1] > LARGEST_MOSAIC:
        return
    try:
        mosaic = np.full(shape, 900, np.float32 if image.is_float else np.uint16)
        rewrite_dng(source, target, mosaic, noise_profile=((1e-4, 0.0),), noise_reduction=1.0, limits=LIMITS)
    except SynthnoiseError:
        assert not target.exists(), "a refused file was written"
        raise
    finally:
        assert source.read_bytes() == data, "the source was changed"
        left = {path.name for path in folder.iterdir()}
        assert left <= {"a.dng", "b.dng"}, f"left behind: {left}"
    read_metadata(target, limits=LIMITS)


def profile(data: bytes, folder: Path) -> None:
    """Load, describe, use and save a profile."""
    (size,) = struct.unpack_from("<I", data.ljust(4, b"\0"))
    for part in ("p", "q"):
        shutil.rmtree(folder / part, ignore_errors=True)
    (folder / "p").mkdir()
    (folder / "p" / "profile.toml").write_bytes(data[4 : 4 + size])
    (folder / "p" / "iso-01600.safetensors").write_bytes(data[4 + size :])
    loaded = load_profile(folder / "p")
    describe_profile(loaded)
    for iso in (*loaded.isos, 800.0):
        refused(functools.partial(noise_at, loaded, iso))
    save_profile(loaded, folder / "q")
    load_profile(folder / "q")


def refused(call: Callable[[], object]) -> None:
    """Call, and be content with a refusal of one line."""
    try:
        call()
    except SynthnoiseError as error:
        if "\n" in error.message:
            raise ValueError("a message of several lines") from error


def tiff_case(chance: random.Random) -> bytes:
    """Return a damaged DNG."""
    return damaged(chance.choice(tiff_seeds()), chance)


def header_case(chance: random.Random) -> bytes:
    """Return a damaged DNG, RAF or CR3."""
    return damaged(chance.choice(tiff_seeds() + wrapped_seeds()), chance)


TARGETS: dict[str, tuple[Callable[[bytes, Path], None], Callable[[random.Random], bytes]]] = {
    "walker": (walk, tiff_case),
    "metadata": (describe, header_case),
    "decoder": (read, tiff_case),
    "rewriter": (rewrite, tiff_case),
    "profile": (profile, damaged_profile),
}


class Guard:
    """Watches files that are opened for writing, made, renamed or deleted outside of one folder."""

    EVENTS = (
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
    )

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.resolve())
        self.watching = False
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        paths = ()
        if (
            event == "open"
            and arguments[2]
            and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        ):
            paths = arguments[:1]
        elif event in self.EVENTS and not (event in ("os.remove", "os.rmdir") and arguments[1] != -1):
            # (relative to an open folder: only shutil.rmtree of the harness itself)
            paths = tuple(a for a in arguments[:2] if isinstance(a, str | bytes | os.PathLike))
        for path in paths:
            if not isinstance(path, int) and not os.path.realpath(os.fsdecode(path)).startswith(self._folder):
                raise AssertionError(f"{event} outside of the folder: {path!r}")


def too_slow(*_: object) -> None:
    """Interrupt a case."""
    raise TimeoutError(f"more than {SLOWEST} CPU seconds")


def tried(target: str, data: bytes, folder: Path, guard: Guard) -> BaseException | None:
    """Return what is wrong with how a target takes some bytes, or None."""
    guard.watching = True
    signal.setitimer(signal.ITIMER_PROF, SLOWEST)
    try:
        refused(lambda: TARGETS[target][0](data, folder))
    except Exception as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        guard.watching = False
        (folder / "b.dng").unlink(missing_ok=True)
    return None


def limit_memory() -> None:
    """Let this process grow by no more than half a gigabyte of address space from now on."""
    if Path("/proc/self/statm").exists():
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_GROWTH, resource.RLIM_INFINITY))


def run(target: str, numbers: range, folder: Path, failures: Path) -> int:
    """Try cases; return how many failed."""
    guard, failed = Guard(folder), 0
    TARGETS[target][1](random.Random(0))  # seeds are made before the limits hold
    limit_memory()
    signal.signal(signal.SIGPROF, too_slow)
    warnings.simplefilter("error")
    for number in numbers:
        data = TARGETS[target][1](random.Random(f"{target} {number}"))
        error = tried(target, data, folder, guard)
        if error is not None:
            failed += 1
            failures.mkdir(exist_ok=True)
            (failures / f"{target}-{number}").write_bytes(data)
            print(f"{target} {number}: {type(error).__name__}: {error}", file=sys.stderr)
            if len(numbers) == 1:
                traceback.print_exception(error)
    return failed


def run_atheris(target: str, folder: Path, options: list[str]) -> None:
    """Let atheris find its own cases; it ends at the first failure."""
    import atheris  # type: ignore[import-not-found]

    guard = Guard(folder)
    signal.signal(signal.SIGPROF, too_slow)
    atheris.instrument_all()

    def one(data: bytes) -> None:
        error = tried(target, data, folder, guard)
        if error is not None:
            raise error

    corpus = folder / "corpus"
    corpus.mkdir()
    for number in range(50):
        (corpus / str(number)).write_bytes(TARGETS[target][1](random.Random(number)))
    atheris.Setup([sys.argv[0], str(corpus), *options], one)
    atheris.Fuzz()


def main() -> None:
    """Try the cases asked for; exit 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("target", choices=list(TARGETS))
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("--state", type=Path, help="JSON file that counts the cases of every target")
    parser.add_argument("--atheris", action="store_true")
    arguments, options = parser.parse_known_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        if arguments.atheris:
            run_atheris(arguments.target, Path(name), options)
            return
        state = (
            json.loads(arguments.state.read_text()) if arguments.state and arguments.state.exists() else {}
        )
        first = state.get(arguments.target, 0)
        numbers = range(first, first + arguments.cases)
        if arguments.only is not None:
            numbers = range(arguments.only, arguments.only + 1)
        started = time.process_time()
        failed = run(arguments.target, numbers, Path(name), Path("fuzz-failures"))
        seconds = time.process_time() - started
        print(f"{arguments.target}: {len(numbers)} cases, {failed} failed, {seconds:.0f} CPU s")
        if arguments.state and arguments.only is None:
            arguments.state.write_text(json.dumps(state | {arguments.target: numbers.stop}) + "\n")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
