"""The first ten minutes on a GPU: is what it makes right, and what do images, steps and a large file cost?

    python benchmarks/gpu.py [--device cuda] [--only tests images training denoising] [--steps 300]

- tests: `pytest -m gpu`, the engines of vibrant leaves on the GPU beside the compiled ones;
- images: `benchmarks/leaves_gpu.py --verify`;
- training: milliseconds per step of the recipes `raw` and `rgb`, what draws pairs and what learns from them
  apart, the GPU waited for after each; how many times the CPU waits for it in a step; then a minute of
  `synthnoise train --recipe NAME --start NAME`, with the PSNR before and after;
- denoising: a frame of 24 megapixels on a warm GPU, beside the CPU's result on a part of it.

A part that fails says so, and the next begins. `--device cpu --steps 2 --megapixels 1 --seconds 10` shows
that the script works; those times mean nothing.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from denoise import large_frame
from leaves_gpu import machine, wait

from synthnoise.denoising import denoise_frame
from synthnoise.devices import full_precision, pick_device
from synthnoise.plugins import default_plugins
from synthnoise.training.ahead import Ahead
from synthnoise.training.budget import Budget
from synthnoise.training.checkpoint import RunState
from synthnoise.training.examples import Examples
from synthnoise.training.learner import Learner
from synthnoise.training.log import log_path
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.ranks import Ranks
from synthnoise.training.recipes import read_recipe
from synthnoise.training.start import read_start

HERE = Path(__file__).parent
RECIPES = ("raw", "rgb")
PART = (0, 0, 1024, 1024)
"""Of the large frame, to compare with the CPU."""


def main() -> None:
    """Run the parts that were asked for."""
    parts: dict[str, Callable[[argparse.Namespace], None]] = {
        "tests": run_tests,
        "images": run_images,
        "training": time_training,
        "denoising": time_denoising,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--megapixels", type=float, default=24)
    chosen = parser.parse_args()
    if chosen.device != "cpu" and not torch.cuda.is_available():
        print("no accelerator: nothing measured")
        return
    print(f"{machine(torch.device(chosen.device))}, torch {torch.__version__}, {date.today()}")
    for name in chosen.only:
        print(f"\n== {name}", flush=True)
        try:
            parts[name](chosen)
        except Exception:
            traceback.print_exc()


def run_tests(chosen: argparse.Namespace) -> None:
    """Run the tests that need a GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", str(HERE.parent / "tests")]
    subprocess.run(command, check=False, cwd=HERE.parent)


def run_images(chosen: argparse.Namespace) -> None:
    """Time and verify the engines of vibrant leaves."""
    small = ["--batch", "2", "--batches", "1", "--size", "100"] if chosen.device == "cpu" else []
    command = [sys.executable, str(HERE / "leaves_gpu.py"), "--device", chosen.device, "--verify", *small]
    subprocess.run(command, check=True)


def time_training(chosen: argparse.Namespace) -> None:
    """Time steps of the recipes, and let each go on from the bundled weights for a while."""
    for recipe in RECIPES:
        precisions = ("32", "bf16-mixed") if recipe == "raw" and chosen.device != "cpu" else ("32",)
        for precision in precisions:
            time_steps(recipe, precision, chosen)
    with tempfile.TemporaryDirectory() as folder:
        for recipe in RECIPES:
            output = Path(folder) / f"{recipe}.safetensors"
            command = [sys.executable, "-m", "synthnoise", "--quiet", "train", "-o", str(output)]
            command += ["--recipe", recipe, "--start", recipe, "--device", chosen.device]
            command += ["--minutes", str(chosen.seconds / 60)]
            subprocess.run(command, check=True)
            with log_path(output).open() as file:
                rows = list(csv.DictReader(file))
            first, last = rows[0], rows[-1]
            print(
                f"{recipe}, train: {last['step']} steps in {float(last['seconds']):.0f} s,"
                f" {first['psnr']} dB after {first['step']}, {last['psnr']} dB at the end"
            )


def time_steps(recipe: str, precision: str, chosen: argparse.Namespace) -> None:
    """Print what drawing and learning take of a step, after a block of steps that does not count."""
    values: dict[str, Any] = read_recipe(recipe) | {"start": recipe, "precision": precision}
    for key in ("start_sha256", "steps", "minutes"):
        values.pop(key, None)
    start, plugins = read_start(recipe, default_plugins()), default_plugins()
    values |= {"denoiser": start.record.denoiser, "denoiser_options": start.record.options}
    plan = TrainingPlan(**values, budget=Budget(steps=1_000_000))
    ranks = Ranks(pick_device(chosen.device), 1, plan.precision)
    examples = Examples(plan, ranks.device, plugins, start=start)
    learner, ahead = (
        Learner(start.network, plan, ranks, stabilised=examples.stabilised),
        Ahead(examples, plan, ranks),
    )
    state, drawing, learning, waits = RunState(), 0.0, 0.0, 0
    with full_precision():
        for step in range(ahead.steps + chosen.steps):
            began = time.perf_counter()
            example = ahead.draw(step)
            wait(ranks.device)
            drawn = time.perf_counter()
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                _count_waits(ranks.device, "warn")
                learner.look(example, state)
                learner.step(1e-5, state)
                _count_waits(ranks.device, "default")
            wait(ranks.device)
            if step >= ahead.steps:
                drawing += drawn - began
                learning += time.perf_counter() - drawn
                waits += len(found)
    each = 1000 / chosen.steps
    memory = torch.cuda.max_memory_allocated() / 2**30 if ranks.device.type == "cuda" else 0
    print(
        f"{recipe}, {plan.precision}: {drawing * each:.1f} ms to draw {plan.batch} pairs of {plan.crop}"
        f" ({ahead.steps} steps at once), {learning * each:.1f} ms to learn,"
        f" {waits / chosen.steps:.1f} waits, at most {memory:.1f} GiB"
    )


def _count_waits(device: torch.device, mode: str) -> None:
    """Have torch warn, or not, where the CPU waits for the GPU."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode(mode)


def time_denoising(chosen: argparse.Namespace) -> None:
    """Time a large frame, the first time and after that, and compare a part of it with the CPU's."""
    frame = large_frame(chosen.megapixels)
    for time_of in ("first", "second", "third"):
        began = time.perf_counter()
        result = denoise_frame(frame, denoiser="raw", device=chosen.device)
        print(f"raw, {chosen.megapixels:g} megapixels, {time_of} time: {time.perf_counter() - began:.2f} s")
    print("remarks:", *result.remarks or ("none",))
    own, other = (
        denoise_frame(frame.crop(PART), denoiser="raw", device=device).frame
        for device in (chosen.device, "cpu")
    )
    apart = np.abs(own.mosaic.astype(np.float64) - other.mosaic)
    print(f"beside the CPU: {(apart > 0).mean():.2e} of pixels differ, at most by {apart.max():.0f} DN")


if __name__ == "__main__":
    main()
