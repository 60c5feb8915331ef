"""``synthnoise denoise``: RAW and RGB files, one or hundreds, denoised tile by tile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthnoise.cli.outcomes import announce, conclude, interruptible, report
from synthnoise.cli.parameters import (
    DenoiserName,
    Device,
    GeometryText,
    Inputs,
    Iso,
    Json,
    OnExisting,
    OutputOrOption,
    Profile,
    parse_cfa,
    parse_geometry,
    split_output,
    was_given,
)
from synthnoise.errors import UsageError
from synthnoise.files import FileOutcome
from synthnoise.output import Output

if TYPE_CHECKING:
    from synthnoise.denoising import Settings


OF_FILES = (
    "profile", "iso", "profile_dark", "dark", "tile", "file_format", "bits", "preview", "recursive", "jobs",
    "watch", "sandbox", "on_existing", "json",
)  # fmt: skip
"""Parameters that change nothing in a stream, which states its noise itself."""


def denoise(
    context: typer.Context,
    inputs: Inputs,
    output: OutputOrOption = None,
    denoiser: DenoiserName = "auto",
    profile: Profile = None,
    iso: Iso = None,
    strength: Annotated[
        float, typer.Option("--strength", min=0.0, max=1.0, help="0 leaves the noise, 1 removes it.")
    ] = 1.0,
    luma: Annotated[
        float, typer.Option("--luma", min=0.0, max=1.0, help="Strength for brightness: 0.5 keeps grain.")
    ] = 1.0,
    chroma: Annotated[float, typer.Option("--chroma", min=0.0, max=1.0, help="Strength for colour.")] = 1.0,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="dng, linear-dng, tiff, png or jpeg; default: dng for RAW, else as the input."
        ),
    ] = None,
    tile: Annotated[
        int | None, typer.Option("--tile", min=64, help="Tile edge in pixels; less needs less memory.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only write a PNG of the middle before and after, at 100 %.")
    ] = False,
    dark: Annotated[
        list[Path] | None,
        typer.Option(
            "--dark",
            help="A dark frame of the same exposure and ISO: subtract the fixed pattern. Repeatable.",
        ),
    ] = None,
    profile_dark: Annotated[
        bool, typer.Option(help="Subtract the fixed pattern of the profile's dark frame, where it fits.")
    ] = True,
    bits: Annotated[
        int | None,
        typer.Option("--bits", help="16: finer levels than the camera's; default: up to 12 bits, if needed."),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Folders inside of folders too.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Files at a time.")] = 1,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on with what arrives in the folders until Ctrl-C.")
    ] = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Decode RAW files of strangers in a process of their own.")
    ] = False,
    geometry: GeometryText = None,
    on_existing: OnExisting = "error",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Denoise RAW files to DNG (next to the input unless -o says where), and RGB images."""
    from synthnoise import denoising, memory

    memory.share_freed()
    place, options = split_output(output)
    out = Output(json_mode=json, quiet=context.obj["quiet"])
    settings = denoising.Settings(
        denoiser=denoiser,
        options=options,
        profile=profile,
        iso=iso,
        profile_dark=profile_dark,
        strength=strength,
        luma=luma,
        chroma=chroma,
        tile=tile,
        device=device,
    )
    if inputs == ["-"]:
        from synthnoise.stream import npy_stream

        _check_stream(context, place)
        batches = npy_stream.read_stream(sys.stdin.buffer)
        restored = denoising.denoise_stream(batches, settings, cfa=parse_cfa(geometry))
        npy_stream.write_stream(sys.stdout.buffer, restored)
        return
    batch = {
        "format": file_format,
        "on_existing": on_existing,
        "geometry": parse_geometry(geometry),
        "preview": preview,
        "darks": dark or (),
        "bits": bits,
        "recursive": recursive,
        "sandbox": sandbox,
    }
    if watch:
        if jobs > 1:
            raise UsageError("--watch denoises one file after the other", hint="leave out --jobs")
        _watch(out, inputs, place, settings, batch)
        return
    again = "the same command with --on-existing skip goes on"
    if on_existing != "error":
        again = "the same command goes on" if on_existing == "skip" else "the same command begins anew"
    with interruptible(out, again), out.progress() as progress:
        outcomes = denoising.denoise_files(inputs, place, settings, jobs=jobs, progress=progress, **batch)
    report(out, outcomes)


def _check_stream(context: typer.Context, place: str | None) -> None:
    """Refuse options that are for files where a stream comes in, which they would not change."""
    for name in (name for name in OF_FILES if was_given(context, name)):
        option = name.removeprefix("file_").replace("_", "-")
        raise UsageError(f"--{option} is for files, not for a stream", hint="leave it out, or name files")
    if place not in (None, "-"):
        raise UsageError(f"{place}: a stream is denoised to stdout", hint="leave out -o")


def _watch(
    out: Output, folders: list[str], place: str | None, settings: Settings, batch: dict[str, Any]
) -> None:
    """Denoise what arrives until Ctrl-C, which is how this is meant to end; results that exist are kept."""
    from synthnoise.denoising.watching import watch_folders

    if batch["on_existing"] == "error":
        batch["on_existing"] = "skip"
    outcomes: list[FileOutcome] = []
    with out.progress() as progress:
        try:
            for outcome in watch_folders(folders, place, settings, progress=progress, **batch):
                outcomes.append(outcome)
                announce(out, outcome)
        except KeyboardInterrupt:
            out.remark("stopped")
    conclude(out, outcomes)
