"""TIFF pictures of 8 or 16 bits: read, rewritten with other pixels, or written anew with EXIF and profile."""

from __future__ import annotations

import io
import shutil
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw.dng_decoding import decode
from synthnoise.raw.dng_reading import FLOAT_FORMAT, RawImage, check_segments, is_dng
from synthnoise.raw.exif import exif_of_file
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.picture import Picture, split_samples
from synthnoise.raw.predictors import HORIZONTAL
from synthnoise.raw.tags import Compression, Photometric, Tag
from synthnoise.raw.tiff import Tiff
from synthnoise.raw.tiff_changes import Changes, Space, write_directories
from synthnoise.raw.tiff_layout import Field, Values

KINDS = {
    Photometric.WHITE_IS_ZERO: (1, "grey"),
    Photometric.BLACK_IS_ZERO: (1, "grey"),
    Photometric.RGB: (3, "RGB"),
}
"""Colours and name of the photometric interpretations that are read."""
REFUSED = {
    Photometric.PALETTE: "colours of a palette",
    Photometric.CMYK: "CMYK colours, which are for printing",
    Photometric.YCBCR: "YCbCr colours",
    Photometric.LAB: "Lab colours",
    Photometric.CFA: "a mosaic",
    Photometric.LINEAR_RAW: "linear camera colours",
}
COMPRESSIONS = (
    Compression.NONE, Compression.LZW, Compression.DEFLATE, Compression.OLD_DEFLATE, Compression.PACKBITS,
)  # fmt: skip
STRIP_BYTES = 1 << 20
REDUCED = 1
"""Bit of NewSubFileType that marks a small copy of another page."""
UNASSOCIATED_ALPHA = 2
EMPTY = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0" + bytes(4)
"""A TIFF structure that says but that the picture is upright."""
STORAGE_TAGS = (
    Tag.STRIP_OFFSETS, Tag.STRIP_BYTE_COUNTS, Tag.ROWS_PER_STRIP, Tag.TILE_WIDTH, Tag.TILE_LENGTH,
    Tag.TILE_OFFSETS, Tag.TILE_BYTE_COUNTS, Tag.PREDICTOR,
)  # fmt: skip


def read_tiff_picture(path: Path, limits: ReadLimits = DEFAULT_LIMITS) -> Picture:
    """Return the picture in a TIFF: grey or RGB of 8 or 16 bits, with alpha and other extra samples.

    Uncompressed, deflate, and with imagecodecs (the extra ``jxl``) LZW and PackBits; with or without
    horizontal differencing.

    Raises
    ------
    InputError
        The file is damaged, exceeds the limits, holds several pictures, or one of another kind.
    MissingExtraError
        It takes imagecodecs to decompress it.
    """
    limits.check_file(path)
    with path.open("rb") as file:
        tiff = Tiff(file, str(path))
        image = _image(tiff, limits)
        root = image.directory
        pixels, extra = split_samples(decode(tiff, image, limits), path)
        icc, xmp = root.data(Tag.ICC_PROFILE), root.data(Tag.XMP)
    return Picture(
        pixels=pixels,
        extra=extra,
        container="TIFF",
        icc=icc,
        exif=exif_of_file(path),
        xmp=xmp,
        path=path,
    )


def _image(tiff: Tiff, limits: ReadLimits) -> RawImage:
    """Return how the picture of a TIFF is stored, checked to be of a kind that can be read."""
    name = tiff.name
    pages = [d for d in tiff.directories if not d.integer(Tag.NEW_SUBFILE_TYPE) & REDUCED]
    if is_dng(tiff) or len(pages) != 1 or pages[0] is not tiff.directories[0]:
        raise InputError(
            f"{name}: " + ("is a DNG" if is_dng(tiff) else f"holds {len(pages)} pictures, not one"),
            hint="name it .dng" if is_dng(tiff) else "save each as a file of its own",
        )
    root = pages[0]
    kind = root.integer(Tag.PHOTOMETRIC, -1)
    width, height = root.integer(Tag.IMAGE_WIDTH), root.integer(Tag.IMAGE_LENGTH)
    samples = root.integer(Tag.SAMPLES_PER_PIXEL, 1)
    limits.check_pixels(name, width, height, samples)
    if kind not in KINDS:
        what = REFUSED.get(Photometric(kind)) if kind in set(Photometric) else None
        raise InputError(f"{name}: holds {what or f'colours of kind {kind}'}", hint="convert it to RGB")
    bits = set(root.integers(Tag.BITS_PER_SAMPLE) or (1,))
    is_float = root.integer(Tag.SAMPLE_FORMAT, 1) == FLOAT_FORMAT
    if is_float or root.integer(Tag.SAMPLE_FORMAT, 1) != 1 or bits not in ({8}, {16}):
        held = "floating-point numbers" if is_float else f"samples of {max(bits)} bits"
        raise InputError(f"{name}: holds {held}", hint="convert it to 8 or 16 bits")
    colours, word = KINDS[Photometric(kind)]
    if samples < colours or (colours == 1 and samples > 2):
        raise InputError(f"{name}: says it is {word}, with {samples} samples per pixel")
    compression = root.integer(Tag.COMPRESSION, 1)
    image = RawImage(root, width, height, samples, bits.pop(), compression, kind, is_float=False)
    if compression not in COMPRESSIONS:
        raise InputError(
            f"{name}: is compressed with {image.compression_name}, which is not supported",
            hint="save it uncompressed or with deflate (zip)",
        )
    check_segments(image, tiff, limits)
    return image


def rewrite_tiff(file: BinaryIO, picture: Picture, limits: ReadLimits = DEFAULT_LIMITS) -> None:
    """Write a copy of the TIFF that a picture came from with its samples; all other tags stay.

    Compressed pixels become deflate with horizontal differencing. Small copies of the picture are left
    out: they would show the old one.

    Raises
    ------
    InputError
        The TIFF is no longer what it was.
    """
    if picture.path is None:
        raise InputError("the picture came from no file")
    with picture.path.open("rb") as original:
        tiff = Tiff(original, str(picture.path))
        image = _image(tiff, limits)
        space = Space.of(tiff, check_segments(image, tiff, limits))
        original.seek(0)
        shutil.copyfileobj(original, file, 1 << 20)
        file.truncate(space.end)
        changes = Changes(Values(tiff.order))
        change = changes.to(image.directory)
        change.drop |= set(STORAGE_TAGS)
        packed = image.compression != Compression.NONE
        change.put |= _strips(changes.values, file, space, picture.samples, packed=packed)
        write_directories(changes, tiff, file, space, alone=True)
        file.truncate(space.end)


def write_tiff_picture(file: BinaryIO, picture: Picture) -> None:
    """Write a picture as a new TIFF: deflate, with its EXIF, ICC profile and XMP.

    The file begins with the EXIF block, so that a maker note lies where it should.
    """
    block = picture.exif or EMPTY
    tiff = Tiff(io.BytesIO(block), "EXIF")
    file.write(block)
    changes = Changes(Values(tiff.order))
    values, change = changes.values, changes.to(tiff.directories[0])
    height, width, count = picture.samples.shape
    colours = picture.pixels.shape[2]
    change.drop |= {Tag.NEW_SUBFILE_TYPE, *STORAGE_TAGS}
    change.put |= {
        Tag.IMAGE_WIDTH: values.long(width),
        Tag.IMAGE_LENGTH: values.long(height),
        Tag.BITS_PER_SAMPLE: values.short(*(8 * picture.pixels.dtype.itemsize,) * count),
        Tag.PHOTOMETRIC: values.short(Photometric.RGB if colours == 3 else Photometric.BLACK_IS_ZERO),
        Tag.SAMPLES_PER_PIXEL: values.short(count),
        Tag.PLANAR_CONFIGURATION: values.short(1),
    }
    if count > colours:
        change.put[Tag.EXTRA_SAMPLES] = values.short(UNASSOCIATED_ALPHA, *(0,) * (count - colours - 1))
    if picture.icc:
        change.put[Tag.ICC_PROFILE] = values.undefined(picture.icc)
    if picture.xmp:
        change.put[Tag.XMP] = values.byte(*picture.xmp)
    space = Space([], len(block))
    change.put |= _strips(values, file, space, picture.samples, packed=True)
    write_directories(changes, tiff, file, space, alone=True)


def _strips(
    values: Values, file: BinaryIO, space: Space, samples: NDArray[Any], *, packed: bool
) -> dict[int, Field]:
    """Write samples [H, W, C] as strips of about a megabyte; return the fields that place them."""
    line = samples[0].nbytes
    rows = max(1, STRIP_BYTES // line)
    places, sizes = [], []
    for top in range(0, len(samples), rows):
        strip = samples[top : top + rows]
        if packed:
            strip = np.concatenate([strip[:, :1], strip[:, 1:] - strip[:, :-1]], 1)
        data = strip.astype(strip.dtype.newbyteorder("<" if values.order == "<" else ">")).tobytes()
        data = zlib.compress(data, 6) if packed else data
        places.append(space.put(file, data))
        sizes.append(len(data))
    fields = {
        Tag.COMPRESSION: values.short(Compression.DEFLATE if packed else Compression.NONE),
        Tag.ROWS_PER_STRIP: values.long(rows),
        Tag.STRIP_OFFSETS: values.long(*places),
        Tag.STRIP_BYTE_COUNTS: values.long(*sizes),
    }
    if packed:
        fields[Tag.PREDICTOR] = values.short(HORIZONTAL)
    return {int(tag): item for tag, item in fields.items()}
