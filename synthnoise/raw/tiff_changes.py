"""Changing a TIFF in place: what happens to which directory, and where new data may go."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from synthnoise.errors import InputError
from synthnoise.raw.tiff import Directory, Tiff
from synthnoise.raw.tiff_layout import Field, Plan, Values, lay_out


@dataclass
class Change:
    """What happens to one directory: tags that go, and fields that are set."""

    drop: set[int] = field(default_factory=set)
    put: dict[int, Field] = field(default_factory=dict)


class Changes:
    """The changes to all directories of a file, by position."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self._of: dict[int, Change] = {}

    def to(self, directory: Directory) -> Change:
        """Return the change of a directory, to be added to; asking for it makes it rewritten."""
        return self._of.setdefault(directory.offset, Change())

    def __contains__(self, directory: Directory) -> bool:
        return directory.offset in self._of


@dataclass
class Space:
    """Where new data may go: gaps that old data leave (start, end), then the end of the file."""

    gaps: list[tuple[int, int]]
    end: int

    @classmethod
    def of(cls, tiff: Tiff, freed: Sequence[tuple[int, int]]) -> Space:
        """Return the space after the (offset, size) pieces ``freed`` are gone, unless others use them too."""
        used = list(_used(tiff))
        gaps = [
            (start, start + size)
            for start, size in sorted(freed)
            if not any(start < last and first < start + size for first, last in used)
        ]
        end = tiff.end
        while gaps and max(gap[1] for gap in gaps) >= end:
            last = max(gaps, key=lambda gap: gap[1])
            gaps.remove(last)
            end = min(end, last[0])
        return cls(_joined(gaps), end)

    def take(self, size: int) -> int:
        """Return an even position with room for ``size`` bytes, which is taken from now on."""
        for i, (start, end) in enumerate(self.gaps):
            position = start + start % 2
            if position + size <= end:
                self.gaps[i] = (position + size, end)
                return position
        position = self.end + self.end % 2
        self.end = position + size
        return position

    def put(self, output: BinaryIO, data: bytes) -> int:
        """Write data where there is room for them; return their position."""
        position = self.take(len(data))
        output.seek(position)
        output.write(data)
        return position


def _joined(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return sorted gaps with neighbours (up to a padding byte apart) made one."""
    joined: list[tuple[int, int]] = []
    for start, end in gaps:
        if joined and start <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _used(tiff: Tiff) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the header, of every directory and of every value outside of one."""
    yield 0, 8
    for directory in tiff.all_directories():
        yield directory.offset, directory.offset + directory.size
        for entry in directory.entries.values():
            if entry.size > 4:
                yield entry.offset, entry.offset + entry.size


def write_directories(
    changes: Changes, tiff: Tiff, output: BinaryIO, space: Space, *, alone: bool = False
) -> None:
    """Append every changed directory and patch the pointer to it, children before parents.

    ``alone`` ends the chain after each: a TIFF's further pages are left out.

    A parent that is rewritten copies its entries, pointers to moved children included, so patches
    are remembered and laid over what is copied.
    """
    patches: dict[int, bytes] = {}

    def current(position: int, size: int) -> bytes:
        data = bytearray(tiff.read(position, size))
        for place, pointer in patches.items():
            if position <= place < position + size:
                data[place - position : place - position + 4] = pointer
        return bytes(data)

    for directory in reversed(list(tiff.all_directories())):
        if directory not in changes:
            continue
        change = changes.to(directory)
        fields = {
            tag: Field.kept(current(position, 12))
            for tag, position in directory.table.items()
            if tag not in change.drop
        }
        plan = Plan(fields | change.put)
        following = 0 if alone else struct.unpack(tiff.order + "I", _following(directory, current))[0]
        size = lay_out(plan, 0, tiff.order).end
        layout = lay_out(plan, space.take(size), tiff.order, following)
        output.seek(layout.start)
        output.write(layout.data)
        patches[directory.pointer] = struct.pack(tiff.order + "I", layout.start)
        output.seek(directory.pointer)
        output.write(patches[directory.pointer])


def _following(directory: Directory, current: Callable[[int, int], bytes]) -> bytes:
    """Return the stored offset of the next directory; some files end before it."""
    try:
        return current(directory.offset + directory.size - 4, 4)
    except InputError:
        return b"\0\0\0\0"
