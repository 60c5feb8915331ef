"""Reading the directories of TIFF-like files: TIFF, DNG, EXIF blocks, NEF, ARW, CR2, RW2 and kin.

Nothing a file claims is believed: counts, offsets, sizes and loops are checked before any memory
is taken, and the only exception that leaves this module for a bad file is InputError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

from synthnoise.errors import InputError
from synthnoise.files import printable
from synthnoise.raw.tags import Tag

MAX_ENTRIES = 4096
MAX_DIRECTORIES = 64
MAX_DEPTH = 6
MAX_VALUE_BYTES = 64 << 20
MAX_NUMBERS = 1_000_000

# Olympus and Panasonic changed the 42 of the TIFF header.
MAGIC_NUMBERS = frozenset({42, 0x55, 0x4F52, 0x5352})
BIG_TIFF = 43

POINTERS = (Tag.SUB_IFDS, Tag.EXIF_IFD, Tag.GPS_IFD, Tag.INTEROPERABILITY_IFD)

BYTE, ASCII, SHORT, LONG, RATIONAL, SBYTE, UNDEFINED, SSHORT, SLONG, SRATIONAL, FLOAT, DOUBLE, IFD = range(
    1, 14
)
"""Field types (TIFF 6.0 section 2)."""

FORMATS = {
    BYTE: "B", ASCII: "s", SHORT: "H", LONG: "I", RATIONAL: "II", SBYTE: "b", UNDEFINED: "s",
    SSHORT: "h", SLONG: "i", SRATIONAL: "ii", FLOAT: "f", DOUBLE: "d", IFD: "I",
}  # fmt: skip
SIZES = {kind: struct.calcsize("<" + code) for kind, code in FORMATS.items()}


@dataclass(frozen=True)
class Entry:
    """One field of a directory; its value stays in the file until asked for.

    ``offset`` is the absolute position of the value, inside the entry itself for up to four bytes.
    """

    tag: int
    kind: int
    count: int
    offset: int

    @property
    def size(self) -> int:
        """Bytes that the value takes."""
        return SIZES[self.kind] * self.count


@dataclass
class Directory:
    """One image file directory: its entries by tag, its children by pointer tag.

    Positions are absolute in the file: ``offset`` that of the directory, ``pointer`` that of the
    32-bit offset that leads to it, ``table`` those of the twelve bytes of every tag, also of types
    unknown here (which have no entry).
    """

    tiff: Tiff
    offset: int
    pointer: int
    entries: dict[int, Entry] = field(default_factory=dict)
    table: dict[int, int] = field(default_factory=dict)
    count: int = 0
    children: dict[int, list[Directory]] = field(default_factory=dict)

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def data(self, tag: int) -> bytes:
        """Return the bytes of a value as stored; empty where the tag is absent.

        Raises
        ------
        InputError
            The value is larger than any metadata, or runs beyond the file.
        """
        entry = self.entries.get(tag)
        if entry is None:
            return b""
        if entry.size > MAX_VALUE_BYTES:
            raise InputError(f"{self.tiff.name}: tag {tag} claims {entry.size} bytes")
        return self.tiff.read(entry.offset, entry.size)

    def numbers(self, tag: int) -> tuple[float, ...]:
        """Return a numeric value; integers stay int, a rational with denominator 0 is NaN.

        An absent tag, or one that holds text, gives an empty tuple. Raises InputError as ``data``.
        """
        entry = self.entries.get(tag)
        if entry is None or entry.kind == ASCII:
            return ()
        if entry.count > MAX_NUMBERS:
            raise InputError(f"{self.tiff.name}: tag {tag} claims {entry.count} numbers")
        data = self.data(tag)
        if entry.kind == UNDEFINED:
            return tuple(data)
        code = FORMATS[entry.kind]
        values = struct.unpack(f"{self.tiff.order}{entry.count * len(code)}{code[0]}", data)
        if len(code) == 1:
            return values
        pairs = zip(values[0::2], values[1::2], strict=True)
        return tuple(float(Fraction(n, d)) if d else float("nan") for n, d in pairs)

    def number(self, tag: int, default: float | None = None) -> float | None:
        """Return the first number of a value, or ``default``; raises InputError as ``data``."""
        values = self.numbers(tag)
        return values[0] if values else default

    def integer(self, tag: int, default: int = 0) -> int:
        """Return the first number of a value as an integer, or ``default``; raises InputError as ``data``."""
        value = self.number(tag)
        return default if value is None or value != value or abs(value) > 2**63 else int(value)

    def integers(self, tag: int) -> tuple[int, ...]:
        """Return a value whose numbers must all be whole; raises InputError where they are not."""
        values = self.numbers(tag)
        if any(value != value or value != int(value) for value in values):
            raise InputError(f"{self.tiff.name}: tag {tag} should hold whole numbers")
        return tuple(int(value) for value in values)

    def text(self, tag: int) -> str:
        """Return a text value up to its first NUL, printable characters only; raises as ``data``."""
        data = self.data(tag).split(b"\0", 1)[0]
        return printable(data.decode("utf-8", "replace")).strip()

    @property
    def size(self) -> int:
        """Bytes of the directory itself: count, table and the offset of the next one."""
        return 2 + 12 * self.count + 4

    def walk(self) -> Iterator[Directory]:
        """Yield this directory and everything below it."""
        yield self
        for children in self.children.values():
            for child in children:
                yield from child.walk()


class Tiff:
    """The directories of one TIFF structure inside a file.

    Parameters
    ----------
    file
        Open binary file; is read by position only.
    name
        What to call it in errors.
    base
        Where the TIFF header lies; all its offsets count from there.
    size
        Bytes that belong to the structure, from ``base``; None for the rest of the file.

    Raises
    ------
    InputError
        There is no TIFF header, or its first directory cannot be read. Damage further down is
        noted in ``problems`` and left out.
    """

    def __init__(self, file: BinaryIO, name: str, *, base: int = 0, size: int | None = None) -> None:
        self.file, self.name, self.base = file, name, base
        whole = file.seek(0, 2)
        self.end = whole if size is None else min(whole, base + size)
        self.problems: list[str] = []
        self._seen: set[int] = set()
        header = self.read(base, 8)
        if header[:2] not in (b"II", b"MM"):
            raise InputError(f"{name}: is not a TIFF-based file")
        self.order = "<" if header[:2] == b"II" else ">"
        magic, first = struct.unpack(self.order + "HI", header[2:])
        if magic == BIG_TIFF:
            raise InputError(f"{name}: is a BigTIFF, which is not supported")
        if magic not in MAGIC_NUMBERS:
            raise InputError(f"{name}: is not a TIFF-based file")
        self.directories = self._chain(first, base + 4)
        if not self.directories:
            raise InputError(f"{name}: {self.problems[0] if self.problems else 'has no directory'}")

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes at an absolute position; InputError where the file ends before."""
        if offset < self.base or size < 0 or offset + size > self.end:
            raise InputError(
                f"{self.name}: is truncated: needs bytes {offset} to {offset + size} of {self.end}"
            )
        self.file.seek(offset)
        data = self.file.read(size)
        if len(data) != size:
            raise InputError(f"{self.name}: is truncated")
        return data

    def all_directories(self) -> Iterator[Directory]:
        """Yield every directory, parents before children."""
        for directory in self.directories:
            yield from directory.walk()

    def _chain(self, offset: int, pointer: int) -> list[Directory]:
        chain: list[Directory] = []
        while offset:
            found = self._directory(offset, pointer, depth=0)
            if found is None:
                break
            directory, offset = found
            pointer = directory.offset + directory.size - 4
            chain.append(directory)
        return chain

    def _directory(self, relative: int, pointer: int, depth: int) -> tuple[Directory, int] | None:
        """Return a directory and the offset of the next one, or None and a note of what is wrong."""
        if relative in self._seen or len(self._seen) >= MAX_DIRECTORIES or depth > MAX_DEPTH:
            self.problems.append("directories loop or are too many")
            return None
        self._seen.add(relative)
        try:
            return self._read_directory(self.base + relative, pointer, depth)
        except InputError as error:
            self.problems.append(error.message.removeprefix(f"{self.name}: "))
            return None

    def _read_directory(self, offset: int, pointer: int, depth: int) -> tuple[Directory, int]:
        count = struct.unpack(self.order + "H", self.read(offset, 2))[0]
        if not 0 < count <= MAX_ENTRIES:
            raise InputError(f"{self.name}: a directory claims {count} entries")
        table = self.read(offset + 2, 12 * count)
        directory = Directory(self, offset, pointer, count=count)
        for i in range(count):
            tag, kind, values, inline = struct.unpack_from(self.order + "HHII", table, 12 * i)
            here = offset + 2 + 12 * i
            directory.table.setdefault(tag, here)
            if kind not in SIZES:
                continue
            position = here + 8 if SIZES[kind] * values <= 4 else self.base + inline
            directory.entries.setdefault(tag, Entry(tag, kind, values, position))
        for tag in POINTERS:
            directory.children[tag] = self._children(directory, tag, depth)
        try:
            following = struct.unpack(self.order + "I", self.read(offset + 2 + 12 * count, 4))[0]
        except InputError:
            following = 0
        return directory, following

    def _children(self, directory: Directory, tag: int, depth: int) -> list[Directory]:
        entry = directory.entries.get(tag)
        if entry is None or entry.kind not in (LONG, IFD) or entry.count > MAX_DIRECTORIES:
            return []
        try:
            offsets = directory.integers(tag)
        except InputError as error:
            self.problems.append(error.message)
            return []
        found = [self._directory(offset, entry.offset + 4 * i, depth + 1) for i, offset in enumerate(offsets)]
        return [item[0] for item in found if item is not None]
