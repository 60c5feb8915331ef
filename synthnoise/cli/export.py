"""``synthnoise export``: trained weights become one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthnoise.cli.parameters import Json, OutputPath, Overwrite, parse_size
from synthnoise.output import Output


def export(
    context: typer.Context,
    weights: Annotated[Path, typer.Argument(help="Weights from synthnoise train (.safetensors).")],
    output: OutputPath = None,
    static: Annotated[
        str | None,
        typer.Option("--static", metavar="HxW", help="Fix the size, in pixels of a plane; batch 1."),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Half precision inside (fp16): half the file, for accelerators.")
    ] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a denoiser as ONNX, checked against torch, with all that is needed to run it inside."""
    from synthnoise.export import export_onnx

    summary = export_onnx(
        weights,
        output or weights.with_suffix(".onnx"),
        static=None if static is None else parse_size(static),
        half=half,
        overwrite=overwrite,
    )
    Output(json_mode=json, quiet=context.obj["quiet"]).result(summary.as_dict(), summary.lines())
