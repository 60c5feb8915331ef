"""How well and how fast RAW is denoised.

Quality: scenes shot by virtual cameras, PSNR of the CFA planes in linear light at the digital gain, against
the perfect sensor; the noise level is estimated blind, as for a file without profile or tag. Beside it a
Gaussian filter whose width is the best of a few for each row, told the truth. Cameras of up to 12 bits are
not rounded to whole DN, as their files get finer levels. Shift: the largest change of a plane's mean.
--anatomy says what the squared error that is left is made of: the mean of each plane, its shading (a
Gaussian of 16 pixels), the means of rows and of columns of what then remains, and the rest, which is detail
and noise. A sensor's own offset, shading and glow no denoiser of a single frame can know.
Cost: one frame of random leaves, denoised whole, CPU seconds of all threads, the peak memory being that of
the process.

    OMP_NUM_THREADS=1 python benchmarks/denoise.py [--denoiser patch-dct --denoiser raw] [--megapixels 24]
        [--anatomy]
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import platform
import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from synthnoise.denoising import denoise_frame
from synthnoise.denoising.raw_outputs import RawOutput
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.frame import Frame
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

CAMERAS = ("mild", "hard", "low-noise", "phone", "banked")
RATIOS = (1.0, 10.0, 100.0, 300.0)
SHADING = 16.0
WIDTHS = (0.4, 0.6, 0.8, 1.2, 1.8, 2.7, 4.0)
SCENE = 5


def psnr(planes: NDArray[np.float32], clean: NDArray[np.float32], ratio: float) -> float:
    """Return PSNR in dB at the digital gain ``ratio``."""
    error = (planes.astype(np.float64) - clean) * ratio
    return float(-10 * np.log10(np.mean(error**2)))


def print_quality(denoisers: list[str]) -> None:
    """Print PSNR per camera and ratio, and by how much each denoiser moves the mean of a plane."""
    titles = " ".join(f"{Path(name).stem:>10} {'shift':>7}" for name in denoisers)
    print(f"{'camera':10} {'ratio':>6} {'noisy':>8} {'Gaussian':>9} {titles}   dB, %")
    for name in CAMERAS:
        camera = VirtualCamera(SENSORS[name])
        scene = camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, seed=SCENE))
        for ratio in RATIOS:
            frame = dataclasses.replace(camera.shoot(scene, ratio=ratio), noise_profile=None)
            noisy, clean = linear_planes(frame), linear_planes(camera.shoot(scene, ratio=ratio, clean=True))
            smooth = max(psnr(gaussian_filter(noisy, (0, w, w)), clean, ratio) for w in WIDTHS)
            row = f"{name:10} {ratio:6g} {psnr(noisy, clean, ratio):8.2f} {smooth:9.2f}"
            level = noisy.mean((1, 2), dtype=np.float64)
            for denoiser in denoisers:
                restored = linear_planes(denoise_frame(RawOutput().prepared(frame), denoiser=denoiser).frame)
                shift = 100 * np.abs(restored.mean((1, 2), dtype=np.float64) / level - 1).max()
                row += f" {psnr(restored, clean, ratio):10.2f} {shift:7.3f}"
            print(row, flush=True)


def anatomy(planes: NDArray[np.float32], clean: NDArray[np.float32]) -> list[float]:
    """Return the shares in percent of level, shading, rows, columns and rest in the squared error."""
    error = planes.astype(np.float64) - clean
    shares, total = [], np.mean(error**2)
    parts = (
        lambda e: np.broadcast_to(e.mean((1, 2), keepdims=True), e.shape),
        lambda e: gaussian_filter(e, (0, SHADING, SHADING)),
        lambda e: np.broadcast_to(e.mean(2, keepdims=True), e.shape),
        lambda e: np.broadcast_to(e.mean(1, keepdims=True), e.shape),
        lambda e: e,
    )
    for part_of in parts:
        part = part_of(error)
        shares.append(100 * float(np.mean(part**2) / total))
        error = error - part
    return shares


def print_anatomy(denoisers: list[str]) -> None:
    """Print what the error that each denoiser leaves is made of."""
    titles = " ".join(f"{title:>8}" for title in ("level", "shading", "rows", "columns", "rest"))
    print(f"{'camera':10} {'ratio':>6} {'':>12} {titles}   %")
    for name in CAMERAS:
        camera = VirtualCamera(SENSORS[name])
        scene = camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, seed=SCENE))
        for ratio in RATIOS[-2:]:
            frame = dataclasses.replace(camera.shoot(scene, ratio=ratio), noise_profile=None)
            clean = linear_planes(camera.shoot(scene, ratio=ratio, clean=True))
            for denoiser in denoisers:
                restored = linear_planes(denoise_frame(RawOutput().prepared(frame), denoiser=denoiser).frame)
                shares = " ".join(f"{share:8.1f}" for share in anatomy(restored, clean))
                print(f"{name:10} {ratio:6g} {Path(denoiser).stem:>12} {shares}", flush=True)


def large_frame(megapixels: float) -> Frame:
    """Return a noisy frame, a scene of leaves repeated to the size."""
    camera = VirtualCamera(SENSORS["mild"])
    frame = camera.shoot(camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, seed=SCENE)), ratio=30)
    height = round((megapixels * 1e6 / 1.5) ** 0.5 / 2) * 2
    width = round(height * 1.5 / 2) * 2
    rows, columns = -(-height // frame.mosaic.shape[0]), -(-width // frame.mosaic.shape[1])
    return dataclasses.replace(frame, mosaic=np.tile(frame.mosaic, (rows, columns))[:height, :width].copy())


def print_cost(megapixels: float, denoiser: str) -> None:
    """Print CPU seconds and memory of a whole frame, compiling left out."""
    frame = large_frame(megapixels)
    denoise_frame(frame.crop((0, 0, 64, 64)), denoiser=denoiser)
    start = time.process_time()
    denoise_frame(frame, denoiser=denoiser)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    height, width = frame.mosaic.shape
    print(
        f"{denoiser}, {width} x {height}: {seconds:.1f} CPU-s, {seconds / megapixels:.2f} CPU-s/MPix,"
        f" peak {peak:.0f} MB"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--denoiser", action="append", metavar="NAME", help="name or file; may be repeated")
    parser.add_argument("--megapixels", type=float, default=24.0, help="of the frame that is timed; 0: none")
    parser.add_argument("--anatomy", action="store_true", help="what the error that is left is made of")
    arguments = parser.parse_args()
    print(f"{platform.machine()} {platform.system()}, {datetime.date.today()}, virtual cameras 512 x 768")
    denoisers = arguments.denoiser or ["patch-dct"]
    if arguments.anatomy:
        print_anatomy(denoisers)
        return
    if arguments.megapixels:
        print_cost(arguments.megapixels, denoisers[-1])
    print_quality(denoisers)


if __name__ == "__main__":
    main()
