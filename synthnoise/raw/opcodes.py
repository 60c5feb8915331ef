"""The opcodes of a DNG that compand its values: MapPolynomial of OpcodeList2 (DNG 1.7.1, chapter 7).

Lossy DNGs store roots and undo them by polynomials. Noise can only be told in linear values, so the
polynomials are applied when reading, and left out when writing what was read. All other opcodes (lens
shading, bad pixels, distortion) are for the raw converter and stay.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError

FIX_BAD_PIXELS_CONSTANT = 4
MAP_POLYNOMIAL = 8
HIGHEST_DEGREE = 8
HEADER = struct.Struct(">4I")
AREA = struct.Struct(">9I")


@dataclass(frozen=True)
class Companding:
    """Polynomials in the linear reference value [0, 1] per plane, and the opcodes that are left.

    Attributes
    ----------
    polynomials
        (plane, coefficients from the constant upwards), in the order of application.
    remaining
        The opcode list without them, as bytes of the tag; empty where nothing is left.
    """

    polynomials: tuple[tuple[int, tuple[float, ...]], ...]
    remaining: bytes

    def apply(self, values: NDArray[np.float32]) -> None:
        """Map float32 [H, W, C] in place; results are clipped to [0, 1], as the specification says."""
        for plane, coefficients in self.polynomials:
            channel = values[..., plane]
            mapped = np.zeros_like(channel)
            for coefficient in reversed(coefficients):
                mapped *= channel
                mapped += np.float32(coefficient)
            np.clip(mapped, 0, 1, out=channel)


def companding(data: bytes, size: tuple[int, int], planes: int, name: str) -> Companding:
    """Return the polynomials at the head of an OpcodeList2 that cover an image of ``size`` (H, W) whole.

    Raises
    ------
    InputError
        The list is damaged.
    """
    if not data:
        return Companding((), b"")
    polynomials: list[tuple[int, tuple[float, ...]]] = []
    kept: list[bytes] = []
    try:
        (count,) = struct.unpack_from(">I", data)
        position = 4
        for _ in range(count):
            code, _, _, length = HEADER.unpack_from(data, position)
            end = position + HEADER.size + length
            if end > len(data):
                raise struct.error
            found = (
                _polynomial(data[position + HEADER.size : end], size, planes)
                if code == MAP_POLYNOMIAL and not kept
                else []
            )
            polynomials += found
            if not found:
                kept.append(data[position:end])
            position = end
    except struct.error:
        raise InputError(f"{name}: its OpcodeList2 is damaged") from None
    remaining = struct.pack(">I", len(kept)) + b"".join(kept) if kept else b""
    return Companding(tuple(polynomials), remaining)


def opcodes_in(data: bytes) -> set[int]:
    """Return the numbers of the opcodes in a list, as far as it can be read."""
    found: set[int] = set()
    position = 4
    while position + HEADER.size <= len(data):
        code, _, _, length = HEADER.unpack_from(data, position)
        found.add(code)
        position += HEADER.size + length
    return found


def _polynomial(data: bytes, size: tuple[int, int], planes: int) -> list[tuple[int, tuple[float, ...]]]:
    """Return (plane, coefficients) for each plane of one opcode; none where it covers a part only."""
    top, left, bottom, right, first, number, row_pitch, column_pitch, degree = AREA.unpack_from(data)
    whole = top == 0 and left == 0 and bottom >= size[0] and right >= size[1]
    if not whole or (row_pitch, column_pitch) != (1, 1) or degree > HIGHEST_DEGREE:
        return []
    coefficients = struct.unpack_from(f">{degree + 1}d", data, AREA.size)
    if not np.all(np.isfinite(coefficients)):
        raise struct.error
    return [(plane, coefficients) for plane in range(first, min(first + number, planes))]
