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
Format = Annotated[str, typer.Option("--format", help="dng, android, emva1288, libcamera or vkdt.")]


@app.command("list")
def list_profiles(json: Json = False) -> None:
    """List the profiles that can be found by name."""
    from synthnoise.profiles.store import find_profiles

    rows = [
        (name, profile.name, ", ".join(f"{iso:g}" for iso in profile.isos), profile.provenance)
        for name, profile in find_profiles().items()
    ]
    Output(json_mode=json).table("", ("profile", "camera", "ISOs", "provenance"), rows, key="profiles")


@app.command()
def show(name: ProfileName, json: Json = False) -> None:
    """Show what a profile says: levels, and the noise at each ISO with its standard errors."""
    from synthnoise.profiles.store import describe_profile, load_profile

    data, lines = describe_profile(load_profile(name))
    Output(json_mode=json).result(data, lines)


@app.command("import")
def import_profile(
    source: Annotated[Path, typer.Argument(help="A file of another tool.")],
    output: OutputPath = None,
    file_format: Format = "dng",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Make a profile of what another tool measured."""
    from synthnoise.profiles import convert, store

    profile = convert.import_profile(source, file_format)
    folder = output or Path(folder_name(profile.name))
    store.save_profile(profile, folder, overwrite=overwrite)
    Output(json_mode=json).result({"profile": str(folder)}, [f"{source} -> {folder}"])


@app.command("export")
def export_profile(
    name: ProfileName, output: OutputPath = None, file_format: Format = "dng", overwrite: Overwrite = False
) -> None:
    """Write a profile in the format of another tool (to stdout without -o)."""
    from synthnoise.files import write_bytes
    from synthnoise.profiles import convert, store

    if output is not None and not output.suffix:
        raise UsageError(f"{output}: give the file a suffix")
    text = convert.export_profile(store.load_profile(name), file_format)
    if output is None:
        Output().result({}, text.splitlines())
    else:
        write_bytes(output, text.encode(), overwrite=overwrite)
