"""``synthnoise models``: what there is to choose from."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from synthnoise import options
from synthnoise.cli.parameters import Json
from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.errors import PluginError
from synthnoise.output import Output
from synthnoise.plugins import BUILTIN, RECORD_TYPES, Kind, default_plugins
from synthnoise.specs import DOMAINS, DenoiserSpec

LISTED: tuple[Kind, ...] = (
    "image_models",
    "noise_models",
    "denoisers",
    "readers",
    "writers",
    "isps",
    "metrics",
)


def models(
    name: Annotated[str | None, typer.Argument(help="Show the options of this one.")] = None,
    json: Json = False,
) -> None:
    """List image models, noise models, denoisers, weights, readers, writers, renderers and metrics."""
    output = Output(json_mode=json)
    plugins = default_plugins()
    if name is None:
        rows = [
            (RECORD_TYPES[kind].kind, r.name, r.source, r.summary)
            for kind in LISTED
            for r in plugins.records(kind)
        ]
        rows += [("weights", name, BUILTIN, _summary(name)) for name in bundled_names()]
        output.table("", ("kind", "name", "plugin", "summary"), rows, key="models")
        return
    found = [
        (kind, record)
        for kind in get_args(Kind)
        for record in plugins.records(kind)
        if name in (record.name, record.qualified_name, *record.aliases)
    ]
    if not found and name in bundled_names():
        raise PluginError(f"{name} are bundled weights", hint=f"synthnoise inspect {name} says all of them")
    if not found:
        raise PluginError(f"nothing is called {name!r}", hint="synthnoise models lists every name")
    for kind, record in found:
        described = options.describe(record.load_options())
        facts = [(o["name"], o["type"], o["default"], o["unit"], o["help"]) for o in described]
        title = f"{record.qualified_name} ({RECORD_TYPES[kind].kind}): {record.summary}"
        if isinstance(record, DenoiserSpec):
            title += f"\n{_about(record)}"
        output.table(title, ("option", "type", "default", "unit", "meaning"), facts, key="options")


def _summary(name: str) -> str:
    """Return in a line what bundled weights are."""
    from synthnoise.denoisers.weights import read_record

    path = bundled_weights(name)
    assert path is not None
    record = read_record(path)
    images, noise = (record.recipe.get(key, "unknown") for key in ("images", "noise"))
    return f"A {record.denoiser} for {DOMAINS[record.domain]}, trained on {images} with {noise}."


def _about(record: DenoiserSpec) -> str:
    """Return what the core knows of a denoiser without importing it."""
    facts = [
        f"for {DOMAINS[record.domain]}",
        f"{record.channels} planes" if record.channels else "any number of planes",
        {"none": "blind", "sigma": "told one noise level", "sigma-map": "told the noise level of each pixel"}[
            record.conditioning
        ],
        "to be trained" if record.trainable else "nothing to train",
    ]
    if record.stabilised:
        facts.append("on RAW after the variance-stabilising transform")
    if record.multiple_of > 1:
        facts.append(f"sizes are padded to multiples of {record.multiple_of}")
    if record.halo:
        facts.append(f"sees {record.halo} pixels far")
    if record.global_context:
        facts.append("may see the whole image, and then takes no tiles")
    return ", ".join(facts)
