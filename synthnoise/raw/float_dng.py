"""Floating-point DNGs (merged exposures, HDR panoramas): read as frames, and their pixels written again.

Frames count in DN with whole steps, and much that works on them knows of these steps. So the values are
scaled to a white level of 65535, and back when written: 32-bit floats, deflate with the floating-point
predictor, which Adobe's reader, darktable and RawTherapee open (older programs open no floating-point DNG).
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw import dng_reading as dng
from synthnoise.raw.camera_files import dng_frame
from synthnoise.raw.capture import exposure_of
from synthnoise.raw.dng_decoding import decode
from synthnoise.raw.dng_tiles import TileGrid
from synthnoise.raw.frame import Frame, scaled_levels
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.predictors import FLOAT, bytes_of_floats
from synthnoise.raw.tags import Compression, Tag
from synthnoise.raw.tiff import Tiff
from synthnoise.raw.tiff_layout import Field, Values

WHITE = 65535.0
"""DN of the frames."""


def read_float(path: Path | str, *, limits: ReadLimits = DEFAULT_LIMITS) -> Frame:
    """Return the mosaic of a floating-point DNG as a frame, float32 [H, W], white level 65535.

    Raises
    ------
    InputError
        The file is no such DNG, is damaged, or holds values that are not numbers.
    MissingExtraError
        It takes imagecodecs to decompress it.
    """
    path = Path(path)
    limits.check_file(path)
    with path.open("rb") as file:
        tiff = Tiff(file, str(path))
        image = dng.raw_image(tiff, limits)
        if not dng.is_dng(tiff) or image.content != "float" or image.samples != 1:
            raise InputError(f"{path}: is not a DNG with a floating-point mosaic")
        values = scaled(decode(tiff, image, limits)[..., 0], scale(image, str(path)), str(path))
        return float_frame(tiff, image, values, path)


def float_frame(tiff: Tiff, image: dng.RawImage, mosaic: NDArray[np.float32], path: Path) -> Frame:
    """Return the frame of a mosaic in DN of :func:`scale` and of the tags of its DNG."""
    frame = dng_frame(tiff, image, mosaic, exposure_of([tiff]), path)
    return dataclasses.replace(scaled_levels(frame, scale(image, str(path))), white=WHITE, bits=None)


def scale(image: dng.RawImage, name: str) -> float:
    """Return the DN of our frames that a stored unit is worth."""
    return WHITE / dng.white_level(image, name)


def scaled(values: NDArray[np.float32], factor: float, name: str) -> NDArray[np.float32]:
    """Return values times a factor, or raise InputError where one is infinite or not a number."""
    with np.errstate(over="ignore", invalid="ignore"):
        product = values * np.float32(factor)
    if not np.all(np.isfinite(product)):
        raise InputError(f"{name}: its raw image holds values that are not numbers, or beyond any light")
    return product


def encode_float_tiles(pixels: NDArray[np.float32], grid: TileGrid) -> Iterator[bytes]:
    """Yield the tiles of float32 [H, W] or [H, W, C], row by row, filled up with their last pixels."""
    planes = pixels if pixels.ndim == 3 else pixels[..., None]
    for top in range(0, grid.height, grid.tile_height):
        for left in range(0, grid.width, grid.tile_width):
            tile = planes[top : top + grid.tile_height, left : left + grid.tile_width]
            missing = (grid.tile_height - tile.shape[0], grid.tile_width - tile.shape[1])
            filled = np.pad(tile, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
            yield zlib.compress(bytes_of_floats(filled.reshape(len(filled), -1), planes.shape[2]), 6)


def float_tile_fields(values: Values, grid: TileGrid, samples: int) -> dict[int, Field]:
    """Return the fields that say how such tiles are stored, but for where."""
    fields = {
        Tag.COMPRESSION: values.short(Compression.DEFLATE),
        Tag.PREDICTOR: values.short(FLOAT),
        Tag.BITS_PER_SAMPLE: values.short(*(32,) * samples),
        Tag.SAMPLE_FORMAT: values.short(*(dng.FLOAT_FORMAT,) * samples),
        Tag.TILE_WIDTH: values.long(grid.tile_width),
        Tag.TILE_LENGTH: values.long(grid.tile_height),
    }
    return {int(tag): item for tag, item in fields.items()}
