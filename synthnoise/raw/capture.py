"""What a camera file says of itself, without decoding its pixels."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw.containers import open_container
from synthnoise.raw.dng_reading import (
    active_area,
    black_level,
    cfa_pattern,
    check_segments,
    is_dng,
    noise_profile,
    raw_image,
    refuse_unreadable,
    white_level,
)
from synthnoise.raw.foreign_files import no_camera_file
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.tags import Tag
from synthnoise.raw.tiff import Directory, Tiff

HEADERLESS_SUFFIXES = ("", ".raw", ".bin", ".dat", ".npy", ".tif", ".tiff", ".fits", ".fit", ".fts")

DEMOSAICED = (("linear", 3), ("float", 1))
"""Content and colours per pixel of the pictures that are denoised and developed without being readouts."""
ISO_OVERFLOW = 65535
"""Value of the 16-bit ISO tag that means "see the other tags"."""


@dataclass(frozen=True, kw_only=True)
class CaptureInfo:
    """Header data of a camera file.

    Attributes
    ----------
    format
        Such as ``"DNG"``, ``"CR2"``, ``"RAF"``, ``"NPY"``.
    content
        ``"mosaic"``, ``"monochrome"``, ``"linear"`` (already demosaiced), ``"float"`` (mosaic of
        floating-point numbers) or ``"unknown"`` (only the decoder can tell).
    compression
        In words, where known; else empty.
    make, model, unique_camera_model, lens, software, date
        Text from the file, printable characters only; ``date`` in EXIF form. Empty where unknown.
    iso, exposure_time, aperture, focal_length
        ISO speed, seconds, f-number, millimetres; None where unknown.
    width, height
        Of the raw image, masked borders included; None where only the decoder can tell.
    bits
        Bits per sample as stored, or None.
    orientation
        EXIF orientation 1..8.
    cfa
        Rows of colour letters of the repeat at the active area's corner, such as ``("RG", "GB")``.
    black, white
        Levels in DN as stored in the file; empty or None where unknown.
    noise_profile
        (S, O) pairs of the DNG NoiseProfile, or None.
    unreadable
        Why ``read_frame`` will refuse the file, or empty.
    demosaiced
        It may be read all the same, as a picture that is no readout: ``read_frame(path, demosaiced=True)``.
    """

    path: Path
    format: str
    content: str = "unknown"
    compression: str = ""
    make: str = ""
    model: str = ""
    unique_camera_model: str = ""
    lens: str = ""
    software: str = ""
    date: str = ""
    iso: float | None = None
    exposure_time: float | None = None
    aperture: float | None = None
    focal_length: float | None = None
    width: int | None = None
    height: int | None = None
    bits: int | None = None
    orientation: int = 1
    cfa: tuple[str, ...] = ()
    black: tuple[float, ...] = ()
    white: float | None = None
    noise_profile: tuple[tuple[float, float], ...] | None = None
    unreadable: str = ""
    demosaiced: bool = False


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Camera and exposure as EXIF states them; names and units as in CaptureInfo."""

    make: str = ""
    model: str = ""
    lens: str = ""
    software: str = ""
    date: str = ""
    iso: float | None = None
    exposure_time: float | None = None
    aperture: float | None = None
    focal_length: float | None = None
    orientation: int = 1


def exposure_of(tiffs: Sequence[Tiff]) -> Exposure:
    """Return camera and exposure from the structures of one file; what cannot be read stays unknown."""
    roots = [tiff.directories[0] for tiff in tiffs]
    # TIFF/EP files (and Kodak's) have the exposure in IFD0; EXIF comes first where there is both.
    places = [*(exif for root in roots for exif in root.children.get(Tag.EXIF_IFD, [])), *roots]
    orientation = _positive(roots, Tag.ORIENTATION) or 1
    return Exposure(
        make=_text(roots, Tag.MAKE),
        model=_text(roots, Tag.MODEL),
        lens=_text(places, Tag.LENS_MODEL),
        software=_text(roots, Tag.SOFTWARE),
        date=_text(places, Tag.DATE_TIME_ORIGINAL) or _text(roots, Tag.DATE_TIME),
        iso=_iso(places),
        exposure_time=_positive(places, Tag.EXPOSURE_TIME),
        aperture=_positive(places, Tag.F_NUMBER),
        focal_length=_positive(places, Tag.FOCAL_LENGTH),
        orientation=int(orientation) if orientation <= 8 else 1,
    )


def _text(places: Sequence[Directory], tag: int) -> str:
    for place in places:
        with contextlib.suppress(InputError):
            if text := place.text(tag):
                return text
    return ""


def _positive(places: Sequence[Directory], tag: int) -> float | None:
    """Return the first positive, finite number; cameras write 0 and 0/0 for unknown."""
    for place in places:
        with contextlib.suppress(InputError):
            value = place.number(tag)
            if value is not None and 0 < value < math.inf:
                return float(value)
    return None


def _iso(places: Sequence[Directory]) -> float | None:
    """Return the ISO speed; from 65535 on it lies in the EXIF 2.3 sensitivity tags."""
    iso = _positive(places, Tag.ISO)
    if iso is not None and iso < ISO_OVERFLOW:
        return iso
    wider = (Tag.RECOMMENDED_EXPOSURE_INDEX, Tag.STANDARD_OUTPUT_SENSITIVITY, Tag.ISO_SPEED)
    return next((value for tag in wider if (value := _positive(places, tag))), iso)


def read_metadata(path: Path | str, *, limits: ReadLimits = DEFAULT_LIMITS) -> CaptureInfo:
    """Return what a camera file says of itself; decodes no pixels.

    Files that ``read_frame`` refuses (linear, lossy, truncated) are described too.

    Raises
    ------
    InputError
        The file is missing, empty, too large, or of no kind that is known.
    """
    path = Path(path)
    limits.check_file(path)
    with path.open("rb") as file:
        container = open_container(file, str(path))
        if container is None:
            refuse_headerless(path)
        if container is None or not container.tiffs:
            return _decoder_info(path, Exposure(), limits)
        exposure = exposure_of(container.tiffs)
        if container.kind == "TIFF" and is_dng(container.tiffs[0]):
            return _dng_info(path, container.tiffs[0], exposure, limits)
    info = _decoder_info(path, exposure, limits)
    try:
        container.refuse_truncated(path)
    except InputError as error:
        return dataclasses.replace(info, unreadable=error.message.removeprefix(f"{path}: "))
    return info


def refuse_headerless(path: Path) -> None:
    """Raise InputError for what is no camera file by its name: LibRaw would guess from its size alone."""
    if path.suffix.lower() in HEADERLESS_SUFFIXES:
        raise InputError(
            f"{path}: is not a camera file that can be read",
            hint="bare pixels need a geometry, which denoise, calibrate and develop take:"
            " --geometry width=...,height=...,cfa=RGGB,black=...,white=...",
        )


def _dng_info(path: Path, tiff: Tiff, exposure: Exposure, limits: ReadLimits) -> CaptureInfo:
    root, name = tiff.directories[0], str(path)
    image = raw_image(tiff, limits)
    info = CaptureInfo(
        path=path,
        format="DNG",
        content=image.content,
        compression=image.compression_name,
        unique_camera_model=_text([root], Tag.UNIQUE_CAMERA_MODEL),
        width=image.width,
        height=image.height,
        bits=image.bits,
        white=white_level(image, name),
        noise_profile=noise_profile(tiff, image.directory),
        demosaiced=(image.content, image.samples) in DEMOSAICED,
        **vars(exposure),
    )
    try:
        refuse_unreadable(image, name)
        check_segments(image, tiff, limits)
        area = active_area(image, name)
        corner = (-area[0], -area[1])
        pattern = np.roll(cfa_pattern(image, area, name), corner, (0, 1))
        black = np.roll(black_level(image, area, name), corner, (0, 1))
    except InputError as error:
        return dataclasses.replace(info, unreadable=error.message.removeprefix(f"{path}: "))
    return dataclasses.replace(info, cfa=cfa_rows(pattern), black=tuple(black.reshape(-1).tolist()))


def cfa_rows(pattern: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return a CFA repeat as rows of the letters R, G and B."""
    return tuple("".join("RGB"[colour] for colour in row) for row in pattern)


def _decoder_info(path: Path, exposure: Exposure, limits: ReadLimits) -> CaptureInfo:
    """Return what LibRaw's header parser adds to EXIF; without it, what EXIF alone says."""
    kind = path.suffix.removeprefix(".").upper() or "RAW"
    info = CaptureInfo(path=path, format=kind, **vars(exposure))
    try:
        with rawpy.RawPy() as raw:
            raw.open_file(str(path))
            sizes = raw.sizes
            limits.check_pixels(path, sizes.raw_width, sizes.raw_height)
            info = dataclasses.replace(info, width=int(sizes.raw_width), height=int(sizes.raw_height))
            if exposure.iso is None and exposure.exposure_time is None:
                # X3F and CRW have no EXIF; this is the one question that makes rawpy decode.
                info = dataclasses.replace(info, **decoder_exposure(raw))
            return info
    except (rawpy.LibRawError, rawpy.NotSupportedError, MemoryError) as error:
        if not (exposure.make or exposure.model):
            raise no_camera_file(path) from error
        return dataclasses.replace(info, unreadable=f"cannot be decoded: {decoder_reason(error)}")


def decoder_exposure(raw: rawpy.RawPy) -> dict[str, Any]:
    """Return what LibRaw found of iso, exposure_time, aperture and focal_length; needs rawpy 0.28."""
    other = getattr(raw, "other", None)
    if other is None:
        return {}
    found = {
        "iso": other.iso_speed,
        "exposure_time": other.shutter_speed,
        "aperture": other.aperture,
        "focal_length": other.focal_length,
    }
    return {name: float(value) for name, value in found.items() if 0 < value < math.inf}


DECODER_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (rawpy.LibRawIOError, "it ends before its pixels do"),
    (rawpy.LibRawDataError, "its pixels are not what they should be"),
    (rawpy.LibRawUnsufficientMemoryError, "it takes more memory than there is"),
    (MemoryError, "it takes more memory than there is"),
    (rawpy.LibRawFileUnsupportedError, "it is of a kind that is not known"),
    (rawpy.LibRawNotImplementedError, "it is of a kind that is not known"),
    (rawpy.NotSupportedError, "it is of a kind that is not known"),
)


def decoder_reason(error: BaseException) -> str:
    """Return why LibRaw gave up, in words for photographers; its own stay the cause of what is raised."""
    return next(
        (said for kind, said in DECODER_REASONS if isinstance(error, kind)), "the decoder gives it up"
    )
