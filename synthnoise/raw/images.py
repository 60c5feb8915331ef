"""Ordinary pictures in and out: PNG and JPEG through Pillow, TIFF through tifffile."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from synthnoise.errors import InputError, UsageError
from synthnoise.files import atomic_write
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.tiff_images import read_tiff

TIFF_SUFFIXES = (".tif", ".tiff")
PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")


def read_image(path: Path | str, *, limits: ReadLimits = DEFAULT_LIMITS) -> NDArray[Any]:
    """Return a picture as uint8 or uint16 [H, W, 3], or float32 from a floating-point TIFF.

    Grey becomes three equal planes, transparency is dropped, EXIF orientation is not applied.

    Raises
    ------
    InputError
        The file is missing, damaged, of another format, or exceeds the limits.
    """
    path = Path(path)
    limits.check_file(path)
    image = read_tiff(path, limits)[0] if path.suffix.lower() in TIFF_SUFFIXES else _read_pillow(path, limits)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 2, 3, 4):
        raise InputError(f"{path}: holds an array of shape {image.shape}, not a picture")
    colours = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    return np.ascontiguousarray(colours)


def _read_pillow(path: Path, limits: ReadLimits) -> NDArray[Any]:
    try:
        # Our own limit below is the one that counts; Pillow's warning would only repeat it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=PILLOW_FORMATS) as image:
                limits.check_pixels(path, *image.size)
                if image.mode.startswith("I"):
                    return np.asarray(image).astype(np.uint16)
                return np.asarray(image.convert("RGB"))
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise a wide choice of errors on damaged files
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not a picture that can be read: {reason}") from error


def write_png(path: Path | str, array: NDArray[Any], overwrite: bool = False) -> None:
    """Write uint8 [H, W, 3] or uint8 / uint16 [H, W] as PNG.

    Raises
    ------
    UsageError
        The array is of another kind (16-bit colour goes to TIFF).
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    """
    colour = array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3
    grey = array.dtype in (np.uint8, np.uint16) and array.ndim == 2
    if not (colour or grey):
        raise UsageError(
            f"PNG takes uint8 [H, W, 3] or uint8/uint16 [H, W], got {array.dtype} {array.shape}",
            hint="write a TIFF for 16-bit or floating-point colour",
        )
    with atomic_write(path, overwrite=overwrite) as file:
        Image.fromarray(np.ascontiguousarray(array)).save(file, "PNG", compress_level=6)


def write_tiff(path: Path | str, array: NDArray[Any], overwrite: bool = False) -> None:
    """Write uint8, uint16 or float32 [H, W] or [H, W, 3] as TIFF, deflate-compressed unless float.

    Raises
    ------
    UsageError
        The array is of another kind.
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    """
    colour = array.ndim == 3 and array.shape[2] == 3
    if array.dtype not in (np.uint8, np.uint16, np.float32) or not (colour or array.ndim == 2):
        raise UsageError(
            f"TIFF takes uint8, uint16 or float32 [H, W] or [H, W, 3], got {array.dtype} {array.shape}"
        )
    with atomic_write(path, overwrite=overwrite) as file:
        tifffile.imwrite(
            file,
            array,
            photometric="rgb" if colour else "minisblack",
            compression=None if array.dtype == np.float32 else "zlib",
            rowsperstrip=64,
            metadata=None,
        )
