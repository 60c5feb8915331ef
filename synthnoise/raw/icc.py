"""ICC profiles of our own renderings: sRGB primaries with the curve of sRGB, or linear (ICC.1:2001-04).

Version 2.4, three primaries and one curve, which every reader understands.
"""

from __future__ import annotations

import functools
import struct

import numpy as np
from numpy.typing import NDArray

from synthnoise.raw.colour import XYZ_FROM_SRGB

D50 = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space, XYZ (ICC.1, annex A)."""
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""XYZ to the cone responses in which white points are adapted (ICC.1:2010 annex E)."""
CURVE_POINTS = 1024
VERSION = 0x02400000
COPYRIGHT = "No copyright, use freely"
EPOCH = (2026, 1, 1, 0, 0, 0)
"""A fixed date, so that the same picture makes the same bytes."""


@functools.cache
def srgb_profile(*, linear: bool = False) -> bytes:
    """Return the profile of sRGB (IEC 61966-2-1), or of linear light in its primaries."""
    curve = (
        _curve([]) if linear else _curve(np.rint(65535 * _light(np.linspace(0, 1, CURVE_POINTS))).tolist())
    )
    adaptation = _adaptation()
    primaries = adaptation @ XYZ_FROM_SRGB
    # Rounded primaries must still add up to the white they are relative to.
    primaries[:, 1] += D50 - primaries.sum(1)
    return _profile(
        {
            b"desc": _description("Linear light, sRGB primaries" if linear else "sRGB"),
            b"cprt": b"text" + bytes(4) + COPYRIGHT.encode() + b"\0",
            b"wtpt": _numbers(b"XYZ ", D50),
            b"chad": _numbers(b"sf32", adaptation.reshape(-1)),
            **{
                name: _numbers(b"XYZ ", column)
                for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries.T, strict=True)
            },
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        }
    )


def _light(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _adaptation() -> NDArray[np.float64]:
    """Return the matrix that takes XYZ under D65 to XYZ under D50."""
    gains = (BRADFORD @ D50) / (BRADFORD @ XYZ_FROM_SRGB.sum(1))
    adaptation: NDArray[np.float64] = np.linalg.inv(BRADFORD) @ (gains[:, None] * BRADFORD)
    return adaptation


def _numbers(kind: bytes, values: NDArray[np.float64]) -> bytes:
    """Return signed numbers with 16 fractional bits."""
    data: bytes = np.rint(values * 65536).astype(">i4").tobytes()
    return kind + bytes(4) + data


def _curve(points: list[float]) -> bytes:
    """Return a curve by its points; none mean the identity."""
    return b"curv" + struct.pack(f">2I{len(points)}H", 0, len(points), *map(int, points))


def _description(text: str) -> bytes:
    """Return a textDescriptionType: ASCII, and neither Unicode nor script code."""
    data = text.encode() + b"\0"
    return b"desc" + struct.pack(">2I", 0, len(data)) + data + bytes(4 + 4 + 2 + 1 + 67)


def _profile(tags: dict[bytes, bytes]) -> bytes:
    """Return header, table and data; equal data are stored once."""
    start = 128 + 4 + 12 * len(tags)
    body, places = b"", {}
    for data in tags.values():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
    table = b"".join(name + struct.pack(">2I", places[data], len(data)) for name, data in tags.items())
    header = struct.pack(">2I", start + len(body), 0) + struct.pack(">I", VERSION) + b"mntrRGB XYZ "
    header += struct.pack(">6H", *EPOCH) + b"acsp" + bytes(4 + 4 + 4 + 4 + 8 + 4)
    header += _numbers(b"", D50)[4:]
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
