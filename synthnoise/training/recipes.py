"""Recipes: the arguments of a training run in a TOML file, for running it again."""

from __future__ import annotations

import difflib
import inspect
import tomllib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from synthnoise.errors import InputError, UsageError
from synthnoise.files import read_text
from synthnoise.training.start import SUFFIX as WEIGHTS_SUFFIX
from synthnoise.training.trainer import train

FOLDER = Path(__file__).with_name("recipes")
SUFFIX = ".toml"
LARGEST = 1 << 20
"""Bytes of a recipe."""

OF_THE_RUN = {"output", "device", "devices", "resume", "overwrite", "plugins", "progress"} | {
    "validate",
    "sheets",
    "tensorboard",
}
"""Arguments of training that say where and how to run, and no recipe holds."""

_TOML_TYPES: dict[Any, tuple[type, ...]] = {
    int: (int,),
    float: (int, float),
    str: (str,),
    Path: (str,),
    Mapping: (dict,),
}
_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "text",
    bool: "true or false",
    Mapping: "a table",
}


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with synthnoise, sorted."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def read_recipe(recipe: str | Path) -> dict[str, Any]:
    """Return arguments for :func:`synthnoise.training.train` from a bundled recipe's name or a TOML file.

    Raises
    ------
    UsageError
        There is no such recipe, or it has arguments that training does not know, or values of other types.
    InputError
        The file is not TOML.
    """
    path = FOLDER / f"{recipe}{SUFFIX}" if str(recipe) in recipe_names() else Path(recipe)
    if path.suffix != SUFFIX:
        close = difflib.get_close_matches(str(recipe), recipe_names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"{', '.join(recipe_names())}, or a .toml file"
        raise UsageError(f"there is no recipe called {recipe}", hint=hint)
    try:
        values = tomllib.loads(read_text(path, LARGEST))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a recipe: {error}") from error
    known = set(inspect.signature(train).parameters) - OF_THE_RUN
    if unknown := sorted(values.keys() - known):
        raise UsageError(
            f"{path}: unknown: {', '.join(unknown)}", hint=f"it knows {', '.join(sorted(known))}"
        )
    hints = get_type_hints(train)
    for key, value in values.items():
        if not _fits(value, hints[key]):
            raise UsageError(f"{path}: {key} = {value!r}", hint=f"{key} is {_described(hints[key])}")
    for options in (value for value in values.values() if isinstance(value, dict)):
        # Ranges are tuples in options, which TOML has not.
        options |= {key: tuple(value) for key, value in options.items() if isinstance(value, list)}
    if isinstance(values.get("ratio"), list):
        values["ratio"] = tuple(values["ratio"])
    return values


def recipe_before(recipe: str | Path, start: str) -> str | Path | None:
    """Return the recipe of the weights file that another begins from; None if nothing says how it was made.

    It is called as the file: ``rgb-start`` makes ``rgb-start.safetensors``. That of a ``.toml`` file may lie
    beside it, or be bundled.
    """
    file = PurePath(start)
    if file.suffix != WEIGHTS_SUFFIX:
        return None
    beside = Path(recipe).with_name(f"{file.stem}{SUFFIX}")
    if str(recipe) not in recipe_names() and beside.is_file():
        return beside
    return file.stem if file.stem in recipe_names() else None


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value of TOML is of the type that training asks for; lists stand for tuples."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(parts) and all(map(_fits, value, parts))
    if origin is Sequence:
        return isinstance(value, list) and all(_fits(one, parts[0]) for one in value)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, _TOML_TYPES.get(origin or hint, ()))


def _described(hint: Any) -> str:
    """Return in words what :func:`_fits` asks for."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_described(part) for part in parts if part is not type(None)))
    if origin is Literal:
        return ", ".join(map(str, parts))
    if origin is tuple:
        return f"a list of {len(parts)} numbers"
    if origin is Sequence:
        return f"a list of {_described(parts[0])}"
    return _WORDS.get(origin or hint, "nothing that a recipe can say")
