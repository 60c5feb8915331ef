"""Does memory stay flat over a long batch? Denoises many small files in one process and prints its memory.

Files are copies of four noisy frames of the virtual camera, repeated to the size. Resident memory is read
after each file; the table shows it along the way, its peak, and the growth per file over the second half. For
three files of 24 megapixels, which take a minute: --files 3 --size 4000x6000. Linux.

    OMP_NUM_THREADS=1 python benchmarks/batch.py [--files 500] [--jobs 1] [--size 192x256]
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import multiprocessing
import platform
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from synthnoise import memory
from synthnoise.denoising import denoise_files

KINDS = 4
LARGEST = (512, 768)
"""Size of what is shot; larger files repeat it."""
MARKS = (1, 10, 50, 100, 200, 300, 400, 500, 1000, 2000)


class Watch:
    """Notes memory and CPU time whenever a file is done."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []
        self.seconds: list[float] = []

    def start(self, title: str, total: float | None = None) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Show what went wrong."""
        print(text)

    def advance(self, steps: float = 1) -> None:
        """Note the state after a file."""
        self.megabytes.append(resident("VmRSS"))
        self.seconds.append(time.process_time())


def resident(kind: str) -> float:
    """Return the resident memory of this process in MB: ``VmRSS`` now, ``VmHWM`` at its peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{kind}:")[1].split()[0]) * 1024 / 1e6


def prepare(folder: Path, files: int, size: tuple[int, int]) -> None:
    """Fill a folder with noisy DNGs."""
    # Denoising needs none of these, whose fifty megabytes would count.
    from synthnoise.raw.dng import write_dng
    from synthnoise.sensors.presets import SENSORS
    from synthnoise.sensors.scenes import dead_leaves
    from synthnoise.sensors.virtual_camera import VirtualCamera

    shot = (min(size[0], LARGEST[0]), min(size[1], LARGEST[1]))
    design = dataclasses.replace(SENSORS["mild"], size=shot)
    camera = VirtualCamera(design)
    kinds = min(KINDS, files)
    for kind in range(kinds):
        frame = camera.shoot(design.camera_rgb(dead_leaves(shot, seed=kind)), ratio=50, index=kind)
        repeats = [-(-whole // part) for whole, part in zip(size, shot, strict=True)]
        mosaic = np.tile(frame.mosaic, repeats)[: size[0], : size[1]].copy()
        write_dng(folder / f"kind-{kind}.dng", dataclasses.replace(frame, mosaic=mosaic))
    for number in range(files):
        shutil.copy(folder / f"kind-{number % kinds}.dng", folder / f"{number:05d}.dng")
    for kind in range(kinds):
        (folder / f"kind-{kind}.dng").unlink()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--size", default="192x256", help="height x width")
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    print(f"{platform.machine()} {platform.system()}, {datetime.date.today()}, {arguments.files} files of")
    print(f"{width} x {height}, {arguments.jobs} at a time")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "in"
        folder.mkdir()
        # In a process of its own, whose memory does not count.
        context = multiprocessing.get_context("spawn")
        camera = context.Process(target=prepare, args=(folder, arguments.files, (height, width)))
        camera.start()
        camera.join()
        memory.share_freed()  # as the command does
        watch, started = Watch(), time.process_time()
        outcomes = denoise_files([folder], Path(name) / "out", progress=watch, jobs=arguments.jobs)
    failed = sum(outcome.error is not None for outcome in outcomes)
    print(f"{failed} failed, {(watch.seconds[-1] - started) / len(outcomes):.3f} CPU s per file")
    print(f"{'files':>6} {'MB':>8}")
    for mark in (m for m in MARKS if m <= len(outcomes)):
        print(f"{mark:6} {watch.megabytes[mark - 1]:8.1f}")
    print(f"{'peak':>6} {resident('VmHWM'):8.1f}")
    half = len(outcomes) // 2
    if half > 1:
        slope = np.polyfit(np.arange(half), watch.megabytes[-half:], 1)[0]
        print(f"growth over the second half: {1000 * slope:.1f} kB per file")


if __name__ == "__main__":
    main()
