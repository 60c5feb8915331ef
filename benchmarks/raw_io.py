"""What reading, writing, rewriting and developing a RAW file cost, in CPU seconds and memory.

Pixels are those of a given mosaic, repeated up to size, or a synthetic scene with shot noise. CPU seconds are
of all threads together, the best of a few; memory is the peak of a process of its own, interpreter,
libraries (the first line) and reading the input included.

    OMP_NUM_THREADS=1 python benchmarks/raw_io.py [--megapixels 24] [--only "read DNG" ...] [FILE.dng]
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import multiprocessing
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthnoise.raw.develop import develop
from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_frame, read_metadata
from synthnoise.raw.rewrite import rewrite_dng

ROUNDS = 3
ASPECT = 1.5


def size_of(megapixels: float) -> tuple[int, int]:
    """Return height and width, multiples of 12."""
    height = round((megapixels * 1e6 / ASPECT) ** 0.5 / 12) * 12
    return height, round(height * ASPECT / 12) * 12


def synthetic(height: int, width: int) -> Frame:
    """Return 14-bit frame: smooth shading, edges, and shot noise of 4 DN per electron."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:1024, 0:1024] / 1024
    scene = 0.25 + 0.2 * np.sin(7 * x + 3 * y) + 0.1 * (np.sin(40 * x) * np.sin(31 * y) > 0)
    electrons = rng.poisson(scene * 3000)
    block = np.clip(512 + 4 * electrons + rng.normal(0, 8, scene.shape), 0, 16383).astype(np.uint16)
    cfa = np.array([[0, 1], [1, 2]], np.uint8)
    return Frame(mosaic=repeated(block, height, width), cfa=cfa, black=np.full((2, 2), 512.0), white=16383)


def repeated(block: NDArray[np.uint16], height: int, width: int) -> NDArray[np.uint16]:
    """Return a block repeated to a size, in phase with the CFA."""
    block = block[: block.shape[0] // 12 * 12, : block.shape[1] // 12 * 12]
    rows, columns = -(-height // block.shape[0]), -(-width // block.shape[1])
    return np.tile(block, (rows, columns))[:height, :width].copy()


def megabytes() -> float:
    """Return the peak resident memory of this process; Linux (getrusage would count the parent's)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(name: str, rounds: int, folder: Path, queue: multiprocessing.Queue[tuple[float, float]]) -> None:
    """Put CPU seconds (best of a few) and peak megabytes of one operation into a queue."""
    call = SETUPS[name](folder)
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    queue.put((best, megabytes()))


def _writing(folder: Path) -> Callable[[], object]:
    frame = read_frame(folder / "source.dng")
    return lambda: write_dng(folder / "out.dng", frame, overwrite=True)


def _rewriting(folder: Path) -> Callable[[], object]:
    mosaic = np.asarray(read_frame(folder / "source.dng").mosaic, np.uint16)
    return lambda: rewrite_dng(folder / "source.dng", folder / "out.dng", mosaic, overwrite=True)


def _writing_linear(folder: Path) -> Callable[[], object]:
    frame = read_frame(folder / "source.dng")
    rgb = np.repeat(np.asarray(frame.mosaic, np.uint16)[..., None], 3, axis=2)
    return lambda: write_linear_dng(folder / "out.dng", rgb, frame, overwrite=True)


def _developing(half_size: bool) -> Callable[[Path], Callable[[], object]]:
    def setup(folder: Path) -> Callable[[], object]:
        frame = read_frame(folder / "source.dng")
        return lambda: develop(frame, half_size=half_size)

    return setup


SETUPS: dict[str, Callable[[Path], Callable[[], object]]] = {
    "nothing": lambda folder: lambda: None,
    "write CFA DNG": _writing,
    "write linear DNG": _writing_linear,
    "read DNG": lambda folder: lambda: read_frame(folder / "source.dng"),
    "read metadata": lambda folder: lambda: read_metadata(folder / "source.dng"),
    "rewrite DNG": _rewriting,
    "develop": _developing(half_size=False),
    "develop half size": _developing(half_size=True),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--megapixels", type=float, default=24.0)
    parser.add_argument("--only", nargs="+", choices=list(SETUPS), default=list(SETUPS), metavar="OPERATION")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    height, width = size_of(arguments.megapixels)
    frame = synthetic(height, width)
    if arguments.file is not None:
        real = read_frame(arguments.file).active()
        frame = dataclasses.replace(real, mosaic=repeated(np.asarray(real.mosaic, np.uint16), height, width))
    source = "a synthetic scene" if arguments.file is None else arguments.file.name
    print(f"{platform.machine()} {platform.system()}, {datetime.date.today()}, {width} x {height}, {source}")
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dng(folder / "source.dng", frame)
        stored = (folder / "source.dng").stat().st_size
        print(f"file: {stored / 1e6:.1f} MB of {frame.mosaic.nbytes / 1e6:.1f} MB")
        print(f"{'operation':20} {'CPU s':>8} {'MB':>8}")
        for operation in arguments.only:
            queue: multiprocessing.Queue[tuple[float, float]] = context.Queue()
            process = context.Process(target=measure, args=(operation, arguments.rounds, folder, queue))
            process.start()
            seconds, memory = queue.get()
            process.join()
            print(f"{operation:20} {seconds:8.2f} {memory:8.0f}")


if __name__ == "__main__":
    main()
