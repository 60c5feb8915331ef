"""What an evaluation returns: rows of numbers under names."""

from __future__ import annotations

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
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

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
