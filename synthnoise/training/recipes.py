"""Recipes: the arguments of a training run in a TOML file, for running it again."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path
from typing import Any

from synthnoise.errors import InputError, UsageError
from synthnoise.files import existing_file
from synthnoise.training.trainer import train

FOLDER = Path(__file__).with_name("recipes")
SUFFIX = ".toml"

_OF_THE_RUN = {"output", "device", "devices", "resume", "overwrite", "plugins", "progress"} | {
    "validate",
    "sheets",
    "tensorboard",
}


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with synthnoise, sorted."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def read_recipe(recipe: str | Path) -> dict[str, Any]:
    """Return arguments for :func:`synthnoise.training.train` from a bundled recipe's name or a TOML file.

    Raises
    ------
    UsageError
        There is no such recipe, or it has arguments that training does not know.
    InputError
        The file is not TOML.
    """
    path = FOLDER / f"{recipe}{SUFFIX}" if str(recipe) in recipe_names() else Path(recipe)
    if path.suffix != SUFFIX:
        raise UsageError(
            f"there is no recipe called {recipe}", hint=f"{', '.join(recipe_names())}, or a .toml file"
        )
    try:
        values = tomllib.loads(existing_file(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a recipe: {error}") from error
    known = set(inspect.signature(train).parameters) - _OF_THE_RUN
    if unknown := sorted(values.keys() - known):
        raise UsageError(
            f"{path}: unknown: {', '.join(unknown)}", hint=f"it knows {', '.join(sorted(known))}"
        )
    for options in (value for value in values.values() if isinstance(value, dict)):
        # Ranges are tuples in options, which TOML has not.
        options |= {key: tuple(value) for key, value in options.items() if isinstance(value, list)}
    if isinstance(values.get("ratio"), list):
        values["ratio"] = tuple(values["ratio"])
    return values
