"""What the networks cost on a CPU, in torch and in onnxruntime, and what a large file takes end to end.

    OMP_NUM_THREADS=1 python benchmarks/networks.py [--megapixels 24] [rgb raw FILE.safetensors ...]

CPU seconds of one thread per megapixel (of the sensor for RAW), least of three; the halo that was measured.
Then the whole command `synthnoise denoise` on one file in a process of its own: a DNG of a virtual camera for
networks for RAW, a PNG of random leaves for those for pictures. CPU seconds of all its threads, those of the
network (right with OMP_NUM_THREADS=1 alone), and the peak memory of the process; the better of two runs, of
which the first may have had to fill the caches of compiled code and of graphs.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from denoise import large_frame
from PIL import Image

from synthnoise.colour_filter_arrays import NAMED
from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.weights import load_weights
from synthnoise.denoising.networks import load_denoiser
from synthnoise.raw.dng import write_dng
from synthnoise.sensors.scenes import dead_leaves

EDGE = 512
REPEATS = 3
RUNS = 2

COMMAND = """
import sys, time
from pathlib import Path
from synthnoise import denoising, memory
from synthnoise.denoising.onnx_network import OnnxNetwork

spent, run = 0.0, OnnxNetwork.run

def timed(self, noisy, sigma):
    global spent
    started = time.thread_time()
    result = run(self, noisy, sigma)
    spent += time.thread_time() - started
    return result

OnnxNetwork.run = timed
memory.share_freed()
source, target, network = sys.argv[1:]
settings = denoising.Settings(denoiser=network, device="cpu")
(outcome,) = denoising.denoise_files([source], target, settings)
if outcome.error:
    raise outcome.error
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(time.process_time(), spent, int(status["VmHWM"].split()[0]) / 1024)
"""
"""The work of the command, with a clock in the network; it begins with the process. The peak is that of the
process alone: getrusage counts the memory of the one that began it, too."""


def least(run: Callable[[], object]) -> float:
    """Return the CPU seconds of the fastest of a few runs, after one that does not count."""
    run()
    costs = []
    for _ in range(REPEATS):
        started = time.process_time()
        run()
        costs.append(time.process_time() - started)
    return min(costs)


def print_costs(names: list[str]) -> None:
    """Print a line per network."""
    print(f"{'network':16} {'M parameters':>12} {'halo':>5} {'torch':>7} {'onnxruntime':>12}   CPU-s/MPix")
    for name in names:
        path = bundled_weights(name) or Path(name)
        network, record = load_weights(path)
        network.to(memory_format=torch.channels_last)
        edge = EDGE if record.channels <= 4 else EDGE // 3
        planes = torch.rand(1, record.channels, edge, edge)
        sigma = torch.full_like(planes[:, :1], 0.1)
        fast = load_denoiser(name, {}, "cpu").network
        pixels = edge**2 * (record.channels if record.domain in NAMED else 1) / 1e6
        wide = planes.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            costs = [
                least(lambda run=run, x=x, s=sigma: run(x, s)) / pixels
                for run, x in ((network, wide), (fast, planes))
            ]
        parameters = sum(p.numel() for p in network.parameters()) / 1e6
        print(f"{path.stem:16} {parameters:12.2f} {record.halo:5} {costs[0]:7.2f} {costs[1]:12.2f}")


def write_picture(path: Path, megapixels: float) -> None:
    """Write a noisy picture of leaves, repeated to the size."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    scene = dead_leaves((512, 768), seed=1).transpose(1, 2, 0) ** np.float32(1 / 2.2)
    noise = 0.08 * np.random.default_rng(0).standard_normal(scene.shape, dtype=np.float32)
    part = np.rint(np.clip(scene + noise, 0, 1) * 255).astype(np.uint8)
    picture = np.tile(part, (-(-height // 512), -(-height * 3 // 2 // 768), 1))[:height, : height * 3 // 2]
    Image.fromarray(np.ascontiguousarray(picture)).save(path, compress_level=1)


def print_whole(name: str, megapixels: float, folder: Path) -> None:
    """Print what a file takes from its name to its result."""
    _, record = load_weights(bundled_weights(name) or Path(name))
    suffix = ".dng" if record.domain in NAMED else ".png"
    source, target = folder / f"noisy{suffix}", folder / f"denoised{suffix}"
    if record.domain in NAMED:
        write_dng(source, large_frame(megapixels, record.domain), overwrite=True)
    else:
        write_picture(source, megapixels)
    runs = []
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, source, target, name], check=True, capture_output=True, text=True
        )
        target.unlink()
        runs.append(tuple(map(float, done.stdout.split())))
    total, network, peak = min(runs)
    print(
        f"{Path(name).stem}: {megapixels:g} megapixels in {total:.1f} CPU-s,"
        f" of which the network {network:.1f}; peak {peak:.0f} MB"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="*", help="bundled weights by name, or files")
    parser.add_argument("--megapixels", type=float, default=4.0)
    arguments = parser.parse_args()
    names = arguments.networks or bundled_names()
    machine = f"{platform.machine()} {platform.system()}"
    print(f"{machine}, {datetime.date.today()}, {torch.get_num_threads()} thread(s)")
    print_costs(names)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            print_whole(name, arguments.megapixels, Path(folder))


if __name__ == "__main__":
    main()
