"""Replacing the raw plane of an existing DNG; everything that is not about those pixels survives.

Nothing in the file moves: directories that change are written anew at the end and one pointer each
is patched, so maker notes with absolute offsets stay valid. New data take the room of the old.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError, UsageError
from synthnoise.files import atomic_write
from synthnoise.raw import dng_reading as reading
from synthnoise.raw.camera_files import dng_frame
from synthnoise.raw.capture import exposure_of
from synthnoise.raw.develop import render
from synthnoise.raw.dng_fields import (
    NoisePairs,
    noise_profile_field,
    preview_fields,
    thumbnail_fields,
    tile_fields,
)
from synthnoise.raw.dng_tiles import TileGrid, encode_tiles
from synthnoise.raw.float_dng import encode_float_tiles, float_frame, float_tile_fields, scale
from synthnoise.raw.frame import Frame, raised_levels, scaled_levels
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.linear_dng import COLOURS, LINEAR_WHITE, companding_of, rewritten_linear
from synthnoise.raw.opcodes import FIX_BAD_PIXELS_CONSTANT, opcodes_in
from synthnoise.raw.preview import jpeg, render_preview, resize
from synthnoise.raw.tags import Compression, Subfile, Tag
from synthnoise.raw.tiff import Directory, Tiff
from synthnoise.raw.tiff_changes import Change, Changes, Space, write_directories
from synthnoise.raw.tiff_layout import Field, Values

SEGMENT_TAGS = (
    Tag.STRIP_OFFSETS,
    Tag.STRIP_BYTE_COUNTS,
    Tag.ROWS_PER_STRIP,
    Tag.TILE_WIDTH,
    Tag.TILE_LENGTH,
    Tag.TILE_OFFSETS,
    Tag.TILE_BYTE_COUNTS,
)

STALE_RAW_TAGS = (
    *SEGMENT_TAGS,
    Tag.PREDICTOR,
    Tag.JPEG_TABLES,
    # The stored values are linear now; black and white levels were so all along.
    Tag.LINEARIZATION_TABLE,
    Tag.SAMPLE_FORMAT,
    Tag.SUB_TILE_BLOCK_SIZE,
    Tag.ROW_INTERLEAVE_FACTOR,
    Tag.COLUMN_INTERLEAVE_FACTOR,
    Tag.JXL_DISTANCE,
    Tag.JXL_EFFORT,
    Tag.JXL_DECODE_SPEED,
)
"""How the old pixels were stored."""

IDENTITY_TAGS = (Tag.RAW_IMAGE_DIGEST, Tag.NEW_RAW_IMAGE_DIGEST, Tag.RAW_DATA_UNIQUE_ID)
"""What says which pixels these are."""

STALE_PREVIEW_TAGS = (
    *SEGMENT_TAGS,
    Tag.PREDICTOR,
    Tag.JPEG_TABLES,
    Tag.PREVIEW_APPLICATION_NAME,
    Tag.PREVIEW_APPLICATION_VERSION,
    Tag.PREVIEW_SETTINGS_NAME,
    Tag.PREVIEW_SETTINGS_DIGEST,
    Tag.PREVIEW_DATE_TIME,
    Tag.RAW_TO_PREVIEW_GAIN,
)
"""How and by whom the old preview was made."""

COMPONENTS = {"mosaic": 2, "monochrome": 1, "linear": 3}
"""Of lossless JPEG, by content."""

PREVIEW_KINDS = (Subfile.PREVIEW, Subfile.ALTERNATIVE_PREVIEW)
LARGEST_PREVIEW_SIDE = 20_000
EXIF_THUMBNAIL = 160


def rewrite_dng(
    source: Path | str,
    target: Path | str,
    mosaic: NDArray[Any],
    *,
    white: float | None = None,
    pedestal: int = 0,
    noise_profile: NoisePairs | None = None,
    noise_reduction: float | None = None,
    overwrite: bool = False,
    limits: ReadLimits = DEFAULT_LIMITS,
) -> None:
    """Write a copy of a DNG with another mosaic, and previews rendered from it.

    What changes: the pixels and how they are stored, the previews, NoiseProfile and
    NoiseReductionApplied where given, and the tags that identify the old pixels, which go. EXIF, GPS,
    XMP, maker notes, colour, opcodes, levels and private data stay byte for byte.

    Parameters
    ----------
    source
        A DNG with a mosaic, or a linear DNG of three colours.
    mosaic
        uint16 (float32 for a DNG of floating-point numbers), linear DN, of the same shape and unit as
        ``read_frame(source, demosaiced=True).mosaic``.
    white
        White level of ``mosaic``, where it counts in fractions of the source's DN: a whole multiple of the
        source's. All levels are stated anew then.
    pedestal
        DN of ``mosaic`` by which its black and white are above the source's.
    noise_profile
        (S, O) of the noise that is left, once or per colour plane; None keeps what is there.
    noise_reduction
        Strength in [0, 1]; None leaves the tag as it is.

    Raises
    ------
    InputError
        The source is not such a DNG, or is damaged.
    UsageError
        The mosaic does not fit the source.
    OutputExistsError
        ``target`` exists and ``overwrite`` is false.
    """
    source = Path(source)
    if noise_reduction is not None and not 0 <= noise_reduction <= 1:
        raise UsageError(f"noise reduction {noise_reduction:g} is not between 0 and 1")
    limits.check_file(source)
    with source.open("rb") as file:
        tiff = Tiff(file, str(source))
        image, segments = _rewritable(tiff, limits)
        shape = (image.height, image.width * image.samples)
        dtype = np.float32 if image.is_float else np.uint16
        if mosaic.dtype != dtype or mosaic.shape != shape:
            raise UsageError(
                f"{source}: needs a {dtype.__name__} mosaic of {shape[0]} x {shape[1]}, "
                f"got {mosaic.dtype} {mosaic.shape}"
            )
        if image.content == "linear":
            frame = rewritten_linear(tiff, image, mosaic, source)
        elif image.is_float:
            frame = float_frame(tiff, image, mosaic, source)
        else:
            frame = dng_frame(tiff, image, mosaic, exposure_of([tiff]), source)
        factor = _level_factor(frame, white)
        frame = raised_levels(scaled_levels(frame, factor), pedestal)
        previews = [d for d in tiff.all_directories() if d is not image.directory and _is_preview(d)]
        changes = Changes(Values(tiff.order))
        with atomic_write(target, overwrite=overwrite) as output:
            space = Space.of(tiff, [*segments, *(s for d in previews for s in _segments(d))])
            file.seek(0)
            _copy(file, output, space.end)
            _replace_mosaic(changes, image, mosaic, output, space)
            if factor > 1 or pedestal:
                changes.to(image.directory).put.update(_level_fields(changes.values, image, factor, pedestal))
            _replace_previews(changes, previews, frame, output, space, limits)
            _note_noise(changes, tiff, image, noise_profile, noise_reduction)
            write_directories(changes, tiff, output, space)
            output.truncate(space.end)


def levels_may_be_scaled(path: Path | str) -> bool:
    """Return whether the levels of a file can be multiplied: no opcode of a DNG counts in its DN."""
    with Path(path).open("rb") as file:
        try:
            tiff = Tiff(file, str(path))
            data = reading.raw_directory(tiff).data(Tag.OPCODE_LIST_1) if reading.is_dng(tiff) else b""
        except InputError:
            return True
    return FIX_BAD_PIXELS_CONSTANT not in opcodes_in(data)


def _level_factor(frame: Frame, white: float | None) -> int:
    factor = 1.0 if white is None else white / frame.white
    if factor < 1 or factor != round(factor):
        raise UsageError(f"white level {white:g} is no whole multiple of {frame.white:g}")
    return round(factor)


def _level_fields(values: Values, image: reading.RawImage, factor: int, pedestal: int) -> dict[int, Field]:
    """Return the levels that a raw directory states, multiplied and raised; what it leaves out is 0."""
    directory, fields = image.directory, {}
    fields[Tag.WHITE_LEVEL] = values.long(
        *(
            round(factor * level) + pedestal
            for level in directory.numbers(Tag.WHITE_LEVEL) or (_white(image),)
        )
    )
    stated = directory.numbers(Tag.BLACK_LEVEL)
    if pedestal and not stated:
        stated = (0.0,) * math.prod(directory.integers(Tag.BLACK_LEVEL_REPEAT_DIM))
    black = [factor * level + pedestal for level in stated]
    if black:
        whole = all(level == int(level) for level in black)
        fields[Tag.BLACK_LEVEL] = values.long(*map(int, black)) if whole else values.rational(*black)
    for tag in (Tag.BLACK_LEVEL_DELTA_V, Tag.BLACK_LEVEL_DELTA_H):
        if levels := directory.numbers(tag):
            fields[tag] = values.srational(*(factor * level for level in levels))
    return {int(tag): item for tag, item in fields.items()}


def _white(image: reading.RawImage) -> float:
    return reading.white_level(image, image.directory.tiff.name)


def _rewritable(tiff: Tiff, limits: ReadLimits) -> tuple[reading.RawImage, list[tuple[int, int]]]:
    """Return the raw image and its segments, or raise InputError where it cannot be replaced."""
    if not reading.is_dng(tiff):
        raise InputError(f"{tiff.name}: is not a DNG", hint="write a new DNG instead")
    image = reading.raw_image(tiff, limits)
    if (image.content, image.samples) not in (("linear", COLOURS), ("float", 1)):
        reading.refuse_unreadable(image, tiff.name)
    if any(d.integer(Tag.NEW_SUBFILE_TYPE) == Subfile.ENHANCED for d in tiff.all_directories()):
        raise InputError(f"{tiff.name}: holds an enhanced image beside the raw one", hint="take the original")
    return image, reading.check_segments(image, tiff, limits)


def _is_preview(directory: Directory) -> bool:
    return directory.integer(Tag.NEW_SUBFILE_TYPE) in PREVIEW_KINDS or Tag.JPEG_OFFSET in directory


def _segments(directory: Directory) -> list[tuple[int, int]]:
    """Return (offset, size) of the pieces of a preview that lie in the file."""
    pieces: list[tuple[int, int]] = []
    for offsets, sizes in (
        (Tag.STRIP_OFFSETS, Tag.STRIP_BYTE_COUNTS),
        (Tag.TILE_OFFSETS, Tag.TILE_BYTE_COUNTS),
        (Tag.JPEG_OFFSET, Tag.JPEG_LENGTH),
    ):
        pieces += zip(directory.integers(offsets), directory.integers(sizes), strict=False)
    return [(start, size) for start, size in pieces if size > 0 and 8 <= start <= directory.tiff.end - size]


def _copy(source: BinaryIO, output: BinaryIO, size: int) -> None:
    shutil.copyfileobj(source, output, 1 << 20)
    output.truncate(size)


def _replace_mosaic(
    changes: Changes, image: reading.RawImage, mosaic: NDArray[Any], output: BinaryIO, space: Space
) -> None:
    values, directory = changes.values, image.directory
    stated = directory.integers(Tag.CFA_REPEAT_PATTERN_DIM) if image.content == "mosaic" else ()
    period = stated or (1, 1)
    pixels = mosaic.reshape(image.height, image.width, -1) if image.content == "linear" else mosaic
    grid = TileGrid.of(pixels.shape, (period[0], period[1]))
    if image.is_float:
        unit = np.float32(scale(image, directory.tiff.name))
        tiles = encode_float_tiles(np.asarray(pixels / unit, np.float32), grid)
    else:
        tiles = encode_tiles(pixels, grid, components=COMPONENTS[image.content])
    offsets, sizes = [], []
    for tile in tiles:
        offsets.append(space.put(output, tile))
        sizes.append(len(tile))
    change = changes.to(directory)
    change.drop.update(STALE_RAW_TAGS)
    change.put |= tile_fields(values, grid)
    change.put[Tag.TILE_OFFSETS] = values.long(*offsets)
    change.put[Tag.TILE_BYTE_COUNTS] = values.long(*sizes)
    change.put[Tag.BITS_PER_SAMPLE] = values.short(*(16,) * image.samples)
    if image.is_float:
        change.put |= float_tile_fields(values, grid, image.samples)
    elif image.content == "linear":
        _note_linear_levels(change, image, values)
    elif Tag.WHITE_LEVEL not in directory:
        # Its default follows from BitsPerSample, which has changed.
        change.put[Tag.WHITE_LEVEL] = values.long(round(reading.white_level(image, directory.tiff.name)))


def _note_linear_levels(change: Change, image: reading.RawImage, values: Values) -> None:
    """State the levels of an image whose companding has been undone, and leave the companding out."""
    found = companding_of(image, image.directory.tiff.name)
    if not found.polynomials:
        if Tag.WHITE_LEVEL not in image.directory:
            white = round(reading.white_level(image, image.directory.tiff.name))
            change.put[Tag.WHITE_LEVEL] = values.long(*(white,) * image.samples)
        return
    change.drop |= {Tag.OPCODE_LIST_2, Tag.BLACK_LEVEL_REPEAT_DIM}
    change.put[Tag.BLACK_LEVEL] = values.short(*(0,) * image.samples)
    change.put[Tag.WHITE_LEVEL] = values.long(*(LINEAR_WHITE,) * image.samples)
    if found.remaining:
        change.put[Tag.OPCODE_LIST_2] = values.undefined(found.remaining)


def _replace_previews(
    changes: Changes,
    previews: Sequence[Directory],
    frame: Frame,
    output: BinaryIO,
    space: Space,
    limits: ReadLimits,
) -> None:
    """Render every preview anew in its old size; uncompressed RGB stays so, all else becomes JPEG."""
    sizes = [_preview_size(directory, limits) for directory in previews]
    if not previews:
        return
    rendering = _rendering(frame, max(max(size) for size in sizes))
    for directory, (width, height) in zip(previews, sizes, strict=True):
        picture = resize(rendering, width, height)
        change = changes.to(directory)
        if Tag.JPEG_OFFSET in directory:
            data = jpeg(picture)
            change.put[Tag.JPEG_OFFSET] = changes.values.long(space.put(output, data))
            change.put[Tag.JPEG_LENGTH] = changes.values.long(len(data))
            continue
        change.drop.update(STALE_PREVIEW_TAGS)
        plain = directory.integer(Tag.COMPRESSION, 1) == Compression.NONE
        data = picture.tobytes() if plain else jpeg(picture)
        fields = (
            thumbnail_fields(changes.values, picture.shape)
            if plain
            else preview_fields(changes.values, picture.shape, len(data))
        )
        del fields[Tag.NEW_SUBFILE_TYPE]
        change.put |= fields
        change.put[Tag.STRIP_OFFSETS] = changes.values.long(space.put(output, data))


def _preview_size(directory: Directory, limits: ReadLimits) -> tuple[int, int]:
    """Return width and height of a preview, checked; EXIF thumbnails may leave them out."""
    width = directory.integer(Tag.IMAGE_WIDTH, EXIF_THUMBNAIL)
    height = directory.integer(Tag.IMAGE_LENGTH, EXIF_THUMBNAIL * 3 // 4)
    limits.check_pixels(directory.tiff.name, width, height)
    if max(width, height) > LARGEST_PREVIEW_SIDE:
        raise InputError(f"{directory.tiff.name}: declares a preview of {width} x {height} pixels")
    return width, height


def _rendering(frame: Frame, longest: int) -> NDArray[np.uint8]:
    """Return the picture, large enough for a preview of ``longest`` pixels where the sensor allows."""
    top, left, bottom, right = frame.default_crop or frame.area
    if longest > max(bottom - top, right - left) // 2 + 1:
        return render(frame)
    return render_preview(frame, longest)


def _note_noise(
    changes: Changes,
    tiff: Tiff,
    image: reading.RawImage,
    noise_profile: NoisePairs | None,
    noise_reduction: float | None,
) -> None:
    root = tiff.directories[0]
    for directory in {root.offset: root, image.directory.offset: image.directory}.values():
        if any(tag in directory for tag in IDENTITY_TAGS):
            changes.to(directory).drop.update(IDENTITY_TAGS)
        if noise_profile and (directory is image.directory or Tag.NOISE_PROFILE in directory):
            changes.to(directory).put[Tag.NOISE_PROFILE] = noise_profile_field(changes.values, noise_profile)
    if noise_reduction is not None:
        put = changes.to(image.directory).put
        put[Tag.NOISE_REDUCTION_APPLIED] = changes.values.rational(noise_reduction)
