"""Finding the EXIF data of camera files: plain TIFF, Fujifilm RAF, Canon CR3, Panasonic RW2."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from synthnoise.errors import InputError
from synthnoise.raw.tags import Tag
from synthnoise.raw.tiff import Directory, Tiff

RAF_MAGIC = b"FUJIFILMCCD-RAW"
PANASONIC_JPEG = 0x2E
PANASONIC_RAW_OFFSET = 0x118
GPS_VERSION = 0
NO_OFFSET = 0xFFFFFFFF
MAX_BOXES = 1000
BOX_FOLDERS = (b"moov", b"uuid")
CANON_TIFFS = (b"CMT1", b"CMT2", b"CMT4")
CANON_MAKER_NOTE = b"CMT3"
LARGEST_MAKER_NOTE = 8 << 20
TIFF_HEADER = 8
CANON_UUID_BYTES = 16
JPEG_HEAD = 1 << 18

MISSING_TOLERATED = 0.02
"""Some cameras round the size of the last strip up; more missing than this is a truncated file."""


@dataclass(frozen=True)
class Container:
    """A camera file's kind and its TIFF structures, the main one first.

    ``kind`` is ``"TIFF"``, ``"RAF"``, ``"CR3"`` or ``"RW2"``; ``raw_end`` is the byte after the last
    one of raw data that the headers promise, 0 where they do not say. ``maker_note`` is a maker note
    that lies outside of them, as if at the start of a TIFF.
    """

    kind: str
    tiffs: tuple[Tiff, ...]
    raw_end: int
    size: int
    maker_note: bytes | None = None

    @property
    def roots(self) -> list[Directory]:
        """The first directory of every structure."""
        return [tiff.directories[0] for tiff in self.tiffs]

    @property
    def exif(self) -> Directory | None:
        """The EXIF directory, one with a maker note if there is a choice; None where there is none."""
        found = [exif for root in self.roots for exif in root.children.get(Tag.EXIF_IFD, [])]
        if self.kind == "CR3":
            found += [root for root in self.roots if Tag.EXIF_VERSION in root]
        return max(found, key=lambda exif: Tag.MAKER_NOTE in exif, default=None)

    @property
    def gps(self) -> Directory | None:
        """The GPS directory, or None."""
        found = [gps for root in self.roots for gps in root.children.get(Tag.GPS_IFD, [])]
        if self.kind == "CR3":
            found += [root for root in self.roots if GPS_VERSION in root]
        return found[0] if found else None

    def refuse_truncated(self, name: str | Path) -> None:
        """Raise InputError where the file ends well before its raw data should."""
        if self.raw_end * (1 - MISSING_TOLERATED) > self.size:
            raise InputError(
                f"{name}: is truncated: raw data should end at byte {self.raw_end} of {self.size}"
            )


def open_container(file: BinaryIO, name: str) -> Container | None:
    """Return the structure of an open camera file, or None where it is not one of the kinds known here.

    Raises
    ------
    InputError
        It is of a known kind, but damaged beyond recognition.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(16)
    if head.startswith(RAF_MAGIC):
        return _open_raf(file, name, size)
    if head[4:12] == b"ftypcrx ":
        return _open_cr3(file, name, size)
    if head[:2] not in (b"II", b"MM"):
        return None
    try:
        tiff = Tiff(file, name)
    except InputError:
        if head[2:4] in (b"*\0", b"\0*", b"+\0", b"\0+"):
            raise
        return None  # other formats begin with the letters of a byte order too
    main = tiff.directories[0]
    if PANASONIC_JPEG not in main:
        return Container("TIFF", (tiff,), _strips_end(tiff), size)
    exif = tuple(_exif_of_jpeg(file, name, main.entries[PANASONIC_JPEG].offset))
    start = main.integer(PANASONIC_RAW_OFFSET)
    return Container("RW2", (tiff, *exif), start + main.integer(Tag.STRIP_BYTE_COUNTS) if start else 0, size)


def _strips_end(tiff: Tiff) -> int:
    """Return where the largest image of a TIFF-based raw file ends; 0 where that cannot be told."""
    largest, end = 0, 0
    for directory in tiff.all_directories():
        for offsets_tag, sizes_tag in (
            (Tag.STRIP_OFFSETS, Tag.STRIP_BYTE_COUNTS),
            (Tag.TILE_OFFSETS, Tag.TILE_BYTE_COUNTS),
        ):
            try:
                offsets, sizes = directory.integers(offsets_tag), directory.integers(sizes_tag)
            except InputError:
                continue
            if len(offsets) == len(sizes) > 0 and NO_OFFSET not in offsets and sum(sizes) > largest:
                largest = sum(sizes)
                end = max(offset + size for offset, size in zip(offsets, sizes, strict=True))
    return end


def _open_raf(file: BinaryIO, name: str, size: int) -> Container:
    """Open a Fujifilm RAF: offsets and lengths of JPEG, headers and raw data lie at byte 84."""
    file.seek(84)
    header = file.read(24)
    if len(header) < 24:
        raise InputError(f"{name}: is truncated")
    jpeg, _, _, _, raw, raw_size = struct.unpack(">6I", header)
    return Container("RAF", tuple(_exif_of_jpeg(file, name, jpeg)), raw + raw_size, size)


def _exif_of_jpeg(file: BinaryIO, name: str, start: int) -> Iterator[Tiff]:
    """Yield the EXIF structure of a JPEG that begins at ``start``, if it has a readable one."""
    file.seek(start)
    head = file.read(JPEG_HEAD)
    position = 2
    while head[:2] == b"\xff\xd8" and position + 4 <= len(head) and head[position] == 0xFF:
        length = struct.unpack_from(">H", head, position + 2)[0]
        if head[position + 4 : position + 10] == b"Exif\0\0":
            try:
                yield Tiff(file, name, base=start + position + 10, size=length - 8)
            except InputError:
                return
            return
        position += 2 + length


def _open_cr3(file: BinaryIO, name: str, size: int) -> Container:
    """Open a Canon CR3: an ISO base media file whose CMT boxes hold one TIFF structure each."""
    found: dict[bytes, Tiff] = {}
    note: bytes | None = None
    end = 0
    for kind, start, stop in _boxes(file, 0, size):
        end = max(end, stop)
        if kind in CANON_TIFFS and kind not in found:
            with contextlib.suppress(InputError):
                found[kind] = Tiff(file, name, base=start, size=stop - start)
        if kind == CANON_MAKER_NOTE and TIFF_HEADER < stop - start <= LARGEST_MAKER_NOTE:
            file.seek(start + TIFF_HEADER)
            note = file.read(stop - start - TIFF_HEADER)
    tiffs = tuple(found[kind] for kind in CANON_TIFFS if kind in found)
    return Container("CR3", tiffs, end, size, note)


def _boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start and end of the content) of ISO 14496-12 boxes, those inside folders included."""
    pending, budget = [(start, stop)], MAX_BOXES
    while pending:
        position, stop = pending.pop()
        while position + 8 <= stop and budget > 0:
            budget -= 1
            file.seek(position)
            header = file.read(16)
            if len(header) < 8:
                break
            length, kind = struct.unpack(">I4s", header[:8])
            begin = position + 8
            if length == 1 and len(header) == 16:
                length, begin = struct.unpack(">Q", header[8:])[0], position + 16
            if length < begin - position:
                break
            yield kind, begin, position + length
            if kind in BOX_FOLDERS:
                pending.append((begin + (CANON_UUID_BYTES if kind == b"uuid" else 0), position + length))
            position += length
