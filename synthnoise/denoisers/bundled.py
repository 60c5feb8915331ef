"""The weights that come with synthnoise, by name."""

from __future__ import annotations

from pathlib import Path

from synthnoise.colour_filter_arrays import CfaName

FOLDER = Path(__file__).with_name("bundled_weights")
SUFFIX = ".safetensors"

OF_MOSAICS: dict[CfaName, str] = {"bayer": "raw", "x-trans": "raw-x-trans"}
"""Those that know cameras in general, by the name of the colour filter array."""


def bundled_names() -> list[str]:
    """Return the names of the bundled weights, sorted."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def bundled_weights(name: str) -> Path | None:
    """Return the file of the bundled weights called ``name``, or None if none are."""
    return FOLDER / f"{name}{SUFFIX}" if name in bundled_names() else None
