"""``synthnoise calibrate``: a dark frame and a noisy frame become a camera profile."""

from __future__ import annotations

from typing import Annotated

import typer

from synthnoise.cli.parameters import GeometryText, Json, OutputPath, Overwrite, frames_of, parse_geometry
from synthnoise.output import Output


def calibrate(
    context: typer.Context,
    dark: Annotated[
        list[str] | None,
        typer.Option("--dark", help="A frame with the lens cap on; repeatable, one per ISO or more."),
    ] = None,
    noisy: Annotated[
        list[str] | None, typer.Option("--noisy", help="An ordinary photograph at the same ISO; repeatable.")
    ] = None,
    flat: Annotated[
        list[str] | None,
        typer.Option(
            "--flat", help="An even field, or a scene that stands still: two per exposure time; repeatable."
        ),
    ] = None,
    output: OutputPath = None,
    camera: Annotated[
        str | None, typer.Option("--camera", help="Name of the camera, if the files do not say.")
    ] = None,
    iso: Annotated[
        float | None, typer.Option("--iso", help="ISO speed of all files, if they do not say it, or wrongly.")
    ] = None,
    keep_dark: Annotated[
        bool, typer.Option(help="Keep the dark frame in the profile: denoise subtracts its fixed pattern.")
    ] = True,
    geometry: GeometryText = None,
    merge: Annotated[bool, typer.Option("--merge", help="Add the ISOs to a profile that exists.")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Measure a camera's noise from one dark and one noisy frame per ISO, and write its profile."""
    from synthnoise import calibration

    layout = parse_geometry(geometry)
    out = Output(json_mode=json, quiet=context.obj["quiet"])
    darks, photographs, flats = (frames_of(paths, layout) for paths in (dark, noisy, flat))
    with out.progress() as progress:
        result = calibration.calibrate(
            darks,
            photographs,
            flats,
            camera=camera,
            iso=iso,
            output=output or calibration.default_folder([*photographs, *flats], camera),
            keep_dark=keep_dark,
            overwrite=overwrite,
            merge=merge,
            progress=progress,
        )
    for warning in result.warnings:
        out.warn(warning)
    out.result(result.as_dict(), result.report)
