"""Between a mosaic and its CFA planes."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from synthnoise.colour_filter_arrays import X_TRANS_BLOCKS
from synthnoise.raw.frame import Frame

Sample = TypeVar("Sample", bound=np.generic)


def pack(mosaic: NDArray[Sample], period: tuple[int, int] = (2, 2)) -> NDArray[Sample]:
    """Return the planes [h*w, H//h, W//w] of a mosaic [H, W] in row-major order of CFA positions.

    Rows and columns beyond a whole number of repeats are left out.
    """
    h, w = period
    rows, columns = mosaic.shape[0] // h, mosaic.shape[1] // w
    whole = mosaic[: rows * h, : columns * w]
    return whole.reshape(rows, h, columns, w).transpose(1, 3, 0, 2).reshape(h * w, rows, columns)


def unpack(planes: NDArray[Sample], period: tuple[int, int] = (2, 2)) -> NDArray[Sample]:
    """Return the mosaic [H, W] of planes [h*w, H/h, W/w]: the inverse of :func:`pack`."""
    h, w = period
    _, rows, columns = planes.shape
    return planes.reshape(h, w, rows, columns).transpose(2, 0, 3, 1).reshape(rows * h, columns * w)


def x_trans_blocks(planes: NDArray[Sample]) -> NDArray[Sample]:
    """Return the 36 planes [36, H, W] of X-Trans mosaics as the nine of its blocks, [9, 2H, 2W].

    They are of one colour each (:data:`synthnoise.colour_filter_arrays.X_TRANS_BLOCKS`).
    """
    _, rows, columns = planes.shape
    blocks = planes[list(X_TRANS_BLOCKS)].reshape(9, 2, 2, rows, columns)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(9, 2 * rows, 2 * columns)


def linear_planes(frame: Frame) -> NDArray[np.float32]:
    """Return float32 [C, H/h, W/w]: the active area black-subtracted, divided by (white - black), signed."""
    active = frame.active()
    h, w = active.cfa.shape
    planes: NDArray[np.float32] = pack(active.mosaic, (h, w)).astype(np.float32)
    for c, plane in enumerate(planes):
        i, j = divmod(c, w)
        plane -= active.black[i, j]
        if active.black_rows is not None:
            plane -= active.black_rows[i::h, None][: plane.shape[0]]
        if active.black_columns is not None:
            plane -= active.black_columns[None, j::w][:, : plane.shape[1]]
        plane /= active.white - active.black[i, j]
    return planes


def plane_colours(frame: Frame) -> tuple[int, ...]:
    """Return the colour (0 R, 1 G, 2 B) of each plane of :func:`linear_planes`."""
    return tuple(int(c) for c in frame.active().cfa.reshape(-1))
