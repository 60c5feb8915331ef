"""What a short training on synthetic pairs is worth: a small DnCNN against the classical default.

    OMP_NUM_THREADS=1 python benchmarks/training.py [--steps 1200 | --minutes 10] [--weights FILE] [--onnx]
    python benchmarks/training.py --curves LOG.csv [LOG.csv ...] --plot curves.png

Trains on dead leaves with Poisson-Gaussian noise in the variance-stabilised domain, at the level of one
camera (S = 4e-4, O = 2e-7) and underexposures of 1 to 300, then denoises scenes that virtual cameras shot:
others than it was trained for, with rows, columns, tails and hot pixels that it never saw. With
--weights it trains nothing. With --onnx it also times the exported file on one thread. With --curves it only
draws loss and PSNR against steps from the logs of runs (needs synthnoise[plots]).
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

from synthnoise.denoisers.weights import load_weights
from synthnoise.evaluation.denoiser import evaluate_denoisers
from synthnoise.export import export_onnx
from synthnoise.figures import new_figure, save_figure
from synthnoise.output import Output, layout
from synthnoise.training import train

SENSORS = ("mild", "hard", "low-noise", "phone")
RATIOS = (1.0, 30.0, 100.0)
SHOT, READ = 4e-4, 2e-7
PACKED = (512, 512)


def trained(output: Path, steps: int | None, minutes: float | None) -> Path:
    """Return the weights of a run, and print its course and cost."""
    started = time.process_time()
    with Output().progress() as progress:
        summary = train(
            output=output,
            noise_options={"shot": SHOT, "read": READ},
            ratio=(1.0, 300.0),
            steps=steps,
            minutes=minutes,
            batch=8,
            crop=40,
            lr=2e-3,
            device="cpu",
            overwrite=True,
            progress=progress,
        )
    print(*summary.lines(), f"{time.process_time() - started:.0f} CPU-s", sep="\n")
    return output


def time_onnx(weights: Path, folder: Path) -> None:
    """Print the CPU seconds per sensor megapixel of torch and of onnxruntime, each on one thread."""
    import onnxruntime
    import torch

    export_onnx(weights, folder / "net.onnx", overwrite=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "net.onnx", options, providers=["CPUExecutionProvider"])
    network, record = load_weights(weights)
    noisy = np.random.default_rng(0).standard_normal((1, record.channels, *PACKED), dtype=np.float32)
    sigma = np.ones((1, 1, *PACKED), np.float32)
    megapixels = record.channels * PACKED[0] * PACKED[1] / 1e6

    def run_torch() -> None:
        with torch.inference_mode():
            network(torch.from_numpy(noisy), torch.from_numpy(sigma))

    def run_onnx() -> None:
        session.run(None, {"noisy": noisy, "sigma": sigma})

    for name, run in (("torch", run_torch), ("onnxruntime", run_onnx)):
        run()
        costs = []
        for _ in range(3):
            before = time.process_time()
            run()
            costs.append((time.process_time() - before) / megapixels)
        print(f"{name}: {min(costs):.3f} CPU-s/MPix")


def draw_curves(logs: list[Path], path: Path) -> None:
    """Draw loss and PSNR of the logs of runs against steps."""
    figure = new_figure(1000, 460)
    losses, figures = figure.subplots(1, 2)
    for number, log in enumerate(logs):
        with log.open(newline="") as file:
            rows = list(csv.DictReader(file))
        steps = [int(row["step"]) for row in rows]
        name, colour = log.name.removesuffix(".csv").removesuffix(".safetensors"), f"C{number}"
        losses.plot(steps, [float(row["loss"]) for row in rows], color=colour, marker=".", label=name)
        for column, style in (("psnr", "-"), ("folder_psnr", "--")):
            if rows and rows[0].get(column):
                values = [float(row[column]) for row in rows]
                label = name if column == "psnr" else f"{name}, folder"
                figures.plot(steps, values, style, color=colour, marker=".", label=label)
    losses.set(xlabel="steps", ylabel="loss", title="Loss")
    figures.set(xlabel="steps", ylabel="dB", title="PSNR on what is never trained on")
    for axes in (losses, figures):
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, path, overwrite=True)


def main() -> None:
    """Train or load, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--onnx", action="store_true")
    parser.add_argument("--curves", type=Path, nargs="+")
    parser.add_argument("--plot", type=Path, default=Path("curves.png"))
    arguments = parser.parse_args()
    if arguments.curves:
        draw_curves(arguments.curves, arguments.plot)
        return
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores,"
        f" Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        weights = arguments.weights
        if weights is None:
            steps = None if arguments.minutes else arguments.steps or 1200
            weights = trained(Path(folder) / "dncnn.safetensors", steps, arguments.minutes)
        table = evaluate_denoisers(["patch-dct", str(weights)], sensors=SENSORS, ratios=RATIOS, device="cpu")
        print(table.title, *layout(table.columns, table.rows), sep="\n")
        if arguments.onnx:
            time_onnx(weights, Path(folder))


if __name__ == "__main__":
    main()
