"""Time vibrant leaves on one core, stage by stage.

    OMP_NUM_THREADS=1 python benchmarks/vibrant_leaves.py [-n 32] [--preset vl]

Prints CPU milliseconds per 500 x 500 image (1000 x 1000 canvas for vl and paper-2025): median and
least, and the CPU seconds that the bank of outlines and the noise fields take to build.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import torch

from synthnoise.images.vibrant_leaves import model
from synthnoise.images.vibrant_leaves.settings import Options
from synthnoise.images.vibrant_leaves.shapes import outline_bank
from synthnoise.images.vibrant_leaves.textures import SIDES, noise_atlas

STAGES = ("draw_table", "paint", "prepare", "render")


def machine() -> str:
    """Return the processor's name, its cores and how busy they are."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        name = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line),
            name,
        )
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{name}, {os.cpu_count()} cores{load}, {date.today()}"


def timed(function, spent):
    """Return the function, which adds its CPU milliseconds to the list."""

    def wrapped(*arguments):
        start = time.process_time()
        result = function(*arguments)
        spent.append(1e3 * (time.process_time() - start))
        return result

    return wrapped


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=32, help="images")
    parser.add_argument("--preset", default="vl")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    kept = os.environ.get("XDG_CACHE_HOME")
    vibrant = model.VibrantLeaves(Options(preset=arguments.preset))
    vibrant.scene((64, 64), 0, 0)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        outline_bank.cache_clear()
        start = time.process_time()
        outline_bank()
        noise_atlas(SIDES[-1], (0.45, 2.05), "axis")
        print(f"bank and atlas, built once: {time.process_time() - start:.1f} CPU-s")
        del os.environ["XDG_CACHE_HOME"]
        if kept is not None:
            os.environ["XDG_CACHE_HOME"] = kept
        outline_bank.cache_clear()
    vibrant.scene((500, 500), 0, 0)
    spent = defaultdict(list)
    for stage in STAGES:
        setattr(model, stage, timed(getattr(model, stage), spent[stage]))
    scene = timed(vibrant.scene, spent["whole image"])
    for index in range(arguments.n):
        scene((500, 500), 0, index)
    for name, values in spent.items():
        print(f"{name:12s} {np.median(values):7.1f} ms median  {min(values):7.1f} ms least")


if __name__ == "__main__":
    main()
