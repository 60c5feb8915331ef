"""``key=value`` text to a frozen options dataclass, and back to help."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

from synthnoise.errors import UsageError

TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
FALSE_WORDS = frozenset({"false", "no", "off", "0"})


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Return ``{"key": "value"}`` of texts ``key=value``; a bare ``key`` means ``key=true``.

    Raises
    ------
    UsageError
        A key is empty or given twice.
    """
    parsed: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not key:
            raise UsageError(f"-o {pair!r}: expected key=value")
        if key in parsed:
            raise UsageError(f"-o {key} is given twice")
        parsed[key] = value.strip() if separator else "true"
    return parsed


def build(options: type[Any] | None, values: Mapping[str, Any], *, owner: str) -> Any:
    """Return an instance of the dataclass ``options`` with ``values`` converted to its field types.

    Raises
    ------
    UsageError
        As of :func:`converted`; or values do not go together.
    """
    values = converted(options, values, owner=owner)
    if options is None:
        return None
    try:
        return options(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{owner}: {error}") from error


def converted(options: type[Any] | None, values: Mapping[str, Any], *, owner: str) -> dict[str, Any]:
    """Return ``values`` for fields of the dataclass ``options``, text converted to their types.

    Other values are taken as they are, but lists become tuples. ``owner`` names the model in errors.

    Raises
    ------
    UsageError
        Unknown key, text that is not of the field's type, a value outside the field's
        ``metadata["range"]``, or options for a model that takes none.
    """
    fields = {field.name: field for field in dataclasses.fields(options)} if options else {}
    for key in values:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            known = ", ".join(sorted(fields)) or "none"
            raise UsageError(
                f"{owner} has no option {key!r}",
                hint=f"did you mean {close[0]}?" if close else f"it knows: {known}",
            )
    if options is None:
        return {}
    hints = typing.get_type_hints(options)
    found = {
        key: convert(value, hints[key], name=f"{owner}: {key}")
        if isinstance(value, str)
        else _in_tuple(value, hints[key])
        for key, value in values.items()
    }
    for key, value in found.items():
        _check_range(value, fields[key].metadata.get("range"), f"{owner}: {key}")
    return found


def free_text(options: type[Any] | None, values: Mapping[str, Any]) -> bool:
    """Return whether a value is text of the user's own, which may name a file: no choice and no number."""
    hints = typing.get_type_hints(options) if options else {}

    def chosen(value: Any, annotation: Any) -> bool:
        kinds = (annotation, *get_args(annotation))
        return any(get_origin(kind) is Literal and value in get_args(kind) for kind in kinds)

    return any(isinstance(value, str) and not chosen(value, hints.get(key)) for key, value in values.items())


def _in_tuple(value: Any, annotation: Any) -> Any:
    """Return a list as the tuple that the field holds, and a number as a tuple of one."""
    if isinstance(value, list):
        return tuple(value)
    several = any(get_origin(kind) is tuple for kind in (annotation, *get_args(annotation)))
    return (value,) if several and isinstance(value, int | float) else value


def convert(text: str, annotation: Any, *, name: str) -> Any:
    """Return ``text`` as a value of ``annotation``: bool, int, float, str, Literal, tuple or optional.

    Raises
    ------
    UsageError
        The text is not such a value.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        if type(None) in arguments and text.lower() in ("none", ""):
            return None
        alternatives = [a for a in arguments if a is not type(None)]
        for alternative in alternatives[:-1]:
            try:
                return convert(text, alternative, name=name)
            except UsageError:
                continue
        return convert(text, alternatives[-1], name=name)
    if origin is Literal:
        for choice in arguments:
            if text == str(choice):
                return choice
        raise UsageError(f"{name}={text!r}: choose one of {', '.join(map(str, arguments))}")
    if origin is tuple:
        return _convert_tuple(text, arguments, name=name)
    if annotation is bool:
        if text.lower() in TRUE_WORDS | FALSE_WORDS:
            return text.lower() in TRUE_WORDS
        raise UsageError(f"{name}={text!r}: expected true or false")
    if annotation in (int, float):
        try:
            return annotation(text)
        except ValueError:
            word = "a whole number" if annotation is int else "a number"
            raise UsageError(f"{name}={text!r}: expected {word}") from None
    return text


def _convert_tuple(text: str, arguments: tuple[Any, ...], *, name: str) -> tuple[Any, ...]:
    parts = [part for part in text.replace(";", ",").split(",") if part.strip()]
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(convert(part.strip(), arguments[0], name=name) for part in parts)
    if len(parts) != len(arguments):
        raise UsageError(f"{name}={text!r}: expected {len(arguments)} values separated by commas")
    return tuple(
        convert(part.strip(), argument, name=name) for part, argument in zip(parts, arguments, strict=True)
    )


def _check_range(value: Any, bounds: tuple[float, float] | None, name: str) -> None:
    if bounds is None or not isinstance(value, int | float):
        return
    low, high = bounds
    if not low <= value <= high:
        raise UsageError(f"{name}={value:g}: must lie between {low:g} and {high:g}")


def describe(options: type[Any] | None) -> list[dict[str, str]]:
    """Return name, type, default, unit and help of every field, as text, for listings."""
    if options is None:
        return []
    hints = typing.get_type_hints(options)
    rows = []
    for field in dataclasses.fields(options):
        default = "" if field.default is dataclasses.MISSING else _text(field.default)
        rows.append(
            {
                "name": field.name,
                "type": _type_name(hints[field.name]),
                "default": default,
                "unit": str(field.metadata.get("unit", "")),
                "help": str(field.metadata.get("help", "")),
            }
        )
    return rows


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return str(value)


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    return (
        getattr(annotation, "__name__", str(annotation))
        if get_origin(annotation) is None
        else str(annotation)
    )
