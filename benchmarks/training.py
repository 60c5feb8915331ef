"""What a short training on synthetic pairs is worth: a small DnCNN against the classical default.

    OMP_NUM_THREADS=1 python benchmarks/training.py [--steps 1200 | --minutes 10] [--weights FILE] [--onnx]
    python benchmarks/training.py --curves LOG.csv [LOG.csv ...] [--curves ...] --plot curves.png

Trains on dead leaves with Poisson-Gaussian noise in the variance-stabilised domain, at the level of one
camera (S = 4e-4, O = 2e-7) and underexposures of 1 to 300, then denoises scenes that virtual cameras shot:
others than it was trained for, with rows, columns, tails and hot pixels that it never saw. With
--weights it trains nothing. With --onnx it also times the exported file on one thread. With --curves it only
draws the PSNR that runs gained against steps, from their logs (needs synthnoise[plots]): one panel per
--curves, whose runs go on from one another.
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
            denoiser="dncnn",
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


def draw_curves(series: list[list[Path]], path: Path) -> None:
    """Draw what the runs of each series, one going on from the other, gain on pairs that none trains on."""
    figure = new_figure(560 * len(series), 480)
    for panel, logs in zip(figure.subplots(1, len(series), squeeze=False)[0], series, strict=True):
        before = 0
        for log in logs:
            with log.open(newline="") as file:
                rows = list(csv.DictReader(file))
            steps = [(before + int(row["step"])) / 1000 for row in rows]
            for first, style, what in (("", "-", ""), ("folder_", "--", ", folder")):
                if rows[0].get(f"{first}psnr"):
                    gains = [float(row[f"{first}psnr"]) - float(row[f"{first}noisy_psnr"]) for row in rows]
                    panel.plot(steps, gains, style, marker=".", label=log.stem + what)
            before += int(rows[-1]["step"])
        panel.set(
            xlabel="thousand steps", ylabel="PSNR gained, dB", title="On pairs that are never trained on"
        )
        panel.grid(alpha=0.3)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=4, fontsize="small")
    save_figure(figure, path, overwrite=True)


def main() -> None:
    """Train or load, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--onnx", action="store_true")
    parser.add_argument("--curves", type=Path, nargs="+", action="append")
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
