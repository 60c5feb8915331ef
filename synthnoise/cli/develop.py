"""``synthnoise develop``: a viewable picture of a RAW file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthnoise.cli.parameters import GeometryText, OutputPath, Overwrite, parse_geometry
from synthnoise.errors import UsageError
from synthnoise.output import Output


def develop(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN", help="A RAW file.")],
    output: OutputPath = None,
    half_size: Annotated[bool, typer.Option("--half", help="Half the width and height, faster.")] = False,
    linear: Annotated[
        bool, typer.Option("--linear", help="Linear light without exposure or tone, for further work (TIFF).")
    ] = False,
    geometry: GeometryText = None,
    overwrite: Overwrite = False,
) -> None:
    """Render a RAW file to PNG, JPEG or 16-bit TIFF, with colour profile and EXIF."""
    from synthnoise.raw.picture_files import CONTAINERS
    from synthnoise.raw.reading import read_frame
    from synthnoise.raw.rendering import write_rendering

    beside = source.with_suffix(".tif" if linear else ".png")
    target = output / beside.name if output is not None and output.is_dir() else output or beside
    if target.suffix.lower() not in CONTAINERS:
        raise UsageError(
            f"{target}: cannot write {target.suffix or 'a file without suffix'}",
            hint="use .png, .jpg or .tif, or name a folder that is there",
        )
    frame = read_frame(source, geometry=parse_geometry(geometry), demosaiced=True)
    write_rendering(target, frame, half_size=half_size, linear=linear, overwrite=overwrite)
    Output(quiet=context.obj["quiet"]).remark(f"{source} -> {target}")
