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
    from synthnoise.denoisers.published_weights import read_published
    from synthnoise.denoisers.weights import save_weights

    network, record = read_published(weights, layout)
    target = output or weights.with_suffix(".safetensors")
    save_weights(target, network, record, overwrite=overwrite)
    parameters = sum(p.numel() for p in network.parameters())
    facts = {
        "output": target,
        "denoiser": record.denoiser,
        "parameters": parameters,
        "options": record.options,
    }
    lines = [f"{target}: {record.denoiser}, {parameters} parameters, from {weights.name}"]
    Output(json_mode=json, quiet=context.obj["quiet"]).result(facts, lines)
