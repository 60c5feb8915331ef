"""Options that several commands share, said once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthnoise.colour_filter_arrays import Cfa, as_cfa
from synthnoise.denoisers.bundled import bundled_names
from synthnoise.errors import UsageError
from synthnoise.files import OnExistingPolicy, names_folder
from synthnoise.options import build, parse_pairs
from synthnoise.plugins import Kind, default_plugins

if TYPE_CHECKING:
    from synthnoise.raw.frame import Frame
    from synthnoise.raw.plain import Geometry


def _names(kind: Kind) -> list[str]:
    return [record.name for record in default_plugins().records(kind)]


def complete_image_models() -> list[str]:
    """Return the names of the image models, for the shell."""
    return _names("image_models")


def complete_noise_models() -> list[str]:
    """Return the names of the noise models, for the shell."""
    return _names("noise_models")


def complete_denoisers() -> list[str]:
    """Return the names of the denoisers, for the shell."""
    return _names("denoisers")


def complete_runnable() -> list[str]:
    """Return the names of what denoises: bundled weights, and denoisers that have nothing to learn."""
    return [*bundled_names(), *(r.name for r in default_plugins().records("denoisers") if not r.trainable)]


Inputs = Annotated[
    list[str], typer.Argument(metavar="IN...", help="Files, folders or glob patterns; - is stdin.")
]
ImageModelName = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="Image model (synthnoise models).", autocompletion=complete_image_models
    ),
]
NoiseModelName = Annotated[
    str,
    typer.Option("--noise", help="Noise model (synthnoise models).", autocompletion=complete_noise_models),
]
DenoiserName = Annotated[
    str,
    typer.Option(
        "--denoiser",
        "-d",
        help="Denoiser or bundled weights (raw, raw-x-trans, rgb) by name, or a .safetensors or .onnx file;"
        " auto is raw on Bayer mosaics, raw-x-trans on X-Trans, patch-dct on all else.",
        autocompletion=complete_runnable,
    ),
]
OutputOrOption = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT|KEY=VALUE",
        help="Where to write (- is stdout), or an option of the model (synthnoise models NAME); repeatable.",
    ),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", "-p", help="Camera profile: its name, or the folder that calibrate wrote."),
]
Iso = Annotated[
    float | None, typer.Option("--iso", help="ISO speed; one between two calibrated ones is interpolated.")
]
Ratio = Annotated[
    float,
    typer.Option(
        "--ratio", min=1.0, help="Underexposure: the light is divided and the result multiplied by it."
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same output.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda (of several: cuda:1) or mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
OnExisting = Annotated[
    OnExistingPolicy, typer.Option("--on-existing", help="What to do with an output that exists.")
]
OutputPath = Annotated[Path | None, typer.Option("-o", "--output", help="Where to write.")]

GeometryText = Annotated[
    str | None,
    typer.Option(
        "--geometry",
        metavar="KEY=VALUE,...",
        help="What a .raw, .npy, .tif or .fits mosaic cannot say: width=768,height=512,cfa=RGGB,black=600",
    ),
]

SAMPLES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy", ".dng", ".tar")
"""Suffixes of samples, of which there are folders full."""

MODEL_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]*=.*", re.DOTALL)


def split_output(values: list[str] | None) -> tuple[str | None, dict[str, str]]:
    """Return the output and the model's options of all ``-o``: ``key=value`` is an option, the rest a place.

    A path that looks like ``key=value`` is written ``./key=value``.

    Raises
    ------
    UsageError
        Two outputs, or an option twice.
    """
    options = [value for value in values or [] if MODEL_OPTION.fullmatch(value)]
    places = [value for value in values or [] if not MODEL_OPTION.fullmatch(value)]
    if len(places) > 1:
        raise UsageError(f"-o is given two places to write to: {places[0]} and {places[1]}")
    return (places[0] if places else None), parse_pairs(options)


def check_folder(place: str | None) -> None:
    """Refuse a place for samples that is called as a file; None and a folder of such a name are none.

    Raises
    ------
    UsageError
        It is.
    """
    if place is not None and Path(place).suffix.lower() in SAMPLES and not names_folder(place, SAMPLES):
        raise UsageError(f"{place}: samples go into a folder", hint=f"-o {Path(place).with_suffix('')}")


def parse_geometry(text: str | None) -> Geometry | None:
    """Return the geometry that ``key=value,...`` says; several black levels are separated by slashes.

    Raises
    ------
    UsageError
        An unknown key, or a value that is not of its type.
    """
    if text is None:
        return None
    from synthnoise.raw.plain import Geometry

    pairs = parse_pairs(text.replace("/", ";").split(","))
    geometry: Geometry = build(Geometry, pairs, owner="--geometry")
    return geometry


def parse_cfa(text: str | None) -> Cfa | None:
    """Return the colours that a ``--geometry`` of planes in a stream says; None without one.

    Raises
    ------
    UsageError
        It says more than that, or what is no colour filter array.
    """
    geometry = parse_geometry(text)
    if geometry is None:
        return None
    if geometry != type(geometry)(cfa=geometry.cfa):
        raise UsageError(f"--geometry {text}: of a stream it says the planes alone", hint="such as cfa=GBRG")
    return as_cfa(geometry.pattern)


def was_given(context: typer.Context, name: str) -> bool:
    """Return whether the user has set a parameter on the command line, and not its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")


def frames_of(paths: Sequence[Path | str] | None, geometry: Geometry | None) -> list[Frame | Path | str]:
    """Return files as they are, or frames where only the command line knows what their pixels mean."""
    from synthnoise.raw.reading import read_frame

    return [path if geometry is None else read_frame(path, geometry=geometry) for path in paths or []]


def parse_range(text: str) -> tuple[float, float]:
    """Return (least, most) of a text such as ``1,100``; one number is both.

    Raises
    ------
    UsageError
        It is neither, or not 1 or more.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 2) or not 1 <= values[0] <= values[-1] < float("inf"):
        raise UsageError(f"--ratio {text!r}: expected one number, or LEAST,MOST, from 1")
    return values[0], values[-1]


def parse_size(text: str, option: str = "--size") -> tuple[int, int]:
    """Return (height, width) of a text such as ``512x768`` or ``512``, which is the value of an option.

    Raises
    ------
    UsageError
        It is neither, or not between 1 and 65535.
    """
    parts = text.lower().split("x")
    try:
        values = [int(part) for part in parts]
    except ValueError:
        values = []
    if len(values) not in (1, 2) or not all(1 <= value <= 65535 for value in values):
        raise UsageError(f"{option} {text!r}: expected HEIGHTxWIDTH, such as 512x768")
    return values[0], values[-1]
