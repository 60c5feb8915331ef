"""JPEG pictures, their segments kept (ITU-T T.81, annex B); Pillow decodes and encodes the pixels."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from synthnoise.errors import InputError, UsageError
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.picture import Picture, split_samples

QUALITY = 95
"""Of libjpeg's scale: coarser would put back as blocks what was taken out as noise."""
OPTIMISED = 32_000_000
"""Pixels up to which Huffman codes are fitted to the picture: some percent of the file, for the memory of all
its coefficients."""
START, START_OF_SCAN = b"\xff\xd8", 0xDA
STANDALONE = (0x01, *range(0xD0, 0xD9))
EXIF, XMP, ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
MULTI_PICTURE = b"MPF\0"
JFIF, ADOBE, PROVENANCE, COMMENT = b"\xff\xe0", b"\xff\xee", b"\xff\xeb", b"\xff\xfe"
LARGEST_SEGMENT = 65533
MOST_SEGMENTS = 10_000


def read_jpeg(path: Path, limits: ReadLimits = DEFAULT_LIMITS) -> Picture:
    """Return a JPEG picture, grey or of three colours.

    Raises
    ------
    InputError
        The file is damaged, has four colours, or exceeds the limits.
    """
    limits.check_file(path)
    with path.open("rb") as file:
        segments = list(_segments(file, path))
        file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # our own limits count; odd metadata are carried unread
                with Image.open(file, formats=["JPEG"]) as image:
                    limits.check_pixels(path, *image.size)
                    if image.mode not in ("L", "RGB"):
                        raise InputError(
                            f"{path}: has {image.mode} colours, which are for printing",
                            hint="convert it to RGB",
                        )
                    samples = np.asarray(image)
        except InputError:
            raise
        except Exception as error:  # Pillow's decoders raise a wide choice of errors on damaged files
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: is not a JPEG that can be read: {reason}") from error
    pixels, extra = split_samples(samples[..., None] if samples.ndim == 2 else samples, path)
    return Picture(
        pixels=pixels,
        extra=extra,
        container="JPEG",
        icc=_profile(segments),
        exif=_first(segments, EXIF),
        xmp=_first(segments, XMP),
        carried=tuple(segments),
        path=path,
    )


def write_jpeg_picture(file: BinaryIO, picture: Picture, *, optimised: int = OPTIMISED) -> None:
    """Write a picture as JPEG of quality 95 with full colour resolution, its segments as they were.

    Sixteen bits are rounded to eight. Up to ``optimised`` pixels Huffman codes are fitted to the picture.

    Raises
    ------
    UsageError
        It has an alpha channel, which JPEG has not.
    """
    if picture.extra.shape[2]:
        raise UsageError("JPEG has no transparency", hint="--format png or tiff")
    pixels = picture.pixels
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / np.float32(257)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(
        stream, "JPEG", quality=QUALITY, subsampling="4:4:4", optimize=pixels[..., 0].size <= optimised
    )
    encoded = stream.getbuffer()
    plain = encoded[2:4] == JFIF
    skipped = 4 + struct.unpack_from(">H", encoded, 4)[0] - 2 if plain else 0
    file.write(START)
    segments = picture.carried if picture.container == "JPEG" else tuple(_segments_of(picture))
    for marker, data in segments:
        file.write(marker + struct.pack(">H", len(data) + 2) + data)
    file.write(encoded[2 + skipped :] if segments else encoded[2:])


def _segments_of(picture: Picture) -> Iterator[tuple[bytes, bytes]]:
    """Yield the segments of EXIF, XMP and profile; what is too large for one segment stays behind."""
    for head, data in ((EXIF, picture.exif), (XMP, picture.xmp)):
        if data and len(head) + len(data) <= LARGEST_SEGMENT:
            yield b"\xff\xe1", head + data
    room = LARGEST_SEGMENT - len(ICC) - 2
    parts = [picture.icc[start : start + room] for start in range(0, len(picture.icc), room)]
    for number, part in enumerate(parts if len(parts) < 256 else []):
        yield b"\xff\xe2", ICC + bytes((number + 1, len(parts))) + part


def _segments(file: BinaryIO, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield (marker, data) of the segments that say nothing about how the pixels are stored.

    Left out are Adobe's colour transform, the table of further pictures behind this one, and provenance
    (JUMBF), which vouches for the old pixels.
    """
    file.seek(0)
    if file.read(2) != START:
        raise InputError(f"{path}: is not a JPEG")
    for _ in range(MOST_SEGMENTS):
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] == START_OF_SCAN:
            return
        if marker[1] == 0xFF:  # fill bytes may precede a marker
            file.seek(-1, 1)
            continue
        if marker[1] in STANDALONE:
            continue
        length = struct.unpack(">H", file.read(2).rjust(2, b"\0"))[0]
        data = file.read(max(length - 2, 0))
        application = 0xE0 <= marker[1] <= 0xEF and marker not in (ADOBE, PROVENANCE)
        if (application and not data.startswith(MULTI_PICTURE)) or marker == COMMENT:
            yield marker, data


def _first(segments: list[tuple[bytes, bytes]], head: bytes) -> bytes:
    return next((data[len(head) :] for _, data in segments if data.startswith(head)), b"")


def _profile(segments: list[tuple[bytes, bytes]]) -> bytes:
    """Return the ICC profile, put together from its numbered parts."""
    parts = sorted((data[len(ICC)], data[len(ICC) + 2 :]) for _, data in segments
                   if data.startswith(ICC) and len(data) > len(ICC) + 2)  # fmt: skip
    return b"".join(part for _, part in parts)
