"""Optically black borders that no tag declares."""

from __future__ import annotations

import numpy as np

from synthnoise.raw.frame import Frame, Rectangle

NARROWEST_BORDER = 8
BORDER_MARGIN = 8
DARK_TOLERANCE = 0.02
"""A border counts as masked where its median is this near to black, in units of white - black."""


def dark_borders(frame: Frame) -> tuple[Rectangle, ...]:
    """Return the borders outside the active area that look optically black, without their outermost pixels.

    Not all hidden borders are masked: some hold zeros, junk or light. One that is wide enough counts
    if its median lies near the black level and it is not constant. Pixels next to an edge are left
    out: light leaks in there, and amplifiers settle.
    """
    top, left, bottom, right = frame.area
    height, width = frame.mosaic.shape
    borders = (
        (top, 0, bottom, left),
        (0, left, top, right),
        (top, right, bottom, width),
        (bottom, left, height, right),
    )
    found = []
    for top, left, bottom, right in borders:
        thickness = min(bottom - top, right - left)
        if thickness < NARROWEST_BORDER:
            continue
        margin = min(BORDER_MARGIN, thickness // 4)
        inner = (top + margin, left + margin, bottom - margin, right - margin)
        if _looks_dark(frame, inner):
            found.append(inner)
    return tuple(found)


def _looks_dark(frame: Frame, area: Rectangle) -> bool:
    top, left, bottom, right = area
    pixels = frame.mosaic[top:bottom, left:right]
    black = float(frame.black.mean())
    near = abs(float(np.median(pixels)) - black) <= DARK_TOLERANCE * (frame.white - black)
    return near and bool(pixels.min() < pixels.max())
