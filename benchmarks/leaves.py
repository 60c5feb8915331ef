"""What dead leaves cost and how near they come to natural images.

    OMP_NUM_THREADS=1 python benchmarks/leaves.py [--natural FOLDER] [--photos FOLDER] [-n 40]

Cost is CPU time of one thread per image, each image drawn once: median and quartiles over images, which
differ because their largest leaves do. Nearness is that of docs/commands.md (``evaluate images``),
against all images of --natural (the published figure for dead leaves 2021 is a KL of 0.286, against
another set); without the option it is left out. --photos adds a row whose colours come from those
photographs instead of the fitted law.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from synthnoise.evaluation.images import evaluate_images
from synthnoise.images.dead_leaves import DeadLeaves, Options
from synthnoise.rng import Rng

SETTINGS: dict[str, dict[str, Any]] = {
    "default: 2000 -> 500, r 1-2000": {},
    "1000 -> 500, r 1-2000": {"reduction": 2},
    "500, r 1-2000": {"reduction": 1},
    "500, r 1-2000, centres inside": {"reduction": 1, "boundary": "inside"},
    "as in 2021: inside, 0.2 % black": {"boundary": "inside", "uncovered": 0.002},
    "1000 -> 500, r 16-2000": {"reduction": 2, "r_min": (16.0,)},
    "r 10-10": {"r_min": (10.0,), "r_max": 10.0},
    "mixed shapes, shaded": {"shapes": "mixed", "shading": 0.3},
    "uniform colours": {"colours": "uniform"},
}
SIZE = (500, 500)


def cost(options: dict[str, Any], count: int) -> tuple[float, float, float]:
    """Return the quartiles of the CPU milliseconds per image."""
    model = DeadLeaves(Options(**options))
    model.generate((64, 64), Rng(0, torch.tensor([0])))
    times = []
    for index in range(count):
        start = time.process_time()
        model.generate(SIZE, Rng(0, torch.tensor([index])))
        times.append(1e3 * (time.process_time() - start))
    low, middle, high = np.quantile(times, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def machine() -> str:
    """Return what the figures were taken on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next(
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        )
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numba {numba.__version__}"
    return f"{datetime.date.today()}, {cpu}, one thread, {versions}"


def main() -> None:
    """Print one line per setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--natural", type=Path, help="folder of natural images to measure against")
    parser.add_argument("--photos", type=Path, help="folder of photographs to take colours from")
    parser.add_argument("-n", type=int, default=40, help="images per setting")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    settings = dict(SETTINGS)
    if arguments.photos:
        settings[f"colours of {arguments.photos.name}"] = {"colours": str(arguments.photos)}
    against = f"KL against {arguments.natural.name} (90 %), slope of power" if arguments.natural else ""
    print(f"{SIZE[0]}x{SIZE[1]}, {arguments.n} images per line; ms: median (quartiles) {against}")
    for name, options in settings.items():
        low, middle, high = cost(options, arguments.n)
        line = f"{name:34} {middle:6.1f} ms ({low:.1f}-{high:.1f})"
        if arguments.natural:
            found = evaluate_images(
                "dead-leaves", n=arguments.n, size=SIZE, options=options, reference=arguments.natural
            ).estimates
            line += f"   {found['KL gradient']}   {found['slope of power']}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
