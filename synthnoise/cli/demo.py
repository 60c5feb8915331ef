"""``synthnoise demo``: the two-shot story, end to end, on a virtual camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthnoise.cli.parameters import Json, Overwrite, Seed
from synthnoise.output import Output


def demo(
    context: typer.Context,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for what it makes.")] = Path(
        "synthnoise-demo"
    ),
    overwrite: Overwrite = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Shoot two frames with a virtual camera, calibrate, synthesise, denoise, and check every step."""
    from synthnoise.demo import run_demo

    out = Output(json_mode=json, quiet=context.obj["quiet"])
    with out.progress() as progress:
        report = run_demo(output, seed=seed, overwrite=overwrite, progress=progress)
    out.result(report.as_dict(), report.lines())
    report.raise_on_failure()
