"""``synthnoise pipe``: several stages in one process; tensors stay on the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthnoise.cli.parameters import (
    DenoiserName,
    Device,
    ImageModelName,
    Iso,
    OutputOrOption,
    Profile,
    Ratio,
    Seed,
    check_folder,
    parse_size,
    split_output,
)
from synthnoise.errors import UsageError
from synthnoise.output import Output

if TYPE_CHECKING:
    from synthnoise.stream.npy_stream import Batch

SEPARATOR = "::"

stages = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@dataclass
class Pipeline:
    """What the stages build up: a stream of batches, and where it goes in the end."""

    batches: Iterator[Batch] | None = None
    total: int = 0
    place: str | None = None
    description: dict[str, Any] = field(default_factory=dict)

    def upstream(self, stage: str) -> Iterable[Batch]:
        """Return the stream so far, which must exist before a ``stage`` that changes it."""
        if self.batches is None:
            raise UsageError(f"{stage} has nothing before it", hint=f"begin with: synth -n 16 {SEPARATOR}")
        return self.batches


@stages.command("synth")
def synth_stage(
    context: typer.Context,
    model: ImageModelName = "dead-leaves",
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")] = 16,
    output: OutputOrOption = None,
    size: Annotated[str, typer.Option("--size", help="HEIGHTxWIDTH in pixels.")] = "512x512",
    start: Annotated[int, typer.Option("--start", min=0, help="Number of the first image.")] = 0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images per batch.")] = 4,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw clean images."""
    pipeline: Pipeline = context.obj
    if pipeline.batches is not None:
        raise UsageError("synth can only be the first stage")
    pipeline.place, options = split_output(output)
    area = parse_size(size)
    from synthnoise.stream import dataset

    request = dataset.Request(model=model, n=number, size=area, seed=seed, start=start, options=options)
    pipeline.batches = dataset.samples(request, batch_size=batch, device=device)
    pipeline.total = number
    pipeline.description["synth"] = request.as_dict()


@stages.command("noise")
def noise_stage(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Noise model; none: what suits the profile.")
    ] = None,
    output: OutputOrOption = None,
    profile: Profile = None,
    iso: Iso = None,
    ratio: Ratio = 1.0,
    seed: Seed = 0,
) -> None:
    """Add noise."""
    pipeline: Pipeline = context.obj
    pipeline.place, options = split_output(output)
    clean = pipeline.upstream("noise")
    from synthnoise.stream import noising

    settings = noising.Settings(
        model=model, options=options, profile=profile, iso=iso, ratio=ratio, seed=seed
    )
    pipeline.batches = noising.add_noise_stream(clean, settings)
    pipeline.description["noise"] = settings.as_dict()


@stages.command("denoise")
def denoise_stage(
    context: typer.Context,
    denoiser: DenoiserName = "auto",
    output: OutputOrOption = None,
    strength: Annotated[
        float, typer.Option("--strength", min=0.0, max=1.0, help="0 leaves the noise.")
    ] = 1.0,
    device: Device = "auto",
) -> None:
    """Denoise."""
    pipeline: Pipeline = context.obj
    pipeline.place, options = split_output(output)
    noisy = pipeline.upstream("denoise")
    from synthnoise import denoising

    settings = denoising.Settings(denoiser=denoiser, options=options, strength=strength, device=device)
    pipeline.batches = denoising.denoise_stream(noisy, settings)
    pipeline.description["denoise"] = settings.as_dict()


def split_stages(arguments: list[str]) -> list[list[str]]:
    """Return the arguments of each stage, split at ``::``.

    Raises
    ------
    UsageError
        A stage is empty.
    """
    parts: list[list[str]] = [[]]
    for argument in arguments:
        if argument == SEPARATOR:
            parts.append([])
        else:
            parts[-1].append(argument)
    if not all(parts):
        raise UsageError(
            "a stage is empty", hint=f"synth -n 16 {SEPARATOR} noise --iso 800 {SEPARATOR} denoise -o out"
        )
    return parts


def pipe(context: typer.Context) -> None:
    """Run stages in one process: synth ... :: noise ... :: denoise ... -o DIR [--format F]."""
    arguments, file_format = _take_format(list(context.args))
    pipeline = Pipeline()
    command = typer.main.get_command(stages)
    for segment in split_stages(arguments):
        command.main(segment, prog_name="synthnoise pipe", standalone_mode=False, obj=pipeline)
        if "--help" in segment:
            return
    if pipeline.place is None:
        raise UsageError("where should the result go?", hint="give the last stage -o DIR")
    check_folder(pipeline.place)
    batches = iter(pipeline.upstream("the end"))
    from synthnoise.stream import dataset

    out = Output(quiet=context.obj["quiet"])
    with out.progress() as progress:
        summary = dataset.write_batches(
            batches,
            pipeline.place,
            format=file_format,
            description=pipeline.description,
            total=pipeline.total,
            progress=progress,
        )
    out.result(summary.as_dict(), summary.lines())


def _take_format(arguments: list[str]) -> tuple[list[str], str]:
    """Return the arguments without ``--format F``, and F: it belongs to the end, not to a stage."""
    if "--format" not in arguments:
        return arguments, "npy"
    at = arguments.index("--format")
    if at + 1 == len(arguments):
        raise UsageError("--format needs a value", hint="png, tiff, npy or webdataset")
    return arguments[:at] + arguments[at + 2 :], arguments[at + 1]
