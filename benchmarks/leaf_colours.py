"""Fit the law of a photograph's colours: the constants of ``synthnoise/images/colours.py``.

    python benchmarks/leaf_colours.py FOLDER

FOLDER holds training photographs (the shipped numbers: BSDS500-train, Arbelaez et al. 2011, 200 images);
never fit on a set that denoisers are tested on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from synthnoise.images.colours import OPPONENT
from synthnoise.images.photographs import Photographs

FLOOR = 0.5
"""Added to standard deviations before their logarithm, for grey photographs."""


def main() -> None:
    """Print mean and spread of the photographs' means and log standard deviations, of 0..255."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    photographs = Photographs(parser.parse_args().folder)
    means, spreads = [], []
    for number in range(len(photographs.paths)):
        pixels = 255 * np.tensordot(OPPONENT, photographs.read(number).double().numpy(), axes=1)
        means.append(pixels.mean((1, 2)))
        spreads.append(np.log(pixels.std((1, 2)) + FLOOR))
    print(f"{len(photographs.paths)} photographs; axes: lightness, red-blue, magenta-green")
    print("mean of means", np.mean(means, 0).round(1), "their standard deviation", np.std(means, 0).round(1))
    print(
        "mean of log spread",
        np.mean(spreads, 0).round(3),
        "its standard deviation",
        np.std(spreads, 0).round(3),
    )
    print("correlation of log spreads", np.corrcoef(np.transpose(spreads)).round(3).tolist())


if __name__ == "__main__":
    main()
