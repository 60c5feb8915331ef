"""Linear DNGs: pictures demosaiced already (sRAW, ProRAW, panoramas, lossy DNGs), as frames.

A pixel of three colours is a repeat of three samples: such a file becomes a frame of [H, 3 W] samples
with the colour filter array R G B in a row, and all that works on mosaics works on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw import dng_reading as dng
from synthnoise.raw.camera_files import frame_exposure
from synthnoise.raw.capture import exposure_of
from synthnoise.raw.dng_decoding import decode
from synthnoise.raw.float_dng import scaled
from synthnoise.raw.frame import BLUE, GREEN, RED, Frame, Rectangle
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.opcodes import Companding, companding
from synthnoise.raw.tags import Tag
from synthnoise.raw.tiff import Directory, Tiff

COLOURS = 3
BAND = 256
LINEAR_WHITE = 65535
LARGEST_BLACK = 2.0**32


def read_linear(path: Path | str, *, limits: ReadLimits = DEFAULT_LIMITS) -> Frame:
    """Return the picture of a linear DNG as a frame, uint16 [H, 3 W], CFA [[R, G, B]].

    Companding (LinearizationTable, MapPolynomial) is undone; then black is 0 and white 65535. Floating-point
    numbers become float32 with a white level of 65535.

    Raises
    ------
    InputError
        The file is no linear DNG, is damaged or stored in a way that is not supported.
    MissingExtraError
        It is compressed, and the extra ``jxl`` is not installed.
    """
    path = Path(path)
    limits.check_file(path)
    with path.open("rb") as file:
        tiff = Tiff(file, str(path))
        if not dng.is_dng(tiff):
            raise InputError(f"{path}: is not a DNG")
        image = dng.raw_image(tiff, limits)
        if image.content != "linear" or image.samples != COLOURS:
            raise InputError(f"{path}: is not a linear DNG of three colours")
        codes = decode(tiff, image, limits)
        levels = Levels.of(image, str(path))
        pixels = scaled(codes, levels.unit, str(path)) if image.is_float else levels.linear(codes)
        return _frame(tiff, image, pixels, levels, path)


def companding_of(image: dng.RawImage, name: str) -> Companding:
    """Return what undoes the companding of a linear image."""
    size = image.height, image.width
    return companding(image.directory.data(Tag.OPCODE_LIST_2), size, image.samples, name)


@dataclass(frozen=True)
class Levels:
    """What takes the stored values of a linear image to linear ones."""

    table: NDArray[np.uint16]
    stored_black: NDArray[np.float32]
    stored_white: float
    companding: Companding
    is_float: bool = False

    @classmethod
    def of(cls, image: dng.RawImage, name: str) -> Levels:
        """Return the levels of an image, or raise InputError where they contradict each other."""
        companding = companding_of(image, name)
        if image.is_float and companding.polynomials:
            raise InputError(f"{name}: compands floating-point numbers, which is not supported")
        return cls(
            np.array(image.directory.integers(Tag.LINEARIZATION_TABLE), np.uint16),
            _black(image, name),
            dng.white_level(image, name),
            companding,
            image.is_float,
        )

    @property
    def black(self) -> NDArray[np.float64]:
        """Black level [1, 3] of the linear values."""
        black = self.stored_black * (not self.companding.polynomials) * self.unit
        return black[None].astype(np.float64)

    @property
    def unit(self) -> float:
        """DN that a stored unit is worth."""
        return LINEAR_WHITE / self.stored_white if self.is_float else 1.0

    @property
    def white(self) -> float:
        """White level of the linear values."""
        return float(LINEAR_WHITE) if self.companding.polynomials or self.is_float else self.stored_white

    def linear(self, codes: NDArray[Any]) -> NDArray[np.uint16]:
        """Return linear values uint16 [H, W, 3] of stored whole numbers."""
        if len(self.table):
            codes = self.table[np.minimum(codes, len(self.table) - 1)]
        values: NDArray[np.uint16] = codes.astype(np.uint16, copy=False)
        if self.companding.polynomials:
            for top in range(0, len(codes), BAND):
                band = codes[top : top + BAND].astype(np.float32) - self.stored_black
                band /= self.stored_white - self.stored_black
                self.companding.apply(np.clip(band, 0, 1, out=band))
                values[top : top + BAND] = np.rint(band * LINEAR_WHITE)
        return values


def rewritten_linear(tiff: Tiff, image: dng.RawImage, mosaic: NDArray[Any], path: Path) -> Frame:
    """Return the frame of a linear DNG with other samples [H, 3 W]."""
    pixels = mosaic.reshape(image.height, image.width, -1)
    return _frame(tiff, image, pixels, Levels.of(image, str(path)), path)


def _frame(tiff: Tiff, image: dng.RawImage, pixels: NDArray[Any], levels: Levels, path: Path) -> Frame:
    name, root = str(path), tiff.directories[0]
    area = dng.active_area(image, name)
    crop = dng.default_crop(image, area)
    matrix = dng.colour_matrix(root)
    return Frame(
        mosaic=pixels.reshape(image.height, -1),
        cfa=np.array([[RED, GREEN, BLUE]], np.uint8),
        black=levels.black,
        white=levels.white,
        active_area=None if area == (0, 0, image.height, image.width) else _in_samples(area),
        default_crop=None if crop is None else _in_samples(crop),
        bits=image.bits,
        as_shot_neutral=dng.as_shot_neutral(root, matrix),
        colour_matrix=matrix,
        noise_profile=dng.noise_profile(tiff, image.directory),
        noise_reduction=dng.noise_reduction(image.directory),
        path=path,
        **frame_exposure(exposure_of([tiff])),
    )


def _in_samples(area: Rectangle) -> Rectangle:
    top, left, bottom, right = area
    return top, COLOURS * left, bottom, COLOURS * right


def _black(image: dng.RawImage, name: str) -> NDArray[np.float32]:
    """Return the black level per colour; a repeat larger than one pixel is not known of linear images."""
    directory: Directory = image.directory
    repeat = directory.integers(Tag.BLACK_LEVEL_REPEAT_DIM) or (1, 1)
    levels = directory.numbers(Tag.BLACK_LEVEL) or (0.0,)
    if repeat != (1, 1) or len(levels) not in (1, COLOURS) or not np.all(np.abs(levels) <= LARGEST_BLACK):
        raise InputError(f"{name}: {len(levels)} black levels for a repeat of {repeat}, three colours")
    return np.broadcast_to(np.array(levels, np.float32), (COLOURS,)).copy()
