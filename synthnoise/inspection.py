"""What a file or folder is, and what it says of itself: RAW, profile, dataset, network, training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.network_files import DARKTABLE, ONNX, SAFETENSORS, suffix_of
from synthnoise.denoising.files import known_suffixes
from synthnoise.denoising.networks import FOREIGN
from synthnoise.errors import InputError
from synthnoise.files import existing_file
from synthnoise.profiles.store import PROFILE_FILE
from synthnoise.stream.manifest import MANIFEST

STATE, LOG, RECIPE = ".checkpoint", ".csv", ".toml"
"""What synthnoise train reads and leaves beside weights."""

KNOWN = (
    "inspect knows RAW files, camera profiles, datasets, weights, ONNX files, packages for darktable,"
    " and the recipes, logs and states of train"
)


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
    UsageError
        A recipe says what training does not know.
    MissingExtraError
        ONNX files need the package onnx.
    """
    path = Path(path) if Path(path).exists() else bundled_weights(str(path)) or Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file", hint=f"bundled weights: {', '.join(bundled_names())}")
    if path.is_dir():
        return _describe_folder(path)
    suffix = suffix_of(existing_file(path))
    if path.name in (PROFILE_FILE, MANIFEST):
        return _describe_folder(path.parent)
    if suffix in (SAFETENSORS, ONNX, DARKTABLE):
        return _describe_network(path, suffix)
    if suffix in FOREIGN:
        raise InputError(f"{path}: weights of other software", hint=FOREIGN[suffix])
    if suffix in (STATE, LOG, RECIPE):
        return _describe_training(path, suffix)
    try:
        return "RAW file", _describe_raw(path)
    except InputError as error:
        # What is called as a camera's file is one, and damaged.
        hint = error.hint or (None if suffix in known_suffixes() else KNOWN)
        raise InputError(error.message, hint=hint) from error


def _describe_network(path: Path, suffix: str) -> tuple[str, dict[str, Any]]:
    if suffix == SAFETENSORS:
        from synthnoise.denoisers.model_card import describe_weights

        return "weights", describe_weights(path)
    from synthnoise.export import describe_darktable, describe_onnx

    if suffix == DARKTABLE:
        return "package for darktable", describe_darktable(path)
    facts = describe_onnx(path)
    return "ONNX denoiser" if "denoiser" in facts else "ONNX file, not of synthnoise export", facts


def _describe_training(path: Path, suffix: str) -> tuple[str, dict[str, Any]]:
    if suffix == RECIPE:
        from synthnoise.training.recipes import read_recipe

        return "recipe for synthnoise train", read_recipe(path)
    if suffix == LOG:
        from synthnoise.training.log import describe_log

        return "log of a training", describe_log(path)
    from synthnoise.training.checkpoint import describe_checkpoint

    return "state of an unfinished training, with which --resume goes on", describe_checkpoint(path)


def _describe_raw(path: Path) -> dict[str, Any]:
    from synthnoise.raw.reading import read_metadata

    info = dataclasses.asdict(read_metadata(path))
    del info["path"]
    if info.pop("demosaiced"):
        # denoise and develop read it, while calibrate wants a mosaic as the sensor gave it.
        info["not_for_calibrate"] = info.pop("unreadable")
    return {name: value for name, value in info.items() if value not in (None, "", ())}


def _describe_folder(path: Path) -> tuple[str, dict[str, Any]]:
    if (path / PROFILE_FILE).is_file():
        from synthnoise.profiles.store import load_profile

        profile = load_profile(path)
        return "camera profile", {
            "camera": profile.name,
            "ISOs": ", ".join(f"{iso:g}" for iso in profile.isos),
            "black": list(profile.black),
            "white": profile.white,
            "created": profile.created,
        }
    if (path / MANIFEST).is_file():
        from synthnoise.stream.manifest import read_manifest

        return "dataset", read_manifest(path)
    raise InputError(
        f"{path}: a folder, but neither a camera profile nor a dataset",
        hint=f"those hold a {PROFILE_FILE} or a {MANIFEST}; name a file in it",
    )
