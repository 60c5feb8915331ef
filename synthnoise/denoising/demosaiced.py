"""Pictures that were demosaiced before they are denoised: linear DNGs whose noise neighbouring pixels share.

A demosaic interpolates two of three colours from pixels around, so that noise is no longer white: the finest
detail holds a third to a tenth of it, and the rest passes a denoiser that is told so. Of every second pixel
it is nearly white again, and a Bayer mosaic taken from the picture, whichever its corner, is much like the
one that the camera recorded. So four mosaics are taken, one for each corner that the repeat can have, each is
denoised as a mosaic, and together they have every colour of every pixel. That needs neither the corner that
the camera's had, nor that it was a Bayer one, nor that the picture has kept its size.

Pictures whose noise is white (pixel shift, binned, three sensors) would lose detail that way. They are told
apart by the noise in the picture and in its mosaics, which is the same there, and by their evenest places, as
texture is coarse like the noise of a demosaic but not everywhere.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from synthnoise.colour_filter_arrays import RGGB
from synthnoise.denoising.noise_level import NoiseLevel, estimate_noise
from synthnoise.denoising.residual import white
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.demosaic import convolution_halo, normalised_convolution
from synthnoise.raw.frame import BLUE, GREEN, RED, Frame

Array = NDArray[np.float32]

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Row and column of red in the repeat of a mosaic."""
COLOURS = (RED, GREEN, BLUE) * len(CORNERS)
"""Of the planes of 2x2 pixels, three after three."""
SHARED = 2.0
"""Variance of the noise in the mosaics over that in the picture, from which neighbours share it."""
EVENEST, EVEN_SHARED = 0.02, 1.35
"""Share of the blocks, the evenest, and by what factor fine detail has to be stronger in them at twice the
distance than at that of neighbours: it is by 0.8 to 1.3 where noise is white, 1.4 to 3 where demosaiced."""
BLOCK, FEWEST_BLOCKS, MOST_BLOCKS = 16, 200, 40_000
"""Pixels along the edge of such a block, of how many the evenest may be all texture, and about how many are
looked at."""
SPREAD = 2.5
"""Variance of the white noise that a denoiser of pictures has to expect, over that of the mosaic, to take out
as much: a sample of red or blue spreads over four pixels, one of green over two."""


def noisiest_mosaic(frame: Frame) -> Frame | None:
    """Return the Bayer mosaic of most noise that there is in a linear frame; None where its noise is white.

    That of the camera, if it was a Bayer one, as interpolation only takes from the noise. None, too, where
    the frame is too small to show its noise.
    """
    picture = frame.active()
    own = estimate_noise(picture)
    if len(own.points) < 2 or _evenest(picture) < EVEN_SHARED:
        return None
    x = float(np.median(own.points[:, 1]))
    variances = [_variance(estimate_noise(_mosaic(picture, corner)), x) for corner in CORNERS]
    if max(variances) < SHARED * _variance(own, x):
        return None
    return _mosaic(picture, CORNERS[int(np.argmax(variances))])


def by_repeats(frame: Frame) -> Frame:
    """Return a linear frame as one of repeats of 2x2 pixels, whose planes are those of :data:`COLOURS`."""
    return dataclasses.replace(frame, cfa=np.tile(frame.cfa, (2, 2)), black=np.tile(frame.black, (2, 2)))


def taken_apart(planes: Array) -> Array:
    """Return packed mosaics [4, 4, H + 1, W + 1], red, green, green, blue each, of planes [12, H, W].

    Those whose red is in the second row (column) begin one earlier, with the nearest pixel of the kind.
    """
    height, width = planes.shape[1:]
    padded = np.pad(planes.reshape(2, 2, 3, height, width), ((0, 0),) * 3 + ((1, 1), (1, 1)), mode="edge")
    mosaics = np.empty((len(CORNERS), 4, height + 1, width + 1), np.float32)
    for mosaic, (i, j) in zip(mosaics, CORNERS, strict=True):
        for plane, (a, b, colour) in zip(mosaic, _places(i, j), strict=True):
            top, left = (1 - i if a == i else 1), (1 - j if b == j else 1)
            plane[:] = padded[a, b, colour, top : top + height + 1, left : left + width + 1]
    return mosaics


def put_together(mosaics: Array) -> Array:
    """Return planes [12, H, W] of the mosaics [4, 4, H + 1, W + 1]; what several have is their mean."""
    height, width = mosaics.shape[-2] - 1, mosaics.shape[-1] - 1
    planes = np.zeros((2, 2, 3, height, width), np.float32)
    for mosaic, (i, j) in zip(mosaics, CORNERS, strict=True):
        for plane, (a, b, colour) in zip(mosaic, _places(i, j), strict=True):
            top, left = (i if a == i else 0), (j if b == j else 0)
            planes[a, b, colour] += plane[top : top + height, left : left + width]
    planes[:, :, GREEN] /= 2
    return planes.reshape(12, height, width)


def spread_noise(number: int, shape: tuple[int, int, int]) -> Array:
    """Return what bilinear interpolation makes of white noise of variance 1, planes [12, H, W] of that shape.

    What is left of it in flat places is 0 to 30 % above what is left of that of Malvar's and AHD demosaics.
    """
    cfa = np.array(RGGB, np.uint8)
    edge = convolution_halo(cfa)
    rows, columns = (size + edge for size in shape[1:])
    mosaic = np.empty((2 * rows, 2 * columns), np.float32)
    for plane, (a, b, _) in zip(white(number, (4, rows, columns)), _places(0, 0), strict=True):
        mosaic[a::2, b::2] = plane
    picture = normalised_convolution(mosaic, cfa)[edge:-edge, edge:-edge]
    return np.concatenate([picture[a::2, b::2].transpose(2, 0, 1) for a, b in CORNERS])


def _places(i: int, j: int) -> tuple[tuple[int, int, int], ...]:
    """Return row, column and colour of each plane of the mosaic with red at (i, j)."""
    return (i, j, RED), (i, 1 - j, GREEN), (1 - i, j, GREEN), (1 - i, 1 - j, BLUE)


def _mosaic(picture: Frame, corner: tuple[int, int]) -> Frame:
    """Return the mosaic of a picture whose red is at a corner."""
    height, width = (edge // 2 * 2 for edge in picture.places)
    colours = picture.mosaic.reshape(*picture.places, 3)[:height, :width]
    mosaic = np.empty((height, width), picture.mosaic.dtype)
    cfa = np.empty((2, 2), np.uint8)
    for a, b, colour in _places(*corner):
        mosaic[a::2, b::2] = colours[a::2, b::2, colour]
        cfa[a, b] = colour
    return dataclasses.replace(picture, mosaic=mosaic, cfa=cfa, black=picture.black[0][cfa])


def _evenest(picture: Frame) -> float:
    """Return fine detail at twice the distance over that of neighbours, where evenest; 0 if unknown."""
    height, width = picture.places
    rows, columns = (height - 2) // BLOCK, (width - 2) // BLOCK
    step = max(1, -(-rows * columns // MOST_BLOCKS))
    least = 1 / 4 / float(np.max(picture.white - picture.black)) ** 2
    found = [np.zeros(0)]
    for row in range(0, rows if columns > 0 else 0, step):
        top = row * BLOCK
        band = linear_planes(picture.crop((top, 0, top + BLOCK + 2, 3 * width)))
        near, far = (_fine_energy(band, distance, columns) for distance in (1, 2))
        # What is clipped or rounded away says nothing.
        found.append(far[near > least] / near[near > least])
    ratios = np.concatenate(found)
    return float(np.quantile(ratios, EVENEST)) if len(ratios) >= FEWEST_BLOCKS else 0.0


def _fine_energy(band: Array, distance: int, blocks: int) -> NDArray[np.float64]:
    """Return mean energy per block of second differences of band [3, BLOCK + 2, W], scaled as white noise."""
    near, far = slice(0, BLOCK), slice(distance, BLOCK + distance)
    left, right = slice(0, BLOCK * blocks), slice(distance, BLOCK * blocks + distance)
    detail = band[:, near, left] - band[:, near, right] - band[:, far, left] + band[:, far, right]
    energy: NDArray[np.float64] = np.square(detail, dtype=np.float64).mean((0, 1))
    means: NDArray[np.float64] = energy.reshape(blocks, BLOCK).mean(1) / 4
    return means


def _variance(level: NoiseLevel, x: float) -> float:
    """Return the geometric mean over colours of the variance at signal ``x``."""
    return float(np.exp(np.mean([np.log(s * max(x, 0.0) + o) for s, o in level.pairs])))
