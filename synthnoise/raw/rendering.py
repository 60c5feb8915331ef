"""Renderings of RAW files as pictures for everyone: PNG, JPEG and 16-bit TIFF, with profile and EXIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synthnoise.errors import UsageError
from synthnoise.raw.develop import develop
from synthnoise.raw.exif import exif_of_frame
from synthnoise.raw.frame import Frame
from synthnoise.raw.icc import srgb_profile
from synthnoise.raw.picture import Picture
from synthnoise.raw.picture_files import write_picture

DEEP = (".tif", ".tiff")
"""Suffixes of files with 16 bits per sample."""


def write_rendering(
    path: Path | str,
    frame: Frame,
    *,
    half_size: bool = False,
    linear: bool = False,
    overwrite: bool = False,
) -> None:
    """Write what :func:`synthnoise.raw.develop.develop` makes of a frame: TIFF of 16 bits, PNG or JPEG of 8.

    The file says how its colours are meant (ICC) and how it was shot (the EXIF, GPS and, where it fits, the
    maker note of the file that the frame is from); it is upright.

    Parameters
    ----------
    half_size
        Halve both sides.
    linear
        Linear light, for further work: 16-bit TIFF only.

    Raises
    ------
    UsageError
        The suffix is of another kind, or cannot hold linear light.
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    """
    path = Path(path)
    deep = path.suffix.lower() in DEEP
    if linear and not deep:
        raise UsageError(f"{path}: linear light takes 16 bits", hint="name it .tif")
    pixels = develop(frame, half_size=half_size, dtype=np.uint16 if deep else np.uint8, linear=linear)
    picture = Picture(
        pixels=pixels,
        extra=pixels[..., :0],
        container="rendering",
        icc=srgb_profile(linear=linear),
        exif=exif_of_frame(frame, pixels.shape[:2]),
    )
    write_picture(path, picture, overwrite=overwrite)
