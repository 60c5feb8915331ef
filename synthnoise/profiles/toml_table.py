"""Typed access to a TOML (or JSON) table from an untrusted file; complaints name the file and the key."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from synthnoise.errors import InputError
from synthnoise.files import printable

Choice = TypeVar("Choice", bound=str)


class TomlTable:
    """A table of a parsed TOML file.

    Parameters
    ----------
    values
        What ``tomllib`` made of it.
    where
        File, and the path of the table in it, for messages.
    """

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self._values = values
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def refuse(self, key: str, reason: str) -> InputError:
        """Return the error for a value that will not do."""
        return InputError(f"{self.where}: {printable(key)} {reason}", hint="mend the file or calibrate anew")

    def number(self, key: str, *, low: float = -math.inf, high: float = math.inf) -> float:
        """Return a finite number within bounds."""
        return self._number(key, self._get(key), low, high)

    def optional_number(self, key: str, *, low: float = -math.inf) -> float | None:
        """Return a finite number, or None where the key is absent."""
        return self.number(key, low=low) if key in self else None

    def numbers(
        self, key: str, count: int | None = None, *, low: float = -math.inf, high: float = math.inf
    ) -> tuple[float, ...]:
        """Return an array of finite numbers within bounds, ``count`` of them where given."""
        items = self._get(key)
        if not isinstance(items, list) or (count is not None and len(items) != count):
            wanted = "numbers" if count is None else f"{count} numbers"
            raise self.refuse(key, f"is not an array of {wanted}")
        return tuple(self._number(key, item, low, high) for item in items)

    def rows(
        self, key: str, count: int, length: int, *, high: float = math.inf
    ) -> tuple[tuple[float, ...], ...]:
        """Return ``count`` rows of ``length`` finite numbers up to ``high``."""
        items = self._get(key)
        if not isinstance(items, list) or len(items) != count:
            raise self.refuse(key, f"is not an array of {count} rows")
        lengths = {len(row) if isinstance(row, list) else -1 for row in items}
        if lengths != {length}:
            raise self.refuse(key, f"has rows that are not {length} numbers")
        return tuple(tuple(self._number(key, v, -math.inf, high) for v in row) for row in items)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string without control characters; ``default`` where the key is absent."""
        value = self._get(key) if default is None else self._values.get(key, default)
        if not isinstance(value, str):
            raise self.refuse(key, "is not text")
        return printable(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return an array of strings."""
        items = self._get(key)
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise self.refuse(key, "is not an array of text")
        return tuple(printable(item) for item in items)

    def choice(self, key: str, allowed: tuple[Choice, ...]) -> Choice:
        """Return a string that is one of ``allowed``."""
        value = self.text(key)
        for known in allowed:
            if value == known:
                return known
        raise self.refuse(key, f"is {value!r}, not one of {', '.join(allowed)}")

    def table(self, key: str) -> TomlTable:
        """Return a table within the table."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self.refuse(key, "is not a table")
        return TomlTable(value, f"{self.where}: [{key}]")

    def tables(self, key: str) -> Iterator[TomlTable]:
        """Yield the tables of an array of tables; none where the key is absent."""
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.refuse(key, "is not an array of tables")
        for number, item in enumerate(value, 1):
            yield TomlTable(item, f"{self.where}: [[{key}]] {number}")

    def flag(self, key: str) -> bool:
        """Return whether a key is there and says yes: true, or a number other than 0."""
        value = self._values.get(key, False)
        if not isinstance(value, bool | int):
            raise self.refuse(key, "is neither true nor false")
        return bool(value)

    def plain(self, key: str) -> dict[str, Any]:
        """Return a table as it is; empty where the key is absent."""
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            raise self.refuse(key, "is not a table")
        return value

    def _get(self, key: str) -> Any:
        if key not in self._values:
            raise self.refuse(key, "is missing")
        return self._values[key]

    def _number(self, key: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(key, "is not a number")
        if isinstance(value, int) and abs(value) > 2**53:
            raise self.refuse(key, "is too large a number")
        if not math.isfinite(value) or not low <= value <= high:
            raise self.refuse(key, f"is {value:g}, outside {low:g} .. {high:g}")
        return float(value)
