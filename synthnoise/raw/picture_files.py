"""Reading and writing pictures, by the kind of the file."""

from __future__ import annotations

from pathlib import Path

from synthnoise.errors import UsageError
from synthnoise.files import atomic_write
from synthnoise.raw.jpeg_picture import read_jpeg, write_jpeg_picture
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.picture import Picture
from synthnoise.raw.png_picture import read_png, write_png_picture
from synthnoise.raw.tiff_picture import read_tiff_picture, rewrite_tiff, write_tiff_picture

CONTAINERS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
READERS = {"PNG": read_png, "JPEG": read_jpeg, "TIFF": read_tiff_picture}
WRITERS = {"PNG": write_png_picture, "JPEG": write_jpeg_picture, "TIFF": write_tiff_picture}
PNG_MAGIC, JPEG_MAGIC, TIFF_MAGIC = b"\x89PNG", b"\xff\xd8", (b"II*\0", b"MM\0*")


def read_picture(path: Path | str, *, limits: ReadLimits = DEFAULT_LIMITS) -> Picture:
    """Return a PNG, JPEG or TIFF picture with all that it carries; its first bytes say which it is.

    Raises
    ------
    InputError
        The file is missing, damaged, exceeds the limits, or holds something else than one picture of
        grey or RGB, 8 or 16 bits.
    MissingExtraError
        It takes imagecodecs to decompress it (LZW and PackBits TIFFs).
    """
    path = Path(path)
    limits.check_file(path)
    with path.open("rb") as file:
        head = file.read(4)
    if head == PNG_MAGIC:
        return read_png(path, limits)
    if head[:2] == JPEG_MAGIC:
        return read_jpeg(path, limits)
    if head in TIFF_MAGIC:
        return read_tiff_picture(path, limits)
    return READERS[_container(path)](path, limits)


def write_picture(path: Path | str, picture: Picture, *, overwrite: bool = False) -> None:
    """Write a picture as PNG, JPEG or TIFF, by the suffix, with its profile, EXIF and XMP.

    In the container it came from it keeps all else too: PNG chunks, JPEG segments, the tags of a TIFF.

    Raises
    ------
    UsageError
        The suffix is of another kind, or the picture has an alpha channel and JPEG has not.
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    """
    path = Path(path)
    container = _container(path)
    with atomic_write(path, overwrite=overwrite) as file:
        if container == "TIFF" and picture.container == "TIFF" and picture.path is not None:
            rewrite_tiff(file, picture)
        else:
            WRITERS[container](file, picture)


def _container(path: Path) -> str:
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise UsageError(f"{path}: is no picture's name", hint="name it .png, .jpg or .tif")
    return container
