"""A page of labelled pictures side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

MARGIN = 24
GAP = 12
TITLE_SIZE, HEADING_SIZE, LABEL_SIZE, NOTE_SIZE = 30, 17, 15, 13
INDENT = 16
BACKGROUND, LINE = (22, 22, 24), (58, 58, 62)
TEXT, QUIET, GOOD, BAD = (236, 236, 236), (160, 160, 166), (118, 200, 130), (240, 110, 100)


@dataclass(frozen=True)
class Panel:
    """A picture uint8 [h, w, 3] or [h, w], what it is, and a remark on it."""

    image: NDArray[np.uint8]
    label: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A heading, panels from left to right, shown pixel by pixel, and lines of text to their right.

    ``lines`` are (text, verdict) pairs: True is green, False is red, None is neither.
    """

    heading: str
    panels: Sequence[Panel]
    lines: Sequence[tuple[str, bool | None]] = ()

    @property
    def width(self) -> int:
        """Pixels it takes, lines included."""
        panels: int = sum(panel.image.shape[1] + GAP for panel in self.panels) - GAP
        text = max((_length(line, NOTE_SIZE) for line, _ in self.lines), default=0)
        return panels + (2 * GAP + INDENT + text if text else 0)

    @property
    def height(self) -> int:
        """Pixels it takes, heading and labels included."""
        tallest: int = max(panel.image.shape[0] for panel in self.panels)
        text = len(self.lines) * (NOTE_SIZE + 8)
        return HEADING_SIZE + GAP + max(tallest + LABEL_SIZE + NOTE_SIZE + GAP, text) + 2 * GAP


def contact_sheet(title: str, subtitle: str, rows: Sequence[Row]) -> NDArray[np.uint8]:
    """Return the page as uint8 [H, W, 3]; it is as wide as its widest row or line."""
    texts = (_length(title, TITLE_SIZE), _length(subtitle, NOTE_SIZE + 1))
    width = 2 * MARGIN + max(*(row.width for row in rows), *texts)
    head = MARGIN + TITLE_SIZE + NOTE_SIZE + 3 * GAP
    page = Image.new("RGB", (width, head + sum(row.height for row in rows) + MARGIN - GAP), BACKGROUND)
    draw = ImageDraw.Draw(page)
    _write(draw, (MARGIN, MARGIN), title, TITLE_SIZE)
    _write(draw, (MARGIN, MARGIN + TITLE_SIZE + GAP), subtitle, NOTE_SIZE + 1, QUIET)
    top = head
    for row in rows:
        _lay_out(page, draw, row, top)
        top += row.height
    return np.asarray(page)


def _lay_out(page: Image.Image, draw: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    """Draw one row, its upper edge at ``top``."""
    draw.line([(MARGIN, top - GAP // 2), (page.width - MARGIN, top - GAP // 2)], LINE)
    _write(draw, (MARGIN, top), row.heading, HEADING_SIZE, QUIET)
    top += HEADING_SIZE + GAP
    left = MARGIN
    for panel in row.panels:
        height, width = panel.image.shape[:2]
        page.paste(Image.fromarray(panel.image).convert("RGB"), (left, top))
        _write(draw, (left, top + height + 4), panel.label, LABEL_SIZE)
        _write(draw, (left, top + height + LABEL_SIZE + 10), panel.note, NOTE_SIZE, QUIET)
        left += width + GAP
    for number, (text, verdict) in enumerate(row.lines):
        y = top + number * (NOTE_SIZE + 8)
        colour = TEXT if verdict is None else GOOD if verdict else BAD
        if verdict is not None:
            draw.ellipse([left + GAP, y + 4, left + GAP + 7, y + 11], fill=colour)
        _write(draw, (left + GAP + INDENT, y), text, NOTE_SIZE, TEXT)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int] = TEXT,
) -> None:
    draw.text(place, text, fill=colour, font=ImageFont.load_default(size))


def _length(text: str, size: int) -> int:
    """Return the pixels that a line of text takes."""
    return math.ceil(ImageFont.load_default(size).getlength(text))
