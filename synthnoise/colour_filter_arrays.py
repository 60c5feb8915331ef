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


def _blocks_of_x_trans() -> tuple[int, ...]:
    order = []
    for i in range(3):
        for j in range(3):
            for down in range(2):
                for right in range(2):
                    # Green is at the corners and in the middle, red and blue are between the corners.
                    mirrored = (down + right) % 2 and (i + j) % 2
                    row, column = (j, i) if mirrored else (i, j)
                    order.append((3 * down + row) * 6 + 3 * right + column)
    return tuple(order)


X_TRANS_BLOCKS = _blocks_of_x_trans()
"""For each pixel of a block of 3x3 in turn: which of the 36 positions are its in the four blocks of a repeat.
Red and blue of the second and the third block are mirrored at the diagonal, which makes all blocks alike:
nine planes of one colour each, whose pixels are three apart."""

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
