"""Laying out TIFF directories for writing: values, tables, pointers, classic 32-bit offsets."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from synthnoise.errors import SynthnoiseError
from synthnoise.raw.tiff import (
    ASCII,
    BYTE,
    DOUBLE,
    FORMATS,
    LONG,
    RATIONAL,
    SHORT,
    SRATIONAL,
    UNDEFINED,
)

MAX_OFFSET = 2**32 - 1
LARGEST_DENOMINATOR = 1_000_000


@dataclass(frozen=True)
class Field:
    """One field: either a new value (``payload``), or one that stays where it is (``entry``)."""

    kind: int
    count: int
    payload: bytes = b""
    entry: bytes = b""

    @classmethod
    def kept(cls, entry: bytes) -> Field:
        """Return a field whose twelve bytes are copied as they are, because its value does not move."""
        return cls(0, 0, entry=entry)


def rational(value: float, *, signed: bool = False) -> tuple[int, int]:
    """Return numerator and denominator (32 bits each) nearest to ``value``."""
    largest = MAX_OFFSET >> signed
    fraction = Fraction(value)
    if abs(fraction) > largest:
        raise SynthnoiseError(f"{value:g} does not fit a 32-bit rational")
    for denominator in (LARGEST_DENOMINATOR, 1000, 1):
        near = fraction.limit_denominator(denominator)
        if abs(near.numerator) <= largest and (near or not fraction):
            return near.numerator, near.denominator
    # Too small for the usual denominator, such as an exposure of 100 ns.
    near = fraction.limit_denominator(largest)
    return near.numerator, near.denominator


class Values:
    """Makes fields of one byte order."""

    def __init__(self, order: str = "<") -> None:
        self.order = order

    def _pack(self, kind: int, values: Sequence[float]) -> Field:
        count = len(values) // len(FORMATS[kind])
        payload = struct.pack(f"{self.order}{len(values)}{FORMATS[kind][0]}", *values)
        return Field(kind, count, payload)

    def byte(self, *values: int) -> Field:
        """Return BYTE values."""
        return self._pack(BYTE, values)

    def short(self, *values: int) -> Field:
        """Return SHORT values."""
        return self._pack(SHORT, values)

    def long(self, *values: int) -> Field:
        """Return LONG values."""
        return self._pack(LONG, values)

    def double(self, *values: float) -> Field:
        """Return DOUBLE values."""
        return self._pack(DOUBLE, values)

    def rational(self, *values: float) -> Field:
        """Return RATIONAL values, each the nearest with a denominator up to a million."""
        return self._pack(RATIONAL, [part for value in values for part in rational(value)])

    def srational(self, *values: float) -> Field:
        """Return SRATIONAL values."""
        return self._pack(SRATIONAL, [part for value in values for part in rational(value, signed=True)])

    def text(self, value: str) -> Field:
        """Return ASCII text (UTF-8 where it must be, as DNG readers accept) with its final NUL."""
        data = value.encode() + b"\0"
        return Field(ASCII, len(data), data)

    def undefined(self, data: bytes) -> Field:
        """Return UNDEFINED bytes."""
        return Field(UNDEFINED, len(data), data)


@dataclass
class Plan:
    """A directory to be written: fields by tag, child directories by pointer tag."""

    fields: dict[int, Field] = field(default_factory=dict)
    children: dict[int, list[Plan]] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """Directories with their final positions.

    Attributes
    ----------
    start, end
        Absolute position of the bytes, and of the first free byte after them.
    data
        The bytes.
    """

    start: int
    end: int
    data: bytes
    _tables: dict[int, int]
    _values: dict[tuple[int, int], int]

    def table_of(self, plan: Plan) -> int:
        """Return the absolute position of a directory's table."""
        return self._tables[id(plan)]

    def value_of(self, plan: Plan, tag: int) -> int:
        """Return the absolute position of a value, to be patched once it is known."""
        return self._values[id(plan), tag]


def lay_out(plan: Plan, start: int, order: str = "<", following: int = 0) -> Layout:
    """Return the bytes of a directory tree that begins at the even position ``start``.

    Tags are sorted, every value starts on an even byte, children follow their parent.
    ``following`` is the offset of the next directory in the root's chain.

    Raises
    ------
    SynthnoiseError
        The file would outgrow 32-bit offsets.
    """
    tables: dict[int, int] = {}
    values: dict[tuple[int, int], int] = {}
    end = _place(plan, start, tables, values)
    if end > MAX_OFFSET:
        raise SynthnoiseError("the file would exceed the 4 GiB that a classic TIFF can address")
    data = bytearray(end - start)
    _serialise(plan, start, order, following, tables, values, data)
    return Layout(start, end, bytes(data), tables, values)


def _pointer_fields(plan: Plan) -> dict[int, Field]:
    return {tag: Field(LONG, len(c), bytes(4 * len(c))) for tag, c in plan.children.items()}


def _place(plan: Plan, position: int, tables: dict[int, int], values: dict[tuple[int, int], int]) -> int:
    fields = plan.fields | _pointer_fields(plan)
    tables[id(plan)] = position
    free = position + 2 + 12 * len(fields) + 4
    for i, tag in enumerate(sorted(fields)):
        size = len(fields[tag].payload)
        free += free % 2
        values[id(plan), tag] = position + 2 + 12 * i + 8 if size <= 4 else free
        free += size if size > 4 else 0
    for children in plan.children.values():
        for child in children:
            free = _place(child, free + free % 2, tables, values)
    return free + free % 2


def _serialise(
    plan: Plan,
    start: int,
    order: str,
    following: int,
    tables: dict[int, int],
    values: dict[tuple[int, int], int],
    data: bytearray,
) -> None:
    pointers = {
        tag: Field(
            item.kind, item.count, struct.pack(f"{order}{item.count}I", *(tables[id(c)] for c in children))
        )
        for (tag, item), children in zip(_pointer_fields(plan).items(), plan.children.values(), strict=True)
    }
    fields = plan.fields | pointers
    table = tables[id(plan)] - start
    struct.pack_into(order + "H", data, table, len(fields))
    for i, tag in enumerate(sorted(fields)):
        item, here = fields[tag], table + 2 + 12 * i
        if item.entry:
            data[here : here + 12] = item.entry
            continue
        position = values[id(plan), tag]
        struct.pack_into(order + "HHII", data, here, tag, item.kind, item.count, position)
        if len(item.payload) <= 4:
            data[here + 8 : here + 12] = item.payload.ljust(4, b"\0")
        else:
            data[position - start : position - start + len(item.payload)] = item.payload
    struct.pack_into(order + "I", data, table + 2 + 12 * len(fields), following)
    for children in plan.children.values():
        for child in children:
            _serialise(child, start, order, 0, tables, values, data)
