"""``synthnoise export``: trained weights become one ONNX file, or a package for darktable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthnoise.cli.parameters import Json, Overwrite, parse_size
from synthnoise.errors import UsageError
from synthnoise.output import Output


def export(
    context: typer.Context,
    weights: Annotated[
        Path,
        typer.Argument(
            metavar="WEIGHTS",
            help="Weights from synthnoise train (.safetensors), or the name of bundled ones.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="NAME.onnx, .dtmodel or .safetensors; default: WEIGHTS.onnx."),
    ] = None,
    static: Annotated[
        str | None,
        typer.Option("--static", metavar="HxW", help="Fix the size, in pixels of a plane; batch 1."),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Half precision inside (fp16): half the file, for accelerators.")
    ] = False,
    sigma: Annotated[
        float | None, typer.Option("--sigma", help="Noise level of a .dtmodel, of 255; default: 15.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write weights as an ONNX file, checked against torch, with all that is needed to run it inside.

    -o NAME.dtmodel makes a package for darktable instead, of networks for pictures; -o NAME.safetensors with
    --half the weights in a file of half the size.
    """
    from synthnoise.export import HalfSummary, OnnxSummary, export_darktable, export_onnx, halve_weights

    target = output or weights.with_suffix(".onnx")
    size = None if static is None else parse_size(static, "--static")
    summary: OnnxSummary | HalfSummary
    if half and target.suffix == ".safetensors":
        if static is not None or sigma is not None:
            raise UsageError(
                f"{target}: weights have no size and no noise level", hint="those are of other files"
            )
        summary = halve_weights(weights, target, overwrite=overwrite)
    elif target.suffix == ".dtmodel":
        if half:
            raise UsageError("darktable's packages are not made in half precision", hint="leave out --half")
        level = 15.0 if sigma is None else sigma
        summary = export_darktable(weights, target, sigma=level, static=size, overwrite=overwrite)
    else:
        if sigma is not None:
            raise UsageError(f"{target}: takes the noise level as an input", hint="--sigma is for .dtmodel")
        summary = export_onnx(weights, target, static=size, half=half, overwrite=overwrite)
    Output(json_mode=json, quiet=context.obj["quiet"]).result(summary.as_dict(), summary.lines())
