"""How well darks that have seen light are told from true ones, by frames of virtual cameras.

    python benchmarks/stray_light.py --darks 300
    python benchmarks/stray_light.py --photos BSDS500-train

--darks: cameras of the six kinds whose every noise is drawn at random, from next to none to several times
what sensors have; the lowest shares, which tell how near a true dark comes to being refused.
--photos: photographs, each before another unit, underexposed and under lights of several colours; how many
are refused as darks. The noise is drawn with a seed of its own for each frame.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import platform
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from synthnoise.raw.stray_light import ALIKE, least_share
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

RATIOS = (2, 5, 10, 20, 50, 100)
LIGHTS = {
    "daylight": (1, 1, 1),
    "lamp": (1, 0.5, 0.2),
    "shade": (0.55, 0.8, 1),
    "red": (1, 0.12, 0.04),
    "green": (0.15, 1, 0.25),
    "blue": (0.1, 0.25, 1),
}
"""Linear sRGB of white."""
RANGES = {
    "exposure_time": (0.01, 300),
    "read_noise": (0.4, 12),
    "row_noise": (0.05, 6),
    "row_flicker": (0.05, 6),
    "column_noise": (0.05, 3),
    "column_pattern": (0.05, 6),
    "correlated_noise": (0.05, 3),
    "bank_noise": (0.05, 4),
    "bank_spread": (0.01, 0.4),
    "bank_gain": (0.001, 0.03),
    "dsnu": (0.05, 6),
    "dark_current": (0.02, 20),
    "hot_fraction": (1e-5, 2e-2),
    "hot_current": (20, 1000),
    "rts_fraction": (1e-5, 1e-2),
    "rts_step": (1, 40),
    "shading": (0.3, 100),
    "amp_glow": (0.1, 500),
    "row_spike_fraction": (0.001, 0.15),
    "row_spike": (0.1, 8),
}
"""Between which the parameters of darks are drawn, evenly in the logarithm."""


def any_sensor(random: np.random.Generator, kind: Sensor) -> Sensor:
    """Return a sensor of a kind with the noise of another."""
    drawn = {name: float(np.exp(random.uniform(*np.log(ends)))) for name, ends in RANGES.items()}
    size = (384, 510) if random.random() < 0.3 else kind.size
    return dataclasses.replace(kind, **drawn, banks=int(random.choice([1, 2, 4, 8])), size=size)


def print_darks(count: int) -> None:
    """Print how near true darks come to being refused."""
    random, kinds = np.random.default_rng(0), list(SENSORS.values())
    shares = []
    for number in range(count):
        sensor = any_sensor(random, kinds[number % len(kinds)])
        shares.append(least_share(VirtualCamera(sensor, number, seed=number).dark()))
    judged = sorted(share for share in shares if np.isfinite(share))
    print(f"{count} darks, {len(judged)} of which vary enough to be judged;", end=" ")
    print(f"{sum(share < ALIKE for share in judged)} refused; lowest: ", end="")
    print(", ".join(f"{share:.2f}" for share in judged[:6]))


def scene(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a photograph as linear sRGB [3, H, W] that fills a size."""
    picture = Image.open(path).convert("RGB")
    if picture.width < picture.height:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    encoded = np.asarray(picture.resize(size[::-1], Image.Resampling.BICUBIC), np.float32) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return np.ascontiguousarray(linear.transpose(2, 0, 1), np.float32)


def print_photographs(files: list[Path]) -> None:
    """Print how many photographs are refused as darks."""
    print(f"{'':10}" + "".join(f"{f'1/{ratio}':>8}" for ratio in RATIOS))
    number, shares = 0, []
    for light, colour in LIGHTS.items():
        cells = []
        for ratio in RATIOS:
            found = []
            for sensor in SENSORS.values():
                camera = VirtualCamera(sensor, number, seed=number)
                lit = scene(files[7 * number % len(files)], sensor.size) * np.float32(colour)[:, None, None]
                found.append(least_share(camera.shoot(sensor.camera_rgb(lit), ratio=ratio)))
                number += 1
            cells.append(f"{sum(share < ALIKE for share in found)}/{len(found)}")
            shares += found
        print(f"{light:10}" + "".join(f"{cell:>8}" for cell in cells), flush=True)
    judged = sorted(share for share in shares if np.isfinite(share))
    limits = ", ".join(f"{np.quantile(judged, part):.2f}" for part in (0.5, 0.9, 0.98))
    refused = sum(share < ALIKE for share in shares)
    print(f"{refused} of {len(shares)} refused; shares: half, 9 in 10 and 98 in 100 are below {limits}")


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--darks", type=int, default=0, metavar="N")
    parser.add_argument("--photos", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    print(f"{platform.machine()}, {datetime.date.today()}; refused are shares below {ALIKE}")
    if given.darks:
        print_darks(given.darks)
    if given.photos:
        print_photographs(sorted(p for p in given.photos.iterdir() if p.suffix in {".png", ".jpg"}))


if __name__ == "__main__":
    main()
