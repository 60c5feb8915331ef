"""``synthnoise export``: trained weights become one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthnoise.cli.parameters import Json, OutputPath, Overwrite
from synthnoise.output import Output


def export(
    context: typer.Context,
    weights: Annotated[Path, typer.Argument(help="Weights from synthnoise train (.safetensors).")],
    output: OutputPath = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a denoiser as ONNX, checked against torch, with all that is needed to run it inside."""
    from synthnoise.export import export_onnx

    summary = export_onnx(weights, output or weights.with_suffix(".onnx"), overwrite=overwrite)
    Output(json_mode=json, quiet=context.obj["quiet"]).result(summary.as_dict(), summary.lines())
