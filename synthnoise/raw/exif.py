"""EXIF blocks for pictures: what a camera file, or a frame, says of a shot, as one TIFF structure.

JPEG and PNG hold such a block as it is; a TIFF begins with it.
"""

from __future__ import annotations

import io
from pathlib import Path

from synthnoise.errors import InputError
from synthnoise.files import printable
from synthnoise.raw.containers import open_container
from synthnoise.raw.dng_fields import SOFTWARE, exif_fields
from synthnoise.raw.frame import Frame
from synthnoise.raw.inheritance import Inheritance, MakerNote, copied, inherit
from synthnoise.raw.tags import Tag
from synthnoise.raw.tiff import Tiff
from synthnoise.raw.tiff_layout import Field, Plan, Values, lay_out

ROOT_TAGS = (
    Tag.IMAGE_DESCRIPTION, Tag.MAKE, Tag.MODEL, Tag.ORIENTATION, Tag.X_RESOLUTION, Tag.Y_RESOLUTION,
    Tag.RESOLUTION_UNIT, Tag.SOFTWARE, Tag.DATE_TIME, Tag.ARTIST, Tag.COPYRIGHT,
)  # fmt: skip
"""What EXIF 2.32 (table 4) has in IFD0 beside how pixels are stored."""
LARGEST = 65527
"""Bytes that a segment of a JPEG leaves for the block."""
UPRIGHT = 1
NO_RESOLUTION, INCH = 72, 2
SRGB = 1
"""Value of the EXIF tag ColorSpace."""


def exif_of_file(source: Path) -> bytes:
    """Return the EXIF block of a TIFF-based file, or nothing where it has none.

    A maker note keeps its offset, and is left out where the block would not fit into a JPEG with it.

    Raises
    ------
    InputError
        The file is missing or damaged beyond recognition.
    """
    root = _root_of(source)
    inheritance = inherit(source)
    return _block(inheritance, root, inheritance.exif) if root or inheritance.exif else b""


def exif_of_frame(frame: Frame, size: tuple[int, int]) -> bytes:
    """Return the EXIF block of an upright sRGB rendering, [h, w] pixels, of a frame and the file it is of."""
    inheritance = Inheritance() if frame.path is None else inherit(frame.path)
    values = Values(inheritance.order)
    root = {} if frame.path is None else _root_of(frame.path)
    root |= {Tag.ORIENTATION: values.short(UPRIGHT), Tag.SOFTWARE: values.text(SOFTWARE)}
    # EXIF demands a resolution, and has this one stand for none (EXIF 2.32, 4.6.4).
    for tag in (Tag.X_RESOLUTION, Tag.Y_RESOLUTION):
        root.setdefault(tag, values.rational(NO_RESOLUTION))
    root.setdefault(Tag.RESOLUTION_UNIT, values.short(INCH))
    for tag, text in ((Tag.MAKE, frame.make), (Tag.MODEL, frame.model)):
        if text:
            root.setdefault(tag, values.text(printable(text)))
    exif = exif_fields(values, frame) | inheritance.exif
    exif |= {
        Tag.COLOR_SPACE: values.short(SRGB),
        Tag.PIXEL_X_DIMENSION: values.long(size[1]),
        Tag.PIXEL_Y_DIMENSION: values.long(size[0]),
    }
    return _block(inheritance, root, exif)


def orientation_in(block: bytes) -> int:
    """Return the orientation 1..8 that an EXIF block states; 1 where it does not, or is damaged."""
    if not block:
        return UPRIGHT
    try:
        stated = Tiff(io.BytesIO(block), "EXIF").directories[0].integer(Tag.ORIENTATION, UPRIGHT)
    except InputError:
        return UPRIGHT
    return stated if UPRIGHT <= stated <= 8 else UPRIGHT


def _root_of(source: Path) -> dict[int, Field]:
    with source.open("rb") as file:
        container = open_container(file, str(source))
        if container is None:
            return {}
        order = (container.exif or container.roots[0]).tiff.order if container.roots else "<"
        fields: dict[int, Field] = {}
        for directory in (d for d in container.roots if d.tiff.order == order):
            fields = copied(directory, ROOT_TAGS) | fields
        return fields


def _block(inheritance: Inheritance, root: dict[int, Field], exif: dict[int, Field]) -> bytes:
    """Return header, maker note in its place, and directories."""
    note = inheritance.maker_note
    for kept in (note, MakerNote()):
        if not kept.data:
            exif = {tag: item for tag, item in exif.items() if tag != Tag.MAKER_NOTE}
        plan = Plan(dict(root), {Tag.EXIF_IFD: [Plan(exif)]})
        if inheritance.gps:
            plan.children[Tag.GPS_IFD] = [Plan(inheritance.gps)]
        layout = lay_out(plan, kept.end, inheritance.order)
        if layout.end <= LARGEST or not kept.data:
            break
    values = Values(inheritance.order)
    header = (b"II*\0" if values.order == "<" else b"MM\0*") + values.long(layout.start).payload
    place = bytes(kept.start - len(header)) + kept.data
    return header + place + bytes(layout.start - len(header) - len(place)) + layout.data
