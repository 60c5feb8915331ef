"""Saying what a file is that no camera wrote as RAW."""

from __future__ import annotations

from pathlib import Path

from synthnoise.errors import InputError

PICTURES = (
    (0, b"\xff\xd8\xff", "a JPEG", (".jpg", ".jpeg")),
    (0, b"\x89PNG", "a PNG", (".png",)),
    (0, b"GIF8", "a GIF", ()),
    (0, b"BM", "a BMP", ()),
    (8, b"WEBP", "a WebP", ()),
    (4, b"ftypheic", "a HEIC", ()),
    (4, b"ftypmif1", "a HEIF", ()),
    (4, b"ftypavif", "an AVIF", ()),
)
"""Where a picture says what it is, how, its name, and the suffixes by which it is read here."""
LONGEST = 16


def no_camera_file(path: Path) -> InputError:
    """Return the error for a file that nobody reads as RAW; of pictures it says what they are."""
    try:
        with path.open("rb") as file:
            head = file.read(LONGEST)
    except OSError:
        head = b""
    for start, magic, kind, suffixes in PICTURES:
        if head.startswith(magic, start):
            if path.suffix.lower() in suffixes:
                hint = "a RAW file of the camera is wanted here"
            else:
                hint = f"name it {suffixes[0]}" if suffixes else "pictures are read as JPEG, PNG and TIFF"
            return InputError(f"{path}: is {kind} picture, not a camera file", hint=hint)
    return InputError(f"{path}: is not a camera file that can be read")
