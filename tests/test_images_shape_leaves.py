"""Leaves of many shapes: their law, a painter that could not be simpler, and the fillings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sampling import assert_distribution, assert_fraction

from synthnoise.errors import UsageError
from synthnoise.images import convex_painter
from synthnoise.images.colours import encode_srgb
from synthnoise.images.shape_leaves import Options, ShapeLeaves, TexturedOptions
from synthnoise.testing import rng


def covered(size, centre, radius, corners) -> np.ndarray:
    """Return whether each pixel's centre lies in a figure: on one side of all edges, or in the disc."""
    y = np.arange(size[0])[:, None] + 0.5 - centre[0]
    x = np.arange(size[1]) + 0.5 - centre[1]
    if np.isnan(corners).any():
        return y * y + x * x <= radius**2
    outline = corners[np.append(True, np.abs(np.diff(corners, axis=0)).sum(1) > 0)]
    side = [
        (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        for (y0, x0), (y1, x1) in zip(outline, np.roll(outline, -1, 0), strict=True)
    ]
    return np.all(np.array(side) >= 0, 0) | np.all(np.array(side) <= 0, 0)


@pytest.mark.parametrize("shapes", ["disc", "square", "oriented", "mixed"])
def test_the_topmost_figure_shows(shapes):
    size = (40, 56)
    centre, radius, corners = ShapeLeaves(Options(shapes=shapes, most=60)).figures(size, rng(3))
    labels = convex_painter.paint(size, centre, radius, corners)
    plain = np.full(size, -1)
    for number in range(60):
        plain[covered(size, centre[number], radius[number], corners[number])] = number
        if (plain >= 0).all():
            break
    assert (labels == plain).mean() > 0.999  # a pixel's centre may lie on an edge to within rounding


def test_radii_and_places_follow_their_laws():
    _, radius, _ = ShapeLeaves(Options(most=20000)).figures((100, 100), rng(1))
    share = np.linspace(0.03, 1, 200)
    bound = np.cumsum(share**-3 - 1) / (share**-3 - 1).sum()
    number = np.round((radius / 100 - 0.03) / (share[1] - share[0]))
    law = lambda k: np.where(k < 0, 0, bound[np.clip(k, 0, 199).astype(int)])  # noqa: E731
    assert_distribution(number, law, detects=0.04, integers=True)
    centre, _, _ = ShapeLeaves(Options(most=20000)).figures((60, 100), rng(1))
    for axis, length in ((0, 60), (1, 100)):
        assert_distribution(centre[:, axis] / length, lambda p: np.clip(p, 0, 1), detects=0.04)


def test_corners_lie_on_the_circle_and_make_the_figures_asked_for():
    _, radius, corners = ShapeLeaves(Options(shapes="square", most=500)).figures((64, 64), rng(0))
    assert np.allclose(np.abs(corners), radius[:, None, None] / np.sqrt(2))
    _, radius, corners = ShapeLeaves(Options(shapes="oriented", most=500)).figures((64, 64), rng(0))
    sides = np.linalg.norm(np.roll(corners, -1, 1) - corners, axis=-1)
    assert np.allclose(sides, np.sqrt(2) * radius[:, None])
    assert np.abs(np.abs(corners) - radius[:, None, None] / np.sqrt(2)).max() > 1
    _, radius, corners = ShapeLeaves(Options(shapes="mixed", most=20000)).figures((64, 64), rng(0))
    discs = np.isnan(corners[:, 0, 0])
    assert_fraction(discs, 1 / 6, detects=0.2)
    assert np.allclose(np.linalg.norm(corners[~discs], axis=-1), radius[~discs, None])
    triangles = (corners[:, 2] == corners[:, 3]).all(-1)
    assert_fraction(triangles, 1 / 6, detects=0.2)


def test_leaves_are_painted_until_nothing_is_bare_or_there_are_no_more():
    full = ShapeLeaves(Options(fill="grey")).generate((48, 64), rng(*range(4)))
    assert (full > 0).all()
    one = ShapeLeaves(Options(fill="uniform", most=1, shapes="disc")).generate((48, 64), rng(0))[0]
    assert len(one.flatten(1).unique(dim=1).T) == 2
    assert (one.sum(0) == 0).any()


def test_textures_fill_each_leaf_as_windows_of_a_torus():
    options = TexturedOptions(shapes="square", smallest=0.99, most=1, side=16, textures=2)
    images = ShapeLeaves(options).generate((64, 64), rng(*range(8)))
    textures = set()
    for image in images:
        rows, columns = (image.sum(0) > 0).any(1).nonzero()[:, 0], (image.sum(0) > 0).any(0).nonzero()[:, 0]
        leaf = image[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if min(leaf.shape[1:]) < 20:
            continue
        assert torch.equal(leaf[:, 16:], leaf[:, :-16])
        assert torch.equal(leaf[:, :, 16:], leaf[:, :, :-16])
        assert encode_srgb(leaf[:, :16, :16]).std() > 0.05
        textures.add(float(leaf.mean()))
    assert len(textures) > 2


def test_a_law_of_radii_without_chances_is_refused():
    with pytest.raises(UsageError, match="smallest=1"):
        ShapeLeaves(Options(smallest=1.0))
