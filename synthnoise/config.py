"""``synthnoise.toml``: defaults for the command line, from the working folder and the user's own."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from synthnoise.errors import InputError

FILE_NAME = "synthnoise.toml"
MAX_BYTES = 1 << 20


def user_folder() -> Path:
    """Return the folder of the user's own configuration and profiles."""
    root = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(root) / "synthnoise"


def load_defaults(*places: Path) -> dict[str, Any]:
    """Return the defaults of every ``synthnoise.toml`` in ``places``; later places win.

    A table is named after its command, its keys after the long options: ``[synth] seed = 7``.

    Raises
    ------
    InputError
        A file is not TOML, or is larger than a configuration could be.
    """
    merged: dict[str, Any] = {}
    for place in places:
        path = place / FILE_NAME
        if path.is_file():
            _merge(merged, read_toml(path))
    return merged


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file of bounded size.

    Raises
    ------
    InputError
        It is too large, not UTF-8, or not TOML.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES} bytes, not a settings file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error


def _merge(target: dict[str, Any], source: dict[str, Any]) -> None:
    for key, value in source.items():
        name = key.replace("-", "_")
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        elif isinstance(value, dict):
            target[name] = {}
            _merge(target[name], value)
        else:
            target[name] = value
