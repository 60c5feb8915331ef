"""Pictures on the disk as arrays with their channels first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError, UsageError
from synthnoise.files import atomic_write
from synthnoise.raw.images import read_image, write_png, write_tiff
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".npy", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def read_picture(path: Path, limits: ReadLimits = DEFAULT_LIMITS) -> NDArray[Any]:
    """Return a picture, uint8 or uint16 in sRGB or float32 in linear light, as [C, H, W].

    Ordinary files have C = 3. An ``.npy`` file holds [H, W, 3], or [C, H, W] of any C.

    Raises
    ------
    InputError
        The file is missing, damaged, exceeds the limits, or holds no picture.
    """
    if path.suffix.lower() != ".npy":
        return np.ascontiguousarray(read_image(path, limits=limits).transpose(2, 0, 1))
    limits.check_file(path)
    try:
        array = np.load(
            path, mmap_mode="r", allow_pickle=False
        )  # mapped, so that no header can ask for memory
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: is not an array that can be read: {error}") from error
    if (
        not isinstance(array, np.ndarray)
        or array.ndim != 3
        or array.dtype not in (np.uint8, np.uint16, np.float32)
    ):
        raise InputError(
            f"{path}: holds no picture", hint="expected uint8, uint16 or float32, [C, H, W] or [H, W, 3]"
        )
    limits.check_pixels(path, *array.shape)
    last = array.shape[2] == 3 and array.shape[0] != 3
    return np.ascontiguousarray(array.transpose(2, 0, 1) if last else array)


def write_picture(path: Path, picture: NDArray[Any], *, overwrite: bool = False) -> None:
    """Write a picture [C, H, W] as PNG, TIFF or NPY, as the suffix says.

    Raises
    ------
    UsageError
        The suffix is another, or its format cannot hold the picture.
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        with atomic_write(path, overwrite=overwrite) as file:
            np.save(file, picture, allow_pickle=False)
    elif suffix in (".tif", ".tiff"):
        write_tiff(path, np.ascontiguousarray(picture.transpose(1, 2, 0)), overwrite)
    elif suffix == ".png":
        write_png(path, np.ascontiguousarray(picture.transpose(1, 2, 0)), overwrite)
    else:
        raise UsageError(f"{path}: pictures are written as PNG, TIFF or NPY", hint="choose another ending")
