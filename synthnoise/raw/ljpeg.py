"""Lossless JPEG (ITU-T T.81 process 14) encoding of mosaics, as DNG Compression 7 wants it.

Differences are taken over a whole tile at once; a compiled loop looks up the variable-length code of each
and strings the bits together.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

PRECISION = 16
"""Bits per sample that the frame header declares; shallower data fit unchanged."""

LONGEST_CODE = 16
CATEGORIES = 17

Coin = tuple[int, tuple[int, ...]]
"""A weight and the symbols that it pays for."""


def _category_table() -> NDArray[np.uint8]:
    """Return the category SSSS (T.81 table H.2) of each difference modulo 2^16."""
    magnitude = np.abs(np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32))
    category: NDArray[np.uint8] = np.ceil(np.log2(magnitude + 1)).astype(np.uint8)
    return category


CATEGORY = _category_table()
# Category 16 stands for the single difference 32768 and has no additional bits.
EXTRA_LENGTH = np.where(CATEGORY == 16, 0, CATEGORY).astype(np.uint8)
_SIGNED = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64)
EXTRA_BITS = ((_SIGNED - (_SIGNED < 0)) & ((1 << EXTRA_LENGTH.astype(np.int64)) - 1)).astype(np.uint32)


def encode(tile: NDArray[np.uint16], components: int = 2) -> bytes:
    """Return one lossless JPEG stream, predictor 1, of uint16 [H, W] interleaved samples.

    Column x belongs to component x mod ``components``; with two components each CFA colour of a
    Bayer row is predicted from its own left neighbour. ``W`` must be a multiple of ``components``.
    """
    height, width = tile.shape
    if width % components:
        raise ValueError(f"{width} columns do not divide into {components} components")
    differences = _differences(np.ascontiguousarray(tile), components)
    counts = np.zeros(CATEGORIES, np.int64)
    _count(differences, CATEGORY, counts)
    lengths = code_lengths(counts)
    code = _codes(lengths)
    code_table = (code[CATEGORY] << EXTRA_LENGTH) | EXTRA_BITS
    length_table = lengths[CATEGORY] + EXTRA_LENGTH
    # All the additional bits, the codes, and a zero byte after each where every byte is 0xFF.
    bits = int(counts @ (lengths + np.minimum(np.arange(CATEGORIES), LONGEST_CODE - 1)))
    scan = np.empty(2 * (bits // 8 + 1), np.uint8)
    size = _string(differences, code_table.astype(np.int64), length_table, scan)
    header = _header(height, width // components, components, lengths)
    return header + scan[:size].tobytes() + b"\xff\xd9"


def _differences(tile: NDArray[np.uint16], components: int) -> NDArray[np.uint16]:
    """Return sample minus prediction modulo 2^16, flat; T.81 H.1.2.1 with selection value 1."""
    difference = np.empty_like(tile)
    n = components
    np.subtract(tile[:, n:], tile[:, :-n], out=difference[:, n:])
    np.subtract(tile[1:, :n], tile[:-1, :n], out=difference[1:, :n])
    difference[0, :n] = tile[0, :n] - np.uint16(1 << (PRECISION - 1))
    return difference.reshape(-1)


def code_lengths(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the optimal prefix-code length of each symbol, at most 16 bits, 0 where its count is 0.

    Package-merge (Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman
    codes", J. ACM 37(3), 1990). A dummy symbol takes the last code, so no real one is all ones
    (T.81 annex C forbids that).
    """
    dummy = len(counts)
    # A weight below every count puts the dummy among the longest codes.
    coins: list[Coin] = [(0, (dummy,))]
    coins += sorted((int(counts[s]), (int(s),)) for s in np.flatnonzero(counts))
    packages: list[Coin] = []
    for _ in range(LONGEST_CODE):
        merged = sorted(coins + packages, key=lambda coin: coin[0])
        packages = [
            (merged[i][0] + merged[i + 1][0], merged[i][1] + merged[i + 1][1])
            for i in range(0, len(merged) - 1, 2)
        ]
    lengths = np.zeros(dummy + 1, np.uint8)
    for _, members in packages[: len(coins) - 1]:
        np.add.at(lengths, list(members), 1)
    return lengths[:dummy]


def _codes(lengths: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the canonical code of each symbol (T.81 C.2)."""
    codes = np.zeros(len(lengths), np.uint32)
    code, previous = 0, 0
    for symbol in _canonical_order(lengths):
        length = int(lengths[symbol])
        code <<= length - previous
        codes[symbol] = code
        code, previous = code + 1, length
    return codes


def _canonical_order(lengths: NDArray[np.uint8]) -> list[int]:
    return sorted((int(s) for s in np.flatnonzero(lengths)), key=lambda s: (int(lengths[s]), s))


@compiled
def _count(differences: NDArray[np.uint16], category: NDArray[np.uint8], counts: NDArray[np.int64]) -> None:
    """Add to ``counts`` how many differences fall into each category."""
    for difference in differences:
        counts[category[difference]] += 1


@compiled
def _string(
    differences: NDArray[np.uint16],
    codes: NDArray[np.int64],
    lengths: NDArray[np.uint8],
    scan: NDArray[np.uint8],
) -> int:
    """Store the codes one after the other, most significant bit first; return how many bytes that took.

    The last byte is filled up with ones, and a zero byte follows each 0xFF (T.81 B.1.1.5).
    """
    waiting, bits, size = np.int64(0), np.int64(0), 0
    for difference in differences:
        length = np.int64(lengths[difference])
        waiting = (waiting << length) | codes[difference]
        bits += length
        while bits >= 8:
            bits -= 8
            byte = (waiting >> bits) & 255
            scan[size] = byte
            size += 1
            if byte == 255:
                scan[size] = 0
                size += 1
        waiting &= (1 << bits) - 1
    if bits:
        byte = (waiting << (8 - bits)) | ((1 << (8 - bits)) - 1)
        scan[size] = byte
        size += 1
        if byte == 255:
            scan[size] = 0
            size += 1
    return size


def _header(height: int, width: int, components: int, lengths: NDArray[np.uint8]) -> bytes:
    symbols = _canonical_order(lengths)
    bits = np.bincount(lengths[symbols], minlength=LONGEST_CODE + 1)[1:]
    ids = range(components)
    frame = struct.pack(">BHHB", PRECISION, height, width, components) + b"".join(
        bytes((i, 0x11, 0)) for i in ids
    )
    table = b"\x00" + bytes(bits.tolist()) + bytes(symbols)
    scan = bytes((components,)) + b"".join(bytes((i, 0)) for i in ids) + b"\x01\x00\x00"
    return b"\xff\xd8" + _segment(0xC3, frame) + _segment(0xC4, table) + _segment(0xDA, scan)


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
