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
    geometry: GeometryText = None,
    overwrite: Overwrite = False,
) -> None:
    """Render a RAW file to PNG or TIFF for viewing (as shot white balance, plain tone curve)."""
    from synthnoise.raw.develop import develop as render
    from synthnoise.raw.images import write_png, write_tiff
    from synthnoise.raw.reading import read_frame

    target = output or source.with_suffix(".png")
    writers = {".png": write_png, ".tif": write_tiff, ".tiff": write_tiff}
    if target.suffix.lower() not in writers:
        raise UsageError(
            f"{target}: cannot write {target.suffix or 'a file without suffix'}", hint="use .png or .tif"
        )
    picture = render(
        read_frame(source, geometry=parse_geometry(geometry), demosaiced=True), half_size=half_size
    )
    writers[target.suffix.lower()](target, picture, overwrite=overwrite)
    Output(quiet=context.obj["quiet"]).remark(f"{source} -> {target}")
