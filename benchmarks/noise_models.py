"""How near every noise model for RAW comes to cameras: Markdown tables for docs/noise-models.md.

Virtual cameras, and the real CCD darks of ../shared where they lie beside the checkout. Each camera is
calibrated on one dark and one photograph; the models' darks are compared with new darks of the camera, and
so are further darks of the camera itself (the floor). Every value has its standard error, which covers the
chance of the frames judged, not the luck of the dark that calibrated.

    OMP_NUM_THREADS=1 python benchmarks/noise_models.py
    OMP_NUM_THREADS=1 python benchmarks/noise_models.py --sensors hard --frames 8 --models spectral two-shots
    OMP_NUM_THREADS=1 python benchmarks/noise_models.py --sensors --models spectral two-shots  # CCD alone
"""

from __future__ import annotations

import argparse
import datetime
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from synthnoise.evaluation.noise import evaluate_noise
from synthnoise.evaluation.table import Table
from synthnoise.plugins import default_plugins
from synthnoise.raw.frame import Frame
from synthnoise.raw.plain import Geometry
from synthnoise.raw.reading import read_frame
from synthnoise.sensors.presets import SENSORS

DARKS = Path(__file__).parents[2] / "shared" / "data" / "ccd_darks"
SENSORS_JUDGED = [name for name, sensor in SENSORS.items() if sensor.cfa == "RGGB"]
CCD_BLACK = 61.0
"""DN, the median of the darks; the files say none."""
BORDER = 16
"""Pixels of the CCD's edge that are cut off: its first and last columns are not like the others."""


def as_markdown(table: Table) -> str:
    """Return a table with errors as Markdown, model names as code."""
    shown = table.as_text()
    lines = [f"| {' | '.join(shown.columns)} |", "|---|" + "---:|" * (len(shown.columns) - 1)]
    lines += [f"| {' | '.join(map(str, row))} |" for row in shown.rows]
    return "\n".join(line.replace("nan", "") for line in lines)


def ccd_frame(path: Path) -> Frame:
    """Return a frame of the CCD, its 2 x 2 phases taken for the planes of a colour filter array."""
    geometry = Geometry(cfa="RGGB", black=(CCD_BLACK,), white=65535, iso=100, exposure_time=1.0)
    frame = read_frame(path, geometry=geometry)
    height, width = frame.mosaic.shape
    return frame.crop((BORDER, BORDER, height - BORDER, width - BORDER))


def judge_sensors(sensors: Sequence[str], models: Sequence[str], frames: int) -> None:
    """Print a table for each virtual camera."""
    for sensor in sensors:
        start = time.process_time()
        table = evaluate_noise(models, sensor=sensor, frames=frames)
        print(f"\n**{sensor}**: {table.title}. {time.process_time() - start:.0f} CPU-s.\n")
        print(as_markdown(table), flush=True)


def judge_ccd(models: Sequence[str], drawn: int) -> None:
    """Print a table for each of the CCD's two later darks, if they are there; of models ``drawn`` frames."""
    if not DARKS.is_dir():
        print(f"\n{DARKS} is not there: no real darks")
        return
    first, third, fifth = (ccd_frame(DARKS / f"dark_{n}.fit") for n in (1, 3, 5))
    flat = ccd_frame(DARKS / "flat_1.fit")
    for name, order in (("3", (first, third, fifth)), ("5", (first, fifth, third))):
        table = evaluate_noise(models, darks=order, noisy=[flat], iso=100, frames=drawn)
        print(f"\n**Real CCD**, calibrated on dark 1, judged on dark {name}: {table.title}.\n")
        print(as_markdown(table), flush=True)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sensors", nargs="*", default=SENSORS_JUDGED)
    parser.add_argument(
        "--models", nargs="+", default=None, help="default: all built in that follow a camera"
    )
    parser.add_argument("--frames", type=int, default=4, help="reference frames of a virtual camera")
    parser.add_argument(
        "--drawn", type=int, default=16, help="frames of a model against one of the CCD; 0: no CCD"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{datetime.date.today()}, {platform.machine()}, {platform.system()}, torch {torch.__version__}")
    print(f"one thread; {chosen.frames} frames against {chosen.frames}")
    records = default_plugins().records("noise_models")
    raw = [r.name for r in records if r.source == "builtin" and r.domain == "raw" and r.of_camera]
    models = chosen.models or raw
    judge_sensors(chosen.sensors, models, chosen.frames)
    if chosen.drawn:
        judge_ccd(models, chosen.drawn)


if __name__ == "__main__":
    main()
