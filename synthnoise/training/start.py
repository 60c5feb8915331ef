"""Weights that training begins from, instead of random ones: fine-tuning.

A network that knows any camera a little learns one camera well in a fraction of the steps. Network and
options are those of the weights; optimiser, schedule and average begin anew.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from synthnoise import options
from synthnoise.colour_filter_arrays import NAMED, CfaName
from synthnoise.denoisers.bundled import OF_MOSAICS, bundled_names, bundled_weights
from synthnoise.denoisers.weights import WeightsRecord, content_hash, load_weights
from synthnoise.errors import UsageError
from synthnoise.plugins import Plugins
from synthnoise.profiles.store import load_profile

SUFFIX = ".safetensors"

RANDOM = "random"
"""Stands for weights that have learnt nothing, where otherwise there would be others to begin from."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A network that has learnt before.

    Attributes
    ----------
    name
        Of bundled weights, or of a file, without its folder.
    network
        On the CPU.
    record
        What the weights say of themselves.
    sha256
        Of the network's values (:func:`synthnoise.denoisers.weights.content_hash`).
    """

    name: str
    network: nn.Module
    record: WeightsRecord
    sha256: str

    def check_denoiser(self, denoiser: str | None, chosen: Mapping[str, Any], plugins: Plugins) -> None:
        """Refuse a denoiser, or options of it, that are not those of the weights; None and none are.

        Raises
        ------
        UsageError
            They differ.
        PluginError
            There is no such denoiser.
        """
        spec = plugins.find("denoisers", self.record.denoiser)
        if denoiser is not None and plugins.find("denoisers", denoiser).qualified_name != spec.qualified_name:
            raise UsageError(
                f"{self.name}: is a {self.record.denoiser}, not a {denoiser}",
                hint=f"leave out --denoiser, or begin {denoiser} without --start",
            )
        kind = spec.load_options()
        own = options.build(kind, self.record.options, owner=spec.name)
        built = options.build(kind, {**self.record.options, **chosen}, owner=spec.name)
        for key in chosen:
            if getattr(own, key) != getattr(built, key):
                raise UsageError(
                    f"{self.name}: its {key} is {getattr(own, key)}, not {getattr(built, key)}",
                    hint="the options of the network are those of the weights it begins from",
                )

    def images(self, plugins: Plugins) -> tuple[str, dict[str, Any], int | None, int] | None:
        """Return the model of the images that the weights learnt from, its options, ``scene`` and ``cuts``.

        None where these are not told, or an option may name files, which do not travel with the weights.
        """
        recipe = self.record.recipe
        name, scene, cuts = recipe.get("images"), recipe.get("scene"), recipe.get("cuts", 1)
        values = recipe.get("image_options") or {}
        model = next((spec for spec in plugins.records("image_models") if spec.name == name), None)
        if model is None or options.free_text(model.load_options() if values else None, values):
            return None
        if isinstance(scene, int | None) and isinstance(cuts, int):
            return str(name), dict(values), scene, cuts
        return str(name), dict(values), None, 1

    def noise(self) -> tuple[str | None, dict[str, Any]]:
        """Return name and options of the noise that the weights learnt from; None if a camera's.

        Of weights for pictures that do not say it (imported ones), the range of levels that they state.
        """
        recipe = self.record.recipe
        if recipe.get("noise") and recipe.get("profile") is None:
            own = recipe.get("noise_options", {})
            return str(recipe["noise"]), {k: tuple(v) if isinstance(v, list) else v for k, v in own.items()}
        if self.record.domain != "srgb":
            return None, {}
        least, most = (255 * level for level in self.record.noise_range)
        return "gaussian", {"sigma": least, "sigma_max": most}

    def cfa(self) -> CfaName | None:
        """Return the name of the colour filter array of the weights; None for Bayer's and for none."""
        return next((name for name in NAMED if name == self.record.domain != "bayer"), None)

    def check_pairs(self, domain: str, channels: int, noise: str) -> None:
        """Refuse pairs of another kind than the weights are for.

        Raises
        ------
        UsageError
            Domain or number of planes differ.
        """
        record = self.record
        if (record.domain, record.channels) != (domain, channels):
            fitting = "noise for RAW (--noise)"
            if record.domain == "srgb":
                fitting = "noise in sRGB, such as gaussian (--noise)"
            elif domain != "srgb":
                fitting = "the profile of a camera with their colour filter array, or --cfa"
            raise UsageError(
                f"{self.name}: is for {record.channels} planes of {record.domain},"
                f" the noise {noise} gives {channels} planes of {domain}",
                hint=f"choose {fitting}, or other weights",
            )


def origin(arguments: Mapping[str, Any], plugins: Plugins) -> Start | None:
    """Return what :func:`synthnoise.training.train` begins from with some of its arguments; None if nothing.

    What the bundled weights for its mosaic know of any camera, a camera's own need not learn again: they are
    begun from if a profile is named, but no network and no noise in pictures.

    Raises
    ------
    UsageError, InputError
        As by :func:`read_start`, and by the first profile.
    PluginError
        There is no such noise model.
    """
    start, profile, noise = (arguments.get(name) for name in ("start", "profile", "noise"))
    if start is not None:
        return None if start == RANDOM else read_start(start, plugins, sha256=arguments.get("start_sha256"))
    if not profile or arguments.get("denoiser") is not None or arguments.get("denoiser_options"):
        return None
    if noise is not None and plugins.find("noise_models", noise).domain != "raw":
        return None
    cfa = load_profile(profile if isinstance(profile, str) else profile[0]).cfa_name
    return None if cfa is None else read_start(OF_MOSAICS[cfa], plugins)


def read_start(weights: Path | str, plugins: Plugins, *, sha256: str | None = None) -> Start:
    """Return the network of bundled weights or of a ``.safetensors`` file.

    With ``sha256`` no other weights will do, whatever they are called.

    Raises
    ------
    UsageError
        There are no such bundled weights, nor such a file; or not with that hash.
    InputError
        The file is not what it should be.
    """
    path = bundled_weights(str(weights)) or Path(weights)
    if path.suffix != SUFFIX and not path.is_file():
        raise UsageError(
            f"there are no weights called {weights}",
            hint=f"{', '.join(bundled_names())}, or a {SUFFIX} file",
        )
    if not path.is_file():
        raise UsageError(
            f"{path}: no such file to start from",
            hint="train it first (each part of a recipe has one of its own), or name others with --start",
        )
    network, record = load_weights(path, plugins=plugins)
    found = content_hash(network)
    if sha256 not in (None, found):
        raise UsageError(
            f"{weights}: are other weights than asked for: their SHA-256 is {found[:12]}..., not {sha256}",
            hint="fetch those of the recipe, or name yours with --start (in Python, leave out start_sha256)",
        )
    # Imported weights state only what differs from the defaults.
    kind = plugins.find("denoisers", record.denoiser).load_options()
    built = options.build(kind, record.options, owner=record.denoiser)
    record = dataclasses.replace(record, options=dataclasses.asdict(built) if built is not None else {})
    return Start(
        name=str(weights) if bundled_weights(str(weights)) else path.name,
        network=network.train(),
        record=record,
        sha256=found,
    )
