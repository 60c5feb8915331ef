"""A thumbnail of every image model, what it costs, and how near its statistics come to photographs.

    OMP_NUM_THREADS=1 python benchmarks/image_gallery.py [--natural FOLDER] [--photos FOLDER] [-n 8]
        [--size 256x256] [--output docs/gallery]

Prints a Markdown table: CPU milliseconds per image (median over images, one thread, each drawn once after a
first small one), slope of the power spectrum, share of zero gradients, and the divergence of gradients from
those of all images of --natural (docs/commands.md, ``evaluate images``), with 90 % intervals over images.
--photos also measures ``random-phase`` of those photographs, without a thumbnail. Thumbnails are the middles
of two images side by side.
"""

from __future__ import annotations

import argparse
import datetime
import io
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from synthnoise.evaluation.images import compare_images
from synthnoise.files import atomic_write
from synthnoise.images.colours import encode_srgb
from synthnoise.plugins import default_plugins
from synthnoise.rng import Rng

ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "vibrant-leaves": ("vibrant-leaves", {}),
    "dead-leaves": ("dead-leaves", {}),
    "dead-leaves-2021": ("dead-leaves-2021", {"ramps": "large"}),
    "dead-leaves-shapes": ("dead-leaves-shapes", {}),
    "dead-leaves-oriented": ("dead-leaves-shapes", {"shapes": "oriented"}),
    "dead-leaves-textured": ("dead-leaves-textured", {}),
    "spectrum": ("spectrum", {}),
    "color": ("color", {}),
    "wmm": ("wmm", {}),
    "spectrum-color": ("spectrum", {"color": True}),
    "spectrum-color-wmm": ("spectrum", {"color": True, "wmm": True}),
    "stylegan-random": ("stylegan", {"weights": "random", "every": 1}),
    "stylegan-highfreq": ("stylegan", {"weights": "highfreq", "every": 1}),
    "stylegan-sparse": ("stylegan", {"weights": "sparse", "every": 1}),
    "stylegan-oriented": ("stylegan", {"weights": "oriented", "every": 1}),
    "fractal-db": ("fractal-db", {}),
    "primitives-3d": ("primitives-3d", {}),
    "random-phase": ("random-phase", {}),
    "mondrian": ("mondrian", {}),
    "slanted-edge": ("slanted-edge", {}),
    "siemens-star": ("siemens-star", {}),
    "dead-leaves-chart": ("dead-leaves-chart", {}),
}
"""Label, model and options of each row."""

GAP = 4
LARGEST = 38_000
"""Bytes of a thumbnail at most."""


def drawn(name: str, options: dict[str, Any], size: tuple[int, int], count: int) -> tuple[list[Any], float]:
    """Return ``count`` images uint8 [H, W, 3] and the median CPU milliseconds that one takes."""
    model = default_plugins().create("image_models", name, options)
    model.generate((32, 48), Rng(0, torch.tensor([0])))
    images, times = [], []
    for index in range(count):
        start = time.process_time()
        light = model.generate(size, Rng(0, torch.tensor([index])))
        times.append(1e3 * (time.process_time() - start))
        images.append((255 * encode_srgb(light[0])).round().byte().permute(1, 2, 0).numpy())
    return images, float(np.median(times))


def thumbnail(images: list[Any], side: int) -> bytes:
    """Return a JPEG of the first two images side by side, cut to ``side`` pixels, as sharp as fits."""
    height, width = (min(side, length) for length in images[0].shape[:2])
    page = np.full((height, 2 * width + GAP, 3), 255, dtype=np.uint8)
    top, left = (images[0].shape[0] - height) // 2, (images[0].shape[1] - width) // 2
    for place, image in zip((0, width + GAP), images[:2], strict=True):
        page[:, place : place + width] = image[top : top + height, left : left + width]
    for quality in (90, 80, 70, 55, 40, 25):
        buffer = io.BytesIO()
        Image.fromarray(page).save(buffer, "jpeg", quality=quality, subsampling=0)
        if buffer.tell() <= LARGEST:
            break
    return buffer.getvalue()


def machine() -> str:
    """Return what the figures were taken on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    return f"{datetime.date.today()}, {cpu}, one thread, torch {torch.__version__}"


def main() -> None:
    """Write the thumbnails and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--natural", type=Path, help="folder of natural images to measure against")
    parser.add_argument("--photos", type=Path, help="folder of photographs for the models that take one")
    parser.add_argument("-n", type=int, default=8, help="images per row")
    parser.add_argument("--size", default="256x256", help="HEIGHTxWIDTH")
    parser.add_argument("--side", type=int, default=192, help="side of a thumbnail")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "docs" / "gallery")
    parser.add_argument("--only", default="", help="rows whose label holds this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    height, width = map(int, arguments.size.split("x"))
    rows = dict(ROWS)
    if arguments.photos:
        rows["random-phase-photos"] = ("random-phase", {"path": str(arguments.photos)})
    print(machine())
    print(f"{height}x{width}, {arguments.n} images per row, against {arguments.natural or 'nothing'}\n")
    arguments.output.mkdir(parents=True, exist_ok=True)
    costs = {}
    with tempfile.TemporaryDirectory() as temporary:
        for label, (name, options) in rows.items():
            if arguments.only not in label:
                continue
            images, costs[label] = drawn(name, options, (height, width), arguments.n)
            if "path" not in options:  # thumbnails are published: none of anyone's photographs
                with atomic_write(arguments.output / f"{label}.jpg", overwrite=True) as file:
                    file.write(thumbnail(images, arguments.side))
            folder = Path(temporary) / label
            folder.mkdir()
            for number, image in enumerate(images):
                Image.fromarray(image).save(folder / f"{number:04}.png")
            print(f"{label}: {costs[label]:.0f} ms", file=sys.stderr, flush=True)
        folders = [str(Path(temporary) / label) for label in costs]
        results = compare_images(folders, n=arguments.n, reference=arguments.natural)
    print("| row | ms | slope of power | zero gradients | KL of gradients |\n|---|---|---|---|---|")
    for (label, cost), result in zip(costs.items(), results, strict=True):
        found = result.estimates
        measured = [found.get(key, "") for key in ("slope of power", "zero gradients", "KL gradient")]
        print(f"| {label} | {cost:.0f} | " + " | ".join(map(str, measured)) + " |")


if __name__ == "__main__":
    main()
