"""The predictors of TIFF and DNG, undone: values stored as differences from a neighbour in their row.

TIFF 6.0 section 14, Adobe's TIFF technical note 3 (floating point), DNG 1.7.1 (Predictor, and the 24-bit
floating-point format).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE, HORIZONTAL, FLOAT = 1, 2, 3
HORIZONTAL_2, HORIZONTAL_4, FLOAT_2, FLOAT_4 = 34892, 34893, 34894, 34895

SPACING = {NONE: 0, HORIZONTAL: 1, HORIZONTAL_2: 2, HORIZONTAL_4: 4, FLOAT: 1, FLOAT_2: 2, FLOAT_4: 4}
"""Pixels to the neighbour."""
FLOATING = (FLOAT, FLOAT_2, FLOAT_4)

BIAS_24, EXPONENT_24, MANTISSA_24 = 63, 7, 16


def undo_differences(rows: NDArray[Any], step: int) -> None:
    """Sum unsigned integers [n, size] up in place, each with the one ``step`` before it, modulo their range.

    Raises
    ------
    ValueError
        The size is no multiple of ``step``.
    """
    count, size = rows.shape
    if size % step:
        raise ValueError(f"rows of {size} values do not divide by {step}")
    columns = rows.reshape(count, size // step, step)
    np.cumsum(columns, axis=1, dtype=rows.dtype, out=columns)


def floats_of_bytes(rows: NDArray[np.uint8], step: int, bits: int) -> NDArray[np.float32]:
    """Return float32 [n, values] of rows of bytes: all highest bytes first, then the next ones, differenced.

    ``bits`` is 16, 24 or 32, ``step`` the bytes to the neighbour.

    Raises
    ------
    ValueError
        The rows do not divide by ``step``, or into values.
    """
    size = bits // 8
    if rows.shape[1] % size:
        raise ValueError(f"rows of {rows.shape[1]} bytes do not hold values of {bits} bits")
    plain = rows.copy()
    undo_differences(plain, step)
    whole = np.ascontiguousarray(plain.reshape(len(rows), size, -1).swapaxes(1, 2))
    if bits == 24:
        return floats_of_24_bits(whole, ">")
    return whole.view(f">f{size}")[..., 0].astype(np.float32)


def bytes_of_floats(values: NDArray[np.float32], step: int) -> bytes:
    """Return rows of float32 [n, size] as :func:`floats_of_bytes` takes them, of 32 bits."""
    whole = np.ascontiguousarray(values.astype(">f4")).view(np.uint8).reshape(len(values), -1, 4)
    plain = np.ascontiguousarray(whole.swapaxes(1, 2)).reshape(len(values), -1)
    plain[:, step:] -= plain[:, :-step].copy()
    return plain.tobytes()


def floats_of_24_bits(data: NDArray[np.uint8], order: str) -> NDArray[np.float32]:
    """Return float32 [...] of 24-bit floats [..., 3]: sign, 7 bits of exponent (bias 63), 16 of mantissa."""
    parts = (data if order == ">" else data[..., ::-1]).astype(np.uint32)
    bits = parts[..., 0] << 16 | parts[..., 1] << 8 | parts[..., 2]
    exponent = (bits >> MANTISSA_24 & 0x7F).astype(np.int32)
    mantissa = (bits & 0xFFFF).astype(np.float64) / (1 << MANTISSA_24)
    value = np.ldexp(np.where(exponent == 0, mantissa, 1 + mantissa), np.maximum(exponent, 1) - BIAS_24)
    value = np.where(exponent == 0x7F, np.where(mantissa == 0, np.inf, np.nan), value)
    return np.where(bits >> 23 & 1, -value, value).astype(np.float32)
