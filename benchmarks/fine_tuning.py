"""What weights that know any camera are worth to one: fine-tuned beside trained from nothing, by steps.

    OMP_NUM_THREADS=1 python benchmarks/fine_tuning.py [--start raw] [--profile virtual-hard] [--steps 800]
        [--rates 2e-4] [--precision bf16-mixed] [--alone] [--plot fine-tuning.png]

Trains the network of the weights with the noise of a profile, as `synthnoise train --start --profile` does of
itself, from the weights at each rate and from random values, and prints PSNR on the same fresh pairs of that
camera, and CPU seconds. If it is the profile of a virtual camera, all then denoise scenes that it shot.
--plot draws the curves (needs synthnoise[plots]).
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from synthnoise.denoisers.weights import load_weights
from synthnoise.evaluation.denoiser import evaluate_denoisers
from synthnoise.figures import new_figure, save_figure
from synthnoise.noise.default_model import default_noise_model
from synthnoise.output import layout
from synthnoise.plugins import Plugins, default_plugins
from synthnoise.training import train
from synthnoise.training.budget import Budget
from synthnoise.training.examples import Examples
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.start import Start, read_start
from synthnoise.training.trainer import RATE, RATE_FROM_WEIGHTS
from synthnoise.training.validation import Validation

VIRTUAL, RATIOS = "virtual-", (1.0, 10.0, 100.0, 300.0)


@dataclass(frozen=True)
class Course:
    """A run: what it is called, (step, PSNR in dB) of its reports, and its CPU seconds."""

    label: str
    weights: Path
    points: list[tuple[int, float]]
    seconds: float


def course(label: str, output: Path, **settings: Any) -> Course:
    """Return how a run went."""
    started = time.process_time()
    summary = train(output=output, device="cpu", overwrite=True, **settings)
    with summary.log.open(newline="") as file:
        points = [(int(row["step"]), float(row["psnr"])) for row in csv.DictReader(file)]
    seconds = time.process_time() - started
    print(f"{label}: {points[-1][1]:.2f} dB after {summary.steps} steps, {seconds:.0f} CPU-s", flush=True)
    return Course(label, output, points, seconds)


def images_of(begun: Start, plugins: Plugins) -> dict[str, Any]:
    """Return what the weights learnt from, as arguments of a training."""
    known = begun.images(plugins)
    if known is None:
        raise SystemExit(f"{begun.name}: does not tell its images")
    return dict(zip(("images", "image_options", "scene", "cuts"), known, strict=True))


def before(begun: Start, profile: str, plugins: Plugins) -> dict[str, float]:
    """Return the figures of the weights as they are, on the same pairs."""
    plan = TrainingPlan(
        noise=default_noise_model(profile),
        denoiser=begun.record.denoiser,
        denoiser_options=begun.record.options,
        profile=profile,
        budget=Budget(steps=1),
        **images_of(begun, plugins),
    )
    examples = Examples(plan, torch.device("cpu"), plugins, start=begun)
    return Validation(examples, None, plugins).figures(begun.network.eval())


def draw(path: Path, courses: list[Course], known: float, noisy: float, title: str) -> None:
    """Draw PSNR against steps."""
    figure = new_figure(900, 560)
    axes = figure.subplots()
    axes.axhline(known, color="0.4", linestyle="--", label=f"the weights as they are ({known:.2f} dB)")
    axes.axhline(noisy, color="0.4", linestyle=":", label=f"noisy ({noisy:.2f} dB)")
    for one in courses:
        steps, values = zip(*one.points, strict=True)
        axes.plot(steps, values, marker=".", label=one.label)
    axes.set_title(title)
    axes.set_xlabel("steps")
    axes.set_ylabel("PSNR on fresh pairs of the camera (dB)")
    axes.legend()
    axes.grid(alpha=0.3)
    save_figure(figure, path, overwrite=True)


def main() -> None:
    """Train, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--start", default="raw")
    parser.add_argument("--profile", default="virtual-hard")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--rates", type=float, nargs="+", default=[RATE_FROM_WEIGHTS])
    parser.add_argument("--precision", default="32")
    parser.add_argument("--alone", action="store_true", help="leave out the run from random values")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores,"
        f" Python {platform.python_version()}"
    )
    plugins = default_plugins()
    begun = read_start(arguments.start, plugins)
    figures = before(begun, arguments.profile, plugins)
    record, images = begun.record, images_of(begun, plugins)
    camera = {"profile": arguments.profile, "steps": arguments.steps, "precision": arguments.precision}
    with tempfile.TemporaryDirectory() as folder:
        courses = []
        for rate in arguments.rates:
            output = Path(folder) / f"from-{rate:g}.safetensors"
            label = f"fine-tuned at {rate:g}"
            courses.append(course(label, output, start=arguments.start, lr=rate, **camera))
        output = Path(folder) / "from-nothing.safetensors"
        network = {"denoiser": record.denoiser, "denoiser_options": record.options}
        if not arguments.alone:
            courses.append(course(f"from nothing at {RATE:g}", output, **network, **images, **camera))
        parameters = sum(p.numel() for p in load_weights(courses[0].weights)[0].parameters())
        report(arguments, figures, courses, f"{record.denoiser}, {parameters} parameters")
    if arguments.plot:
        title = f"{record.denoiser} for {arguments.profile}"
        draw(arguments.plot, courses, figures["psnr"], figures["noisy_psnr"], title)


def report(
    arguments: argparse.Namespace, figures: dict[str, float], courses: list[Course], network: str
) -> None:
    """Print what was reached, on pairs and on scenes of the virtual camera."""
    print(f"{network}, {arguments.profile}, {arguments.steps} steps, {arguments.precision}")
    rows = [["noisy", f"{figures['noisy_psnr']:.2f}", ""], ["as they are", f"{figures['psnr']:.2f}", "0"]]
    rows += [[one.label, f"{one.points[-1][1]:.2f}", f"{one.seconds:.0f}"] for one in courses]
    print(*layout(("", "PSNR dB", "CPU-s"), rows), sep="\n")
    if arguments.profile.startswith(VIRTUAL):
        table = evaluate_denoisers(
            [arguments.start, *(str(one.weights) for one in courses)],
            sensors=[arguments.profile.removeprefix(VIRTUAL)],
            ratios=RATIOS,
            device="cpu",
        )
        print(table.title, *layout(table.columns, table.rows), sep="\n")


if __name__ == "__main__":
    main()
