"""Lossless JPEG (ITU-T T.81 process 14) decoding, of the kind that DNGs hold: predictor 1, no restarts.

It takes two thirds of LibRaw's time, and runs in several threads where there are several tiles. What is of
another kind, or damaged, is left to LibRaw, whose word on it counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.kernels import compiled

START_OF_FRAME, HUFFMAN_TABLE, START_OF_SCAN, RESTART_INTERVAL = 0xC3, 0xC4, 0xDA, 0xDD
OTHER_FRAMES = frozenset(range(0xC0, 0xD0)) - {START_OF_FRAME, HUFFMAN_TABLE, 0xC8, 0xCC}
SAMPLED_ONCE = 0x11
TABLES = 4
PREDICTOR = 1
LARGEST_CATEGORY = 16
_LENGTH = 5
"""Bits below the length of a code in an entry of a table: its category."""
_SPARE = 16
"""Zero bytes behind the codes, of which some are read ahead."""


class _UnsupportedError(Exception):
    """A stream of another kind, or damaged."""


@dataclass(frozen=True)
class _Scan:
    """What the headers say: precision, lines, columns, the table of each component, and where data begin."""

    precision: int
    height: int
    width: int
    tables: NDArray[np.uint16]
    start: int


def decode(data: bytes, size: tuple[int, int]) -> NDArray[np.uint16] | None:
    """Return the samples uint16 [H, W] of a stream, ``size``, the components of a line interleaved.

    None where the stream is damaged, of another size, or of another kind than :mod:`synthnoise.raw.ljpeg`
    writes: what several components, sampled alike, of at most 16 bits and predictor 1 make.
    """
    try:
        scan = _scan(data)
    except (_UnsupportedError, struct.error, IndexError):
        return None
    if (scan.height, scan.width * len(scan.tables)) != size:
        return None
    samples = np.empty(size, np.uint16)
    whole = _undo(np.frombuffer(data, np.uint8), scan.start, scan.tables, 1 << scan.precision - 1, samples)
    return samples if whole else None


def _scan(data: bytes) -> _Scan:
    """Return what the headers say, or raise an error."""
    found: dict[int, NDArray[np.uint16]] = {}
    frame: tuple[int, int, int, list[int]] | None = None
    for marker, payload, end in _headers(data):
        if marker == START_OF_FRAME:
            precision, height, width, count = struct.unpack_from(">BHHB", payload)
            components = [payload[i : i + 3] for i in range(6, 6 + 3 * count, 3)]
            if not 2 <= precision <= 16 or any(part[1] != SAMPLED_ONCE for part in components):
                raise _UnsupportedError
            frame = precision, height, width, [part[0] for part in components]
        elif marker == HUFFMAN_TABLE:
            found |= _tables(payload)
        elif marker == START_OF_SCAN and frame is not None:
            precision, height, width, ids = frame
            count = payload[0]
            if not count:
                raise _UnsupportedError
            chosen = [(payload[1 + 2 * i], payload[2 + 2 * i] >> 4) for i in range(count)]
            if list(payload[1 + 2 * count : 4 + 2 * count]) != [PREDICTOR, 0, 0]:
                raise _UnsupportedError
            if [component for component, _ in chosen] != ids or any(t not in found for _, t in chosen):
                raise _UnsupportedError
            return _Scan(precision, height, width, np.stack([found[table] for _, table in chosen]), end)
        elif marker in OTHER_FRAMES or marker in (START_OF_SCAN, RESTART_INTERVAL):
            raise _UnsupportedError
    raise _UnsupportedError


def _headers(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, payload and end of each segment."""
    if data[:2] != b"\xff\xd8":
        raise _UnsupportedError
    position = 2
    while position + 4 <= len(data):
        prefix, marker, size = struct.unpack_from(">BBH", data, position)
        end = position + 2 + size
        if prefix != 0xFF or size < 2 or end > len(data):
            raise _UnsupportedError
        yield marker, data[position + 4 : end], end
        position = end


def _tables(payload: bytes) -> dict[int, NDArray[np.uint16]]:
    """Return by number the tables of a segment, each uint16 [65536]: length and category by next 16 bits."""
    found = {}
    while payload:
        number, counts = payload[0], payload[1:17]
        symbols, payload = payload[17 : 17 + sum(counts)], payload[17 + sum(counts) :]
        if number >= TABLES or len(symbols) < sum(counts) or max(symbols, default=99) > LARGEST_CATEGORY:
            raise _UnsupportedError
        found[number] = _table(counts, symbols)
    return found


def _table(counts: Sequence[int], symbols: Sequence[int]) -> NDArray[np.uint16]:
    table = np.zeros(1 << 16, np.uint16)
    lengths = np.repeat(np.arange(1, 17), np.array(list(counts)))
    spans = 1 << 16 - lengths
    if spans.sum() > len(table):
        raise _UnsupportedError
    entries = lengths << _LENGTH | np.array(list(symbols))
    table[: spans.sum()] = np.repeat(entries, spans)
    return table


@compiled
def _undo(
    data: NDArray[np.uint8], start: int, tables: NDArray[np.uint16], middle: int, samples: NDArray[np.uint16]
) -> bool:
    """Store the samples [H, W] of the codes from ``start`` on; return whether that is what was there."""
    components = len(tables)
    height, width = samples.shape
    codes = np.zeros(len(data) - start + _SPARE, np.uint8)
    size = _unstuffed(data, start, codes)
    position, waiting, bits = 0, np.int64(0), np.int64(0)
    for y in range(height):
        for x in range(0, width, components):
            for c in range(components):
                while bits < 32:  # a code and its additional bits take 31 at most
                    if position + 3 > size + _SPARE // 2:
                        return False
                    three = np.int64(codes[position]) << 16 | np.int64(codes[position + 1]) << 8
                    waiting = waiting << 24 | three | np.int64(codes[position + 2])
                    position += 3
                    bits += 24
                entry = np.int64(tables[c, (waiting >> (bits - 16)) & 0xFFFF])
                if entry == 0:
                    return False
                bits -= entry >> _LENGTH
                category = entry & 31
                difference = np.int64(0)
                if category == 16:
                    difference = np.int64(32768)
                elif category:
                    bits -= category
                    difference = (waiting >> bits) & ((1 << category) - 1)
                    if difference < (1 << (category - 1)):
                        difference -= (1 << category) - 1
                if x:
                    predicted = np.int64(samples[y, x + c - components])
                elif y:
                    predicted = np.int64(samples[y - 1, c])
                else:
                    predicted = np.int64(middle)
                samples[y, x + c] = (predicted + difference) & 0xFFFF
    return bool(8 * position - bits <= 8 * size)


@compiled
def _unstuffed(data: NDArray[np.uint8], start: int, codes: NDArray[np.uint8]) -> int:
    """Store the bytes up to the next marker without the zeros after each 0xFF; return how many there are."""
    size, position, end = 0, start, len(data)
    while position < end:
        byte = data[position]
        if byte == 255:
            if position + 1 >= end or data[position + 1] != 0:
                break
            position += 1
        codes[size] = byte
        size += 1
        position += 1
    return size
