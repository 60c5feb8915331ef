"""The weights that leave as another file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.model_card import is_bundled, model_card
from synthnoise.denoisers.weights import WeightsRecord, load_weights
from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.plugins import Plugins

ONNX, DARKTABLE = ".onnx", ".dtmodel"


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
            f"{output}: does not end in {suffix}", hint=f"-o NAME{ONNX}, or NAME{DARKTABLE} for darktable"
        )
    if output.exists() and not overwrite:
        raise OutputExistsError(output)
    network, record = load_weights(path, plugins=plugins)
    card = model_card(record, bundled=is_bundled(path), plugins=plugins)
    return Source(name=name, network=network, record=record, card=card)
