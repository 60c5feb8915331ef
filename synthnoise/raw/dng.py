"""Writing DNG files from scratch: CFA, monochrome and linear RAW (DNG specification 1.7.1).

The container is the one every reader was seen to accept: a small uncompressed thumbnail in IFD0, the
raw plane (lossless JPEG tiles, predictor 1, 16 bits) in the first SubIFD, a JPEG preview in the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import UsageError
from synthnoise.files import atomic_write
from synthnoise.raw import dng_fields
from synthnoise.raw.dng_fields import NoisePairs
from synthnoise.raw.dng_tiles import TileGrid, encode_tiles
from synthnoise.raw.frame import Frame
from synthnoise.raw.inheritance import Inheritance, inherit
from synthnoise.raw.preview import jpeg, render_preview, resize_to
from synthnoise.raw.tags import Tag
from synthnoise.raw.tiff_layout import Field, Plan, Values, lay_out

__all__ = ["DngNotes", "NoisePairs", "write_dng", "write_linear_dng"]

THUMBNAIL = 256
PREVIEW = 1600
LINEAR_WHITE = 65535
LARGEST_IMAGE = 3_500_000_000
"""Bytes; incompressible tiles grow by a sixteenth and must stay below four gigabytes."""


def write_dng(
    path: Path | str,
    frame: Frame,
    *,
    overwrite: bool = False,
    noise_profile: NoisePairs | None = None,
    noise_reduction: float | None = None,
    unique_camera_model: str | None = None,
    metadata_from: Path | str | None = None,
    date: str | None = None,
) -> None:
    """Write a frame as a CFA (or monochrome) DNG, lossless, with thumbnail and preview.

    Any CFA is written as it is; no raw converter known renders repeats other than 2x2 and X-Trans.

    Parameters
    ----------
    frame
        Its mosaic must be uint16 [H, W]; masked borders, fractional black levels and per-row black
        levels are kept.
    noise_profile
        Goes to the NoiseProfile tag; default the frame's own.
    noise_reduction
        Strength in [0, 1] for NoiseReductionApplied; None writes no such tag.
    unique_camera_model
        Name that raw converters look colour profiles up by; default make and model.
    metadata_from
        Camera file whose EXIF, GPS, maker note, lens and owner data are taken over.
    date
        EXIF date of the file itself, ``YYYY:MM:DD HH:MM:SS``; default now. Given, the same frame
        makes the same bytes.

    Raises
    ------
    UsageError
        The mosaic is not uint16, or the white level does not fit 16 bits.
    InputError
        ``metadata_from`` cannot be read.
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    SynthnoiseError
        It cannot be written.
    """
    if frame.mosaic.dtype != np.uint16:
        raise UsageError(f"a DNG mosaic must be uint16, got {frame.mosaic.dtype}", hint="round to DN first")
    if not 0 < frame.white <= dng_fields.LARGEST_SHORT:
        raise UsageError(f"white level {frame.white:g} does not fit 16 bits")
    notes = DngNotes(frame, noise_profile, noise_reduction, unique_camera_model, date, inherit(metadata_from))
    mosaic = frame.mosaic.astype(np.uint16, copy=False)
    raw = Plan(dng_fields.mosaic_fields(notes.values, frame) | notes.noise_fields())
    grid = TileGrid.of(mosaic.shape, frame.cfa.shape)
    with atomic_write(path, overwrite=overwrite) as file:
        _write_container(file, notes, raw, mosaic, grid, components=1 if frame.is_monochrome else 2)


def write_linear_dng(
    path: Path | str,
    rgb: NDArray[np.uint16],
    frame: Frame,
    *,
    overwrite: bool = False,
    noise_profile: NoisePairs | None = None,
    noise_reduction: float | None = None,
    unique_camera_model: str | None = None,
    metadata_from: Path | str | None = None,
    date: str | None = None,
) -> None:
    """Write demosaiced camera RGB as a LinearRaw DNG: black 0, white 65535.

    Parameters
    ----------
    rgb
        uint16 [H, W, 3], linear camera space, not white-balanced, 65535 = white level.
    frame
        Where it came from: colour, capture data and the previews.

    Others, and errors, as :func:`write_dng`.
    """
    if rgb.dtype != np.uint16 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise UsageError(f"a linear DNG needs uint16 [H, W, 3], got {rgb.dtype} {rgb.shape}")
    notes = DngNotes(frame, noise_profile, noise_reduction, unique_camera_model, date, inherit(metadata_from))
    values = notes.values
    top, left, bottom, right = frame.area
    covers_active_area = rgb.shape[:2] == (bottom - top, right - left)
    crop = dng_fields.crop_in_active_area(frame) if covers_active_area else None
    raw = Plan(dng_fields.common_raw_fields(values, rgb.shape, 3) | notes.noise_fields())
    raw.fields[Tag.BLACK_LEVEL] = values.short(0, 0, 0)
    raw.fields[Tag.WHITE_LEVEL] = values.long(*(LINEAR_WHITE,) * 3)
    raw.fields |= dng_fields.crop_fields(values, rgb.shape, crop)
    grid = TileGrid.of(rgb.shape, (1, 1))
    with atomic_write(path, overwrite=overwrite) as file:
        _write_container(file, notes, raw, rgb, grid, components=3)


@dataclass(frozen=True)
class DngNotes:
    """What a new DNG says beside its pixels; parameters as :func:`write_dng`."""

    frame: Frame
    noise_profile: NoisePairs | None
    noise_reduction: float | None
    unique_camera_model: str | None
    date: str | None
    inheritance: Inheritance

    def __post_init__(self) -> None:
        if self.noise_reduction is not None and not 0 <= self.noise_reduction <= 1:
            raise UsageError(f"noise reduction {self.noise_reduction:g} is not between 0 and 1")

    @property
    def values(self) -> Values:
        """Makes fields in the byte order of what is inherited: those bytes are copied as they are."""
        return Values(self.inheritance.order)

    def noise_fields(self) -> dict[int, Field]:
        """Return the noise fields of the raw directory."""
        return dng_fields.noise_fields(self.values, self._profile(), self.noise_reduction)

    def _profile(self) -> NoisePairs | None:
        return self.frame.noise_profile if self.noise_profile is None else self.noise_profile

    def root(self) -> Plan:
        """Return IFD0 without its thumbnail, and the EXIF and GPS directories."""
        fields = self.inheritance.root | dng_fields.camera_fields(
            self.values, self.frame, self.unique_camera_model
        )
        if self.date is not None:
            fields[Tag.DATE_TIME] = self.values.text(self.date)
        # Adobe states the profile in both places, and some readers look here only.
        fields |= dng_fields.noise_fields(self.values, self._profile(), None)
        exif = dng_fields.exif_fields(self.values, self.frame) | self.inheritance.exif
        plan = Plan(fields, {Tag.EXIF_IFD: [Plan(exif)]})
        if self.inheritance.gps:
            plan.children[Tag.GPS_IFD] = [Plan(self.inheritance.gps)]
        return plan


def _write_container(
    file: BinaryIO, notes: DngNotes, raw: Plan, image: NDArray[np.uint16], grid: TileGrid, components: int
) -> None:
    """Write header, directories, previews and tiles; offsets of what is compressed are patched in last."""
    if image.nbytes > LARGEST_IMAGE:
        raise UsageError(f"{image.nbytes} bytes of pixels are more than a DNG can hold")
    values, root = notes.values, notes.root()
    rendering = render_preview(notes.frame, PREVIEW)
    small = resize_to(rendering, THUMBNAIL)
    preview = jpeg(rendering)
    root.fields |= dng_fields.thumbnail_fields(values, small.shape)
    raw.fields |= dng_fields.tile_fields(values, grid)
    preview_plan = Plan(dng_fields.preview_fields(values, rendering.shape, len(preview)))
    root.children[Tag.SUB_IFDS] = [raw, preview_plan]

    pinned = notes.inheritance.maker_note
    layout = lay_out(root, pinned.end, values.order)
    file.write((b"II*\0" if values.order == "<" else b"MM\0*") + values.long(layout.start).payload)
    file.write(bytes(pinned.start - 8) + pinned.data + bytes(layout.start - pinned.start - len(pinned.data)))
    file.write(layout.data)
    patches = {layout.value_of(root, Tag.STRIP_OFFSETS): _append(file, small.tobytes())}
    patches[layout.value_of(preview_plan, Tag.STRIP_OFFSETS)] = _append(file, preview)
    offsets, counts = [], []
    for tile in encode_tiles(image, grid, components):
        offsets.append(_append(file, tile))
        counts.append(len(tile))
    for position, offset in patches.items():
        file.seek(position)
        file.write(values.long(offset).payload)
    for tag, numbers in ((Tag.TILE_OFFSETS, offsets), (Tag.TILE_BYTE_COUNTS, counts)):
        file.seek(layout.value_of(raw, tag))
        file.write(values.long(*numbers).payload)


def _append(file: BinaryIO, data: bytes) -> int:
    """Write data at the next even position; return that position."""
    position = file.tell()
    if position % 2:
        file.write(b"\0")
    file.write(data)
    return position + position % 2
