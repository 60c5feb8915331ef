"""The weights that leave as another file: which they are, and what they say that they learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.weights import WeightsRecord, load_weights, read_record
from synthnoise.errors import InputError, OutputExistsError, PluginError, UsageError
from synthnoise.files import printable, sha256
from synthnoise.plugins import BUILTIN, Kind, Plugins, default_plugins

ONNX, DARKTABLE = ".onnx", ".dtmodel"
ORIGIN = {"license": "MIT", "source": "https://github.com/synthnoise/synthnoise"}
"""What can be said of the bundled weights alone: those of others are theirs."""

_PHOTOGRAPHS = ("folder",)
"""Image models that are photographs, ..."""
_COLOUR_LAWS = ("natural", "uniform", "grey")
"""... values of ``colours`` that are laws and not a folder of them, ..."""
_DARKS = ("sfrn", "pmn", "two-shots", "two-shots-fast")
"""... and noise models that are fed with dark frames."""
_UNKNOWN = "unknown"


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
    data
        In words, what the record says of the data that the network was trained on.
    bundled
        They are, byte for byte, weights that come with synthnoise.
    """

    name: str
    network: nn.Module
    record: WeightsRecord
    data: str
    bundled: bool

    @property
    def origin(self) -> dict[str, str]:
        """Licence and source where they are known, which is of bundled weights alone."""
        return ORIGIN if self.bundled else {}


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
    bundled = sha256(path) in {sha256(p) for p in map(bundled_weights, bundled_names()) if p is not None}
    data = training_data(record, bundled=bundled, plugins=plugins)
    return Source(name=name, network=network, record=record, data=data, bundled=bundled)


def training_data(record: WeightsRecord, *, bundled: bool = False, plugins: Plugins | None = None) -> str:
    """Return in words what a network was trained on, as far as its record says it.

    Parameters
    ----------
    bundled
        The recipes of the weights that it began from are those of synthnoise.
    """
    recipe = record.recipe
    if "imported" in recipe:
        return f"{_UNKNOWN}: weights of others, {printable(recipe.get('source', recipe['imported']))}"
    if not recipe.get("images") or not recipe.get("noise"):
        return _UNKNOWN
    plugins = plugins or default_plugins()
    text = f"{_images(recipe, plugins)} and {_noise(recipe, plugins)}"
    start = recipe.get("start")
    if not start:
        return text
    before = bundled_weights(str(start))
    if before is not None:
        return f"{text}; before, as the bundled {start}: {training_data(read_record(before), bundled=True)}"
    return f"{text}; begun from {printable(start)}" + ("" if bundled else ", trained on what is unknown")


def _images(recipe: Mapping[str, Any], plugins: Plugins) -> str:
    name, options = printable(recipe["images"]), _options(recipe, "image_options")
    if not _is_ours("image_models", name, plugins):
        return f"images of {name}, of which nothing is known"
    if name in _PHOTOGRAPHS:
        return f"photographs ({name})"
    if options.get("path"):
        return f"images made of photographs ({name})"
    source = options.get("source")
    if source and not _is_ours("image_models", str(source), plugins):
        return f"images made of those of {printable(source)} ({name}), of which nothing is known"
    if options.get("colours") not in (None, *_COLOUR_LAWS):
        return f"synthetic images in the colours of photographs ({name})"
    return f"synthetic images ({name})"


def _noise(recipe: Mapping[str, Any], plugins: Plugins) -> str:
    name, profile = printable(recipe["noise"]), recipe.get("profile")
    if not _is_ours("noise_models", name, plugins):
        return f"noise of {name}, of which nothing is known"
    names = profile if isinstance(profile, list) else [profile] if profile else []
    camera = f", camera profile {', '.join(map(printable, names))}" if names else ""
    if name in _DARKS:
        return f"noise with dark frames of a camera ({name}{camera})"
    if _options(recipe, "noise_options").get("weights"):
        return f"noise learnt from data that are unknown ({name}{camera})"
    return f"synthetic noise ({name}{camera})"


def _options(recipe: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    values = recipe.get(key)
    return values if isinstance(values, Mapping) else {}


def _is_ours(kind: Kind, name: str, plugins: Plugins) -> bool:
    """Return whether a model is known here: those of plugins may be made of anything."""
    try:
        return bool(plugins.find(kind, name).source == BUILTIN)
    except PluginError:
        return False
