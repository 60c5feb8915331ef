"""What dead and vibrant leaves cost on a processor, and how near dead leaves come to natural images.

    OMP_NUM_THREADS=1 python benchmarks/leaves.py [--natural FOLDER] [--photos FOLDER] [-n 24] [--sheet FILE]

Cost is CPU time of one thread per 500 x 500 image, each image drawn once: median (quartiles), and the
least; images differ because their largest leaves do. Of vibrant leaves also stage by stage; what is
built once and kept on the disk; and two processes against one, by the clock and by CPU time: by the
clock only an idle machine shows the truth. Nearness is that of docs/commands.md (``evaluate images``),
against all images of --natural; --photos adds dead leaves in the colours of photographs. --sheet writes
64 vibrant leaves beside each other.
"""

from __future__ import annotations

import argparse
import datetime
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from PIL import Image

from synthnoise.evaluation.images import evaluate_images
from synthnoise.images.colours import encode_srgb
from synthnoise.images.dead_leaves import DeadLeaves
from synthnoise.images.dead_leaves import Options as DeadOptions
from synthnoise.images.vibrant_leaves import model
from synthnoise.images.vibrant_leaves.settings import PRESETS, Options
from synthnoise.images.vibrant_leaves.shapes import outline_bank
from synthnoise.images.vibrant_leaves.textures import SIDES, noise_atlas
from synthnoise.rng import Rng

SETTINGS: dict[str, dict[str, Any]] = {
    "default: 2000 -> 500, r 1-2000": {},
    "1000 -> 500, r 1-2000": {"reduction": 2},
    "500, r 1-2000": {"reduction": 1},
    "500, r 1-2000, centres inside": {"reduction": 1, "boundary": "inside"},
    "as in 2021: inside, 0.2 % black": {"boundary": "inside", "uncovered": 0.002},
    "mixed shapes, shaded": {"shapes": "mixed", "shading": 0.3},
}
SIZE = (500, 500)
STAGES = ("draw_table", "paint", "prepare", "render")


def machine() -> str:
    """Return what the figures were taken on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), cpu)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numba {numba.__version__}"
    return f"{datetime.date.today()}, one core of {os.cpu_count()}, {cpu}{load}, {versions}"


def timed(function: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """Return the function, which adds its CPU milliseconds to the list."""

    def wrapped(*arguments: Any) -> Any:
        start = time.process_time()
        result = function(*arguments)
        spent.append(1e3 * (time.process_time() - start))
        return result

    return wrapped


def show(name: str, spent: list[float], more: str = "") -> None:
    """Print one line of milliseconds."""
    low, middle, high = np.quantile(spent, (0.25, 0.5, 0.75))
    print(f"{name:38} {middle:6.1f} ms ({low:.1f}-{high:.1f}), least {min(spent):.1f} {more}", flush=True)


def time_dead_leaves(count: int, natural: Path | None, photos: Path | None) -> None:
    """Print a line per setting."""
    settings = dict(SETTINGS)
    if photos:
        settings[f"colours of {photos.name}"] = {"colours": str(photos)}
    for name, options in settings.items():
        leaves = DeadLeaves(DeadOptions(**options))
        leaves.generate((64, 64), Rng(0, torch.tensor([0])))
        spent: list[float] = []
        draw = timed(leaves.generate, spent)
        for index in range(count):
            draw(SIZE, Rng(0, torch.tensor([index])))
        more = ""
        if natural:
            found = evaluate_images("dead-leaves", n=count, size=SIZE, options=options, reference=natural)
            more = f"  KL {found.estimates['KL gradient']}, slope {found.estimates['slope of power']}"
        show(f"dead leaves, {name}"[:38], spent, more)


def time_vibrant_leaves(count: int) -> None:
    """Print a line per preset, and one per stage of the first."""
    for preset in PRESETS:
        leaves = model.VibrantLeaves(Options(preset=preset))
        leaves.scene((64, 64), 0, 0)
        leaves.scene(SIZE, 0, 0)
        stages: dict[str, list[float]] = {stage: [] for stage in STAGES}
        plain = {stage: getattr(model, stage) for stage in STAGES}
        for stage in STAGES:
            setattr(model, stage, timed(plain[stage], stages[stage]))
        spent: list[float] = []
        scene = timed(leaves.scene, spent)
        for index in range(count):
            scene(SIZE, 0, index)
        for stage in STAGES:
            setattr(model, stage, plain[stage])
        show(f"vibrant leaves, {preset}", spent)
        if preset == "vl":
            for stage in STAGES:
                show(f"  of which {stage}", stages[stage])


def build() -> float:
    """Return the CPU seconds of the outlines and the noise fields, built in an empty cache."""
    kept = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        outline_bank.cache_clear()
        start = time.process_time()
        outline_bank()
        noise_atlas(SIDES[-1], (0.45, 2.05), "axis")
        seconds = time.process_time() - start
        del os.environ["XDG_CACHE_HOME"]
        if kept is not None:
            os.environ["XDG_CACHE_HOME"] = kept
        outline_bank.cache_clear()
    return seconds


def work(first: int, count: int, barrier: Any, results: Any) -> None:
    """Draw images in a process of its own; put the seconds by the clock and of CPU time."""
    torch.set_num_threads(1)
    leaves = model.VibrantLeaves()
    leaves.scene(SIZE, 0, 0)
    barrier.wait()
    wall, cpu = time.perf_counter(), time.process_time()
    for index in range(first, first + count):
        leaves.scene(SIZE, 0, index)
    results.put((time.perf_counter() - wall, time.process_time() - cpu))


def scale(count: int) -> None:
    """Print what two spawned processes do in the time of one."""
    context = multiprocessing.get_context("spawn")
    found = []
    for workers in (1, 2):
        barrier, results = context.Barrier(workers), context.Queue()
        arguments = [(k * count, count, barrier, results) for k in range(workers)]
        processes = [context.Process(target=work, args=each) for each in arguments]
        for process in processes:
            process.start()
        seconds = np.array([results.get() for _ in processes])
        for process in processes:
            process.join()
        wall, cpu = seconds[:, 0].max(), seconds[:, 1].mean()
        found.append((workers * count / wall, cpu / count))
        rate, each = found[-1]
        print(f"{workers} processes: {rate:.1f} images/s by the clock, {1e3 * each:.1f} CPU-ms per image")
    (one, cpu_one), (two, cpu_two) = found
    print(f"two against one: {two / one:.2f} by the clock, {2 * cpu_one / cpu_two:.2f} by CPU time")


def write_sheet(path: Path) -> None:
    """Write 64 images of the default preset, 8 by 8, each a quarter of its size."""
    page = np.zeros((8 * 126, 8 * 126, 3), dtype=np.uint8)
    leaves = model.VibrantLeaves()
    for index in range(64):
        linear = leaves.generate(SIZE, Rng(0, torch.tensor([index])))
        small = encode_srgb(torch.nn.functional.avg_pool2d(linear, 4))[0]
        y, x = 126 * (index // 8), 126 * (index % 8)
        page[y : y + 125, x : x + 125] = (255 * small).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(page).save(path, quality=85)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--natural", type=Path, help="folder of natural images to measure against")
    parser.add_argument("--photos", type=Path, help="folder of photographs to take colours from")
    parser.add_argument("-n", type=int, default=24, help="images per line")
    parser.add_argument("--sheet", type=Path, help="picture file of 64 vibrant leaves; nothing else is done")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.sheet:
        write_sheet(arguments.sheet)
        return
    print(machine())
    time_dead_leaves(arguments.n, arguments.natural, arguments.photos)
    time_vibrant_leaves(arguments.n)
    print(f"outlines and noise fields, built once: {build():.1f} CPU-s")
    scale(arguments.n)


if __name__ == "__main__":
    main()
