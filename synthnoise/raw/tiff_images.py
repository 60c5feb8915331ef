"""Decoding plain TIFF pictures: sizes are checked first, deflate is inflated no further than declared."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw.limits import ReadLimits

UNCOMPRESSED = 1
DEFLATE = (8, 32946)
DTYPES = ("uint8", "uint16", "float32")
MAX_PAGES = 10_000


def read_tiff(path: Path, limits: ReadLimits, *, most: int = 1) -> list[NDArray[Any]]:
    """Return the first ``most`` pages as uint8, uint16 or float32 [H, W] or [H, W, C].

    Raises
    ------
    InputError
        The file is damaged, exceeds the limits, or is stored in a way that is not supported:
        anything but uncompressed or deflate, interleaved, of these types.
    """
    try:
        with tifffile.TiffFile(path) as file:
            pages = [page for _, page in zip(range(min(most, MAX_PAGES)), file.pages, strict=False)]
            for page in pages:
                _check_page(path, file, page, limits)
            return [np.asarray(page.asarray()) for page in pages]
    except InputError:
        raise
    except Exception as error:  # tifffile raises a wide choice of errors on damaged files
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not a TIFF picture that can be read: {reason}") from error


def _check_page(path: Path, file: Any, page: Any, limits: ReadLimits) -> None:
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    limits.check_pixels(path, width, height, samples)
    if page.dtype is None or page.dtype.name not in DTYPES:
        raise InputError(
            f"{path}: holds samples of {page.bitspersample} bits", hint="convert to 8, 16 or float32"
        )
    if page.planarconfig != 1 or page.imagedepth != 1:
        raise InputError(f"{path}: stores its planes apart", hint="save it interleaved")
    if int(page.compression) not in (UNCOMPRESSED, *DEFLATE):
        raise InputError(
            f"{path}: is compressed with {page.compression.name}, which is not supported",
            hint="save it uncompressed or with deflate (zip)",
        )
    across = page.tilewidth if page.is_tiled else width
    down = page.tilelength if page.is_tiled else min(page.rowsperstrip, height)
    limits.check_pixels(path, across, down, samples)
    expected = math.ceil(width / across) * math.ceil(height / down)
    if expected > limits.segments or not len(page.dataoffsets) == len(page.databytecounts) == expected:
        raise InputError(f"{path}: is damaged: {len(page.dataoffsets)} segments, {expected} needed")
    size = across * down * samples * page.dtype.itemsize
    for offset, stored in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset + stored > file.filehandle.size:
            raise InputError(f"{path}: is truncated")
        if int(page.compression) in DEFLATE:
            _check_deflate(path, file, offset, stored, size)
    stored = sum(page.databytecounts)
    if int(page.compression) == UNCOMPRESSED and stored < width * height * samples * page.dtype.itemsize:
        raise InputError(f"{path}: is truncated: {stored} bytes of pixels")


def _check_deflate(path: Path, file: Any, offset: int, stored: int, size: int) -> None:
    """Inflate one segment no further than one byte beyond its declared size; refuse what is longer."""
    file.filehandle.seek(offset)
    data = file.filehandle.read(stored)
    if len(zlib.decompressobj().decompress(data, size + 1)) > size:
        raise InputError(
            f"{path}: a segment of {stored} bytes inflates beyond its {size}: a decompression bomb"
        )
