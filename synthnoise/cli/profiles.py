"""``synthnoise profiles``: list, show, import and export camera profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthnoise.cli.parameters import Json, OutputPath, Overwrite
from synthnoise.errors import UsageError
from synthnoise.naming import folder_name
from synthnoise.output import Output

app = typer.Typer(
    help="List, show, import and export camera profiles.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
ProfileName = Annotated[str, typer.Argument(metavar="PROFILE", help="Its name, or its folder.")]
FORMATS = "dng, android, emva1288, libcamera or vkdt"


@app.command("list")
def list_profiles(json: Json = False) -> None:
    """List the profiles that can be found by name."""
    from synthnoise.profiles.store import find_profiles

    rows = [
        (
            name,
            profile.name,
            ", ".join(f"{iso:g}" for iso in profile.isos),
            profile.provenance.partition(";")[0],
        )
        for name, profile in find_profiles().items()
    ]
    Output(json_mode=json).table("", ("profile", "camera", "ISOs", "provenance"), rows, key="profiles")


@app.command()
def show(
    name: ProfileName,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw noise levels, gain, spectra and marginals to this PNG file."),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Show what a profile says: levels, and the noise at each ISO with its standard errors."""
    from synthnoise.profiles.store import describe_profile, load_profile

    profile = load_profile(name)
    data, lines = describe_profile(profile)
    if plot is not None:
        from synthnoise.figures import save_figure
        from synthnoise.profiles.drawing import draw_profile

        if plot.suffix.lower() != ".png":
            raise UsageError(f"{plot}: plots are PNG files", hint=f"--plot {plot.with_suffix('.png')}")
        save_figure(draw_profile(profile), plot, overwrite=overwrite)
        data, lines = data | {"plot": str(plot)}, [*lines, f"drawn to {plot}"]
    Output(json_mode=json).result(data, lines)


@app.command("import")
def import_profile(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A file of another tool, or a DNG with a NoiseProfile; for darktable it may be left out.",
            show_default=False,
        ),
    ] = None,
    output: OutputPath = None,
    file_format: Annotated[str, typer.Option("--format", help=f"{FORMATS}, or darktable.")] = "dng",
    black: Annotated[
        float | None, typer.Option("--black", help="Black level in DN, where the format does not state it.")
    ] = None,
    white: Annotated[
        float | None, typer.Option("--white", help="White level in DN, where the format does not state it.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option("--camera", help="Make and model, where a file describes many or none.")
    ] = None,
    iso: Annotated[
        float | None, typer.Option("--iso", help="ISO of a DNG, if the file does not say it.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Make a profile of what another tool measured, or a DNG states."""
    from synthnoise.profiles import convert, darktable, store

    if source is None and file_format != convert.DARKTABLE:
        raise UsageError("nothing to import", hint="name a file; only --format darktable finds its own")
    if source is not None and file_format == "dng" and source.suffix.lower() == ".dng":
        from synthnoise.calibration import tag_profile

        profile = tag_profile(source, iso=iso, camera=camera)
    else:
        path = source or darktable.installed_file()
        profile = convert.import_profile(path, file_format, black=black, white=white, camera=camera)
    folder = output or Path(folder_name(profile.name))
    store.save_profile(profile, folder, overwrite=overwrite)
    lines = [f"{source or 'darktable'} -> {folder}", profile.provenance]
    Output(json_mode=json).result({"profile": str(folder), "provenance": profile.provenance}, lines)


@app.command("export")
def export_profile(
    name: ProfileName,
    output: OutputPath = None,
    file_format: Annotated[str, typer.Option("--format", help=f"{FORMATS}.")] = "dng",
    iso: Annotated[
        float | None, typer.Option("--iso", help="Export this calibrated ISO alone; vkdt needs it.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a profile in the format of another tool (to stdout without -o)."""
    from synthnoise.files import write_bytes
    from synthnoise.profiles import convert, store

    if output is not None and not output.suffix:
        raise UsageError(f"{output}: give the file a suffix")
    text = convert.export_profile(store.load_profile(name), file_format, iso=iso)
    if output is None:
        Output().result({}, text.splitlines())
    else:
        write_bytes(output, text.encode(), overwrite=overwrite)
