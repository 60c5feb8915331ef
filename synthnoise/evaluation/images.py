"""How close an image model is to natural images: gradients, spectra and colours of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthnoise.errors import UsageError
from synthnoise.evaluation.image_statistics import (
    FREQUENCIES,
    GRADIENT_BINS,
    WINDOW_ENERGY,
    ImageSums,
    measure,
)
from synthnoise.images.colours import encode_srgb
from synthnoise.images.photographs import Photographs
from synthnoise.output import layout
from synthnoise.plugins import default_plugins
from synthnoise.progress import SILENT, Progress
from synthnoise.rng import Rng, Stream

RESAMPLINGS = 200
INTERVAL = 0.9
_SMOOTHING = 0.5
_WIDE_BINS = 100

KL_HELP = "Kullback-Leibler divergence of the gradient histogram, KL(natural || model), in nats"

MEASURES = {
    "KL gradient": KL_HELP + "; grey, bins of one level",
    "KL gradient, 100 bins": KL_HELP + "; grey, 100 bins",
    "KL gradient, RGB": KL_HELP + "; per colour channel, bins of one level",
    "zero gradients": "share of grey differences that are zero",
    "mean |gradient|": "mean absolute grey difference, of 255",
    "slope of power": "-d log power / d log frequency of the 2-D spectrum, 1 to 127 cycles in 256 pixels",
    "slope of amplitude": "the same for amplitude",
    "slope of lines": "the same for the power of rows and columns",
    "slope of lines, 2-64": "the same, 2 to 64 cycles",
    "chroma red-blue": "standard deviation of (R - B) / sqrt 2, of 255",
    "chroma magenta-green": "standard deviation of (R - 2 G + B) / sqrt 6, of 255",
}
"""What is measured, and what it means."""


@dataclass(frozen=True)
class Estimate:
    """A value with the 5 % and 95 % points of its bootstrap over images."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


@dataclass(frozen=True)
class ImageCurves:
    """What a plot shows of a set of images.

    Attributes
    ----------
    gradients
        float64 [511], shares of the grey differences -255 to 255.
    power
        float64 [127], power density of the 2-D spectrum at ``FREQUENCIES``, in grey levels squared times
        pixels squared; None where no image holds a tile.
    """

    gradients: NDArray[np.float64]
    power: NDArray[np.float64] | None


@dataclass(frozen=True)
class ImageStatistics:
    """A set of images measured, and natural ones beside it.

    Attributes
    ----------
    name, count
        The model or folder, and its number of images.
    reference, reference_count
        The folder of natural images, or "" and 0.
    estimates
        Per name of ``MEASURES``; without reference images there are no divergences.
    curves
        Gradient histogram and spectrum.
    natural, natural_curves
        The same of the reference; its divergences are those of one random half from the other:
        what a perfect model would get.
    """

    name: str
    count: int
    reference: str
    reference_count: int
    estimates: dict[str, Estimate]
    curves: ImageCurves
    natural: dict[str, Estimate]
    natural_curves: ImageCurves | None

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {
            "model": self.name,
            "images": self.count,
            "reference": self.reference or None,
            "reference_images": self.reference_count,
            "interval": INTERVAL,
            "measures": [
                {
                    "measure": name,
                    "help": text,
                    "model": vars(self.estimates[name]),
                    "natural": vars(self.natural[name]) if self.natural else None,
                }
                for name, text in MEASURES.items()
                if name in self.estimates
            ],
        }

    def lines(self) -> list[str]:
        """Return a table as text: value (90 % interval over images) per measure."""
        return image_table([self])


def image_table(sets: Sequence[ImageStatistics]) -> list[str]:
    """Return a table as text of sets measured against one reference, or none: a column per set."""
    columns = ["measure", *(f"{one.name} ({one.count})" for one in sets)]
    rows = [[name, *(str(one.estimates[name]) for one in sets)] for name in sets[0].estimates]
    note = f"90 % intervals by {RESAMPLINGS} resamplings of the images."
    if natural := sets[0].natural:
        columns.append(f"natural ({sets[0].reference_count})")
        rows = [[*row, str(natural[row[0]])] for row in rows]
        note += " Divergences of natural: one half from the other."
    return [*layout(columns, rows), note]


def evaluate_images(
    model: str,
    *,
    n: int = 16,
    size: tuple[int, int] = (500, 500),
    reference: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ImageStatistics:
    """Measure images of a model, or of a folder: see :func:`compare_images`, of one set."""
    return compare_images(
        [model], n=n, size=size, reference=reference, options=options, seed=seed, progress=progress
    )[0]


def compare_images(
    models: Sequence[str],
    *,
    n: int = 16,
    size: tuple[int, int] = (500, 500),
    reference: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[ImageStatistics]:
    """Measure ``n`` images of each model, or up to ``n`` of a folder, beside all of a folder of natural ones.

    Parameters
    ----------
    models
        Names of image models, or folders of sRGB images.
    size
        (height, width) of the models' images; spectra need 256 x 256.
    reference
        Folder of natural images. Left out, there are no divergences.
    options
        Of every model named.
    seed
        Of the models and the resampling.

    Raises
    ------
    UsageError
        Fewer than two images, or no set.
    InputError
        A folder holds no images.
    PluginError
        There is no such model.
    """
    progress = progress or SILENT
    if not models:
        raise UsageError("there is nothing to measure", hint="name an image model or a folder")
    sets = [_model_images(model, n, size, options or {}, seed) for model in models]
    natural = None if reference is None else _measured(*_folder_images(Path(reference), None), progress)
    natural_estimates = _natural_estimates(natural, seed) if natural else {}
    results = []
    for name, images in sets:
        own = _measured(name, images, progress)
        results.append(
            ImageStatistics(
                name=name,
                count=len(own),
                reference="" if reference is None else str(reference),
                reference_count=len(natural) if natural else 0,
                estimates=_estimates(own, natural, seed),
                curves=own.curves(),
                natural=natural_estimates,
                natural_curves=natural.curves() if natural else None,
            )
        )
    return results


def _measured(name: str, images: Iterator[NDArray[np.uint8]], progress: Progress) -> _Pool:
    progress.start(f"measuring {name}")
    sums = []
    for image in images:
        sums.append(measure(image))
        progress.advance()
    if len(sums) < 2:
        raise UsageError(f"{name}: an interval needs at least two images")
    return _Pool(sums)


def _model_images(
    model: str, n: int, size: tuple[int, int], options: Mapping[str, Any], seed: int
) -> tuple[str, Iterator[NDArray[np.uint8]]]:
    """Return a name and the images, uint8 [H, W, 3]."""
    if Path(model).is_dir():
        return _folder_images(Path(model), n)
    source = default_plugins().create("image_models", model, options)

    def draw() -> Iterator[NDArray[np.uint8]]:
        for index in range(n):
            linear = source.generate(size, Rng(seed=seed, indices=torch.tensor([index])))
            yield _levels(encode_srgb(linear[0]))

    return model, draw()


def _folder_images(folder: Path, most: int | None) -> tuple[str, Iterator[NDArray[np.uint8]]]:
    """Return a name and at most ``most`` images, evenly chosen."""
    photographs = Photographs(folder)
    count = len(photographs.paths)
    chosen = range(count) if most is None or most >= count else [i * count // most for i in range(most)]
    return folder.name or str(folder), (_levels(photographs.read(i)) for i in chosen)


def _levels(srgb: torch.Tensor) -> NDArray[np.uint8]:
    """Return uint8 [H, W, 3] of sRGB [3, H, W] in [0, 1]."""
    pixels: NDArray[np.uint8] = (srgb * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return pixels


class _Pool:
    """The sums of a set of images; ``weights`` [..., n] say how often each image counts."""

    def __init__(self, sums: list[ImageSums]) -> None:
        self._sums = {
            name: np.array([getattr(one, name) for one in sums], dtype=np.float64)
            for name in ImageSums.__dataclass_fields__
        }

    def __len__(self) -> int:
        return len(self._sums["tiles"])

    def total(self, name: str, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weighted sum over images [..., k]."""
        return np.asarray(weights @ self._sums[name])

    def once(self) -> NDArray[np.float64]:
        """Return the weights that count every image once [1, n]."""
        return np.ones((1, len(self)))

    def curves(self) -> ImageCurves:
        """Return what a plot shows."""
        counts, tiles = self.total("grey_gradients", self.once())[0], self._sums["tiles"].sum()
        power = self.total("ring_power", self.once())[0] / (tiles * WINDOW_ENERGY**2) if tiles else None
        return ImageCurves(counts / counts.sum(), power)

    def resampled(self, seed: int) -> NDArray[np.float64]:
        """Return weights [RESAMPLINGS, n] of images drawn with replacement."""
        n = len(self)
        drawn = Rng(seed=seed, indices=torch.tensor([0])).integers(Stream.ORDER, (n, RESAMPLINGS), 0, n)[0].T
        return np.stack([np.bincount(row, minlength=n) for row in drawn.numpy()]).astype(np.float64)

    def halves(self, seed: int) -> NDArray[np.float64]:
        """Return weights [RESAMPLINGS, n] that count a random half of the images once."""
        n = len(self)
        order = Rng(seed=seed, indices=torch.tensor([1])).uniform(Stream.ORDER, (n, RESAMPLINGS))[0].T
        return (order.argsort(1).argsort(1) < n // 2).double().numpy()


def _estimates(own: _Pool, natural: _Pool | None, seed: int) -> dict[str, Estimate]:
    """Return every measure of a set; the natural images are taken as they are."""
    weights = np.concatenate([own.once(), own.resampled(seed)])
    values = _plain(own, weights)
    if natural is not None:
        values |= _divergences(natural, natural.once(), own, weights)
    return {
        name: Estimate(float(values[name][0]), *_interval(values[name][1:]))
        for name in MEASURES
        if name in values
    }


def _natural_estimates(natural: _Pool, seed: int) -> dict[str, Estimate]:
    """Return every measure of the natural images, and the divergences of their halves."""
    estimates = _estimates(natural, None, seed)
    half = natural.halves(seed)
    for name, values in _divergences(natural, half, natural, 1 - half).items():
        estimates[name] = Estimate(float(np.median(values)), *_interval(values))
    return estimates


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2))
    return float(low), float(high)


def _divergences(
    natural: _Pool, natural_weights: NDArray[np.float64], own: _Pool, weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return the divergences [r] for rows of weights."""
    grey = natural.total("grey_gradients", natural_weights), own.total("grey_gradients", weights)
    colour = natural.total("colour_gradients", natural_weights), own.total("colour_gradients", weights)
    edges = np.linspace(-255.5, 255.5, _WIDE_BINS + 1)
    wide = np.digitize(np.arange(-255, 256), edges) - 1
    pooled = np.zeros((GRADIENT_BINS, _WIDE_BINS))
    pooled[np.arange(GRADIENT_BINS), wide] = 1
    return {
        "KL gradient": divergence(*grey),
        "KL gradient, 100 bins": divergence(*(counts @ pooled for counts in grey)),
        "KL gradient, RGB": divergence(*colour),
    }


def divergence(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return KL(first || second) in nats along the last axis of counts, each smoothed by half a count."""
    p, q = first + _SMOOTHING, second + _SMOOTHING
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    return np.asarray((p * np.log(p / q)).sum(-1))


def _plain(own: _Pool, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the measures [r] that need no reference; NaN where no image has a whole tile."""
    counts = own.total("grey_gradients", weights)
    level = np.abs(np.arange(-255, 256))
    values = {
        "zero gradients": counts[:, 255] / counts.sum(1),
        "mean |gradient|": counts @ level / counts.sum(1),
    }
    for name, sums, low, high in (
        ("slope of power", "ring_power", 1, 127),
        ("slope of amplitude", "ring_amplitude", 1, 127),
        ("slope of lines", "line_power", 1, 127),
        ("slope of lines, 2-64", "line_power", 2, 64),
    ):
        values[name] = slope(own.total(sums, weights), low, high)
    chroma = own.total("chroma", weights)
    for place, name in ((1, "chroma red-blue"), (3, "chroma magenta-green")):
        mean, square = chroma[:, place] / chroma[:, 0], chroma[:, place + 1] / chroma[:, 0]
        values[name] = np.sqrt(np.maximum(square - mean**2, 0))
    return values


def slope(spectrum: NDArray[np.float64], low: int, high: int) -> NDArray[np.float64]:
    """Return minus the slope of log spectrum [..., 127] against log frequency, least squares, low to high."""
    used = (low <= FREQUENCIES) & (high >= FREQUENCIES)
    x = np.log(FREQUENCIES[used])
    x = x - x.mean()
    chosen = spectrum[..., used]
    known = (chosen > 0).all(-1)
    y = np.log(np.where(chosen > 0, chosen, 1))
    return np.where(known, -(y @ x) / (x @ x), np.nan)
