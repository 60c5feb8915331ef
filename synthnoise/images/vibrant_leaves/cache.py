"""Arrays that take seconds to compute, kept in the user's cache folder and shared by all processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import SynthnoiseError
from synthnoise.files import atomic_write

VERSION = 3
"""Part of every name: raised whenever an array of the same name gets other content."""


def cache_folder() -> Path:
    """Return where this package keeps what it can compute again."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "synthnoise" / "vibrant-leaves"


def cached(name: str, build: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Return what ``build`` makes, read-only, mapped from the cache where that is possible.

    Processes that build at the same time each write a file of their own; the first to finish names
    it, and a name never holds half a file. A file that is damaged is built anew. Where the folder
    cannot be written, the array stays in memory.
    """
    path = cache_folder() / f"{name}.v{VERSION}.npy"
    known = _mapped(path)
    if known is not None:
        return known
    array = np.ascontiguousarray(build())
    try:
        with atomic_write(path, overwrite=True) as file:
            np.save(file, array, allow_pickle=False)
    except (SynthnoiseError, OSError):
        array.flags.writeable = False
        return array
    mapped = _mapped(path)
    return array if mapped is None else mapped


def _mapped(path: Path) -> NDArray[Any] | None:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return None
