"""``synthnoise models``: what there is to choose from."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from synthnoise import options
from synthnoise.cli.parameters import Json
from synthnoise.errors import PluginError
from synthnoise.output import Output
from synthnoise.plugins import RECORD_TYPES, Kind, default_plugins

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
    """List image models, noise models, denoisers, readers, writers, renderers and metrics."""
    output = Output(json_mode=json)
    plugins = default_plugins()
    if name is None:
        rows = [
            (RECORD_TYPES[kind].kind, r.name, r.source, r.summary)
            for kind in LISTED
            for r in plugins.records(kind)
        ]
        output.table("", ("kind", "name", "plugin", "summary"), rows, key="models")
        return
    found = [
        (kind, record)
        for kind in get_args(Kind)
        for record in plugins.records(kind)
        if name in (record.name, record.qualified_name, *record.aliases)
    ]
    if not found:
        raise PluginError(f"nothing is called {name!r}", hint="synthnoise models lists every name")
    for kind, record in found:
        described = options.describe(record.load_options())
        facts = [(o["name"], o["type"], o["default"], o["unit"], o["help"]) for o in described]
        title = f"{record.qualified_name} ({RECORD_TYPES[kind].kind}): {record.summary}"
        output.table(title, ("option", "type", "default", "unit", "meaning"), facts, key="options")
