"""The fields of a DNG, from what a frame knows (DNG specification 1.7.1)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthnoise import __version__
from synthnoise.errors import UsageError
from synthnoise.raw.borders import dark_borders
from synthnoise.raw.colour import colour_matrix, neutral
from synthnoise.raw.dng_tiles import TileGrid
from synthnoise.raw.frame import Frame, Rectangle
from synthnoise.raw.tags import D65, Compression, Photometric, Subfile, Tag
from synthnoise.raw.tiff_layout import MAX_OFFSET, Field, Values

NoisePairs = Sequence[tuple[float, float]]
"""(S, O) once, or per colour plane R, G, B: variance = S x + O on the normalised signal."""

SOFTWARE = f"synthnoise {__version__}"
DATE_PATTERN = re.compile(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")
LARGEST_SHORT = 65535
SMALLEST_SLOPE = 1e-8
"""DNG wants S > 0; a perfectly clean file states this."""

SRGB_PREVIEW = 2
"""Value of PreviewColorSpace."""


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
        Tag.PREVIEW_COLOR_SPACE: values.long(SRGB_PREVIEW),
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


def noise_fields(
    values: Values, profile: NoisePairs | None, noise_reduction: float | None
) -> dict[int, Field]:
    """Return NoiseProfile and NoiseReductionApplied, where there is anything to say."""
    fields: dict[int, Field] = {}
    if profile:
        fields[Tag.NOISE_PROFILE] = noise_profile_field(values, profile)
    if noise_reduction is not None:
        fields[Tag.NOISE_REDUCTION_APPLIED] = values.rational(noise_reduction)
    return fields


def common_raw_fields(values: Values, shape: tuple[int, ...], samples: int) -> dict[int, Field]:
    """Return the fields that mosaics and linear images [H, W, ...] share."""
    return {
        Tag.NEW_SUBFILE_TYPE: values.long(Subfile.MAIN),
        Tag.IMAGE_WIDTH: values.long(shape[1]),
        Tag.IMAGE_LENGTH: values.long(shape[0]),
        Tag.BITS_PER_SAMPLE: values.short(*(16,) * samples),
        Tag.PHOTOMETRIC: values.short(Photometric.LINEAR_RAW),
        Tag.SAMPLES_PER_PIXEL: values.short(samples),
        Tag.PLANAR_CONFIGURATION: values.short(1),
        Tag.DEFAULT_SCALE: values.rational(1, 1),
    }


def mosaic_fields(values: Values, frame: Frame) -> dict[int, Field]:
    """Return the fields of a mosaic but for its tiles; CFA and black are phased to the active area's corner.

    Raises
    ------
    UsageError
        A black level is negative.
    """
    top, left, bottom, right = frame.area
    fields = common_raw_fields(values, frame.mosaic.shape, 1)
    if not frame.is_monochrome:
        pattern = np.roll(frame.cfa, (-top, -left), (0, 1))
        fields[Tag.PHOTOMETRIC] = values.short(Photometric.CFA)
        fields[Tag.CFA_REPEAT_PATTERN_DIM] = values.short(*pattern.shape)
        fields[Tag.CFA_PATTERN] = values.byte(*pattern.reshape(-1).tolist())
        fields[Tag.CFA_PLANE_COLOR] = values.byte(0, 1, 2)
        fields[Tag.CFA_LAYOUT] = values.short(1)
    fields |= _black_fields(values, frame)
    fields[Tag.WHITE_LEVEL] = values.long(round(frame.white))
    fields[Tag.ACTIVE_AREA] = values.long(top, left, bottom, right)
    fields |= crop_fields(values, (bottom - top, right - left), crop_in_active_area(frame))
    # Borders that any reader can tell are not declared: dcraw and its kin would take their mean for
    # the black level, in place of the one that is stated.
    if frame.masked_areas and frame.masked_areas != dark_borders(frame):
        fields[Tag.MASKED_AREAS] = values.long(*(side for area in frame.masked_areas for side in area))
    return fields


def _black_fields(values: Values, frame: Frame) -> dict[int, Field]:
    top, left, bottom, right = frame.area
    black = _smallest_repeat(np.roll(frame.black, (-top, -left), (0, 1)))
    levels = black.reshape(-1).tolist()
    whole = all(level == int(level) for level in levels)
    if min(levels) < 0:
        raise UsageError(f"black level {min(levels):g} is negative, which DNG cannot state")
    fields = {
        Tag.BLACK_LEVEL_REPEAT_DIM: values.short(*black.shape),
        Tag.BLACK_LEVEL: values.long(*map(int, levels)) if whole else values.rational(*levels),
    }
    if frame.black_rows is not None:
        fields[Tag.BLACK_LEVEL_DELTA_V] = values.srational(*frame.black_rows[top:bottom].tolist())
    if frame.black_columns is not None:
        fields[Tag.BLACK_LEVEL_DELTA_H] = values.srational(*frame.black_columns[left:right].tolist())
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


def crop_in_active_area(frame: Frame) -> Rectangle | None:
    """Return the default crop relative to the active area, or None where there is none."""
    if frame.default_crop is None:
        return None
    top, left = frame.area[:2]
    crop = frame.default_crop
    return crop[0] - top, crop[1] - left, crop[2] - top, crop[3] - left


def crop_fields(values: Values, shape: tuple[int, ...], crop: Rectangle | None) -> dict[int, Field]:
    """Return DefaultCropOrigin and -Size, by default all of an image [H, W, ...]."""
    top, left, bottom, right = crop or (0, 0, shape[0], shape[1])
    return {
        Tag.DEFAULT_CROP_ORIGIN: values.long(left, top),
        Tag.DEFAULT_CROP_SIZE: values.long(right - left, bottom - top),
    }


def camera_fields(values: Values, frame: Frame, unique_camera_model: str | None) -> dict[int, Field]:
    """Return what IFD0 says of camera and colour."""
    fields: dict[int, Field] = {
        Tag.ORIENTATION: values.short(frame.orientation),
        Tag.SOFTWARE: values.text(SOFTWARE),
        Tag.DATE_TIME: values.text(datetime.datetime.now().strftime("%Y:%m:%d %H:%M:%S")),
        Tag.DNG_VERSION: values.byte(1, 4, 0, 0),
        Tag.DNG_BACKWARD_VERSION: values.byte(1, 3, 0, 0),
        Tag.UNIQUE_CAMERA_MODEL: values.text(unique_camera_model or frame.camera or "Unknown camera"),
        Tag.BASELINE_EXPOSURE: values.srational(0),
        Tag.PREVIEW_COLOR_SPACE: values.long(SRGB_PREVIEW),
    }
    for tag, text in ((Tag.MAKE, frame.make), (Tag.MODEL, frame.model)):
        if text:
            fields[tag] = values.text(text)
    if not frame.is_monochrome:
        fields[Tag.COLOR_MATRIX_1] = values.srational(*colour_matrix(frame).reshape(-1).tolist())
        fields[Tag.CALIBRATION_ILLUMINANT_1] = values.short(D65)
        fields[Tag.AS_SHOT_NEUTRAL] = values.rational(*neutral(frame).tolist())
    return {int(tag): item for tag, item in fields.items()}


def exif_fields(values: Values, frame: Frame) -> dict[int, Field]:
    """Return what is known of the exposure; an ISO beyond 16 bits goes where EXIF 2.3 has room."""
    fields: dict[int, Field] = {Tag.EXIF_VERSION: values.undefined(b"0231")}
    rationals = (
        (Tag.EXPOSURE_TIME, frame.exposure_time),
        (Tag.F_NUMBER, frame.aperture),
        (Tag.FOCAL_LENGTH, frame.focal_length),
    )
    for tag, value in rationals:
        if value:
            fields[tag] = values.rational(value)
    if frame.iso:
        iso = min(round(frame.iso), MAX_OFFSET)
        fields[Tag.ISO] = values.short(min(iso, LARGEST_SHORT))
        fields[Tag.SENSITIVITY_TYPE] = values.short(2)
        fields[Tag.RECOMMENDED_EXPOSURE_INDEX] = values.long(iso)
    if DATE_PATTERN.fullmatch(frame.date):
        fields[Tag.DATE_TIME_ORIGINAL] = values.text(frame.date)
    return {int(tag): item for tag, item in fields.items()}
