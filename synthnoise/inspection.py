"""What a file or folder is, and what it says of itself: RAW, profile, weights, ONNX, dataset."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoising.networks import FOREIGN
from synthnoise.errors import InputError


def inspect_file(path: Path | str) -> tuple[str, dict[str, Any]]:
    """Return what a file or folder is, in words, and what is known of it, JSON values by name.

    Parameters
    ----------
    path
        A file, a folder, or the name of bundled weights where no file is called so.

    Raises
    ------
    InputError
        There is nothing there, or nothing that synthnoise knows.
    MissingExtraError
        ONNX files need the package onnx.
    """
    path = Path(path) if Path(path).exists() else bundled_weights(str(path)) or Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file", hint=f"bundled weights: {', '.join(bundled_names())}")
    if path.is_dir():
        return _describe_folder(path)
    suffix = path.suffix.lower()
    if suffix == ".safetensors" or (not suffix and _holds_weights(path)):
        from synthnoise.denoisers.model_card import describe_weights

        return "weights", describe_weights(path)
    if suffix == ".onnx":
        from synthnoise.export import describe_onnx

        facts = describe_onnx(path)
        return "ONNX denoiser" if "denoiser" in facts else "ONNX file, not of synthnoise export", facts
    if suffix == ".dtmodel":
        from synthnoise.export import describe_darktable

        return "package for darktable", describe_darktable(path)
    if suffix in FOREIGN:
        raise InputError(f"{path}: weights of other software", hint=FOREIGN[suffix])
    return "RAW file", _describe_raw(path)


def _holds_weights(path: Path) -> bool:
    """Return whether a file begins as safetensors do, with the length of a JSON header that fits into it."""
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size


def _describe_raw(path: Path) -> dict[str, Any]:
    from synthnoise.raw.reading import read_metadata

    info = dataclasses.asdict(read_metadata(path))
    del info["path"]
    if info.pop("demosaiced"):
        # denoise and develop read it, while calibrate wants a mosaic as the sensor gave it.
        info["not_for_calibrate"] = info.pop("unreadable")
    return {name: value for name, value in info.items() if value not in (None, "", ())}


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
