"""Mosaics without a camera file: headerless ``.raw``, ``.npy``, TIFF and FITS.

Such files hold pixels and next to nothing else, so a :class:`Geometry` says what they mean. A stack
[N, H, W] gives N frames.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError, MissingExtraError, UsageError
from synthnoise.raw.frame import GREEN, Frame
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.tiff_images import read_tiff

HEADERLESS_SUFFIXES = (".raw", ".bin", ".dat")
NUMPY_SUFFIXES = (".npy",)
TIFF_SUFFIXES = (".tif", ".tiff")
FITS_SUFFIXES = (".fits", ".fit", ".fts")
SUFFIXES = (*HEADERLESS_SUFFIXES, *NUMPY_SUFFIXES, *TIFF_SUFFIXES, *FITS_SUFFIXES)

DTYPES = ("uint8", "uint16", "int16", "float32")
LARGEST_DN = 65535
NUMPY_HEADER_LIMIT = 10_000
MAX_FRAMES = 10_000

GEOMETRY_NEEDED = "holds pixels only: CFA, black and white level are unknown"


@dataclass(frozen=True)
class Geometry:
    """What a plain file cannot say of itself.

    Attributes
    ----------
    width, height
        Pixels; None takes them from the file, which headerless ones do not have.
    dtype
        ``"uint8"``, ``"uint16"``, ``"int16"`` or ``"float32"``; of headerless files only.
    cfa
        Colours of the repeat, row by row: ``"RGGB"`` and its kin, 16 letters for 4x4, 36 for 6x6, or
        ``"mono"``.
    black
        DN, one for all positions or one per letter of ``cfa``.
    white
        DN at saturation; None means the largest number of ``bits``.
    bits
        Bits per sample; None means those of the data type.
    iso, exposure_time
        ISO speed and seconds, where known.
    byte_order
        ``"little"`` or ``"big"``; of headerless files only.
    offset
        Bytes to skip at the start of a headerless file.
    """

    width: int | None = None
    height: int | None = None
    dtype: str = "uint16"
    cfa: str = "RGGB"
    black: tuple[float, ...] = (0.0,)
    white: float | None = None
    bits: int | None = None
    iso: float | None = None
    byte_order: Literal["little", "big"] = "little"
    exposure_time: float | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UsageError(f"unknown data type {self.dtype!r}", hint=f"one of {', '.join(DTYPES)}")
        if self.byte_order not in ("little", "big"):
            raise UsageError(f"byte order {self.byte_order!r} is neither little nor big")
        if self.offset < 0 or (self.bits is not None and not 1 <= self.bits <= 16):
            raise UsageError(f"impossible offset {self.offset} or bits {self.bits}")
        if len(self.black) not in (1, self.pattern.size):
            raise UsageError(f"{len(self.black)} black levels for a CFA of {self.pattern.size}")

    @property
    def pattern(self) -> NDArray[np.uint8]:
        """The CFA as uint8 [h, w] colours; raises UsageError for letters that make no square."""
        if self.cfa.lower() in ("mono", "monochrome"):
            return np.array([[GREEN]], np.uint8)
        letters = self.cfa.upper()
        side = math.isqrt(len(letters))
        if not letters or side * side != len(letters) or set(letters) - set("RGB"):
            raise UsageError(f"unknown CFA {self.cfa!r}", hint="such as RGGB, or mono")
        return np.array(["RGB".index(letter) for letter in letters], np.uint8).reshape(side, side)

    def stored_dtype(self) -> np.dtype[Any]:
        """Return the NumPy type of a headerless file's samples."""
        return np.dtype(self.dtype).newbyteorder("<" if self.byte_order == "little" else ">")


def frames(
    path: Path | str, limits: ReadLimits = DEFAULT_LIMITS, geometry: Geometry | None = None
) -> Iterator[Frame]:
    """Yield the frames of a plain file; the suffix says which kind it is.

    Raises
    ------
    InputError
        The file is damaged, exceeds the limits, or holds no mosaic; or ``geometry`` is missing.
    MissingExtraError
        It is a FITS file, and astropy is not installed.
    """
    path = Path(path)
    size = limits.check_file(path)
    suffix = path.suffix.lower()
    if geometry is None:
        size_too = "" if suffix not in HEADERLESS_SUFFIXES else "width=...,height=...,"
        raise InputError(
            f"{path}: {GEOMETRY_NEEDED}",
            hint=f"say them: --geometry {size_too}cfa=RGGB,black=...,white=...",
        )
    if suffix in NUMPY_SUFFIXES:
        arrays = _numpy_planes(path, size, limits)
    elif suffix in TIFF_SUFFIXES:
        arrays = iter(read_tiff(path, limits, most=MAX_FRAMES))
    elif suffix in FITS_SUFFIXES:
        arrays = _fits_planes(path, limits)
    else:
        arrays = _headerless_planes(path, size, geometry, limits)
    for array in arrays:
        yield _frame(path, array, geometry)


def stored_shape(path: Path, size: int, limits: ReadLimits) -> tuple[int, ...] | None:
    """Return the shape [..., H, W] that an ``.npy`` or FITS file states; None for files of other kinds.

    Raises
    ------
    InputError
        The header is damaged, or states more than the limits allow.
    """
    suffix = path.suffix.lower()
    if suffix in NUMPY_SUFFIXES:
        with path.open("rb") as file:
            return _checked_numpy(path, file, size, limits)[0]
    if suffix in FITS_SUFFIXES:
        with _open_fits(path, limits) as unit:
            return tuple(int(n) for n in unit.shape)
    return None


def _frame(path: Path, array: NDArray[Any], geometry: Geometry) -> Frame:
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"{path}: holds an array of shape {array.shape}, not a mosaic [H, W]")
    for side, stated, found in zip(
        ("height", "width"), (geometry.height, geometry.width), array.shape, strict=True
    ):
        if stated is not None and stated != found:
            raise InputError(f"{path}: has a {side} of {found} pixels, not {stated}")
    bits = geometry.bits or (8 if array.dtype == np.uint8 else 16)
    pattern = geometry.pattern
    return Frame(
        mosaic=_mosaic(path, array),
        cfa=pattern,
        black=np.resize(np.array(geometry.black, np.float64), pattern.shape),
        white=float(2**bits - 1) if geometry.white is None else geometry.white,
        bits=bits,
        iso=geometry.iso,
        exposure_time=geometry.exposure_time,
        path=path,
    )


def _mosaic(path: Path, array: NDArray[Any]) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Return the samples as uint16 where they are whole numbers that fit, as float32 where they are not."""
    if array.dtype.kind == "f":
        if not np.all(np.isfinite(array)):
            raise InputError(f"{path}: holds infinite values or NaN")
        return array.astype(np.float32)
    if array.dtype.kind not in "iu":
        raise InputError(f"{path}: holds {array.dtype}, not numbers")
    if array.min() < 0 or array.max() > LARGEST_DN:
        raise InputError(f"{path}: holds {array.min()} to {array.max()}, beyond 16 bits")
    return array.astype(np.uint16)


def _headerless_planes(
    path: Path, size: int, geometry: Geometry, limits: ReadLimits
) -> Iterator[NDArray[Any]]:
    if geometry.width is None or geometry.height is None:
        raise InputError(f"{path}: has no header", hint="state width and height")
    limits.check_pixels(path, geometry.width, geometry.height)
    dtype = geometry.stored_dtype()
    pixels = geometry.width * geometry.height
    wanted = pixels * dtype.itemsize
    count, rest = divmod(size - geometry.offset, wanted)
    if count < 1 or rest:
        raise InputError(
            f"{path}: has {size - geometry.offset} bytes, not {wanted} "
            f"({geometry.width} x {geometry.height} {geometry.dtype}) or a multiple",
            hint="check width, height, data type and offset",
        )
    with path.open("rb") as file:
        file.seek(geometry.offset)
        for _ in range(count):
            yield np.fromfile(file, dtype, pixels).reshape(geometry.height, geometry.width)


def _numpy_planes(path: Path, size: int, limits: ReadLimits) -> Iterator[NDArray[Any]]:
    with path.open("rb") as file:
        shape, dtype = _checked_numpy(path, file, size, limits)
        height, width = shape[-2:]
        for _ in range(shape[0] if len(shape) == 3 else 1):
            yield np.fromfile(file, dtype, height * width).reshape(height, width)


def _checked_numpy(
    path: Path, file: BinaryIO, size: int, limits: ReadLimits
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape [H, W] or [N, H, W] and type of an ``.npy``, checked against the file's size."""
    shape, fortran, dtype = _numpy_header(path, file)
    stored = size - file.tell()
    if fortran or dtype.kind not in "fiu" or len(shape) not in (2, 3):
        raise InputError(f"{path}: holds {dtype} {shape}, not a mosaic [H, W] in C order")
    if math.prod(shape) * dtype.itemsize != stored or 0 in shape:
        raise InputError(f"{path}: is truncated: {dtype} {shape} does not fit {stored} bytes")
    limits.check_pixels(path, shape[-1], shape[-2])
    return shape, dtype


def _numpy_header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(file)
        if version not in readers:
            raise ValueError(f"version {version}")
        shape, fortran, dtype = readers[version](file, max_header_size=NUMPY_HEADER_LIMIT)
    except Exception as error:  # the header is a Python literal: any syntax error may come up
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not an .npy file that can be read: {reason}") from error
    return tuple(int(n) for n in shape), bool(fortran), dtype


def _fits_planes(path: Path, limits: ReadLimits) -> Iterator[NDArray[Any]]:
    """Yield the planes of the first image of a FITS file, BSCALE and BZERO applied."""
    with _open_fits(path, limits) as unit:
        for index in range(unit.shape[0] if len(unit.shape) == 3 else 1):
            yield np.asarray(unit.section[index] if len(unit.shape) == 3 else unit.section[:])


@contextlib.contextmanager
def _open_fits(path: Path, limits: ReadLimits) -> Iterator[Any]:
    """Yield the first image unit [H, W] or [N, H, W] of a FITS file, its declared size checked."""
    try:
        from astropy.io import fits
    except ImportError:
        raise MissingExtraError("astropy", "fits") from None
    try:
        # A file opened here is closed here, whatever astropy makes of its content; damage is told by
        # the checks below, which its warnings would only precede.
        with (
            path.open("rb") as file,
            warnings.catch_warnings(action="ignore"),
            fits.open(file, memmap=False, lazy_load_hdus=True) as units,
        ):
            unit = next((u for u in units if u.is_image and u.header.get("NAXIS", 0) >= 2), None)
            if unit is None:
                raise InputError(f"{path}: holds no image")
            if isinstance(unit, fits.CompImageHDU):
                raise InputError(f"{path}: is a compressed FITS file", hint="unpack it with funpack first")
            shape = tuple(int(n) for n in unit.shape)
            if len(shape) > 3:
                raise InputError(f"{path}: holds an array of shape {shape}, not a mosaic [H, W]")
            limits.check_pixels(path, shape[-1], shape[-2])
            if math.prod(shape) * abs(unit.header["BITPIX"]) // 8 > path.stat().st_size:
                raise InputError(f"{path}: is truncated: {shape} does not fit its size")
            yield unit
    except (InputError, GeneratorExit):
        raise
    except Exception as error:  # astropy raises a wide choice of errors on damaged files
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not a FITS file that can be read: {reason}") from error
