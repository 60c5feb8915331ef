"""The stored values of a DNG's raw image where LibRaw does not give them: several colours per pixel, JPEG XL.

Uncompressed data are read here; compressed ones by imagecodecs, the extra ``jxl``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError, MissingExtraError
from synthnoise.raw.dng_reading import RawImage, check_segments
from synthnoise.raw.limits import ReadLimits
from synthnoise.raw.tags import Compression, Tag
from synthnoise.raw.tiff import Tiff

CODECS = {
    Compression.JPEG: "ljpeg_decode",
    Compression.DEFLATE: "zlib_decode",
    Compression.LOSSY_JPEG: "jpeg8_decode",
    Compression.JPEG_XL: "jpegxl_decode",
}


def decode(tiff: Tiff, image: RawImage, limits: ReadLimits) -> NDArray[Any]:
    """Return the stored values, uint8 or uint16 [H, W, C].

    Raises
    ------
    InputError
        The data are damaged, or stored in a way that is not supported.
    MissingExtraError
        They are compressed and imagecodecs is not installed.
    """
    if image.is_float or image.bits not in (8, 16):
        kind = "floating-point numbers" if image.is_float else f"{image.bits} bits"
        raise InputError(f"{tiff.name}: its {image.content} image has samples of {kind}: not supported")
    directory = image.directory
    if directory.integer(Tag.PREDICTOR, 1) != 1:
        raise InputError(f"{tiff.name}: its raw image is stored with a predictor, which is not supported")
    segments = check_segments(image, tiff, limits)
    tiled = Tag.TILE_OFFSETS in directory
    across = directory.integer(Tag.TILE_WIDTH) if tiled else image.width
    down = (
        directory.integer(Tag.TILE_LENGTH)
        if tiled
        else min(directory.integer(Tag.ROWS_PER_STRIP, image.height), image.height)
    )
    dtype = np.dtype(np.uint8 if image.bits == 8 else np.uint16)
    pixels = np.empty((image.height, image.width, image.samples), dtype)
    columns = math.ceil(image.width / across)
    for number, (offset, size) in enumerate(segments):
        top, left = number // columns * down, number % columns * across
        room = pixels[top : top + down, left : left + across]
        rows = room.shape[0] if not tiled else down
        segment = _segment(tiff, image, tiff.read(offset, size), (rows, across), dtype)
        room[:] = segment[: room.shape[0], : room.shape[1]]
    return _in_order(_in_order(pixels, 0, directory.integer(Tag.ROW_INTERLEAVE_FACTOR, 1)), 1,
                     directory.integer(Tag.COLUMN_INTERLEAVE_FACTOR, 1))  # fmt: skip


def linear_mosaic(tiff: Tiff, image: RawImage, limits: ReadLimits) -> NDArray[np.uint16]:
    """Return a mosaic uint16 [H, W], its LinearizationTable applied; errors as :func:`decode`."""
    codes = decode(tiff, image, limits)[..., 0].astype(np.uint16)
    table = np.array(image.directory.integers(Tag.LINEARIZATION_TABLE), np.uint16)
    return table[np.minimum(codes, len(table) - 1)] if len(table) else codes


def _segment(
    tiff: Tiff, image: RawImage, data: bytes, size: tuple[int, int], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return one strip or tile, [rows, columns, C]."""
    shape = (*size, image.samples)
    if image.compression == Compression.NONE:
        stored = np.frombuffer(data, _stored(dtype, tiff), math.prod(shape))
        return stored.astype(dtype).reshape(shape)
    try:
        import imagecodecs
    except ImportError:
        raise MissingExtraError("imagecodecs", "jxl") from None
    if image.compression not in CODECS:
        raise InputError(f"{tiff.name}: is compressed with {image.compression_name}, which is not supported")
    try:
        if image.compression == Compression.DEFLATE:
            plain = imagecodecs.zlib_decode(data, out=math.prod(shape) * dtype.itemsize)
            return np.frombuffer(plain, _stored(dtype, tiff)).astype(dtype).reshape(shape)
        # A buffer of the declared size: what decodes to more is an error, not an allocation.
        room = np.empty(shape if image.samples > 1 else size, dtype)
        getattr(imagecodecs, CODECS[Compression(image.compression)])(data, out=room)
    except (ValueError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{tiff.name}: its raw image does not decode: {reason}") from None
    return room.reshape(shape)


def _in_order(pixels: NDArray[Any], axis: int, factor: int) -> NDArray[Any]:
    """Return lines stored as every ``factor``-th first (tags 50975 and 52547), in their order."""
    if factor <= 1:
        return pixels
    length = pixels.shape[axis]
    order = np.concatenate([np.arange(first, length, factor) for first in range(min(factor, length))])
    return np.take(pixels, np.argsort(order), axis)


def _stored(dtype: np.dtype[Any], tiff: Tiff) -> np.dtype[Any]:
    """Return a type in the byte order of the file."""
    return dtype.newbyteorder("<" if tiff.order == "<" else ">")
