"""What the networks cost on a CPU, in torch and in onnxruntime, and what a large picture takes end to end.

    OMP_NUM_THREADS=1 python benchmarks/networks.py [--megapixels 24] [rgb FILE.safetensors ...]

CPU seconds of one thread per megapixel (of the sensor for RAW), least of three; then one picture of random
leaves denoised in tiles with bundled weights, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoising import Denoiser, Settings
from synthnoise.denoising.networks import load_denoiser
from synthnoise.denoising.pictures import denoise_picture
from synthnoise.export import export_onnx
from synthnoise.sensors.scenes import dead_leaves

EDGE = 512
REPEATS = 3


def least(run: Callable[[], object]) -> float:
    """Return the CPU seconds of the fastest of a few runs, after one that does not count."""
    run()
    costs = []
    for _ in range(REPEATS):
        started = time.process_time()
        run()
        costs.append(time.process_time() - started)
    return min(costs)


def print_costs(names: list[str], folder: Path) -> None:
    """Print a line per network."""
    print(f"{'network':24} {'M parameters':>12} {'torch':>7} {'onnxruntime':>12}   CPU-s/MPix")
    for name in names:
        weights = bundled_weights(name) or Path(name)
        export_onnx(weights, folder / "net.onnx", overwrite=True)
        costs = []
        for source in (str(weights), str(folder / "net.onnx")):
            record, network = load_denoiser(source, {})
            planes = torch.rand(1, record.channels, EDGE, EDGE)
            if source == str(weights):
                planes = planes.contiguous(memory_format=torch.channels_last)
                parameters = sum(p.numel() for p in network.parameters()) / 1e6
            sigma = torch.full_like(planes[:, :1], 0.1)
            pixels = EDGE**2 * (record.channels if record.domain == "bayer" else 1) / 1e6
            with torch.inference_mode():
                costs.append(least(lambda run=network, x=planes, s=sigma: run(x, s)) / pixels)
        print(f"{weights.stem:24} {parameters:12.2f} {costs[0]:7.2f} {costs[1]:12.2f}")


def print_whole(name: str, megapixels: float) -> None:
    """Print what a picture takes in tiles."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    scene = dead_leaves((512, 768), seed=1).transpose(1, 2, 0) ** np.float32(1 / 2.2)
    noise = 0.08 * np.random.default_rng(0).standard_normal(scene.shape, dtype=np.float32)
    part = np.rint(np.clip(scene + noise, 0, 1) * 255).astype(np.uint8)
    picture = np.tile(part, (-(-height // 512), -(-height * 3 // 2 // 768), 1))[:height, : height * 3 // 2]
    denoiser = Denoiser(Settings(denoiser=name, device="cpu"))
    started = time.process_time()
    denoise_picture(np.ascontiguousarray(picture), denoiser)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}: {picture.shape[1]} x {picture.shape[0]} sRGB in {seconds:.1f} CPU-s,"
        f" {seconds / megapixels:.2f} per megapixel; peak {peak:.0f} MB"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="*", help="bundled weights by name, or files")
    parser.add_argument("--megapixels", type=float, default=4.0)
    arguments = parser.parse_args()
    machine = f"{platform.machine()} {platform.system()}"
    print(f"{machine}, {datetime.date.today()}, {torch.get_num_threads()} thread(s)")
    with tempfile.TemporaryDirectory() as folder:
        print_costs(arguments.networks or bundled_names(), Path(folder))
    print_whole("rgb", arguments.megapixels)


if __name__ == "__main__":
    main()
