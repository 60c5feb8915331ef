"""A mosaic as the planes that denoisers want, rectangle by rectangle, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw.cfa import pack, unpack
from synthnoise.raw.develop import nearest_in_phase
from synthnoise.raw.frame import RED, Frame, Rectangle
from synthnoise.rng import Rng, Stream

BAND = 128
"""Rows that random numbers are drawn for at a time."""


class MosaicPlanes:
    """The active area of a frame as normalised planes, one per position of the colour filter array.

    Bayer planes are always R, G, G, B, whatever the phase: where the area does not begin with red, a
    row or a column is put before it. That, and what is missing to a whole number of repeats, is filled
    with the nearest pixels of the same colour.

    Attributes
    ----------
    size
        (rows, columns) of a plane.
    colours
        Colour of each plane.
    period
        (h, w), the repeat.

    Raises
    ------
    InputError
        The colour filter array lacks a colour.
    """

    def __init__(self, frame: Frame) -> None:
        if not frame.is_monochrome and len(np.unique(frame.cfa)) != 3:
            h, w = frame.cfa.shape
            raise InputError(
                f"{frame.path or 'frame'}: its {w}x{h} colour filter array has not all of red, green and blue"
            )
        self._active = active = frame.active()
        self.period = h, w = active.cfa.shape
        self._before = tuple(np.argwhere(active.cfa == RED)[0]) if frame.is_bayer else (0, 0)
        height, width = active.mosaic.shape
        self.size = (-(-(height + self._before[0]) // h), -(-(width + self._before[1]) // w))
        corner = np.roll(active.cfa, self._before, (0, 1))
        self.colours = tuple(int(colour) for colour in corner.reshape(-1))

    def read(self, rectangle: Rectangle) -> NDArray[np.float32]:
        """Return float32 [C, rows, columns] of a rectangle in pixels of a plane."""
        active, (h, w) = self._active, self.period
        top, left, bottom, right = self._in_mosaic(rectangle)
        rows = nearest_in_phase(np.arange(top, bottom), active.mosaic.shape[0], h)
        columns = nearest_in_phase(np.arange(left, right), active.mosaic.shape[1], w)
        values = active.mosaic[rows][:, columns].astype(np.float32)
        scale = (active.white - active.black).astype(np.float32)
        values -= active.black.astype(np.float32)[(rows % h)[:, None], (columns % w)[None, :]]
        if active.black_rows is not None:
            values -= active.black_rows[rows, None].astype(np.float32)
        if active.black_columns is not None:
            values -= active.black_columns[None, columns].astype(np.float32)
        values /= scale[(rows % h)[:, None], (columns % w)[None, :]]
        planes: NDArray[np.float32] = np.ascontiguousarray(pack(values, (h, w)))
        return planes

    def write(self, output: NDArray[Any], rectangle: Rectangle, restored: NDArray[np.float32]) -> None:
        """Store planes [C, rows, columns] in ``output``, the active area in DN; clipped pixels stay.

        Integers are rounded up as often as their fraction says: rounding to the nearest would turn the
        smooth shadows of a denoised frame into steps, and shift their level by up to half a DN.
        """
        active, (h, w) = self._active, self.period
        wanted = self._in_mosaic(rectangle)
        area = tuple(np.clip(wanted, 0, [*output.shape, *output.shape]))
        rows, columns = slice(area[0], area[2]), slice(area[1], area[3])
        source = active.mosaic[rows, columns]
        inside = (
            slice(area[0] - wanted[0], area[2] - wanted[0]),
            slice(area[1] - wanted[1], area[3] - wanted[1]),
        )
        level = unpack(restored, (h, w))[inside]
        i, j = np.arange(area[0], area[2]) % h, np.arange(area[1], area[3]) % w
        level = level * (active.white - active.black).astype(np.float32)[i[:, None], j[None, :]]
        level += active.black_map(area).astype(np.float32)
        if np.issubdtype(output.dtype, np.integer):
            _add_fractions(level, (int(area[0]), int(area[1])))
            np.floor(np.clip(level, 0, active.white, out=level), out=level)
        output[rows, columns] = np.where(source >= active.white, source, level)

    def _in_mosaic(self, rectangle: Rectangle) -> Rectangle:
        """Return a rectangle of planes in pixels of the active area; it may reach beyond."""
        (h, w), (row, column) = self.period, self._before
        top, left, bottom, right = rectangle
        return top * h - row, left * w - column, bottom * h - row, right * w - column


def _add_fractions(level: NDArray[np.float32], corner: tuple[int, int]) -> None:
    """Add to every pixel a number between 0 and 1, the same in every tile, not so near the ends that the
    last bits of an integer could move it.
    """
    rng = Rng(seed=0, indices=torch.zeros(1, dtype=torch.int64), origin=corner)
    for row in range(0, len(level), BAND):
        band = level[row : row + BAND]
        band += 0.01 + 0.98 * rng.cropped(row, 0).uniform(Stream.ROUNDING, (1, *band.shape))[0, 0].numpy()
