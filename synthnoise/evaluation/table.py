"""What an evaluation returns: rows of numbers under names."""

from __future__ import annotations

import math
from dataclasses import dataclass

Cell = str | float | int


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; each row has one value per column.

    Attributes
    ----------
    title
        What was measured on what, one line.
    columns
        Names, with units where there are any.
    rows
        NaN stands for what could not be measured.
    errors
        Standard errors of the values after the first of each row, or nothing where none are known.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    errors: tuple[tuple[float, ...], ...] = ()

    def with_errors(self) -> Table:
        """Return the table with a column "... se" of standard errors beside each of values."""
        columns = (self.columns[0], *(name for c in self.columns[1:] for name in (c, f"{c} se")))
        rows = (
            (row[0], *(cell for pair in zip(row[1:], errors, strict=True) for cell in pair))
            for row, errors in zip(self.rows, self.errors, strict=True)
        )
        return Table(title=self.title, columns=columns, rows=tuple(rows))

    def as_text(self) -> Table:
        """Return the table with values as text, "0.0124 ± 0.0003" where errors are known."""
        rows = (
            (row[0], *(value_and_error(v, e) for v, e in zip(row[1:], errors, strict=True)))
            for row, errors in zip(self.rows, self.errors, strict=True)
        )
        return Table(title=self.title, columns=self.columns, rows=tuple(rows))

    def column(self, name: str) -> list[Cell]:
        """Return the values of one column, top to bottom."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def row(self, name: str) -> dict[str, Cell]:
        """Return the first row whose first value is ``name``, by column.

        Raises
        ------
        KeyError
            There is none.
        """
        for row in self.rows:
            if row[0] == name:
                return dict(zip(self.columns, row, strict=True))
        raise KeyError(name)


def value_and_error(value: Cell, error: float) -> str:
    """Return a value rounded to the second digit of its standard error, and the error: "0.0124 ± 0.0003"."""
    if isinstance(value, str) or not math.isfinite(value):
        return str(value)
    if not math.isfinite(error) or error <= 0:
        return f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)) - (f"{error:.0e}"[0] != "1"))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
