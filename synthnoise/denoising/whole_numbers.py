"""From float32 mosaics back to the whole numbers of a file, in steps fine enough for what noise is left."""

from __future__ import annotations

import dataclasses

import numpy as np

from synthnoise.philox import uniforms
from synthnoise.random_streams import Stream
from synthnoise.raw.frame import Frame, scaled_levels

BAND = 128
"""Rows at a time."""
LARGEST = 65535


def whole_numbers(frame: Frame, scale: int = 1) -> Frame:
    """Return a frame as uint16 in units of 1 / ``scale`` DN, its levels scaled with it.

    Values are rounded up as often as their fraction says, so that no level shifts; whole ones (clipped
    pixels, masked borders) stay exact. What else lies above white is clipped, and what lies below 0.
    """
    height, width = frame.mosaic.shape
    mosaic = np.empty((height, width), np.uint16)
    for top in range(0, height, BAND):
        band = frame.mosaic[top : top + BAND].astype(np.float32) * np.float32(scale)
        # Not so near to 0 and 1 that the last bits of a whole number could move it.
        fraction = 0.01 + 0.98 * uniforms(0, Stream.ROUNDING, (top, 0), band.shape)
        # Clipped pixels are whole, and may be brighter than the white that the file states.
        most = np.where(band == np.rint(band), LARGEST, frame.white * scale)
        mosaic[top : top + BAND] = np.clip(np.floor(band + fraction), 0, most)

    bits = None if frame.bits is None else min(frame.bits + (scale - 1).bit_length(), 16)
    return dataclasses.replace(scaled_levels(frame, scale), mosaic=mosaic, bits=bits)
