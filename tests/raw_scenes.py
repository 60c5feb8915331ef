"""Frames and files for the tests of reading and writing RAW."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from synthnoise.raw.frame import Frame
from synthnoise.raw.tiff import Tiff

CFAS = {
    "RGGB": "RGGB",
    "BGGR": "BGGR",
    "GRBG": "GRBG",
    "GBRG": "GBRG",
    "X-Trans": "GGRGGBGGBGGRBRGRBGGGBGGRGGRGGBRBGBRG",
    "Quad-Bayer": "RRGGRRGGGGBBGGBB",
    "mono": "G",
}

BAYER = ("RGGB", "BGGR", "GRBG", "GBRG")


def cfa(name: str) -> NDArray[np.uint8]:
    """Return a colour filter array [h, w] by name."""
    letters = CFAS[name]
    side = round(len(letters) ** 0.5)
    return np.array(["RGB".index(letter) for letter in letters], np.uint8).reshape(side, side)


def noise_frame(
    pattern: str = "RGGB", shape: tuple[int, int] = (96, 128), bits: int = 14, **known: Any
) -> Frame:
    """Return a frame of uniform random samples: nothing about its pixels can be guessed."""
    white = 2**bits - 1
    mosaic = np.random.default_rng(shape).integers(0, white + 1, shape).astype(np.uint16)
    colours = cfa(pattern)
    known.setdefault("black", np.full(colours.shape, white / 32 // 1))
    return Frame(mosaic=mosaic, cfa=colours, white=white, **known)


def field_frame(
    rgb: tuple[float, float, float],
    pattern: str = "RGGB",
    shape: tuple[int, int] = (64, 96),
    neutral: tuple[float, float, float] = (0.5, 1.0, 0.6),
    **known: Any,
) -> Frame:
    """Return a noiseless frame of one colour: ``rgb`` in [0, 1] after white balance."""
    colours = cfa(pattern)
    rows, columns = np.indices(shape)
    signal = (np.array(rgb) * neutral)[colours[rows % colours.shape[0], columns % colours.shape[1]]]
    mosaic = np.round(512 + signal * (16383 - 512)).astype(np.uint16)
    black = np.full(colours.shape, 512.0)
    return Frame(mosaic=mosaic, cfa=colours, black=black, white=16383, as_shot_neutral=neutral, **known)


def foreign_dng(path: Path, mosaic: NDArray[Any], *, byteorder: str = "<", **tags: Any) -> None:
    """Write a one-directory, uncompressed Bayer DNG with tifffile, which shares no code with us.

    ``tags`` are named by number as ``t50714=(type, count, value)`` and replace or add to the usual.
    """
    base: dict[int, tuple[str, int, Any]] = {
        254: ("I", 1, 0),
        271: ("s", 5, "Acme"),
        272: ("s", 4, "One"),
        33421: ("H", 2, (2, 2)),
        33422: ("B", 4, bytes((0, 1, 1, 2))),
        50706: ("B", 4, bytes((1, 4, 0, 0))),
        50708: ("s", 9, "Acme One"),
        50714: ("I", 1, 512),
        50717: ("I", 1, 16383),
        50721: ("2i", 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)),
        50728: ("2I", 3, (1, 2, 1, 1, 3, 5)),
        50778: ("H", 1, 21),
    }
    base |= {int(name[1:]): value for name, value in tags.items()}
    extra = [(tag, *value, True) for tag, value in base.items() if value is not None]
    tifffile.imwrite(
        path, mosaic, photometric="cfa", byteorder=byteorder, extratags=extra, metadata=None, software="other"
    )


def dump(path: Path) -> dict[tuple[str, int], bytes]:
    """Return the bytes of every tag by (directory, tag), pointers left out: those may move."""
    values: dict[tuple[str, int], bytes] = {}
    with path.open("rb") as file:
        tiff = Tiff(file, str(path))

        def note(directory: Any, name: str) -> None:
            for tag in directory.entries:
                if tag not in directory.children or not directory.children[tag]:
                    values[name, tag] = directory.data(tag)
            for tag, children in directory.children.items():
                for i, child in enumerate(children):
                    note(child, f"{name}/{tag}.{i}")

        for i, directory in enumerate(tiff.directories):
            note(directory, f"IFD{i}")
    return values


def exiftool(*arguments: str | Path) -> str:
    """Return what exiftool prints; skips the test where it is not installed."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed: apt install libimage-exiftool-perl")
    done = subprocess.run(["exiftool", *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.stdout


def strip_bomb(path: Path, side: int = 100, inflated: int = 1 << 26) -> None:
    """Write a TIFF of ``side`` x ``side`` bytes whose deflate strip inflates to ``inflated``."""
    import zlib

    data = zlib.compress(bytes(inflated), 9)
    entries = [
        (256, 3, 1, side),
        (257, 3, 1, side),
        (258, 3, 1, 8),
        (259, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 3, 1, side),
        (279, 4, 1, len(data)),
    ]
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + table + bytes(4))
