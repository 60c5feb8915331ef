"""What a new DNG takes over from the camera file it was made of: EXIF, GPS, maker note, owner and lens.

Values are copied as bytes, in the byte order of their file. A maker note may count on its place in the
file (Canon, Sony, older Nikon and Olympus hold absolute offsets), so it goes to the same offset again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from synthnoise.errors import InputError
from synthnoise.files import printable
from synthnoise.raw.containers import open_container
from synthnoise.raw.limits import DEFAULT_LIMITS
from synthnoise.raw.tags import Tag
from synthnoise.raw.tiff import POINTERS, UNDEFINED, Directory
from synthnoise.raw.tiff_layout import Field, Values

HEADER = 8
LARGEST_NOTE = 8 << 20
LARGEST_VALUE = 1 << 20
LARGEST_TOTAL = 8 << 20
FURTHEST_PIN = 1 << 20
"""A maker note beyond this offset is moved: keeping its place would cost as much empty space."""

ROOT_TAGS = (
    Tag.IMAGE_DESCRIPTION,
    Tag.ARTIST,
    Tag.XMP,
    Tag.COPYRIGHT,
    Tag.IPTC,
    Tag.DNG_PRIVATE_DATA,  # where Adobe's converter puts the maker note
)
DNG_NAMES = {Tag.LENS_SPECIFICATION: Tag.LENS_INFO, Tag.BODY_SERIAL_NUMBER: Tag.CAMERA_SERIAL_NUMBER}
"""EXIF tags that DNG repeats in IFD0 under numbers of its own."""


@dataclass(frozen=True)
class MakerNote:
    """The bytes of a maker note and where they must lie; at the start of the file if there are none."""

    start: int = HEADER
    data: bytes = b""

    @property
    def end(self) -> int:
        """First even position after it."""
        return self.start + len(self.data) + (self.start + len(self.data)) % 2


@dataclass(frozen=True)
class Inheritance:
    """Fields to be copied into IFD0, the EXIF and the GPS directory, all in byte order ``order``."""

    order: str = "<"
    root: dict[int, Field] = field(default_factory=dict)
    exif: dict[int, Field] = field(default_factory=dict)
    gps: dict[int, Field] = field(default_factory=dict)
    maker_note: MakerNote = field(default_factory=MakerNote)


def inherit(source: Path | str | None) -> Inheritance:
    """Return what a camera file hands down; nothing for None, and for files without EXIF.

    Raises
    ------
    InputError
        The file is missing, too large or damaged beyond recognition.
    """
    if source is None:
        return Inheritance()
    source = Path(source)
    DEFAULT_LIMITS.check_file(source)
    with source.open("rb") as file:
        container = open_container(file, str(source))
        if container is None or container.exif is None:
            return Inheritance()
        exif, gps = container.exif, container.gps
        order = exif.tiff.order
        fields = copied(exif, tuple(exif.table))
        fields.pop(Tag.MAKER_NOTE, None)
        note = _maker_note(exif) if container.maker_note is None else MakerNote(HEADER, container.maker_note)
        if note.data:
            entry = struct.pack(order + "HHII", Tag.MAKER_NOTE, UNDEFINED, len(note.data), note.start)
            fields[Tag.MAKER_NOTE] = Field.kept(entry)
        root: dict[int, Field] = {}
        # Values of another byte order would have to be swapped; no camera mixes them.
        for directory in (d for d in container.roots if d.tiff.order == order):
            root = copied(directory, ROOT_TAGS) | root
        root |= {dng: fields[tag] for tag, dng in DNG_NAMES.items() if tag in fields}
        root[Tag.ORIGINAL_RAW_FILE_NAME] = Values(order).text(printable(source.name))
        place = copied(gps, tuple(gps.table)) if gps is not None and gps.tiff.order == order else {}
        return Inheritance(order, root, fields, place, note)


def copied(directory: Directory, tags: tuple[int, ...]) -> dict[int, Field]:
    """Return the values of some tags as they are; what is damaged, huge or points elsewhere stays behind."""
    fields: dict[int, Field] = {}
    total = 0
    for tag in tags:
        entry = directory.entries.get(tag)
        if entry is None or tag in POINTERS or entry.size > LARGEST_VALUE or total > LARGEST_TOTAL:
            continue
        try:
            fields[tag] = Field(entry.kind, entry.count, directory.data(tag))
        except InputError:
            continue
        total += entry.size
    return fields


def _maker_note(exif: Directory) -> MakerNote:
    """Return the maker note, pinned to its offset where that is not too far into the file."""
    entry = exif.entries.get(Tag.MAKER_NOTE)
    if entry is None or not 4 < entry.size <= LARGEST_NOTE:
        return MakerNote()
    try:
        data = exif.data(Tag.MAKER_NOTE)
    except InputError:
        return MakerNote()
    start = entry.offset - exif.tiff.base
    return MakerNote(start if HEADER <= start <= FURTHEST_PIN else HEADER, data)
