"""A contact sheet shows every panel pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from synthnoise.contact_sheet import Panel, Row, contact_sheet


def contains(page: np.ndarray, picture: np.ndarray) -> bool:
    corner = np.argwhere(np.all(page == picture[0, 0], axis=2))
    h, w = picture.shape[:2]
    return any(np.array_equal(page[y : y + h, x : x + w], picture) for y, x in corner)


@pytest.fixture
def pictures():
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (40, 50 + 10 * n, 3), dtype=np.uint8) for n in range(3)]


def test_panels_are_shown_unscaled(pictures):
    rows = [
        Row("first", [Panel(p, "label", "note") for p in pictures]),
        Row("second", [Panel(pictures[0], "")]),
    ]
    page = contact_sheet("A title", "and more", rows)
    assert page.dtype == np.uint8
    assert all(contains(page, picture) for picture in pictures)


def test_grey_panels_become_colour():
    grey = np.random.default_rng(2).integers(0, 256, (30, 300), dtype=np.uint8)
    assert contains(contact_sheet("t", "s", [Row("r", [Panel(grey, "x")])]), np.stack([grey] * 3, axis=2))


def test_verdicts_have_colours(pictures):
    def page(verdict):
        return contact_sheet("t", "s", [Row("r", [Panel(p, "") for p in pictures], [("line", verdict)])])

    assert np.any(page(True) != page(False))
    assert np.any(page(True) != page(None))


def test_many_lines_make_the_row_taller(pictures):
    panels = [Panel(pictures[0], "label")]
    few, many = (contact_sheet("t", "s", [Row("r", panels, [("line", None)] * n)]) for n in (1, 30))
    assert many.shape[0] > few.shape[0] + 300
