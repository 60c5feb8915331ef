"""``synthnoise noise``: adds a camera's noise to given images and RAW frames."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from synthnoise.cli.outcomes import report
from synthnoise.cli.parameters import (
    Inputs,
    Iso,
    Json,
    OnExisting,
    OutputOrOption,
    Profile,
    Ratio,
    Seed,
    complete_noise_models,
    split_output,
)
from synthnoise.output import Output


def noise(
    context: typer.Context,
    inputs: Inputs,
    output: OutputOrOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Noise model (synthnoise models); none: what suits the profile.",
            autocompletion=complete_noise_models,
        ),
    ] = None,
    profile: Profile = None,
    iso: Iso = None,
    ratio: Ratio = 1.0,
    on_existing: OnExisting = "error",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Add noise to images (PNG, TIFF, NPY) or RAW frames, as the camera of a profile would."""
    from synthnoise.stream import noising, npy_stream

    place, options = split_output(output)
    out = Output(json_mode=json, quiet=context.obj["quiet"])
    settings = noising.Settings(
        model=model, options=options, profile=profile, iso=iso, ratio=ratio, seed=seed
    )
    if inputs == ["-"]:
        npy_stream.write_stream(
            sys.stdout.buffer, noising.add_noise_stream(npy_stream.read_stream(sys.stdin.buffer), settings)
        )
        return
    with out.progress() as progress:
        outcomes = noising.add_noise_files(
            inputs, place, settings=settings, on_existing=on_existing, progress=progress
        )
    report(out, outcomes)
