"""Plots: the same figure gives the same bytes, and nothing is overwritten unasked."""

from __future__ import annotations

import pytest
from PIL import Image

from synthnoise.errors import OutputExistsError
from synthnoise.figures import new_figure, save_figure


def _curve():
    figure = new_figure(320, 200)
    figure.add_subplot().plot([0, 1, 2], [3, 1, 2])
    return figure


def test_a_figure_has_the_size_asked_for_and_repeatable_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        save_figure(_curve(), tmp_path / name)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (320, 200)
        assert len(set(image.convert("L").tobytes())) > 2, "the curve is drawn"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_plot_is_not_overwritten_unasked(tmp_path):
    (tmp_path / "a.png").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        save_figure(_curve(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"mine"
