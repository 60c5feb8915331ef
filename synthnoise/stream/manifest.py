"""``manifest.json``: what the samples of a folder are, and why they may be added to or not.

It says all that a sample depends on but its number, so it is the same for every part of a dataset and
is written once, before the first sample.
"""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synthnoise import __version__
from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.files import alone, remove_stale_parts, write_bytes
from synthnoise.output import jsonable

MANIFEST = "manifest.json"
SCHEMA = 1
MAX_BYTES = 1 << 20
_UNCOMPARED = ("versions",)
_PACKAGES = ("torch", "numpy", "numba", "pillow")


def manifest(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``facts`` as JSON types, with the versions of what made the samples."""
    versions = {package: version(package) for package in _PACKAGES}
    versions["python"] = platform.python_version()
    document: dict[str, Any] = json.loads(
        json.dumps({"manifest": SCHEMA, "synthnoise": __version__, **jsonable(facts), "versions": versions})
    )
    return document


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a dataset.

    Raises
    ------
    InputError
        There is none, or it is damaged.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("is too large")
        document = json.loads(path.read_text("utf-8"))
        if not isinstance(document, dict) or document.get("manifest") != SCHEMA:
            raise ValueError(f"is not a manifest of schema {SCHEMA}")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    return document


@contextlib.contextmanager
def claim(folder: Path, document: Mapping[str, Any]) -> Iterator[None]:
    """Make ``folder`` the dataset that ``document`` describes, or go on with it, alone while the block runs.

    What an interrupted run left half-written is removed.

    Raises
    ------
    UsageError
        The folder holds another dataset (the message names the first difference) or other files.
    InputError
        Its manifest is damaged.
    SynthnoiseError
        It cannot be written, or another process is writing to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SynthnoiseError(
            f"{folder}: cannot be made: {error.strerror}", hint="choose another folder"
        ) from error
    with alone(folder):
        remove_parts(folder)
        if (folder / MANIFEST).exists():
            _refuse_other(folder, read_manifest(folder), document)
        elif any(folder.iterdir()):
            raise UsageError(f"{folder}: holds files, but no dataset", hint="choose another folder")
        else:
            text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
            write_bytes(folder / MANIFEST, text.encode())
        yield


def remove_parts(folder: Path) -> None:
    """Delete what interrupted runs left half-written in a dataset."""
    for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        remove_stale_parts(place)


def _refuse_other(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise where the samples of two manifests would differ."""
    for name in {**there, **here}:
        if name not in _UNCOMPARED and there.get(name) != here.get(name):
            what, old, new = _difference(name, there.get(name), here.get(name))
            raise UsageError(
                f"{folder}: holds another dataset, whose {what} is {_short(old)}, not {_short(new)}",
                hint="choose another folder",
            )


def _difference(name: str, there: Any, here: Any) -> tuple[str, Any, Any]:
    """Return the name of the innermost value that differs, and both."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in {**there, **here}:
            if there.get(key) != here.get(key):
                return _difference(f"{name} {key}", there.get(key), here.get(key))
    return name, there, here


def _short(value: Any) -> str:
    text = "missing" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
