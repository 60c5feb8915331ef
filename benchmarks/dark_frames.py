"""What subtracting dark frames is worth: root mean square error of virtual cameras' frames, before denoising.

    python benchmarks/dark_frames.py [--darks 1 4 16]

"plainly" subtracts the mean of the darks pixel by pixel; "known" subtracts the true pattern of the unit.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import platform

import numpy as np

from synthnoise.denoising.dark_pattern import average_darks, subtract_dark
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

SHOTS = (
    ("hard", 8.0, 50),
    ("hard", 0.1, 50),
    ("banked", 4.0, 50),
    ("mild", 2.0, 100),
    ("x-trans", 2.0, 50),
    ("phone", 2.0, 100),
    ("low-noise", 0.1, 100),
)
"""Camera, seconds, and how many times less light there is than at saturation."""


def errors(name: str, seconds: float, ratio: float, counts: list[int]) -> list[str]:
    """Return the cells of one row of the table."""
    sensor = dataclasses.replace(SENSORS[name], exposure_time=seconds)
    camera = VirtualCamera(sensor)
    scene = sensor.camera_rgb(dead_leaves(sensor.size, seed=3))
    frame, truth = camera.shoot(scene, ratio=ratio), camera.clean(scene, ratio)
    pattern = camera.clean(np.zeros(sensor.size), fixed_pattern=True) - sensor.black

    def rms(mosaic: np.ndarray) -> str:
        return f"{np.sqrt(np.mean((mosaic - truth) ** 2)):.2f}"

    cells = [f"{name}, {seconds:g} s", rms(frame.mosaic)]
    for count in counts:
        dark = average_darks(camera.dark(index) for index in range(count))
        cells.append(rms(frame.mosaic - (dark.frame.mosaic - sensor.black)))
        cells.append(rms(subtract_dark(frame, dark)[0].mosaic))
    return [*cells, rms(frame.mosaic - pattern)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--darks", type=int, nargs="+", default=[1, 4])
    counts = parser.parse_args().darks
    print(f"{platform.machine()}, {datetime.date.today()}; 512 x 768 pixels, DN")
    head = ["camera", "noisy"]
    for count in counts:
        head += [f"{count} plainly", f"{count} so"]
    head.append("known")
    print("| " + " | ".join(head) + " |\n|---" + "|---:" * (len(head) - 1) + "|")
    for shot in SHOTS:
        print("| " + " | ".join(errors(*shot, counts)) + " |", flush=True)


if __name__ == "__main__":
    main()
