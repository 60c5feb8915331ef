"""``synthnoise import-weights``: networks that others published, in our weights format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthnoise.cli.parameters import Json, OutputPath, Overwrite
from synthnoise.output import Output


def import_weights(
    context: typer.Context,
    weights: Annotated[Path, typer.Argument(help="The published file (.pth or .mat).")],
    layout: Annotated[
        str, typer.Option("--layout", help="What it holds: ffdnet-leaves or ffdnet-matconvnet.")
    ],
    output: OutputPath = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Turn weights that others published into a weights file; runs no code of theirs."""
    from synthnoise.denoisers.model_card import describe_weights
    from synthnoise.denoisers.published_weights import import_weights as run

    target = run(weights, layout, output, overwrite=overwrite)
    facts = describe_weights(target)
    lines = [f"{target}: {facts['denoiser']}, {facts['parameters']} parameters, from {weights.name}"]
    document = {"output": target, **{key: facts[key] for key in ("denoiser", "parameters", "options")}}
    Output(json_mode=json, quiet=context.obj["quiet"]).result(document, lines)
