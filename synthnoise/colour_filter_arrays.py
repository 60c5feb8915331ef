"""Colour filter arrays: the repeats that have names, and where one repeat begins in another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Cfa = tuple[tuple[int, ...], ...]
"""Colours (0 red, 1 green, 2 blue) of the repeat of a colour filter array, row by row."""

CfaName = Literal["bayer", "x-trans"]


def _parsed(*rows: str) -> Cfa:
    return tuple(tuple("RGB".index(colour) for colour in row) for row in rows)


RGGB = _parsed("RG", "GB")
X_TRANS = _parsed("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")
"""Fujifilm's. Cameras begin anywhere in it; all of its mirror images and rotations are among that."""

NAMED: dict[CfaName, Cfa] = {"bayer": RGGB, "x-trans": X_TRANS}
"""As networks want their planes, wherever a camera's own repeat begins."""


def as_cfa(rows: Iterable[Iterable[int]]) -> Cfa:
    """Return a repeat, such as an array [h, w] of colours, as a tuple of rows."""
    return tuple(tuple(int(colour) for colour in row) for row in rows)


def shape(cfa: Cfa) -> tuple[int, int]:
    """Return height and width of a repeat."""
    return len(cfa), len(cfa[0])


def shifted(cfa: Cfa, rows: int, columns: int) -> Cfa:
    """Return the repeat of the same array that begins ``rows`` lower and ``columns`` further right."""
    h, w = shape(cfa)
    return tuple(tuple(cfa[(i + rows) % h][(j + columns) % w] for j in range(w)) for i in range(h))


def place_in(cfa: Cfa, wanted: Cfa) -> tuple[int, int] | None:
    """Return how many rows and columns further on in an array the repeat ``wanted`` begins; None: nowhere."""
    if shape(cfa) != shape(wanted):
        return None
    places = ((i, j) for i in range(len(cfa)) for j in range(len(cfa[0])))
    return next((place for place in places if shifted(cfa, *place) == wanted), None)


def name_of(cfa: Cfa) -> CfaName | None:
    """Return the name of an array, wherever its repeat begins; None for those that have none."""
    return next((name for name, wanted in NAMED.items() if place_in(cfa, wanted) is not None), None)
