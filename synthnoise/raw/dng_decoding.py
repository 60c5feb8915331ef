"""The stored values of a TIFF directory's image: strips or tiles, their compression undone and checked.

For what LibRaw and tifffile do not give: several colours per pixel, JPEG XL, floating point, LZW. What the
standard library does not decompress, imagecodecs (the extra ``jxl``) does.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError, MissingExtraError
from synthnoise.raw.dng_reading import RawImage, check_segments
from synthnoise.raw.limits import ReadLimits
from synthnoise.raw.predictors import FLOATING, SPACING, floats_of_24_bits, floats_of_bytes, undo_differences
from synthnoise.raw.tags import Compression, Tag
from synthnoise.raw.tiff import Tiff

CODECS = {
    Compression.JPEG: "ljpeg_decode",
    Compression.LOSSY_JPEG: "jpeg8_decode",
    Compression.JPEG_XL: "jpegxl_decode",
}
BYTE_CODECS = {Compression.LZW: "lzw_decode", Compression.PACKBITS: "packbits_decode"}
DEFLATE = (Compression.DEFLATE, Compression.OLD_DEFLATE)
BITS = {False: (8, 16), True: (16, 24, 32)}
REORDERED = (
    Tag.SUB_TILE_BLOCK_SIZE,
    Tag.ROW_INTERLEAVE_FACTOR,
    Tag.COLUMN_INTERLEAVE_FACTOR,
    Tag.JPEG_TABLES,
)
FIRST_OF_16_BITS = (1, 1)
"""The version from which a difference of 32768 has no additional bits."""


def decode(tiff: Tiff, image: RawImage, limits: ReadLimits) -> NDArray[Any]:
    """Return the stored values, uint8, uint16 or (of 16, 24 and 32 floating-point bits) float32 [H, W, C].

    Raises
    ------
    InputError
        The data are damaged, or stored in a way that is not supported.
    MissingExtraError
        They are compressed and imagecodecs is not installed.
    """
    directory = image.directory
    if image.bits not in BITS[image.is_float]:
        kind = f"{image.bits} {'floating-point ' * image.is_float}bits"
        raise InputError(f"{tiff.name}: its {image.content} image has samples of {kind}: not supported")
    if directory.integer(Tag.PLANAR_CONFIGURATION, 1) != 1:
        raise InputError(f"{tiff.name}: stores its planes apart", hint="save it interleaved")
    segments = check_segments(image, tiff, limits)
    tiled = Tag.TILE_OFFSETS in directory
    across = directory.integer(Tag.TILE_WIDTH) if tiled else image.width
    down = (
        directory.integer(Tag.TILE_LENGTH)
        if tiled
        else min(directory.integer(Tag.ROWS_PER_STRIP, image.height), image.height)
    )
    dtype = np.float32 if image.is_float else np.uint8 if image.bits == 8 else np.uint16
    pixels = np.empty((image.height, image.width, image.samples), dtype)
    columns = math.ceil(image.width / across)
    for number, (offset, size) in enumerate(segments):
        top, left = number // columns * down, number % columns * across
        room = pixels[top : top + down, left : left + across]
        rows = room.shape[0] if not tiled else down
        segment = _segment(tiff, image, tiff.read(offset, size), (rows, across))
        room[:] = segment[: room.shape[0], : room.shape[1]]
    return _in_order(_in_order(pixels, 0, directory.integer(Tag.ROW_INTERLEAVE_FACTOR, 1)), 1,
                     directory.integer(Tag.COLUMN_INTERLEAVE_FACTOR, 1))  # fmt: skip


def linear_mosaic(tiff: Tiff, image: RawImage, limits: ReadLimits) -> NDArray[np.uint16]:
    """Return a mosaic uint16 [H, W], its LinearizationTable applied; errors as :func:`decode`."""
    return _linear(decode(tiff, image, limits)[..., 0].astype(np.uint16), image)


def lossless_mosaic(tiff: Tiff, image: RawImage, limits: ReadLimits) -> NDArray[np.uint16] | None:
    """Return a mosaic uint16 [H, W] stored as lossless JPEG, a few tiles at a time, its table applied.

    None where it is stored in another way, or damaged, which LibRaw then has to say.

    Raises
    ------
    InputError
        Its segments cannot be true.
    """
    from synthnoise.raw import ljpeg_decoding
    from synthnoise.raw.dng_tiles import thread_count

    directory = image.directory
    plain = image.compression == Compression.JPEG and image.samples == 1 and not image.is_float
    if not plain or any(tag in directory for tag in REORDERED) or _version(tiff) < FIRST_OF_16_BITS:
        return None
    mosaic = np.empty((image.height, image.width), np.uint16)
    tiled = Tag.TILE_OFFSETS in directory
    across = directory.integer(Tag.TILE_WIDTH) if tiled else image.width
    down = directory.integer(Tag.TILE_LENGTH if tiled else Tag.ROWS_PER_STRIP, image.height)
    columns, threads = math.ceil(image.width / across), thread_count()
    pending: deque[Future[bool]] = deque()

    def store(data: bytes, top: int, left: int) -> bool:
        room = mosaic[top : top + down, left : left + across]
        segment = ljpeg_decoding.decode(data, (down if tiled else len(room), across))
        if segment is not None:
            room[:] = segment[: room.shape[0], : room.shape[1]]
        return segment is not None

    with ThreadPoolExecutor(threads) as pool:
        for number, (offset, size) in enumerate(check_segments(image, tiff, limits)):
            place = number // columns * down, number % columns * across
            pending.append(pool.submit(store, tiff.read(offset, size), *place))
            if len(pending) > 2 * threads and not pending.popleft().result():
                return None
        if not all(stored.result() for stored in pending):
            return None
    return _linear(mosaic, image)


def _version(tiff: Tiff) -> tuple[int, ...]:
    return tiff.directories[0].integers(Tag.DNG_VERSION)


def _linear(codes: NDArray[np.uint16], image: RawImage) -> NDArray[np.uint16]:
    """Return stored values uint16 [H, W] with the LinearizationTable applied."""
    table = np.array(image.directory.integers(Tag.LINEARIZATION_TABLE), np.uint16)
    return table[np.minimum(codes, len(table) - 1)] if len(table) else codes


def _segment(tiff: Tiff, image: RawImage, data: bytes, size: tuple[int, int]) -> NDArray[Any]:
    """Return one strip or tile, [rows, columns, C]."""
    shape = (*size, image.samples)
    if image.compression in CODECS and not image.is_float:
        return _coded(tiff, image, data, shape)
    predictor = image.directory.integer(Tag.PREDICTOR, 1)
    spacing = SPACING.get(predictor)
    if spacing is None or (predictor in FLOATING) > image.is_float:
        raise InputError(f"{tiff.name}: is stored with predictor {predictor}, which is not supported")
    plain = _inflated(tiff, image, data, math.prod(shape) * image.bits // 8)
    stored = np.frombuffer(plain, np.uint8).reshape(size[0], -1)
    order = "<" if tiff.order == "<" else ">"
    try:
        if predictor in FLOATING:
            return floats_of_bytes(stored, spacing * image.samples, image.bits).reshape(shape)
        if image.bits == 24:
            return floats_of_24_bits(stored.reshape(*shape, 3), order).reshape(shape)
        kind = "f" if image.is_float else "u"
        values = stored.view(f"{order}{kind}{image.bits // 8}").astype(f"{kind}{image.bits // 8}")
        if spacing:
            undo_differences(values.view(f"u{image.bits // 8}"), spacing * image.samples)
    except ValueError as error:
        raise InputError(f"{tiff.name}: is damaged: {error}") from None
    return values.reshape(shape)


def _inflated(tiff: Tiff, image: RawImage, data: bytes, size: int) -> bytes:
    """Return the ``size`` bytes that were compressed to ``data``; never more are made."""
    if image.compression == Compression.NONE:
        plain = data[:size]
    elif image.compression in DEFLATE:
        try:
            plain = zlib.decompressobj().decompress(data, size)
        except zlib.error as error:
            raise InputError(f"{tiff.name}: its image does not inflate: {error}") from None
    elif image.compression in BYTE_CODECS:
        try:
            plain = _codec(BYTE_CODECS[Compression(image.compression)])(data, out=size)
        except (ValueError, RuntimeError, TypeError) as error:
            raise InputError(
                f"{tiff.name}: its image does not decode: {' '.join(str(error).split())}"
            ) from None
    else:
        raise InputError(f"{tiff.name}: is compressed with {image.compression_name}, which is not supported")
    if len(plain) != size:
        raise InputError(f"{tiff.name}: is damaged: {len(plain)} bytes of pixels where {size} should be")
    return bytes(plain)


def _coded(tiff: Tiff, image: RawImage, data: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    codec = _codec(CODECS[Compression(image.compression)])
    # A buffer of the declared size: what decodes to more is an error, not an allocation.
    room = np.empty(shape if image.samples > 1 else shape[:2], np.uint8 if image.bits == 8 else np.uint16)
    try:
        codec(data, out=room)
    except (ValueError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{tiff.name}: its raw image does not decode: {reason}") from None
    return room.reshape(shape)


def _codec(name: str) -> Any:
    try:
        import imagecodecs
    except ImportError:
        raise MissingExtraError("imagecodecs", "jxl") from None
    return getattr(imagecodecs, name)


def _in_order(pixels: NDArray[Any], axis: int, factor: int) -> NDArray[Any]:
    """Return lines stored as every ``factor``-th first (tags 50975 and 52547), in their order."""
    if factor <= 1:
        return pixels
    length = pixels.shape[axis]
    order = np.concatenate([np.arange(first, length, factor) for first in range(min(factor, length))])
    return np.take(pixels, np.argsort(order), axis)
