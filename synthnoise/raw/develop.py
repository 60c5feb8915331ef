"""RAW to a viewable picture: a short, independent pipeline that works band by band.

Levels, white balance, demosaicing, highlights, camera matrix, gentle automatic exposure, tone, sRGB. It is
for seeing and comparing, not a replacement for a raw converter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.raw.colour import Linear, Tone, balance, headroom, linear_srgb
from synthnoise.raw.demosaic import BAYER_HALO, convolution_halo, malvar, normalised_convolution
from synthnoise.raw.frame import Frame
from synthnoise.raw.preview import binned, picture_area, small_linear

BAND_ROWS = 128
METERING_SIZE = 512


def develop(
    frame: Frame,
    *,
    half_size: bool = False,
    dtype: type[np.uint8 | np.uint16] = np.uint8,
    linear: bool = False,
) -> NDArray[Any]:
    """Return sRGB [h, w, 3] of the picture (default crop, or active area), turned upright.

    Parameters
    ----------
    half_size
        Halve both sides, without interpolating on Bayer sensors.
    dtype
        uint8 or uint16.
    linear
        Leave light linear: no exposure, tone or transfer curve; the largest level is where the last
        channel clips. In uint16, as 8 bits do not hold it.

    Beyond input and output, memory is that of one band of rows.
    """
    tone = Linear(headroom(frame)) if linear else None
    return oriented(
        render(frame, half_size=half_size, tone=tone, dtype=np.uint16 if linear else dtype), frame.orientation
    )


def render(
    frame: Frame,
    *,
    half_size: bool = False,
    tone: Tone | Linear | None = None,
    dtype: type[np.uint8 | np.uint16] = np.uint8,
) -> NDArray[Any]:
    """Return what :func:`develop` does, as the sensor lies: not turned upright.

    ``tone`` is by default metered from the frame.
    """
    tone = metered_tone(frame) if tone is None else tone
    picture = frame.crop(picture_area(frame))
    step = 2 if half_size else 1
    height, width = (max(side // step, 1) for side in picture.places)
    image = np.empty((height, width, 3), dtype)
    bands = _binned_bands(picture) if half_size and picture.is_bayer else _demosaiced_bands(picture)
    first = 0
    for linear in bands:
        if half_size and not picture.is_bayer:
            rows = linear.shape[0] // 2
            linear = linear[: 2 * rows, : 2 * width].reshape(rows, 2, width, 2, 3).mean((1, 3))
        last = first + linear.shape[0]
        image[first:last] = tone.levels(linear, dtype)
        first = last
    return image


def metered_tone(frame: Frame) -> Tone:
    """Return the exposure and tone that :func:`develop` applies; share it to compare two frames."""
    return Tone.metered(small_linear(frame, METERING_SIZE), headroom(frame))


def _binned_bands(picture: Frame) -> Iterator[NDArray[np.float32]]:
    """Yield linear sRGB [rows, W // 2, 3] of a Bayer picture, one pixel per repeat."""
    height, width = picture.mosaic.shape
    for top in range(0, height - 1, 2 * BAND_ROWS):
        band = picture.crop((top, 0, min(top + 2 * BAND_ROWS, height), width))
        yield linear_srgb(np.clip(binned(band, (2, 2)), 0, 1) * balance(picture), picture)


def camera_rgb(frame: Frame) -> NDArray[np.uint16]:
    """Return linear camera RGB [H, W, 3] of the picture, 65535 = white level, not white-balanced.

    As the sensor lies: not turned upright. What a linear DNG holds.
    """
    picture = frame.crop(picture_area(frame))
    # The largest gain is 1, so that no channel clips before its white level.
    gains = balance(picture) / balance(picture).max()
    image = np.empty((*picture.places, 3), np.uint16)
    first = 0
    for camera in _camera_bands(picture, gains):
        image[first : first + len(camera)] = np.rint(np.minimum(camera / gains, 1) * 65535)
        first += len(camera)
    return image


def _demosaiced_bands(frame: Frame) -> Iterator[NDArray[np.float32]]:
    """Yield linear sRGB [rows, W, 3] of a picture, an even number of rows but for the last time."""
    brightest = np.float32(headroom(frame))
    # The largest gain is 1, so that no channel clips before its white level.
    for camera in _camera_bands(frame, balance(frame) / brightest):
        yield linear_srgb(camera * brightest, frame)


def _camera_bands(frame: Frame, gains: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield linear camera RGB [rows, W, 3] times ``gains`` [3], clipped to [0, 1]; rows as above."""
    height, width = frame.mosaic.shape
    if frame.is_linear:
        for top in range(0, height, BAND_ROWS):
            rows = np.arange(top, min(top + BAND_ROWS, height))
            yield _balanced(frame, rows, np.arange(width), gains).reshape(len(rows), -1, 3)
        return
    period = frame.cfa.shape
    halo = BAYER_HALO if frame.is_bayer else convolution_halo(frame.cfa)
    rows_per_band = max(BAND_ROWS // (2 * period[0]), 1) * 2 * period[0]
    # Odd sides are filled up, so that a band is a whole number of repeats.
    columns = np.arange(-halo, width + halo + width % 2)
    for top in range(0, height, rows_per_band):
        bottom = min(top + rows_per_band, height)
        rows = np.arange(top - halo, bottom + halo + (bottom - top) % 2)
        samples = _balanced(
            frame,
            nearest_in_phase(rows, height, period[0]),
            nearest_in_phase(columns, width, period[1]),
            gains,
        )
        if frame.is_monochrome:
            rgb = np.repeat(samples[halo:, halo:, None], 3, axis=2)
        elif frame.is_bayer:
            rgb = malvar(samples, frame.cfa)
        else:
            corner = np.roll(frame.cfa, (halo % period[0], halo % period[1]), (0, 1))
            rgb = normalised_convolution(samples, corner)[halo : rows.size - halo, halo : columns.size - halo]
        yield np.clip(rgb[: bottom - top, :width], 0, 1)


def nearest_in_phase(index: NDArray[np.int64], size: int, period: int) -> NDArray[np.int64]:
    """Return indices with those outside [0, size) moved to the nearest inside of equal phase."""
    if size < period:
        return np.clip(index, 0, size - 1)
    inside = np.where(index < 0, index % period, index)
    return np.where(index >= size, size - 1 - (size - 1 - index) % period, inside)


def _balanced(
    frame: Frame, rows: NDArray[np.int64], columns: NDArray[np.int64], gains: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return samples times ``gains`` [3] float32 in [0, 1] (1 = white) of some rows and columns."""
    h, w = frame.cfa.shape
    values = frame.mosaic[rows][:, columns].astype(np.float32)
    scale = (gains[frame.cfa] / (frame.white - frame.black)).astype(np.float32)
    values -= frame.black.astype(np.float32)[(rows % h)[:, None], (columns % w)[None, :]]
    if frame.black_rows is not None:
        values -= frame.black_rows[rows, None].astype(np.float32)
    if frame.black_columns is not None:
        values -= frame.black_columns[None, columns].astype(np.float32)
    values *= scale[(rows % h)[:, None], (columns % w)[None, :]]
    return np.clip(values, 0, 1, out=values)


def oriented(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return an image [H, W, 3] turned upright from an EXIF orientation 1..8."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
