"""What a file may ask for before it is refused unread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synthnoise.errors import InputError
from synthnoise.files import existing_file


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """Bounds on what a file may declare; beyond them it counts as hostile or not meant for us.

    Attributes
    ----------
    pixels
        Width times height times samples of the decoded image.
    file_bytes
        Size of the file.
    segments
        Strips or tiles of one image.
    ratio
        Decoded size over stored size; deflate reaches about 1030, so more is not an image.
    """

    pixels: int = 300_000_000
    file_bytes: int = 4 << 30
    segments: int = 1_000_000
    ratio: float = 10_000.0

    def check_file(self, path: Path | str) -> int:
        """Return the size in bytes of a readable, non-empty file that is not too large.

        Raises
        ------
        InputError
            There is no such file, it may not be read, is empty or exceeds ``file_bytes``.
        """
        path = existing_file(path)
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{path}: is empty")
        if size > self.file_bytes:
            raise InputError(f"{path}: {size} bytes exceed the limit of {self.file_bytes}")
        return size

    def check_pixels(self, path: Path | str, width: int, height: int, samples: int = 1) -> None:
        """Raise InputError unless the declared dimensions are positive and within ``pixels``."""
        if width <= 0 or height <= 0 or samples <= 0:
            raise InputError(f"{path}: declares an image of {width} x {height} x {samples}")
        if width * height * samples > self.pixels:
            raise InputError(
                f"{path}: declares {width} x {height} x {samples} samples, more than {self.pixels}",
                hint="raise the pixel limit if the file is trustworthy",
            )


DEFAULT_LIMITS = ReadLimits()
