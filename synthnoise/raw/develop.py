"""RAW to a viewable picture: a short, independent pipeline that works band by band.

Levels, white balance, demosaicing, camera matrix, gentle automatic exposure, sRGB. It is for seeing
and comparing, not a replacement for a raw converter.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from synthnoise.raw.colour import balance, encode_srgb, exposure_gain, linear_srgb, srgb_from_camera
from synthnoise.raw.demosaic import BAYER_HALO, convolution_halo, malvar, normalised_convolution
from synthnoise.raw.frame import Frame
from synthnoise.raw.preview import binned, picture_area, small_linear

BAND_ROWS = 192
METERING_SIZE = 512


def develop(frame: Frame, *, half_size: bool = False) -> NDArray[np.uint8]:
    """Return uint8 sRGB [h, w, 3] of the picture (default crop, or active area), turned upright.

    ``half_size`` halves both sides, without interpolating on Bayer sensors. Beyond input and output,
    memory is that of one band of rows.
    """
    return oriented(render(frame, half_size=half_size), frame.orientation)


def render(frame: Frame, *, half_size: bool = False, gain: float | None = None) -> NDArray[np.uint8]:
    """Return what :func:`develop` does, as the sensor lies: not turned upright.

    ``gain`` is the exposure gain; by default it is metered from the frame.
    """
    gain = metered_gain(frame) if gain is None else gain
    picture = frame.crop(picture_area(frame))
    step = 2 if half_size else 1
    height, width = (max(side // step, 1) for side in picture.places)
    image = np.empty((height, width, 3), np.uint8)
    bands = _binned_bands(picture) if half_size and picture.is_bayer else _demosaiced_bands(picture)
    first = 0
    for linear in bands:
        if half_size and not picture.is_bayer:
            rows = linear.shape[0] // 2
            linear = linear[: 2 * rows, : 2 * width].reshape(rows, 2, width, 2, 3).mean((1, 3))
        last = first + linear.shape[0]
        image[first:last] = encode_srgb(linear, gain)
        first = last
    return image


def metered_gain(frame: Frame) -> float:
    """Return the exposure gain that :func:`develop` applies; share it to compare two frames."""
    return exposure_gain(small_linear(frame, METERING_SIZE))


def _binned_bands(picture: Frame) -> Iterator[NDArray[np.float32]]:
    """Yield linear sRGB [rows, W // 2, 3] of a Bayer picture, one pixel per repeat."""
    height, width = picture.mosaic.shape
    for top in range(0, height - 1, 2 * BAND_ROWS):
        band = picture.crop((top, 0, min(top + 2 * BAND_ROWS, height), width))
        yield linear_srgb(np.clip(binned(band, (2, 2)), 0, 1), picture)


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
    matrix = np.eye(3, dtype=np.float32) if frame.is_monochrome else srgb_from_camera(frame).T
    for camera in _camera_bands(frame, balance(frame)):
        yield camera @ matrix


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


def oriented(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return an image [H, W, 3] turned upright from an EXIF orientation 1..8."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
