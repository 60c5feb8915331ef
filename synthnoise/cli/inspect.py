"""``synthnoise inspect``: what is this file?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from synthnoise.cli.parameters import Json
from synthnoise.output import Output, layout


def inspect(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="RAW file, camera profile, dataset, weights (bundled ones by name), .onnx, .dtmodel; recipe,"
            " log (.csv) or state (.checkpoint) of train.",
        ),
    ],
    json: Json = False,
) -> None:
    """Say what a file or folder is, and what it holds or says of itself."""
    from synthnoise.inspection import inspect_file

    kind, facts = inspect_file(source)
    lines = [f"{source}: {kind}", *layout(("what", "value"), list(_rows(facts)))[2:]]
    Output(json_mode=json).result({"file": source, "kind": kind, **facts}, lines)


def _rows(facts: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, Any]]:
    """Yield names and values for a person, tables within tables row by row; what is not set is left out."""
    for key, value in facts.items():
        name = f"{inside}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _rows(value, f"{name}: ")
        elif key == "noise_range" and facts.get("domain") == "srgb" and _is_range(value):
            least, greatest = value
            yield name, f"{least:.4g} {greatest:.4g} ({255 * least:.3g} to {255 * greatest:.3g} of 255)"
        elif value is not None and value != "":
            yield name, value


def _is_range(value: Any) -> bool:
    """Return whether a value is two numbers: the metadata of an ONNX file may be anybody's."""
    return isinstance(value, list) and [type(number) in (int, float) for number in value] == [True, True]
