"""What a network makes of a few examples, for the eye: noisy, denoised and clean side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthnoise.contact_sheet import Panel, Row, contact_sheet
from synthnoise.images.colours import encode_srgb
from synthnoise.training.examples import Example, Examples
from synthnoise.training.validation import Validation

PAIRS, PICTURES = 4, 2
"""Synthetic pairs, and pictures of the folder, on a sheet."""

EDGE = 192
"""Pixels that small images are enlarged to, by whole factors."""

BRIGHT = 0.99
"""Share of the clean pixels that are not brighter than white is shown."""


def sheets_path(output: Path) -> Path:
    """Return the folder of the sheets of a run that will write ``output``."""
    return output.with_name(output.name + ".sheets")


@torch.no_grad()
def draw_sheet(
    network: nn.Module, examples: Examples, validation: Validation, *, title: str, subtitle: str
) -> NDArray[np.uint8]:
    """Return the sheet, uint8 [H, W, 3]."""
    rows = []
    synthetic = validation.synthetic
    denoised = network(synthetic.noisy, synthetic.sigma)
    for number in range(min(PAIRS, len(denoised))):
        rows.append(_row(f"synthetic pair {number + 1}", examples, synthetic, denoised, number))
    for number, example in enumerate(validation.pictures[:PICTURES]):
        found = network(example.noisy, example.sigma)
        rows.append(_row(f"picture {number + 1} of the folder", examples, example, found, 0))
    return contact_sheet(title, subtitle, rows)


def _row(heading: str, examples: Examples, batch: Example, denoised: Tensor, number: int) -> Row:
    example = batch.only(slice(number, number + 1))
    found = denoised[number : number + 1]
    views = views_of(
        [example.pair.noisy[0], examples.picture(found, example)[0], example.pair.clean[0]], examples.colours
    )
    labels = ("noisy", "denoised", "clean")
    notes = [f"{examples.psnr(image, example):.2f} dB" for image in (example.noisy, found)] + [""]
    return Row(heading, [Panel(*panel) for panel in zip(views, labels, notes, strict=True)])


def views_of(images: Sequence[Tensor], colours: Sequence[int] | None) -> list[NDArray[np.uint8]]:
    """Return views uint8 [h, w, 3] of images [C, H, W] of one scene, the last of which is clean.

    CFA planes, whose ``colours`` are given, are made RGB pixel by pixel, balanced so that the clean one is
    grey in the mean, and encoded in sRGB, all alike. Others are in sRGB already.
    """
    if colours is not None:
        images = [_rgb(image, colours) for image in images]
        mean = images[-1].mean((1, 2), keepdim=True).clamp(min=1e-6)
        balanced = [image / mean for image in images]
        white = balanced[-1].flatten().quantile(BRIGHT).clamp(min=1e-6)
        images = [encode_srgb((image / white).clamp(0, 1)) for image in balanced]
    factor = max(1, EDGE // max(images[0].shape[1:]))
    codes = [(image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy() for image in images]
    return [code.repeat(factor, 0).repeat(factor, 1) for code in codes]


def _rgb(planes: Tensor, colours: Sequence[int]) -> Tensor:
    """Return [3, H, W]: the mean of the planes of each colour."""
    chosen = torch.tensor(colours, device=planes.device)
    return torch.stack([planes[chosen == colour].mean(0) for colour in range(3)])
