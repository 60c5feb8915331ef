"""``synthnoise inspect``: what is this file?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from synthnoise.cli.parameters import Json
from synthnoise.errors import InputError
from synthnoise.output import Output, layout


def inspect(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="RAW file, profile, weights, ONNX file or dataset.")
    ],
    json: Json = False,
) -> None:
    """Say what a file is: RAW, camera profile, weights, ONNX or dataset, and what it holds."""
    kind, facts = describe(source)
    lines = [f"{source}: {kind}", *layout(("what", "value"), list(facts.items()))[2:]]
    Output(json_mode=json).result({"file": str(source), "kind": kind, **facts}, lines)


def describe(path: Path) -> tuple[str, dict[str, Any]]:
    """Return what a file or folder is and what is known of it.

    Raises
    ------
    InputError
        There is nothing there, or nothing that synthnoise knows.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        return _describe_folder(path)
    if path.suffix == ".safetensors":
        from synthnoise.denoisers.weights import describe_weights

        return "weights", describe_weights(path)
    if path.suffix == ".onnx":
        from synthnoise.export import describe_onnx

        return "ONNX denoiser", describe_onnx(path)
    if path.suffix == ".dtmodel":
        from synthnoise.export import describe_darktable

        return "package for darktable", describe_darktable(path)
    from synthnoise.raw.reading import read_metadata

    info = dataclasses.asdict(read_metadata(path))
    del info["path"]
    if info.pop("demosaiced"):
        # denoise and develop read it, while calibrate wants a mosaic as the sensor gave it.
        info["not_for_calibrate"] = info.pop("unreadable")
    return "RAW file", {
        name.replace("_", " "): value for name, value in info.items() if value not in (None, "", ())
    }


def _describe_folder(path: Path) -> tuple[str, dict[str, Any]]:
    if (path / "profile.toml").is_file():
        from synthnoise.profiles.store import load_profile

        profile = load_profile(path)
        return "camera profile", {
            "camera": profile.name,
            "ISOs": ", ".join(f"{iso:g}" for iso in profile.isos),
            "black": list(profile.black),
            "white": profile.white,
            "created": profile.created,
        }
    if (path / "manifest.json").is_file():
        from synthnoise.stream.manifest import read_manifest

        return "dataset", read_manifest(path)
    raise InputError(f"{path}: a folder, but neither a camera profile nor a dataset")
