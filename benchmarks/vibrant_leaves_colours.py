"""Fit the law of the colours inside a small patch, given those of its photograph.

    python benchmarks/vibrant_leaves_colours.py FOLDER

FOLDER holds training photographs (the shipped numbers: BSDS500-train, Arbelaez et al. 2011, 200 images);
never fit on a set that denoisers are tested on. Prints the constants of
``synthnoise/images/vibrant_leaves/colours.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from synthnoise.images.colours import OPPONENT
from synthnoise.images.photographs import Photographs
from synthnoise.images.vibrant_leaves.colours import FLOOR, PATCH

PATCHES = 64
"""Patches per photograph, at random places."""


def main() -> None:
    """Print mean, standard deviation and correlation of log(patch spread / photograph spread + FLOOR)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    photographs = Photographs(parser.parse_args().folder)
    generator = np.random.Generator(np.random.Philox(1))
    ratios, means = [], []
    for number in range(len(photographs.paths)):
        pixels = 255 * np.tensordot(photographs.read(number).numpy(), OPPONENT, axes=(0, 1))
        spread = pixels.std((0, 1)) + 1e-3
        middle = pixels.mean((0, 1))
        for _ in range(PATCHES):
            y, x = (int(generator.integers(0, n - PATCH + 1)) for n in pixels.shape[:2])
            patch = pixels[y : y + PATCH, x : x + PATCH].reshape(-1, 3)
            ratios.append(np.log(patch.std(0) / spread + FLOOR))
            means.append((patch.mean(0) - middle) / spread)
    ratios, means = np.array(ratios), np.array(means)
    print(f"{len(photographs.paths)} photographs, {len(ratios)} patches of {PATCH}x{PATCH}")
    print("mean of log ratio", ratios.mean(0).round(3))
    print("standard deviation", ratios.std(0).round(3))
    print("correlation", np.corrcoef(ratios.T).round(3).tolist())
    print("spread of the patch means over that of the pixels", means.std(0).round(3))


if __name__ == "__main__":
    main()
