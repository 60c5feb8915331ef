"""Files of tensors (safetensors): read without running code, and no more memory taken than they are large."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from synthnoise.errors import InputError
from synthnoise.files import printable

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 31
_SMALLEST_HEADER = 2


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a safetensors file, half precision widened to single, and its metadata.

    Raises
    ------
    InputError
        The file is truncated or not safetensors, larger than 2 GiB, or holds NaN or infinity.
    """
    metadata = read_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise not_weights(path, str(error)) from error
    for name, value in tensors.items():
        if value.is_floating_point():
            tensors[name] = value = value.float() if value.dtype.itemsize < 4 else value
            if not value.isfinite().all():
                raise InputError(
                    f"{path}: tensor {printable(name)} holds NaN or infinity", hint="fetch or train it again"
                )
    return tensors, metadata


def not_weights(path: Path, reason: str) -> InputError:
    """Return what to raise where a file is not one of weights, and why."""
    return InputError(
        f"{path}: not a weights file: {printable(reason)}",
        hint="wanted are safetensors that synthnoise train wrote",
    )


def read_header(path: Path) -> dict[str, str]:
    """Return the metadata after checking, before anything is allocated, that the header is of sane size.

    Raises
    ------
    InputError
        It is not, the header is not JSON, or the file is larger than 2 GiB.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise not_weights(path, f"{size} bytes are more than the {MAX_FILE_BYTES} allowed")
    with path.open("rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise not_weights(path, f"only {size} bytes")
        (length,) = struct.unpack("<Q", prefix)
        if not _SMALLEST_HEADER <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise not_weights(path, f"header of {length} bytes in a file of {size}")
        text = file.read(length)
    try:
        header = json.loads(text)
        metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    except (ValueError, RecursionError) as error:
        raise not_weights(path, "its header is not JSON") from error
    if not isinstance(metadata, dict):
        raise not_weights(path, "its header is not a table")
    return metadata
