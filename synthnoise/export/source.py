"""The weights that leave as another file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.model_card import is_bundled, model_card
from synthnoise.denoisers.network_files import DARKTABLE, ONNX, SAFETENSORS, suffix_of
from synthnoise.denoisers.weights import WeightsRecord, load_weights
from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.plugins import Plugins


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Weights to be written as another file.

    Attributes
    ----------
    name
        What the user called them.
    network
        On the CPU.
    record
        What the file says of the network.
    card
        Where they come from (:func:`synthnoise.denoisers.model_card.model_card`).
    """

    name: str
    network: nn.Module
    record: WeightsRecord
    card: dict[str, Any]


def open_source(
    weights: Path | str, output: Path, suffix: str, *, overwrite: bool, plugins: Plugins | None
) -> Source:
    """Return the weights of a file, or the bundled ones of a name, once ``output`` is known to be free.

    Raises
    ------
    UsageError
        There are no such weights, ``output`` is the weights file itself, or ends in another ``suffix``.
    OutputExistsError
        ``output`` exists and ``overwrite`` is false.
    InputError
        The weights file cannot be read.
    """
    name = str(weights)
    path = bundled_weights(name) or Path(weights)
    if not path.exists():
        raise InputError(
            f"{name}: no such weights file",
            hint=f"a .safetensors file of synthnoise train, or bundled weights: {', '.join(bundled_names())}",
        )
    if output.exists() and output.samefile(path):
        raise UsageError(
            f"{output}: is the weights file itself, which is never overwritten",
            hint=f"-o {output.with_suffix(suffix).name}",
        )
    if output.suffix != suffix:
        raise UsageError(
            f"{output}: does not end in {suffix}",
            hint=f"-o NAME{ONNX}, NAME{DARKTABLE} for darktable, or NAME{SAFETENSORS} with --half",
        )
    if output.exists() and not overwrite:
        raise OutputExistsError(output)
    if suffix_of(path) in (ONNX, DARKTABLE):
        raise InputError(
            f"{name}: is what export writes, and it takes weights",
            hint=f"the {SAFETENSORS} file that it was made of",
        )
    network, record = load_weights(path, plugins=plugins)
    card = model_card(record, bundled=is_bundled(path), plugins=plugins)
    return Source(name=name, network=network, record=record, card=card)


def example_of(record: WeightsRecord, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return a smooth image with noise of a level that differs by pixel, and that level."""
    batch, height, width = shape
    generator = torch.Generator().manual_seed(height * width)
    sigma = torch.rand(batch, max(record.sigma_planes, 1), height, width, generator=generator)
    sigma = record.noise_range[0] + sigma * (record.noise_range[1] - record.noise_range[0])
    image = torch.linspace(0, 1, width).expand(batch, record.channels, height, width)
    return image + sigma * torch.randn(image.shape, generator=generator), sigma
