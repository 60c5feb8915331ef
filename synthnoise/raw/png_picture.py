"""PNG pictures of 8 or 16 bits, their chunks kept (ISO/IEC 15948).

Pillow decodes the small ones, down to palettes; it has no 16-bit colour, which is decoded here.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthnoise.errors import InputError
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.picture import Picture, split_samples

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}
"""Samples per pixel by colour type, palettes apart."""
COLOUR_TYPES = {count: kind for kind, count in SAMPLES.items()}
CARRIED = (
    b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"eXIf", b"tEXt", b"zTXt",
    b"iTXt",
)  # fmt: skip
"""Chunks that say nothing about how pixels are stored (and not C2PA's, which vouch for the old pixels)."""
LARGEST_CHUNK = 64 << 20
MOST_CARRIED = 10_000
XMP_KEYWORD = b"XML:com.adobe.xmp"
BAND = 64
PIECE = 1 << 20


def read_png(path: Path, limits: ReadLimits = DEFAULT_LIMITS) -> Picture:
    """Return a PNG picture; palettes become colours, and grey of fewer bits 8.

    Raises
    ------
    InputError
        The file is damaged, animated, exceeds the limits, or is stored in a way that is not supported.
    """
    limits.check_file(path)
    with path.open("rb") as file:
        header, carried, transparent = _header(file, path)
        width, height, bits, kind, _, _, interlaced = header
        limits.check_pixels(path, width, height, SAMPLES.get(kind, 4))
        if bits == 16:
            if interlaced or kind not in SAMPLES:
                raise InputError(f"{path}: is an interlaced 16-bit PNG", hint="save it without interlacing")
            samples: NDArray[Any] = _decode16(file, path, (height, width, SAMPLES[kind]))
            if len(transparent) == 2 * SAMPLES[kind]:
                key = np.frombuffer(transparent, ">u2")
                alpha = np.where((samples == key).all(2, keepdims=True), 0, 65535).astype(np.uint16)
                samples = np.concatenate([samples, alpha], 2)
        else:
            if bits == 1 and kind == 0:
                raise InputError(f"{path}: has one bit per pixel: there is no noise to take out")
            samples = _decode8(file, path)
    pixels, extra = split_samples(samples, path)
    return Picture(
        pixels=pixels,
        extra=extra,
        container="PNG",
        icc=_profile(carried),
        exif=next((data for name, data in carried if name == b"eXIf"), b""),
        xmp=_xmp(carried),
        carried=tuple(carried),
        path=path,
    )


def write_png_picture(file: BinaryIO, picture: Picture) -> None:
    """Write a picture as PNG, its chunks as they were, or made from its profile, EXIF and XMP."""
    samples = picture.samples
    height, width, count = samples.shape
    file.write(SIGNATURE)
    bits = 8 * samples.dtype.itemsize
    _write_chunk(file, b"IHDR", struct.pack(">2I5B", width, height, bits, COLOUR_TYPES[count], 0, 0, 0))
    for name, data in picture.carried if picture.container == "PNG" else _chunks_of(picture):
        _write_chunk(file, name, data)
    from synthnoise.raw import png_filters

    encoder = zlib.compressobj(6)
    above = np.zeros(width * count * samples.dtype.itemsize, np.uint8)
    for top in range(0, height, BAND):
        band = np.ascontiguousarray(samples[top : top + BAND].astype(samples.dtype.newbyteorder(">")))
        lines = band.view(np.uint8).reshape(len(band), -1)
        filtered = png_filters.apply(lines, above, count * samples.dtype.itemsize)
        above = lines[-1]
        if data := encoder.compress(filtered.tobytes()):
            _write_chunk(file, b"IDAT", data)
    _write_chunk(file, b"IDAT", encoder.flush())
    _write_chunk(file, b"IEND", b"")


def _chunks_of(picture: Picture) -> Iterator[tuple[bytes, bytes]]:
    if picture.icc:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc, 9)
    if picture.exif:
        yield b"eXIf", picture.exif
    if picture.xmp:
        yield b"iTXt", XMP_KEYWORD + bytes(5) + picture.xmp


def _write_chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data)
    file.write(struct.pack(">I", zlib.crc32(name + data)))


def _header(file: BinaryIO, path: Path) -> tuple[tuple[int, ...], list[tuple[bytes, bytes]], bytes]:
    """Return the header's numbers, the carried chunks of the whole file, and tRNS; no pixels are decoded."""
    header: tuple[int, ...] = ()
    carried: list[tuple[bytes, bytes]] = []
    transparent = b""
    for name, data in _chunks(file, path, (b"IHDR", b"tRNS", b"acTL", *CARRIED)):
        if name == b"IHDR" and len(data) == 13:
            header = struct.unpack(">2I5B", data)
        elif name == b"tRNS":
            transparent = data
        elif name == b"acTL":
            raise InputError(f"{path}: is an animation, not a picture")
        elif name in CARRIED and len(carried) < MOST_CARRIED:
            carried.append((name, data))
    if not header:
        raise InputError(f"{path}: is not a PNG that can be read: it has no header")
    return header, carried, transparent


def _chunks(file: BinaryIO, path: Path, wanted: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, data) of chunks, in their order; InputError where they are cut off or damaged."""
    file.seek(0)
    if file.read(8) != SIGNATURE:
        raise InputError(f"{path}: is not a PNG")
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IEND":
            return
        if name not in wanted:
            file.seek(length + 4, 1)
            continue
        data = file.read(length) if length <= LARGEST_CHUNK or name == b"IDAT" else b""
        checksum = file.read(4)
        if len(data) != length or checksum != struct.pack(">I", zlib.crc32(name + data)):
            raise InputError(f"{path}: is damaged: its {name.decode('ascii', 'replace')} chunk is broken")
        yield name, data
    raise InputError(f"{path}: is truncated")


def _decode16(file: BinaryIO, path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    """Return samples uint16 [H, W, C] of 16 bits, inflated no further than declared."""
    from synthnoise.raw import png_filters

    height, width, count = shape
    samples = np.empty(shape, np.uint16)
    line, step = 2 * width * count, 2 * count
    above = np.zeros(line, np.uint8)
    buffer, row = bytearray(), 0
    for data in _inflated(file, path):
        buffer += data
        rows = min(len(buffer) // (line + 1), height - row)
        if rows < min(BAND, height - row):
            continue
        lines = np.frombuffer(bytes(buffer[: rows * (line + 1)]), np.uint8).reshape(rows, -1).copy()
        del buffer[: rows * (line + 1)]
        if png_filters.undo(lines, above, step) >= 0:
            raise InputError(f"{path}: is damaged: a line has an unknown filter")
        above = lines[-1, 1:].copy()
        samples[row : row + rows] = np.ascontiguousarray(lines[:, 1:]).view(">u2").reshape(rows, width, count)
        row += rows
        if row == height:
            return samples
    raise InputError(f"{path}: is truncated: {row} of {height} lines")


def _inflated(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the inflated pixel data, at most PIECE bytes at a time."""
    decoder = zlib.decompressobj()
    try:
        for _, data in _chunks(file, path, (b"IDAT",)):
            while True:
                yield (plain := decoder.decompress(data, PIECE))
                data = decoder.unconsumed_tail
                if not data and len(plain) < PIECE:
                    break
    except zlib.error as error:
        raise InputError(f"{path}: is damaged: {error}") from None


def _decode8(file: BinaryIO, path: Path) -> NDArray[np.uint8]:
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limits count, and what is odd about a file is no matter
            with Image.open(file, formats=["PNG"]) as image:
                transparent = "transparency" in image.info or image.mode in ("LA", "RGBA", "PA")
                grey = image.mode in ("L", "LA")
                mode = {(True, False): "L", (True, True): "LA", (False, False): "RGB"}.get(
                    (grey, transparent), "RGBA"
                )
                # Pillow's conversion to what an image is already is a copy of it.
                samples = np.asarray(image if image.mode == mode else image.convert(mode))
    except Exception as error:  # Pillow's decoders raise a wide choice of errors on damaged files
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not a PNG that can be read: {reason}") from error
    return samples[..., None] if samples.ndim == 2 else samples


def _profile(carried: list[tuple[bytes, bytes]]) -> bytes:
    for name, data in carried:
        if name == b"iCCP":
            try:
                return zlib.decompressobj().decompress(data.split(b"\0", 1)[1][1:], LARGEST_CHUNK)
            except (zlib.error, IndexError):
                return b""
    return b""


def _xmp(carried: list[tuple[bytes, bytes]]) -> bytes:
    """Return the XMP packet of an uncompressed iTXt chunk."""
    for name, data in carried:
        if name == b"iTXt" and data.startswith(XMP_KEYWORD + b"\0\0"):
            parts = data[len(XMP_KEYWORD) + 3 :].split(b"\0", 2)
            return parts[2] if len(parts) == 3 else b""
    return b""
