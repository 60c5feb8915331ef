"""Writing DNG files from scratch: CFA, monochrome and linear RAW (DNG specification 1.7.1).

The container is the one every reader was seen to accept: a small uncompressed thumbnail in IFD0, the
raw plane (lossless JPEG tiles, predictor 1, 16 bits) in the first SubIFD, a JPEG preview in the second.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from synthnoise import __version__
from synthnoise.errors import UsageError
from synthnoise.files import atomic_write
from synthnoise.raw.borders import dark_borders
from synthnoise.raw.colour import colour_matrix, neutral
from synthnoise.raw.dng_tiles import TileGrid, encode_tiles
from synthnoise.raw.frame import Frame
from synthnoise.raw.preview import jpeg, render_preview, resize_to
from synthnoise.raw.tags import D65, Compression, Photometric, Subfile, Tag
from synthnoise.raw.tiff_layout import Field, Plan, Values, lay_out

NoisePairs = Sequence[tuple[float, float]]
"""(S, O) once, or per colour plane R, G, B: variance = S x + O on the normalised signal."""

THUMBNAIL = 256
PREVIEW = 1600
LARGEST_SHORT = 65535
SOFTWARE = f"synthnoise {__version__}"
DATE_PATTERN = re.compile(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")
LINEAR_WHITE = 65535
SMALLEST_SLOPE = 1e-8
"""DNG wants S > 0; a perfectly clean file states this."""

_V = Values("<")


def write_dng(
    path: Path | str,
    frame: Frame,
    *,
    overwrite: bool = False,
    noise_profile: NoisePairs | None = None,
    noise_reduction: float | None = None,
    unique_camera_model: str | None = None,
    date: str | None = None,
) -> None:
    """Write a frame as a CFA (or monochrome) DNG, lossless, with thumbnail and preview.

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
    date
        EXIF date of the file itself, ``YYYY:MM:DD HH:MM:SS``; default now. Given, the same frame
        makes the same bytes.

    Raises
    ------
    UsageError
        The mosaic is not uint16, or the white level does not fit 16 bits.
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    SynthnoiseError
        It cannot be written.
    """
    if frame.mosaic.dtype != np.uint16:
        raise UsageError(f"a DNG mosaic must be uint16, got {frame.mosaic.dtype}", hint="round to DN first")
    if not 0 < frame.white <= LARGEST_SHORT:
        raise UsageError(f"white level {frame.white:g} does not fit 16 bits")
    if noise_reduction is not None and not 0 <= noise_reduction <= 1:
        raise UsageError(f"noise reduction {noise_reduction:g} is not between 0 and 1")
    profile = frame.noise_profile if noise_profile is None else noise_profile
    raw = _raw_plan(frame, profile, noise_reduction)
    grid = TileGrid.of(frame.mosaic.shape, frame.cfa.shape)
    root = _root_plan(frame, profile, unique_camera_model)
    if date is not None:
        root.fields[Tag.DATE_TIME] = _V.text(date)
    components = 1 if frame.is_monochrome else 2
    with atomic_write(path, overwrite=overwrite) as file:
        _write_container(file, frame, root, raw, frame.mosaic.astype(np.uint16, copy=False), grid, components)


def write_linear_dng(
    path: Path | str,
    rgb: NDArray[np.uint16],
    frame: Frame,
    *,
    overwrite: bool = False,
    noise_profile: NoisePairs | None = None,
    noise_reduction: float | None = None,
    unique_camera_model: str | None = None,
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
    profile = frame.noise_profile if noise_profile is None else noise_profile
    raw = Plan(_common_raw_fields(rgb.shape, 3) | _noise_fields(profile, noise_reduction))
    raw.fields[Tag.BLACK_LEVEL] = _V.short(0, 0, 0)
    raw.fields[Tag.WHITE_LEVEL] = _V.long(*(LINEAR_WHITE,) * 3)
    raw.fields |= _crop_fields(rgb.shape, _linear_crop(rgb.shape, frame))
    grid = TileGrid.of(rgb.shape, (1, 1))
    root = _root_plan(frame, profile, unique_camera_model)
    with atomic_write(path, overwrite=overwrite) as file:
        _write_container(file, frame, root, raw, rgb, grid, components=3)


def _write_container(
    file: BinaryIO,
    frame: Frame,
    root: Plan,
    raw: Plan,
    image: NDArray[np.uint16],
    grid: TileGrid,
    components: int,
) -> None:
    """Write header, directories, previews and tiles; offsets of what is compressed are patched in last."""
    rendering = render_preview(frame, PREVIEW)
    small = resize_to(rendering, THUMBNAIL)
    preview = jpeg(rendering)
    root.fields |= thumbnail_fields(_V, small.shape)
    raw.fields |= tile_fields(_V, grid)
    preview_plan = Plan(preview_fields(_V, rendering.shape, len(preview)))
    root.children[Tag.SUB_IFDS] = [raw, preview_plan]
    root.children[Tag.EXIF_IFD] = [Plan(_exif_fields(frame))]

    layout = lay_out(root, 8)
    file.write(b"II*\0" + _V.long(8).payload + layout.data)
    patches = {layout.value_of(root, Tag.STRIP_OFFSETS): _append(file, small.tobytes())}
    patches[layout.value_of(preview_plan, Tag.STRIP_OFFSETS)] = _append(file, preview)
    offsets, counts = [], []
    for tile in encode_tiles(image, grid, components):
        offsets.append(_append(file, tile))
        counts.append(len(tile))
    for position, offset in patches.items():
        file.seek(position)
        file.write(_V.long(offset).payload)
    for tag, values in ((Tag.TILE_OFFSETS, offsets), (Tag.TILE_BYTE_COUNTS, counts)):
        file.seek(layout.value_of(raw, tag))
        file.write(_V.long(*values).payload)


def _append(file: BinaryIO, data: bytes) -> int:
    """Write data at the next even position; return that position."""
    position = file.tell()
    if position % 2:
        file.write(b"\0")
    file.write(data)
    return position + position % 2


def thumbnail_fields(values: Values, shape: tuple[int, ...]) -> dict[int, Field]:
    """Return the image fields of an uncompressed RGB thumbnail [h, w, 3]; its offset is to be patched."""
    height, width = shape[:2]
    return {
        Tag.NEW_SUBFILE_TYPE: values.long(Subfile.PREVIEW),
        Tag.IMAGE_WIDTH: values.long(width),
        Tag.IMAGE_LENGTH: values.long(height),
        Tag.BITS_PER_SAMPLE: values.short(8, 8, 8),
        Tag.COMPRESSION: values.short(Compression.NONE),
        Tag.PHOTOMETRIC: values.short(Photometric.RGB),
        Tag.STRIP_OFFSETS: values.long(0),
        Tag.SAMPLES_PER_PIXEL: values.short(3),
        Tag.ROWS_PER_STRIP: values.long(height),
        Tag.STRIP_BYTE_COUNTS: values.long(height * width * 3),
        Tag.PLANAR_CONFIGURATION: values.short(1),
    }


def preview_fields(values: Values, shape: tuple[int, ...], size: int) -> dict[int, Field]:
    """Return the fields of a JPEG preview [h, w, 3] of ``size`` bytes; its offset is to be patched."""
    height, width = shape[:2]
    return {
        Tag.NEW_SUBFILE_TYPE: values.long(Subfile.PREVIEW),
        Tag.IMAGE_WIDTH: values.long(width),
        Tag.IMAGE_LENGTH: values.long(height),
        Tag.BITS_PER_SAMPLE: values.short(8, 8, 8),
        Tag.COMPRESSION: values.short(Compression.JPEG),
        Tag.PHOTOMETRIC: values.short(Photometric.YCBCR),
        Tag.STRIP_OFFSETS: values.long(0),
        Tag.SAMPLES_PER_PIXEL: values.short(3),
        Tag.ROWS_PER_STRIP: values.long(height),
        Tag.STRIP_BYTE_COUNTS: values.long(size),
        Tag.PLANAR_CONFIGURATION: values.short(1),
        Tag.YCBCR_SUBSAMPLING: values.short(2, 2),
        Tag.YCBCR_POSITIONING: values.short(1),
        Tag.PREVIEW_COLOR_SPACE: values.long(2),
    }


def tile_fields(values: Values, grid: TileGrid) -> dict[int, Field]:
    """Return the fields that place lossless JPEG tiles; offsets and counts are to be patched."""
    unknown = values.long(*(0,) * len(grid))
    return {
        Tag.COMPRESSION: values.short(Compression.JPEG),
        Tag.TILE_WIDTH: values.long(grid.tile_width),
        Tag.TILE_LENGTH: values.long(grid.tile_height),
        Tag.TILE_OFFSETS: unknown,
        Tag.TILE_BYTE_COUNTS: unknown,
    }


def noise_profile_field(values: Values, profile: NoisePairs) -> Field:
    """Return the NoiseProfile field: DNG wants S > 0 and O >= 0."""
    pairs = profile if len(set(map(tuple, profile))) > 1 else profile[:1]
    return values.double(*(v for s, o in pairs for v in (max(s, SMALLEST_SLOPE), max(o, 0.0))))


def _noise_fields(profile: NoisePairs | None, noise_reduction: float | None) -> dict[int, Field]:
    fields: dict[int, Field] = {}
    if profile:
        fields[Tag.NOISE_PROFILE] = noise_profile_field(_V, profile)
    if noise_reduction is not None:
        fields[Tag.NOISE_REDUCTION_APPLIED] = _V.rational(noise_reduction)
    return fields


def _common_raw_fields(shape: tuple[int, ...], samples: int) -> dict[int, Field]:
    return {
        Tag.NEW_SUBFILE_TYPE: _V.long(Subfile.MAIN),
        Tag.IMAGE_WIDTH: _V.long(shape[1]),
        Tag.IMAGE_LENGTH: _V.long(shape[0]),
        Tag.BITS_PER_SAMPLE: _V.short(*(16,) * samples),
        Tag.PHOTOMETRIC: _V.short(Photometric.LINEAR_RAW),
        Tag.SAMPLES_PER_PIXEL: _V.short(samples),
        Tag.PLANAR_CONFIGURATION: _V.short(1),
        Tag.DEFAULT_SCALE: _V.rational(1, 1),
    }


def _raw_plan(frame: Frame, profile: NoisePairs | None, noise_reduction: float | None) -> Plan:
    """Return the directory of the mosaic; CFA and black levels are phased to the active area's corner."""
    top, left, bottom, right = frame.area
    fields = _common_raw_fields(frame.mosaic.shape, 1)
    if not frame.is_monochrome:
        pattern = np.roll(frame.cfa, (-top, -left), (0, 1))
        fields[Tag.PHOTOMETRIC] = _V.short(Photometric.CFA)
        fields[Tag.CFA_REPEAT_PATTERN_DIM] = _V.short(*pattern.shape)
        fields[Tag.CFA_PATTERN] = _V.byte(*pattern.reshape(-1).tolist())
        fields[Tag.CFA_PLANE_COLOR] = _V.byte(0, 1, 2)
        fields[Tag.CFA_LAYOUT] = _V.short(1)
    fields |= _black_fields(frame)
    fields[Tag.WHITE_LEVEL] = _V.long(round(frame.white))
    fields[Tag.ACTIVE_AREA] = _V.long(top, left, bottom, right)
    fields |= _crop_fields((bottom - top, right - left), _crop_in_active_area(frame))
    # Borders that any reader can tell are not declared: dcraw and its kin would take their mean for
    # the black level, in place of the one that is stated.
    if frame.masked_areas and frame.masked_areas != dark_borders(frame):
        fields[Tag.MASKED_AREAS] = _V.long(*(side for area in frame.masked_areas for side in area))
    return Plan(fields | _noise_fields(profile, noise_reduction))


def _black_fields(frame: Frame) -> dict[int, Field]:
    top, left, bottom, right = frame.area
    black = _smallest_repeat(np.roll(frame.black, (-top, -left), (0, 1)))
    levels = black.reshape(-1).tolist()
    whole = all(level == int(level) for level in levels)
    if min(levels) < 0:
        raise UsageError(f"black level {min(levels):g} is negative, which DNG cannot state")
    fields = {
        Tag.BLACK_LEVEL_REPEAT_DIM: _V.short(*black.shape),
        Tag.BLACK_LEVEL: _V.long(*map(int, levels)) if whole else _V.rational(*levels),
    }
    if frame.black_rows is not None:
        fields[Tag.BLACK_LEVEL_DELTA_V] = _V.srational(*frame.black_rows[top:bottom].tolist())
    if frame.black_columns is not None:
        fields[Tag.BLACK_LEVEL_DELTA_H] = _V.srational(*frame.black_columns[left:right].tolist())
    return {int(tag): item for tag, item in fields.items()}


def _smallest_repeat(black: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smallest block that tiles to ``black``: some readers know only 1x1 and 2x2."""
    for axis in (0, 1):
        length = black.shape[axis]
        for step in range(1, length):
            if length % step == 0 and np.array_equal(black, np.roll(black, step, axis)):
                black = black.take(range(step), axis)
                break
    return black


def _crop_in_active_area(frame: Frame) -> tuple[int, int, int, int] | None:
    if frame.default_crop is None:
        return None
    top, left = frame.area[:2]
    crop = frame.default_crop
    return crop[0] - top, crop[1] - left, crop[2] - top, crop[3] - left


def _linear_crop(shape: tuple[int, ...], frame: Frame) -> tuple[int, int, int, int] | None:
    """Return the default crop where the RGB image covers the active area, else the whole image."""
    top, left, bottom, right = frame.area
    return _crop_in_active_area(frame) if shape[:2] == (bottom - top, right - left) else None


def _crop_fields(shape: tuple[int, ...], crop: tuple[int, int, int, int] | None) -> dict[int, Field]:
    top, left, bottom, right = crop or (0, 0, shape[0], shape[1])
    return {
        Tag.DEFAULT_CROP_ORIGIN: _V.long(left, top),
        Tag.DEFAULT_CROP_SIZE: _V.long(right - left, bottom - top),
    }


def _root_plan(frame: Frame, profile: NoisePairs | None, unique_camera_model: str | None) -> Plan:
    """Return IFD0 without its thumbnail: camera, colour, noise."""
    fields: dict[int, Field] = {
        Tag.ORIENTATION: _V.short(frame.orientation),
        Tag.SOFTWARE: _V.text(SOFTWARE),
        Tag.DATE_TIME: _V.text(datetime.datetime.now().strftime("%Y:%m:%d %H:%M:%S")),
        Tag.DNG_VERSION: _V.byte(1, 4, 0, 0),
        Tag.DNG_BACKWARD_VERSION: _V.byte(1, 3, 0, 0),
        Tag.UNIQUE_CAMERA_MODEL: _V.text(unique_camera_model or frame.camera or "Unknown camera"),
        Tag.BASELINE_EXPOSURE: _V.srational(0),
        Tag.PREVIEW_COLOR_SPACE: _V.long(2),
    }
    for tag, text in ((Tag.MAKE, frame.make), (Tag.MODEL, frame.model)):
        if text:
            fields[tag] = _V.text(text)
    if not frame.is_monochrome:
        fields[Tag.COLOR_MATRIX_1] = _V.srational(*colour_matrix(frame).reshape(-1).tolist())
        fields[Tag.CALIBRATION_ILLUMINANT_1] = _V.short(D65)
        fields[Tag.AS_SHOT_NEUTRAL] = _V.rational(*neutral(frame).tolist())
    if profile:
        fields[Tag.NOISE_PROFILE] = noise_profile_field(_V, profile)
    return Plan({int(tag): item for tag, item in fields.items()})


def _exif_fields(frame: Frame) -> dict[int, Field]:
    """Return what is known of the exposure; an ISO beyond 16 bits goes where EXIF 2.3 has room."""
    fields: dict[int, Field] = {Tag.EXIF_VERSION: _V.undefined(b"0231")}
    rationals = (
        (Tag.EXPOSURE_TIME, frame.exposure_time),
        (Tag.F_NUMBER, frame.aperture),
        (Tag.FOCAL_LENGTH, frame.focal_length),
    )
    for tag, value in rationals:
        if value:
            fields[tag] = _V.rational(value)
    if frame.iso:
        iso = round(frame.iso)
        fields[Tag.ISO] = _V.short(min(iso, LARGEST_SHORT))
        fields[Tag.SENSITIVITY_TYPE] = _V.short(2)
        fields[Tag.RECOMMENDED_EXPOSURE_INDEX] = _V.long(iso)
    if DATE_PATTERN.fullmatch(frame.date):
        fields[Tag.DATE_TIME_ORIGINAL] = _V.text(frame.date)
    return {int(tag): item for tag, item in fields.items()}
