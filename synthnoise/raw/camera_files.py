"""Camera RAW files to frames: headers checked and read here, pixels decoded by LibRaw."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rawpy
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw import dng_reading as dng
from synthnoise.raw.borders import dark_borders
from synthnoise.raw.capture import Exposure, decoder_exposure, decoder_reason, exposure_of, refuse_headerless
from synthnoise.raw.containers import open_container
from synthnoise.raw.dng_decoding import linear_mosaic, lossless_mosaic
from synthnoise.raw.foreign_files import no_camera_file
from synthnoise.raw.frame import GREEN, Frame
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.tags import Compression
from synthnoise.raw.tiff import Tiff

Described = TypeVar("Described")

LARGE = 6_000_000
"""Pixels from which compiled code is worth the half second that it takes to load."""
EXIF_ORIENTATION = {0: 1, 3: 3, 5: 8, 6: 6}
"""EXIF orientation of LibRaw's flip."""


def frames(path: Path, limits: ReadLimits = DEFAULT_LIMITS) -> Iterator[Frame]:
    """Yield the one frame of a camera RAW file.

    Raises
    ------
    InputError
        The file is not a camera RAW file with a mosaic, is damaged, or exceeds the limits.
    """
    path = Path(path)
    limits.check_file(path)
    with path.open("rb") as file:
        container = open_container(file, str(path))
        exposure = exposure_of(container.tiffs) if container and container.tiffs else Exposure()
        if container is not None and container.kind == "TIFF" and dng.is_dng(container.tiffs[0]):
            yield _read_dng(path, container.tiffs[0], exposure, limits)
            return
    if container is None:
        refuse_headerless(path)
    else:
        container.refuse_truncated(path)
    yield _camera_frame(path, exposure, limits)


def _read_dng(path: Path, tiff: Tiff, exposure: Exposure, limits: ReadLimits) -> Frame:
    """Return a DNG's frame: everything but the pixels from the tags, and those from LibRaw if need be."""
    image = dng.raw_image(tiff, limits)
    dng.refuse_unreadable(image, str(path))
    dng.check_segments(image, tiff, limits)
    # Impossible tags are found before the pixels are decoded.
    dng_frame(tiff, image, np.broadcast_to(np.uint16(0), (image.height, image.width)), exposure, path)
    if image.compression == Compression.JPEG_XL:
        mosaic = linear_mosaic(tiff, image, limits)
    else:
        large = image.width * image.height >= LARGE
        lossless = lossless_mosaic(tiff, image, limits) if large else None
        mosaic = _decode(path, limits, lambda _: None)[0] if lossless is None else lossless
    return dng_frame(tiff, image, mosaic, exposure, path)


def dng_frame(tiff: Tiff, image: dng.RawImage, mosaic: NDArray[Any], exposure: Exposure, path: Path) -> Frame:
    """Return the frame of a mosaic [H, W] and the tags of the DNG that it belongs to.

    Raises
    ------
    InputError
        The tags contradict each other or the mosaic's shape.
    """
    name, root = str(path), tiff.directories[0]
    if mosaic.shape != (image.height, image.width):
        raise InputError(f"{path}: decodes to {mosaic.shape[1]} x {mosaic.shape[0]} pixels, not as declared")
    area = dng.active_area(image, name)
    cfa, black = common_repeat(dng.cfa_pattern(image, area, name), dng.black_level(image, area, name))
    black_rows, black_columns = dng.black_deltas(image, area)
    white = dng.white_level(image, name)
    matrix = dng.colour_matrix(root)
    frame = Frame(
        mosaic=mosaic,
        cfa=cfa,
        black=black,
        white=white,
        active_area=None if area == (0, 0, image.height, image.width) else area,
        masked_areas=dng.masked_areas(image),
        default_crop=dng.default_crop(image, area),
        black_rows=black_rows,
        black_columns=black_columns,
        bits=min(image.bits, math.ceil(white).bit_length()),
        as_shot_neutral=dng.as_shot_neutral(root, matrix),
        colour_matrix=matrix,
        noise_profile=dng.noise_profile(tiff, image.directory),
        noise_reduction=dng.noise_reduction(image.directory),
        path=path,
        **frame_exposure(exposure),
    )
    return frame if frame.masked_areas else dataclasses.replace(frame, masked_areas=dark_borders(frame))


def frame_exposure(exposure: Exposure) -> dict[str, Any]:
    """Return what a frame says of its exposure, by field."""
    names = ("make", "model", "iso", "exposure_time", "aperture", "focal_length", "date", "orientation")
    return {name: getattr(exposure, name) for name in names}


@dataclass(frozen=True)
class Knowledge:
    """What LibRaw knows of a file beyond its pixels.

    ``cfa`` and ``black`` are [h, w] for pixel (0, 0); ``visible`` is the active area as (top, left,
    height, width); ``gains`` are the white-balance gains R, G, B (zero where unknown), ``matrix`` is XYZ
    to camera space (zero where unknown).
    """

    cfa: NDArray[np.uint8]
    black: NDArray[np.float64]
    white: float
    visible: tuple[int, int, int, int]
    flip: int
    gains: tuple[float, float, float]
    matrix: NDArray[np.float64]
    exposure: dict[str, float]

    @classmethod
    def of(cls, raw: rawpy.RawPy, path: Path) -> Knowledge:
        """Return what an open file is known for.

        Raises
        ------
        InputError
            Its CFA has colours other than red, green and blue.
        """
        sizes = raw.sizes
        indices = _libraw_pattern(raw, path)
        red, green, blue = (float(gain) for gain in raw.camera_whitebalance[:3])
        return cls(
            cfa=_colours(indices, raw, path),
            black=np.array(raw.black_level_per_channel, np.float64)[np.minimum(indices, 3)],
            white=float(raw.white_level),
            visible=(sizes.top_margin, sizes.left_margin, sizes.height, sizes.width),
            flip=sizes.flip,
            gains=(red, green, blue),
            matrix=np.array(raw.rgb_xyz_matrix, np.float64)[:3],
            exposure=decoder_exposure(raw),
        )


def _libraw_pattern(raw: rawpy.RawPy, path: Path) -> NDArray[np.intp]:
    """Return LibRaw's colour index [h, w] of every position of the repeat at pixel (0, 0).

    ``raw_pattern`` alone will not do: above or left of the visible area LibRaw looks beyond the
    X-Trans table once a margin exceeds six pixels.
    """
    try:
        reported = raw.raw_pattern
    except NotImplementedError as error:
        raise InputError(f"{path}: has a colour filter array that is not supported") from error
    size = (1, 1) if reported is None else reported.shape
    top, left = raw.sizes.top_margin, raw.sizes.left_margin
    pattern = [[raw.raw_color(top + i, left + j) for j in range(size[1])] for i in range(size[0])]
    return np.roll(np.array(pattern, np.intp), (top, left), (0, 1))


def _colours(indices: NDArray[np.intp], raw: rawpy.RawPy, path: Path) -> NDArray[np.uint8]:
    if raw.num_colors == 1:
        return np.full(indices.shape, GREEN, np.uint8)
    letters = raw.color_desc.decode("ascii", "replace")
    if not all(i < len(letters) and letters[i] in "RGB" for i in set(indices.reshape(-1).tolist())):
        raise InputError(
            f"{path}: its CFA has the colours {letters}", hint="only red, green and blue will do"
        )
    return np.array([["RGB".index(letters[i]) for i in row] for row in indices], np.uint8)


def _camera_frame(path: Path, exposure: Exposure, limits: ReadLimits) -> Frame:
    """Return the frame of a maker's own format; levels, CFA and colour are LibRaw's."""
    mosaic, known = _decode(path, limits, lambda raw: Knowledge.of(raw, path))
    top, left, height, width = known.visible
    area = (top, left, min(top + height, mosaic.shape[0]), min(left + width, mosaic.shape[1]))
    fields = frame_exposure(exposure)
    if exposure.orientation == 1:
        fields["orientation"] = EXIF_ORIENTATION.get(known.flip, 1)
    fields |= {name: value for name, value in known.exposure.items() if fields[name] is None}
    red, green, blue = known.gains
    frame = Frame(
        mosaic=mosaic,
        cfa=known.cfa,
        black=known.black,
        white=known.white,
        active_area=None if area == (0, 0, *mosaic.shape) else area,
        bits=math.ceil(known.white).bit_length(),
        as_shot_neutral=(green / red, 1.0, green / blue) if min(known.gains) > 0 else None,
        colour_matrix=known.matrix if np.any(known.matrix) else None,
        path=path,
        **fields,
    )
    return dataclasses.replace(frame, masked_areas=dark_borders(frame))


def _decode(
    path: Path, limits: ReadLimits, describe: Callable[[rawpy.RawPy], Described]
) -> tuple[NDArray[np.uint16], Described]:
    """Return the mosaic uint16 [H, W], our own copy, and what ``describe`` makes of the open file."""
    try:
        with rawpy.imread(str(path)) as raw:
            sizes = raw.sizes
            limits.check_pixels(path, sizes.raw_width, sizes.raw_height)
            if raw.raw_type != rawpy.RawType.Flat or raw.raw_image is None:
                raise InputError(f"{path}: holds several colours per pixel, not a mosaic")
            return np.array(raw.raw_image, np.uint16), describe(raw)
    except rawpy.LibRawFileUnsupportedError as error:
        raise no_camera_file(path) from error
    except (rawpy.LibRawIOError, rawpy.LibRawDataError) as error:
        raise InputError(f"{path}: is damaged or truncated: {decoder_reason(error)}") from error
    except (rawpy.LibRawError, rawpy.NotSupportedError, MemoryError) as error:
        raise InputError(f"{path}: cannot be decoded: {decoder_reason(error)}") from error


def common_repeat(
    cfa: NDArray[np.uint8], black: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return both patterns tiled to their least common repeat: Frame wants equal shapes."""
    shape = [math.lcm(a, b) for a, b in zip(cfa.shape, black.shape, strict=True)]
    tiled = [np.tile(p, [n // m for n, m in zip(shape, p.shape, strict=True)]) for p in (cfa, black)]
    return tiled[0].astype(np.uint8), tiled[1].astype(np.float64)
