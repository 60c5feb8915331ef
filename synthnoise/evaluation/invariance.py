"""Does a denoiser care how the world is turned, or how far away it is?

Clean images are rotated and scaled before noise is added, and PSNR is compared with that of a reference
denoiser on the same images: rotating and scaling smooth an image, which makes it easier for any denoiser, and
the difference of two does not see that. An image model without a preferred direction or size, such as leaves
whose radii follow a power law with exponent 3, teaches a network none; photographs have a horizon (after
Achddou, "Synthetic learning for image denoising", 2025, and Achddou, Gousseau, Ladjal, SSVM 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from synthnoise.denoising import Denoiser, Settings
from synthnoise.errors import UsageError
from synthnoise.evaluation.denoiser import denoise_tiled, headings, image_files, read_clean
from synthnoise.evaluation.metrics import psnr
from synthnoise.evaluation.table import Cell, Table
from synthnoise.figures import new_figure, save_figure
from synthnoise.progress import SILENT, Progress

ANGLES = (0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0)
"""Degrees."""
SCALES = (0.35, 0.5, 0.71, 1.0, 1.41, 2.0)
LEAST_EDGE = 32

_WIDTH, _HEIGHT = 1100, 440


def evaluate_invariance(
    denoisers: Sequence[str],
    folder: Path | str,
    *,
    sigma: float = 25.0,
    every: int = 1,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Table:
    """Return how much better each denoiser is than the first, in dB of PSNR, on turned and scaled images.

    One row for each rotation in degrees and each scale; columns are the PSNR of the first denoiser and the
    mean difference of every other from it, with standard errors over images. Noise is white, in sRGB,
    neither clipped nor quantised, and drawn alike for all.

    Parameters
    ----------
    denoisers
        At least two names or weights files for pictures; the first is the reference.
    folder
        Clean images. The largest square in the middle is scaled, the largest in any rotation of it is turned.
    sigma
        Noise level, of 255.
    every
        Take every Nth image of the folder, sorted by name.

    Raises
    ------
    UsageError
        There are fewer than two denoisers, or they are not for pictures.
    InputError
        The folder holds no images.
    """
    if len(denoisers) < 2:
        raise UsageError("differences need two denoisers", hint="name the reference first")
    paths = image_files(Path(folder))[::every]
    ready = [Denoiser(Settings(denoiser=name, device=device), domain="srgb") for name in denoisers]
    trials: list[tuple[str, Callable[[Tensor], Tensor]]] = [
        *((f"rotated {angle:g}", _rotation(angle)) for angle in ANGLES),
        *((f"scaled {scale:g}", _scaling(scale)) for scale in SCALES),
    ]
    found = np.empty((len(trials), len(paths), len(ready)))
    progress.start("images", total=len(paths))
    for number, path in enumerate(paths):
        clean = torch.from_numpy(read_clean(path).transpose(2, 0, 1)[None]).float()
        for trial, (_, change) in enumerate(trials):
            target = change(clean)
            if min(target.shape[2:]) < LEAST_EDGE:
                raise UsageError(f"{path}: too small to be turned and scaled", hint="at least 130 pixels")
            noise = np.random.default_rng(seed).standard_normal(target.shape, dtype=np.float32)
            noisy = target + torch.from_numpy(noise) * (sigma / 255)
            for column, denoiser in enumerate(ready):
                restored = denoise_tiled(denoiser, noisy, sigma / 255).clamp(0, 1)
                found[trial, number, column] = float(psnr(restored, target.clamp(0, 1)))
        progress.advance()
    names = [headings(denoisers)[name] for name in denoisers]
    found[..., 1:] -= found[..., :1]
    errors = (
        found.std(1, ddof=1) / np.sqrt(len(paths)) if len(paths) > 1 else np.full(found[:, 0].shape, np.nan)
    )
    rows: list[tuple[Cell, ...]] = [
        (name, *map(float, found[trial].mean(0))) for trial, (name, _) in enumerate(trials)
    ]
    return Table(
        title=f"{len(paths)} images of {Path(folder).name}, sigma {sigma:g} of 255",
        columns=("images", f"{names[0]} dB", *(f"{name} - {names[0]} dB" for name in names[1:])),
        rows=tuple(rows),
        errors=tuple(tuple(map(float, row)) for row in errors),
    )


def plot_invariance(table: Table, path: Path, *, overwrite: bool = False) -> None:
    """Draw the differences of a table of :func:`evaluate_invariance` over angle and scale, as a PNG.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    """
    figure = new_figure(_WIDTH, _HEIGHT)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind, label in (
        (panels[0], "rotated", "rotation of the images (degrees)"),
        (panels[1], "scaled", "scale of the images"),
    ):
        chosen = [number for number, row in enumerate(table.rows) if str(row[0]).startswith(kind)]
        place = [float(str(table.rows[number][0]).split()[1]) for number in chosen]
        for column, name in enumerate(table.columns[2:], 2):
            values = [float(table.rows[number][column]) for number in chosen]
            reach = [table.errors[number][column - 1] for number in chosen]
            axes.errorbar(
                place, values, reach, fmt="o-", capsize=3, linewidth=1.2, label=name.removesuffix(" dB")
            )
        axes.axhline(0, color="0.5", linewidth=0.8)
        axes.set_xlabel(label)
        axes.grid(color="0.88", linewidth=0.6)
        axes.set_axisbelow(True)
    panels[1].set_xscale("log", base=2)
    panels[1].set_xticks(SCALES, [f"{scale:g}" for scale in SCALES], minor=False)
    panels[0].set_ylabel("difference in PSNR (dB)")
    panels[0].legend(fontsize="small")
    figure.suptitle(table.title)
    save_figure(figure, path, overwrite=overwrite)


def _rotation(angle: float) -> Callable[[Tensor], Tensor]:
    """Return what turns an image [1, C, H, W] and cuts out the square that is inside at every angle."""

    def rotate(image: Tensor) -> Tensor:
        square = _middle(image, min(image.shape[2:]))
        edge = square.shape[-1]
        radians = np.deg2rad(angle)
        matrix = torch.tensor(
            [[[np.cos(radians), -np.sin(radians), 0], [np.sin(radians), np.cos(radians), 0]]],
            dtype=square.dtype,
        )
        grid = functional.affine_grid(matrix, list(square.shape), align_corners=False)
        turned = functional.grid_sample(
            square, grid, mode="bicubic", padding_mode="reflection", align_corners=False
        )
        return _middle(turned, int((edge - 4) / np.sqrt(2)))

    return rotate


def _scaling(scale: float) -> Callable[[Tensor], Tensor]:
    """Return what scales the middle of an image [1, C, H, W], enlarged ones cut to the size they had."""

    def rescale(image: Tensor) -> Tensor:
        edge = min(image.shape[2:])
        square = _middle(image, round(edge / max(scale, 1)))
        if scale == 1:
            return square
        size = [round(square.shape[-1] * scale)] * 2
        return functional.interpolate(square, size, mode="bicubic", antialias=True, align_corners=False)

    return rescale


def _middle(image: Tensor, edge: int) -> Tensor:
    top, left = (image.shape[2] - edge) // 2, (image.shape[3] - edge) // 2
    return image[..., top : top + edge, left : left + edge]
