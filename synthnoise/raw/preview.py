"""Small renderings of a frame for the previews inside DNG files."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthnoise.raw.colour import Tone, balance, headroom, linear_srgb
from synthnoise.raw.frame import Frame, Rectangle

JPEG_QUALITY = 90
SMALL_BLOCK = 64
"""Pixels of a block up to which strided planes are added up, which is faster; float32 holds such sums."""


def picture_area(frame: Frame) -> Rectangle:
    """Return what the camera maker meant as the picture: the default crop, or the active area."""
    return frame.default_crop or frame.area


def binned(picture: Frame, block: tuple[int, int]) -> NDArray[np.float32]:
    """Return camera RGB [H/block, W/block, 3], 1 = white: the mean of each colour over blocks of pixels.

    ``block`` is (height, width), whole CFA repeats unless the picture itself is smaller. Not oriented.
    """
    height, width = picture.mosaic.shape
    period = picture.cfa.shape
    rows, columns = height // block[0], width // block[1]
    whole = picture.mosaic[: rows * block[0], : columns * block[1]]
    row_offset, column_offset = _offsets(picture, (rows, columns), block)
    total = np.zeros((3, rows, columns), np.float32)
    weight = np.zeros(3, np.float32)
    for i in range(min(period[0], block[0])):
        for j in range(min(period[1], block[1])):
            plane = whole[i :: period[0], j :: period[1]]
            tall, wide = plane.shape[0] // rows, plane.shape[1] // columns
            mean = _block_means(plane[: rows * tall, : columns * wide], tall, wide)
            black = np.float32(picture.black[i, j])
            total[picture.cfa[i, j]] += (mean - black - row_offset - column_offset) / (picture.white - black)
            weight[picture.cfa[i, j]] += 1
    total /= np.maximum(weight, 1)[:, None, None]
    # A frame smaller than the repeat, or a monochrome one, lacks colours.
    total[weight == 0] = total[weight > 0].mean(0)
    return np.moveaxis(total, 0, 2)


def _block_means(plane: NDArray[Any], tall: int, wide: int) -> NDArray[np.float32]:
    """Return the means float32 [h, w] of blocks of a plane that is a whole number of them."""
    if tall * wide > SMALL_BLOCK:
        blocks = plane.reshape(plane.shape[0] // tall, tall, plane.shape[1] // wide, wide)
        return np.asarray(blocks.mean((1, 3), dtype=np.float32))
    total = np.zeros((plane.shape[0] // tall, plane.shape[1] // wide), np.float32)
    for i in range(tall):
        for j in range(wide):
            total += plane[i::tall, j::wide]
    total /= np.float32(tall * wide)
    return total


def block_for(picture: Frame, longest: int) -> tuple[int, int]:
    """Return the smallest block of whole CFA repeats that brings no side above ``longest``."""
    height, width = picture.mosaic.shape
    scale = max(picture.places) / longest
    if picture.is_linear:
        side = min(max(1, math.ceil(scale)), *picture.places)
        return side, 3 * side
    tall, wide = (period * max(1, math.ceil(scale / period)) for period in picture.cfa.shape)
    return min(tall, height), min(wide, width)


def _offsets(
    frame: Frame, size: tuple[int, int], block: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of the per-row and per-column black levels over blocks, [h, 1] and [1, w]."""
    offsets = []
    for values, count, step in zip((frame.black_rows, frame.black_columns), size, block, strict=True):
        line = np.zeros(count * step) if values is None else values[: count * step]
        offsets.append(line.reshape(count, step).mean(1).astype(np.float32))
    return offsets[0][:, None], offsets[1][None, :]


def small_linear(frame: Frame, longest: int) -> NDArray[np.float32]:
    """Return linear sRGB [h, w, 3] of the picture, no side above ``longest``; not oriented."""
    picture = frame.crop(picture_area(frame))
    camera = np.clip(binned(picture, block_for(picture, longest)), 0, 1)
    return linear_srgb(camera * balance(frame), frame)


def render_preview(frame: Frame, longest: int) -> NDArray[np.uint8]:
    """Return uint8 sRGB [h, w, 3] of the picture, its longer side at most ``longest``; not oriented."""
    linear = small_linear(frame, longest)
    return Tone.metered(linear, headroom(frame)).levels(linear)


def resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return a uint8 RGB image [height, width, 3], resampled."""
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def resize_to(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Return a uint8 RGB image scaled down, its shape kept, until no side exceeds ``longest``."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    return resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """Return a baseline JPEG (YCbCr, 4:2:0) of a uint8 image [H, W, 3]."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return stream.getvalue()
