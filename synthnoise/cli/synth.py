"""``synthnoise synth``: clean images, or clean/noisy pairs as a camera would have shot them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synthnoise.cli.outcomes import interruptible
from synthnoise.cli.parameters import (
    Device,
    ImageModelName,
    Iso,
    Json,
    OutputOrOption,
    Profile,
    Ratio,
    Seed,
    check_folder,
    parse_size,
    split_output,
)
from synthnoise.options import parse_pairs
from synthnoise.output import Output


def synth(
    context: typer.Context,
    model: ImageModelName = "dead-leaves",
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")] = 16,
    output: OutputOrOption = None,
    size: Annotated[str, typer.Option("--size", help="HEIGHTxWIDTH in pixels.")] = "512x512",
    noise: Annotated[
        str | None, typer.Option("--noise", help="Noise model: makes clean/noisy pairs.")
    ] = None,
    noise_option: Annotated[
        list[str] | None,
        typer.Option("--noise-option", metavar="KEY=VALUE", help="An option of the noise model."),
    ] = None,
    profile: Profile = None,
    iso: Iso = None,
    ratio: Ratio = 1.0,
    file_format: Annotated[str, typer.Option("--format", help="png, tiff, npy, dng or webdataset.")] = "png",
    start: Annotated[int, typer.Option("--start", min=0, help="Number of the first image.")] = 0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images per batch; does not change them.")] = 4,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Processes; does not change the images.")
    ] = 1,
    contact_sheet: Annotated[
        bool, typer.Option("--contact-sheet", help="Also write contact-sheet.png.")
    ] = False,
    seed: Seed = 0,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Draw synthetic images; with a noise model or a profile, clean/noisy pairs. Run again to resume."""
    # What the command line alone can refuse is refused before torch is loaded.
    place, options = split_output(output)
    area = parse_size(size)
    check_folder(place)
    from synthnoise.stream import dataset, npy_stream

    out = Output(json_mode=json, quiet=context.obj["quiet"])
    request = dataset.Request(
        model=model,
        n=number,
        size=area,
        seed=seed,
        start=start,
        options=options,
        noise=noise,
        noise_options=parse_pairs(noise_option or []),
        profile=profile,
        iso=iso,
        ratio=ratio,
    )
    again = "nothing is kept of a stream" if place == "-" else "the same command goes on"
    with interruptible(out, again), out.progress() as progress:
        if place == "-":
            npy_stream.write_stream(
                sys.stdout.buffer,
                dataset.samples(request.streamed(), batch_size=batch, device=device, workers=jobs),
            )
            return
        folder = Path(place or f"{model}-{seed}")
        summary = dataset.synthesize(
            request,
            folder,
            format=file_format,
            batch_size=batch,
            device=device,
            jobs=jobs,
            contact_sheet=contact_sheet,
            progress=progress,
        )
    out.result(summary.as_dict(), summary.lines())
    for line in summary.pace():
        out.remark(line)
