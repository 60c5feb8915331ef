"""Graphs of weights as onnxruntime takes them, kept for the next process, which then needs no torch.

Torch takes two seconds of every process and a quarter of a gigabyte. Once the graph of a network is written
and compared with torch, it is kept in the cache folder with what torch made of the trial image, so that
it is tried again before it is used. A graph is found by the content of the weights and by the versions of all
that made it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import synthnoise
from synthnoise import denoisers
from synthnoise.errors import SynthnoiseError
from synthnoise.files import atomic_write

LARGEST = 1 << 28
"""Bytes of a graph that is kept."""
KEPT = 32
"""Graphs that are kept; beyond, the oldest go."""


@dataclass(frozen=True)
class Graph:
    """A network's graph.

    Attributes
    ----------
    model
        The ONNX file.
    expected
        What torch makes of the trial image, float32 [1, C, H, W].
    """

    model: bytes
    expected: NDArray[np.float32]


def cache_folder() -> Path:
    """Return where graphs are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "synthnoise" / "graphs"


def kept_graph(weights: Path) -> Graph | None:
    """Return the graph of a weights file, None if none is kept or what is kept is damaged."""
    try:
        with _place(weights).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return Graph(stored["model"].tobytes(), stored["expected"].astype(np.float32))
    except Exception:  # of a damaged file numpy, zipfile and zlib raise what they like
        return None


def keep_graph(weights: Path, graph: Graph) -> None:
    """Keep the graph of a weights file; where that is not possible, nothing happens."""
    if len(graph.model) > LARGEST:
        return
    try:
        place = _place(weights)
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(place, overwrite=True) as file:
            np.savez(file, model=np.frombuffer(graph.model, np.uint8), expected=graph.expected)
        others = sorted(place.parent.glob("*.npz"), key=lambda path: path.stat().st_mtime)
        for path in others[:-KEPT]:
            path.unlink(missing_ok=True)
    except (OSError, RuntimeError, SynthnoiseError):  # no home, no room, no right to write
        return


def _place(weights: Path) -> Path:
    digest = hashlib.sha256(weights.read_bytes())
    for part in _makers():
        digest.update(part)
    return cache_folder() / f"{digest.hexdigest()}.npz"


def _makers() -> Iterator[bytes]:
    """Yield what a graph depends on beside the weights: the code of the networks and of the graph."""
    yield synthnoise.__version__.encode()
    yield metadata.version("onnx").encode()
    folder = Path(denoisers.__file__).parent
    for path in sorted(folder.glob("*.py")):
        yield path.read_bytes()
