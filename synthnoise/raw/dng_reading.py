"""What the tags of a DNG say of its raw image: layout, levels, CFA, colour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw.frame import GREEN, Rectangle
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.tags import D50, D65, STANDARD_LIGHT_A, Compression, Photometric, Subfile, Tag
from synthnoise.raw.tiff import Directory, Tiff

COMPRESSION_NAMES: dict[int, str] = {
    Compression.NONE: "uncompressed",
    Compression.LZW: "LZW",
    Compression.JPEG: "lossless JPEG",
    Compression.DEFLATE: "deflate",
    Compression.OLD_DEFLATE: "deflate",
    Compression.PACKBITS: "PackBits",
    Compression.LOSSY_JPEG: "lossy JPEG",
    Compression.JPEG_XL: "JPEG XL",
}

MAX_CFA_SIDE = 16
MAX_BITS = 64
FLOAT_FORMAT = 3
D65_XY = (0.3127, 0.3290)

# The nearer to D65 the better; anything else ranks last.
ILLUMINANT_RANK = {D65: 0, 20: 1, D50: 2, 22: 3, STANDARD_LIGHT_A: 5}


@dataclass(frozen=True)
class RawImage:
    """The raw directory of a DNG and what its tags mean.

    Everything positional is in mosaic coordinates: the phases of ``cfa`` and ``black`` are those of
    pixel (0, 0), not of the active area's corner as in the tags.
    """

    directory: Directory
    width: int
    height: int
    samples: int
    bits: int
    compression: int
    photometric: int
    is_float: bool

    @property
    def content(self) -> str:
        """``"mosaic"``, ``"monochrome"``, ``"linear"`` or ``"float"``, as in CaptureInfo."""
        if self.photometric == Photometric.LINEAR_RAW and self.samples != 1:
            return "linear"
        if self.is_float:
            return "float"
        return "mosaic" if self.photometric == Photometric.CFA else "monochrome"

    @property
    def compression_name(self) -> str:
        """The compression in words."""
        return COMPRESSION_NAMES.get(self.compression, f"scheme {self.compression}")


def is_dng(tiff: Tiff) -> bool:
    """Return whether the file has a DNGVersion tag."""
    return Tag.DNG_VERSION in tiff.directories[0]


def content_of(path: Path | str) -> str | None:
    """Return what a DNG's raw image holds (:attr:`RawImage.content`); None for what is no DNG or damaged."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            tiff = Tiff(file, str(path))
            return raw_image(tiff, DEFAULT_LIMITS).content if is_dng(tiff) else None
    except (InputError, OSError):
        return None


def raw_directory(tiff: Tiff) -> Directory:
    """Return the main raw directory: NewSubFileType 0 with a raw photometric interpretation.

    Raises
    ------
    InputError
        There is none.
    """
    raw = (Photometric.CFA, Photometric.LINEAR_RAW)
    found = [d for d in tiff.all_directories() if d.integer(Tag.PHOTOMETRIC, -1) in raw]
    main = [d for d in found if d.integer(Tag.NEW_SUBFILE_TYPE, 0) == Subfile.MAIN]
    if not main:
        raise InputError(f"{tiff.name}: has no raw image", hint="; ".join(tiff.problems[:1]) or None)
    return main[0]


def raw_image(tiff: Tiff, limits: ReadLimits) -> RawImage:
    """Return the raw image of a DNG, its declared size checked.

    Raises
    ------
    InputError
        There is no raw image, or its declared dimensions are beyond the limits.
    """
    directory = raw_directory(tiff)
    width, height = directory.integer(Tag.IMAGE_WIDTH), directory.integer(Tag.IMAGE_LENGTH)
    samples = directory.integer(Tag.SAMPLES_PER_PIXEL, 1)
    limits.check_pixels(tiff.name, width, height, samples)
    return RawImage(
        directory,
        width,
        height,
        samples,
        directory.integer(Tag.BITS_PER_SAMPLE, 1),
        directory.integer(Tag.COMPRESSION, 1),
        directory.integer(Tag.PHOTOMETRIC),
        directory.integer(Tag.SAMPLE_FORMAT, 1) == FLOAT_FORMAT,
    )


def refuse_unreadable(image: RawImage, name: str) -> None:
    """Raise InputError, saying what the file is, unless it holds a mosaic of integers that can be decoded."""
    if image.content == "linear" and image.samples != 3:
        raise InputError(f"{name}: is a linear DNG of {image.samples} colours per pixel: only three are read")
    if image.content == "linear":
        raise InputError(
            f"{name}: is a linear DNG ({image.compression_name}, {image.samples} colours per pixel): "
            "already demosaiced",
            hint="take the camera's original RAW file: sensor noise can only be told from a mosaic",
        )
    if image.content == "float":
        raise InputError(
            f"{name}: its raw image holds floating-point numbers, which are not a sensor readout",
            hint="it can be denoised and developed; calibrate from the RAW files it was made of",
        )
    if image.compression not in (Compression.NONE, Compression.JPEG, Compression.JPEG_XL):
        raise InputError(
            f"{name}: its raw image is compressed with {image.compression_name}, which is not supported"
        )
    if image.bits > 16:
        raise InputError(f"{name}: declares {image.bits} bits per sample")


def check_segments(image: RawImage, tiff: Tiff, limits: ReadLimits) -> list[tuple[int, int]]:
    """Return (offset, size) of every strip or tile, checked against dimensions, file and each other.

    Raises
    ------
    InputError
        They are too few, too many, lie beyond the end of the file, or are too small to be true.
    """
    directory = image.directory
    if Tag.TILE_OFFSETS in directory:
        offsets, sizes = directory.integers(Tag.TILE_OFFSETS), directory.integers(Tag.TILE_BYTE_COUNTS)
        across, down = directory.integer(Tag.TILE_WIDTH), directory.integer(Tag.TILE_LENGTH)
    else:
        offsets, sizes = directory.integers(Tag.STRIP_OFFSETS), directory.integers(Tag.STRIP_BYTE_COUNTS)
        across, down = image.width, min(directory.integer(Tag.ROWS_PER_STRIP, image.height), image.height)
    if across <= 0 or down <= 0:
        raise InputError(f"{tiff.name}: declares tiles of {across} x {down} pixels")
    expected = math.ceil(image.width / across) * math.ceil(image.height / down)
    if not len(offsets) == len(sizes) == expected or expected > limits.segments:
        raise InputError(
            f"{tiff.name}: is damaged: {len(offsets)} raw segments, {len(sizes)} sizes, {expected} needed"
        )
    limits.check_pixels(tiff.name, across, down, image.samples)
    for offset, size in zip(offsets, sizes, strict=True):
        if offset < 0 or size <= 0:
            raise InputError(f"{tiff.name}: is damaged: {size} bytes of raw data at {offset}")
        if tiff.base + offset + size > tiff.end:
            raise InputError(
                f"{tiff.name}: is truncated: raw data ends at byte {offset + size} of {tiff.end}"
            )
    stored = sum(sizes)
    # The last strip ends with the image, tiles are filled up.
    pixels = expected * across * down if Tag.TILE_OFFSETS in directory else image.width * image.height
    decoded = pixels * image.samples * image.bits / 8
    if image.compression == Compression.NONE and stored < decoded * 0.999:
        raise InputError(f"{tiff.name}: is truncated: {stored} bytes of raw data, {decoded:.0f} needed")
    if decoded > limits.ratio * stored:
        raise InputError(
            f"{tiff.name}: {stored} bytes claim to hold {decoded:.0f}: refused as a decompression bomb"
        )
    return [(tiff.base + offset, size) for offset, size in zip(offsets, sizes, strict=True)]


def active_area(image: RawImage, name: str) -> Rectangle:
    """Return the ActiveArea, the whole image where the tag is absent; InputError where it is impossible."""
    values = image.directory.integers(Tag.ACTIVE_AREA)
    if not values:
        return 0, 0, image.height, image.width
    if len(values) != 4 or not _inside(values, image):
        raise InputError(f"{name}: active area {values} is outside of {image.width} x {image.height} pixels")
    return values[0], values[1], values[2], values[3]


def _inside(area: tuple[int, ...], image: RawImage) -> bool:
    top, left, bottom, right = area
    return 0 <= top < bottom <= image.height and 0 <= left < right <= image.width


def masked_areas(image: RawImage) -> tuple[Rectangle, ...]:
    """Return the rectangles of the MaskedAreas tag that lie in the image."""
    values = image.directory.integers(Tag.MASKED_AREAS)
    areas = [values[i : i + 4] for i in range(0, len(values) - 3, 4)]
    return tuple((a[0], a[1], a[2], a[3]) for a in areas if _inside(a, image))


def default_crop(image: RawImage, area: Rectangle) -> Rectangle | None:
    """Return DefaultCropOrigin and -Size in mosaic coordinates; None where it is all of the active area."""
    origin = image.directory.numbers(Tag.DEFAULT_CROP_ORIGIN)
    size = image.directory.numbers(Tag.DEFAULT_CROP_SIZE)
    if len(origin) != 2 or len(size) != 2 or not all(map(math.isfinite, (*origin, *size))):
        return None
    top, left = area[0] + round(origin[1]), area[1] + round(origin[0])
    crop = (top, left, min(top + round(size[1]), area[2]), min(left + round(size[0]), area[3]))
    inside = area[0] <= crop[0] < crop[2] and area[1] <= crop[1] < crop[3]
    return crop if inside and crop != area else None


def cfa_pattern(image: RawImage, area: Rectangle, name: str) -> NDArray[np.uint8]:
    """Return the colours (0 R, 1 G, 2 B) of the repeat at pixel (0, 0), of any size; [[1]] for monochrome.

    Raises
    ------
    InputError
        The pattern is missing, does not match its size, or has colours other than red, green and blue.
    """
    if image.photometric == Photometric.LINEAR_RAW:
        return np.array([[GREEN]], np.uint8)
    directory = image.directory
    size = directory.integers(Tag.CFA_REPEAT_PATTERN_DIM) or (2, 2)
    codes = directory.integers(Tag.CFA_PATTERN)
    if len(size) != 2 or not all(1 <= n <= MAX_CFA_SIDE for n in size) or len(codes) != size[0] * size[1]:
        raise InputError(f"{name}: CFA of size {size} with {len(codes)} colours")
    if not set(codes) <= {0, 1, 2}:
        raise InputError(
            f"{name}: its CFA has colours other than red, green and blue", hint="only RGB is supported"
        )
    pattern = np.array(codes, np.uint8).reshape(size[0], size[1])
    return np.roll(pattern, area[:2], (0, 1))


def black_level(image: RawImage, area: Rectangle, name: str) -> NDArray[np.float64]:
    """Return the black levels in DN of their own repeat at pixel (0, 0); fractions kept."""
    directory = image.directory
    size = directory.integers(Tag.BLACK_LEVEL_REPEAT_DIM) or (1, 1)
    levels = directory.numbers(Tag.BLACK_LEVEL)
    possible = len(size) == 2 and all(1 <= n <= MAX_CFA_SIDE for n in size)
    if possible and not levels:
        levels = (0.0,) * (size[0] * size[1])
    if not possible or len(levels) != size[0] * size[1]:
        raise InputError(f"{name}: {len(levels)} black levels for a repeat of {size}")
    black = np.array(levels, np.float64).reshape(size[0], size[1])
    if not np.all(np.isfinite(black)):
        raise InputError(f"{name}: a black level is not a number")
    return np.roll(black, area[:2], (0, 1))


def black_deltas(
    image: RawImage, area: Rectangle
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return BlackLevelDeltaV [H] and -H [W] in mosaic coordinates, zero outside the active area, or None."""
    top, left, bottom, right = area
    lines: list[NDArray[np.float64] | None] = []
    for tag, first, last, length in (
        (Tag.BLACK_LEVEL_DELTA_V, top, bottom, image.height),
        (Tag.BLACK_LEVEL_DELTA_H, left, right, image.width),
    ):
        values = np.array(image.directory.numbers(tag), np.float64)
        if len(values) != last - first or not np.all(np.isfinite(values)) or not values.any():
            lines.append(None)
            continue
        line = np.zeros(length)
        line[first:last] = values
        lines.append(line)
    return lines[0], lines[1]


def white_level(image: RawImage, name: str) -> float:
    """Return the WhiteLevel in DN, by default the largest sample (1 for floating point).

    Raises InputError where it is not positive.
    """
    white = image.directory.number(Tag.WHITE_LEVEL)
    if white is None:
        white = 1 if image.is_float else 2 ** min(max(image.bits, 0), MAX_BITS) - 1
    if not 0 < white <= 2**32:
        raise InputError(f"{name}: white level {white:g}")
    return float(white)


def noise_profile(tiff: Tiff, raw: Directory) -> tuple[tuple[float, float], ...] | None:
    """Return (S, O) for red, green and blue, from the raw directory or else IFD0; None where unusable."""
    for directory in (raw, tiff.directories[0]):
        values = directory.numbers(Tag.NOISE_PROFILE)
        pairs = tuple(zip(values[0::2], values[1::2], strict=False))
        if len(values) in (2, 6) and all(math.isfinite(v) for v in values) and all(s > 0 for s, _ in pairs):
            return pairs if len(pairs) == 3 else pairs * 3
    return None


def noise_reduction(raw: Directory) -> float | None:
    """Return the strength in [0, 1] of the noise reduction that the samples have had; None where unknown."""
    strength = raw.number(Tag.NOISE_REDUCTION_APPLIED)
    return None if strength is None or not 0 <= strength <= 1 else float(strength)


def colour_matrix(root: Directory) -> NDArray[np.float64] | None:
    """Return XYZ to camera space [3, 3] for the illuminant nearest D65, calibration and balance applied.

    That is AnalogBalance x CameraCalibration x ColorMatrix (DNG 1.7.1 chapter 6), None where absent.
    """
    candidates: list[tuple[int, int, NDArray[np.float64]]] = []
    for matrix_tag, calibration_tag, light_tag in (
        (Tag.COLOR_MATRIX_1, Tag.CAMERA_CALIBRATION_1, Tag.CALIBRATION_ILLUMINANT_1),
        (Tag.COLOR_MATRIX_2, Tag.CAMERA_CALIBRATION_2, Tag.CALIBRATION_ILLUMINANT_2),
    ):
        matrix = _square(root.numbers(matrix_tag))
        if matrix is None:
            continue
        calibration = _square(root.numbers(calibration_tag))
        if calibration is not None:
            matrix = calibration @ matrix
        candidates.append((ILLUMINANT_RANK.get(root.integer(light_tag), 4), len(candidates), matrix))
    if not candidates:
        return None
    balance = np.array(root.numbers(Tag.ANALOG_BALANCE), np.float64)
    matrix = min(candidates, key=lambda c: c[:2])[2]
    usable = len(balance) == 3 and np.all(np.isfinite(balance)) and np.all(balance > 0)
    return balance[:, None] * matrix if usable else matrix


def _square(values: tuple[float, ...]) -> NDArray[np.float64] | None:
    if len(values) != 9 or not all(map(math.isfinite, values)) or not any(values):
        return None
    return np.array(values, np.float64).reshape(3, 3)


def as_shot_neutral(root: Directory, matrix: NDArray[np.float64] | None) -> tuple[float, float, float] | None:
    """Return the camera-space neutral with green 1, from AsShotNeutral or AsShotWhiteXY, or None."""
    values = np.array(root.numbers(Tag.AS_SHOT_NEUTRAL), np.float64)
    if len(values) == 0 and matrix is not None:
        white = root.numbers(Tag.AS_SHOT_WHITE_XY)
        if len(white) == 2 and white[1] > 0:
            values = matrix @ np.array([white[0], white[1], 1 - white[0] - white[1]]) / white[1]
    if len(values) != 3 or not np.all(np.isfinite(values)) or not np.all(values > 0):
        return None
    red, _, blue = values / values[1]
    return float(red), 1.0, float(blue)
