"""A mosaic as the planes that denoisers want, rectangle by rectangle, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.colour_filter_arrays import NAMED, Cfa, as_cfa, name_of, shape, shifted
from synthnoise.errors import InputError
from synthnoise.kernels import compiled
from synthnoise.philox import uniforms
from synthnoise.random_streams import Stream
from synthnoise.raw.cfa import pack, unpack
from synthnoise.raw.develop import nearest_in_phase
from synthnoise.raw.frame import Frame, Rectangle

BAND = 64
"""Rows of a plane that are stored at a time."""


class MosaicPlanes:
    """The active area of a frame as normalised planes, one per position of the colour filter array.

    Bayer planes are always R, G, G, B, whatever the phase: where the area does not begin with red, a
    row or a column is put before it; X-Trans planes those of
    :data:`synthnoise.colour_filter_arrays.X_TRANS`. That, and what is missing to a whole number of repeats,
    is filled with the nearest pixels of the same colour.

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
        self._before = rows_before(as_cfa(active.cfa))
        height, width = active.mosaic.shape
        self.size = (-(-(height + self._before[0]) // h), -(-(width + self._before[1]) // w))
        corner = np.roll(active.cfa, self._before, (0, 1))
        self.colours = tuple(int(colour) for colour in corner.reshape(-1))
        black = np.roll(active.black, self._before, (0, 1)).reshape(-1)
        self._black = black.astype(np.float32)
        self._scale = (active.white - black).astype(np.float32)

    def read(self, rectangle: Rectangle) -> NDArray[np.float32]:
        """Return float32 [C, rows, columns] of a rectangle in pixels of a plane."""
        active, (h, w) = self._active, self.period
        top, left, bottom, right = self._in_mosaic(rectangle)
        height, width = active.mosaic.shape
        mosaic, rows, columns = active.mosaic, np.arange(top, bottom), np.arange(left, right)
        if top < 0 or left < 0 or bottom > height or right > width:
            rows, columns = nearest_in_phase(rows, height, h), nearest_in_phase(columns, width, w)
            mosaic = mosaic[rows][:, columns]
        else:
            mosaic = mosaic[top:bottom, left:right]
        planes: NDArray[np.float32] = np.ascontiguousarray(pack(mosaic, (h, w)), np.float32)
        for c, plane in enumerate(planes):
            plane -= self._black[c]
            if active.black_rows is not None:
                plane -= active.black_rows[rows[c // w :: h], None].astype(np.float32)
            if active.black_columns is not None:
                plane -= active.black_columns[None, columns[c % w :: w]].astype(np.float32)
            plane /= self._scale[c]
        return planes

    def write(self, output: NDArray[Any], rectangle: Rectangle, restored: NDArray[np.float32]) -> None:
        """Store planes [C, rows, columns] in ``output``, the active area in DN; clipped pixels stay.

        Integers are rounded up as often as their fraction says: rounding to the nearest would turn the
        smooth shadows of a denoised frame into steps, and shift their level by up to half a DN.
        """
        top, left, _, right = rectangle
        for row in range(0, restored.shape[1], BAND):
            band = restored[:, row : row + BAND]
            self._write_band(output, (top + row, left, top + row + band.shape[1], right), band)

    def _write_band(self, output: NDArray[Any], rectangle: Rectangle, restored: NDArray[np.float32]) -> None:
        active, period = self._active, self.period
        wanted = self._in_mosaic(rectangle)
        area = tuple(int(edge) for edge in np.clip(wanted, 0, [*output.shape, *output.shape]))
        rows, columns = slice(area[0], area[2]), slice(area[1], area[3])
        inside = (
            slice(area[0] - wanted[0], area[2] - wanted[0]),
            slice(area[1] - wanted[1], area[3] - wanted[1]),
        )
        scaled = restored * self._scale[:, None, None]
        scaled += self._black[:, None, None]
        level = unpack(scaled, period)[inside]
        if active.black_rows is not None:
            level += active.black_rows[rows, None].astype(np.float32)
        if active.black_columns is not None:
            level += active.black_columns[None, columns].astype(np.float32)
        source, room, white = active.mosaic[rows, columns], output[rows, columns], np.float32(active.white)
        if np.issubdtype(output.dtype, np.integer):
            numbers = uniforms(0, Stream.ROUNDING, (area[0], area[1]), level.shape)
            _round(level, numbers, source, white, room)
        else:
            room[:] = np.where(source >= white, source, level)

    def _in_mosaic(self, rectangle: Rectangle) -> Rectangle:
        """Return a rectangle of planes in pixels of the active area; it may reach beyond."""
        (h, w), (row, column) = self.period, self._before
        top, left, bottom, right = rectangle
        return top * h - row, left * w - column, bottom * h - row, right * w - column


def rows_before(cfa: Cfa) -> tuple[int, int]:
    """Return the rows and columns before an area with which the repeat begins as the named one does."""
    name = name_of(cfa)
    if name is None:
        return 0, 0
    h, w = shape(cfa)
    places = sorted(((i, j) for i in range(h) for j in range(w)), key=sum)
    return next(place for place in places if shifted(cfa, -place[0], -place[1]) == NAMED[name])


_LEAST, _SPAN, _ZERO = np.float32(0.01), np.float32(0.98), np.float32(0)
"""Fractions are not so near to 0 and 1 that the last bits of an integer could move it."""


@compiled
def _round(level: Any, numbers: Any, source: Any, white: np.float32, output: Any) -> None:
    """Store levels [h, w] rounded up as often as their fraction says; what is clipped in ``source`` stays."""
    height, width = level.shape
    for i in range(height):
        for j in range(width):
            value = np.floor(max(min(level[i, j] + (_LEAST + _SPAN * numbers[i, j]), white), _ZERO))
            output[i, j] = source[i, j] if source[i, j] >= white else value
