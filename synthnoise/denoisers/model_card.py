"""What weights say of themselves, for people and programs: what they are for, and what they learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.weights import WeightsRecord, count_parameters, read_record
from synthnoise.errors import PluginError
from synthnoise.files import printable, sha256
from synthnoise.plugins import BUILTIN, Kind, Plugins, default_plugins

ORIGIN = {"license": "MIT", "source": "https://github.com/synthnoise/synthnoise"}
"""What can be said of the bundled weights alone: those of others are theirs."""

_PHOTOGRAPHS = ("folder",)
"""Image models that are photographs, ..."""
_COLOUR_LAWS = ("natural", "uniform", "grey")
"""... values of ``colours`` that are laws and not a folder of them, ..."""
_DARKS = ("sfrn", "pmn", "two-shots", "two-shots-fast")
"""... and noise models that are fed with dark frames."""
_UNKNOWN = "unknown"


def describe_weights(path: Path | str, *, plugins: Plugins | None = None) -> dict[str, Any]:
    """Return what a weights file says of itself, JSON values, without reading its tensors.

    Raises
    ------
    InputError
        It is not a weights file.
    """
    record = read_record(path)
    return {
        **describe_network(record),
        "parameters": count_parameters(path),
        "card": model_card(record, bundled=is_bundled(path), plugins=plugins),
    }


def describe_network(record: WeightsRecord) -> dict[str, Any]:
    """Return what a program needs to know to run a network, JSON values.

    ``normalisation`` says what the input must be, ``noise_range`` which sigma was trained, ``halo`` how far
    tiles must overlap, ``multiple_of`` where they must begin.
    """
    return {
        "schema": record.schema,
        "denoiser": record.denoiser,
        "options": record.options,
        "domain": record.domain,
        "channels": record.channels,
        "planes": "CFA positions in row-major order"
        if record.domain in ("bayer", "x-trans", "mosaic")
        else "R, G, B",
        "normalisation": (
            "black subtracted, divided by white - black, generalised Anscombe transform to unit variance"
            if record.stabilised
            else "black 0, white 1"
        ),
        "stabilised": record.stabilised,
        "sigma": (
            "standard deviation of the noise in the unit of the input, one value per pixel"
            if record.sigma_planes
            else "not heeded: the network is blind"
        ),
        "sigma_planes": record.sigma_planes,
        "noise_range": list(record.noise_range),
        "halo": record.halo,
        "multiple_of": record.multiple_of,
        "global_context": record.global_context,
        "figures": record.figures,
    }


def model_card(
    record: WeightsRecord, *, bundled: bool = False, plugins: Plugins | None = None
) -> dict[str, Any]:
    """Return where weights come from: data in words, recipe, seed; licence and source of bundled ones."""
    return {
        "data": training_data(record, bundled=bundled, plugins=plugins),
        **(ORIGIN if bundled else {}),
        "recipe": record.recipe,
        "seed": record.seed,
        "steps": record.steps,
        "version": record.version,
    }


def is_bundled(path: Path | str) -> bool:
    """Return whether a file is, byte for byte, one of those that come with synthnoise."""
    own = (bundled_weights(name) for name in bundled_names())
    return sha256(path) in {sha256(file) for file in own if file is not None}


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
    return f"{text}; begun from {printable(start)}" + (
        ", whose data were synthetic, too" if bundled else ", trained on what is unknown"
    )


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
