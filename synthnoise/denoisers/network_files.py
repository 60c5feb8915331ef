"""What kind of file a network is in, where its name does not say it."""

from __future__ import annotations

from pathlib import Path

ONNX, SAFETENSORS, DARKTABLE = ".onnx", ".safetensors", ".dtmodel"

_VERSION = 0x08
"""Key of an ONNX file's first field, its version (protobuf: field 1, a number) ..."""
_NEXT = {0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42}
"""... and of those that may come next, fields 2 to 8."""


def suffix_of(path: Path) -> str:
    """Return a file's suffix in lower case, or without one that of the kind that its first bytes are of.

    Safetensors begin with the length of a JSON header that fits into the file. Empty for other kinds.

    Raises
    ------
    OSError
        A file without suffix cannot be read.
    """
    if path.suffix or not path.is_file():
        return path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size:
        return SAFETENSORS
    return ONNX if len(head) == 9 and head[0] == _VERSION and head[1] < 0x80 and head[2] in _NEXT else ""
