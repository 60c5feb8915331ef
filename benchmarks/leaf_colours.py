"""Fit the law of a photograph's colours: the constants of ``synthnoise/images/colours.py``.

    python benchmarks/leaf_colours.py FOLDER

FOLDER holds training photographs (the shipped numbers: BSDS500-train, Arbelaez et al. 2011, 200 images);
never fit on a set that denoisers are tested on.

Palettes have narrower spreads than the law that they are drawn from, for their clusters have unequal
weights and colours end at the cube. So the law is changed, step by step, until the means and spreads of
palettes drawn from it have the moments of the photographs'.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from synthnoise.images.colours import OPPONENT, ColourLaw, encode_srgb, natural_palette
from synthnoise.images.photographs import Photographs
from synthnoise.rng import Rng

FLOOR = 0.5
"""Added to standard deviations before their logarithm, for grey photographs."""

PALETTES, COLOURS = 1500, 512
"""Simulated at each step, and colours of each."""

STEPS = 14


@dataclass(frozen=True)
class Moments:
    """Of means and log spreads [n, 3]: mean and standard deviation of each, correlation of the latter."""

    mean: np.ndarray
    mean_deviation: np.ndarray
    log_spread: np.ndarray
    log_spread_deviation: np.ndarray
    correlation: np.ndarray


def moments(images: list[np.ndarray]) -> Moments:
    """Return the moments over images of opponent colours, [pixels, 3] each."""
    means = np.array([image.mean(0) for image in images])
    logs = np.log(np.array([image.std(0) for image in images]) + FLOOR)
    return Moments(means.mean(0), means.std(0), logs.mean(0), logs.std(0), np.corrcoef(logs.T))


def simulated(law: ColourLaw) -> Moments:
    """Return the moments of palettes."""
    palettes = []
    for first in range(0, PALETTES, 100):
        colours = encode_srgb(natural_palette(Rng(0, torch.arange(first, first + 100)), COLOURS, law))
        palettes.extend(255 * colours.double().numpy() @ np.transpose(OPPONENT))
    return moments(palettes)


def law_of(values: Moments) -> ColourLaw:
    """Return a law with these moments, three decimals each."""
    rows = {name: np.round(value, 3).tolist() for name, value in vars(values).items()}
    return ColourLaw(
        **{
            name: tuple(map(tuple, row)) if name == "correlation" else tuple(row)
            for name, row in rows.items()
        }
    )


def fitted(wanted: Moments) -> Moments:
    """Return the law whose palettes have the moments ``wanted``."""
    law = wanted
    for _ in range(STEPS):
        found = simulated(law_of(law))
        off = law.correlation + wanted.correlation - found.correlation
        correlation = np.where(np.eye(3, dtype=bool), 1.0, np.clip(off, -0.9, 0.9))
        law = Moments(
            law.mean + wanted.mean - found.mean,
            law.mean_deviation * wanted.mean_deviation / found.mean_deviation,
            law.log_spread + wanted.log_spread - found.log_spread,
            law.log_spread_deviation * wanted.log_spread_deviation / found.log_spread_deviation,
            correlation,
        )
    return law


def show(title: str, values: Moments) -> None:
    """Print moments."""
    print(title)
    for name, value in vars(values).items():
        print(f"  {name:22}", np.round(value, 3).tolist())


def main() -> None:
    """Print the photographs' moments, the law, and the moments of its palettes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    photographs = Photographs(parser.parse_args().folder)
    images = []
    for number in range(len(photographs.paths)):
        pixels = photographs.read(number).double().numpy().reshape(3, -1)
        images.append(255 * pixels.T @ np.transpose(OPPONENT))
    wanted = moments(images)
    print(f"{len(images)} photographs; axes: lightness, red-blue, magenta-green")
    show("photographs", wanted)
    law = fitted(wanted)
    show("law", law)
    show("its palettes", simulated(law_of(law)))


if __name__ == "__main__":
    main()
