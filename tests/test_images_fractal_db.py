"""Fractals: systems that fill enough, orbits that stay on what the maps leave unchanged, stamps and hues."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sampling import assert_fraction, assert_mean
from scipy.ndimage import binary_dilation

from synthnoise.errors import UsageError
from synthnoise.images import chaos_game
from synthnoise.images.colours import encode_srgb
from synthnoise.images.fractal_db import FractalDB, Options, filled, search, varied
from synthnoise.testing import rng

SIERPINSKI = np.array([[0.5, 0, 0, 0.5, 0, 0], [0.5, 0, 0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5, 0.25, 0.5]])


def test_systems_fill_what_is_asked_and_differ():
    systems = [search(7, number, 0.2) for number in range(4)]
    for maps in systems:
        assert 2 <= len(maps) <= 7
        assert np.abs(maps).max() <= 1
        points = chaos_game.orbit(maps, 100_000, 12345)
        counts, _, _ = np.histogram2d(*points.T, bins=500)
        assert (counts > 0).sum() / 512**2 > 0.19  # another orbit, another binning
    assert len({maps.tobytes() for maps in systems}) == 4
    assert np.array_equal(search(7, 2, 0.2), systems[2])


def test_systems_that_run_away_or_collapse_fill_nothing():
    assert filled(np.array([[2.0, 0, 0, 2.0, 1, 1], [3.0, 1, 0, 2.0, 1, 1]]), 0) == 0
    assert filled(np.array([[0.5, 0, 0, 0.5, 0, 0]] * 2), 0) == 0


def test_the_attractor_is_the_union_of_its_images():
    maps = search(7, 0, 0.2)
    points = chaos_game.orbit(maps, 300_000, 1)
    low, high = points.min(0), points.max(0)

    def cell(p):
        return tuple(np.clip((p - low) / (high - low) * 100, 0, 99).astype(int).T)

    attractor = np.zeros((100, 100), dtype=bool)
    attractor[cell(points)] = True
    near = binary_dilation(attractor, iterations=2)
    for a, b, c, d, e, f in maps:
        x, y = points[:20000].T
        image = np.stack((a * x + b * y + e, c * x + d * y + f), 1)
        assert near[cell(image)].mean() > 0.99
        inside = ((image >= low - 0.02 * (high - low)) & (image <= high + 0.02 * (high - low))).all(1)
        assert inside.mean() > 0.99


def test_the_game_visits_sierpinskis_triangle_evenly():
    points = chaos_game.orbit(SIERPINSKI, 60_000, 5)
    x, y = points[::20].T  # far enough apart to be nearly independent
    assert_fraction(y >= 0.5, 1 / 3, detects=0.3)
    assert_fraction((y < 0.5) & (x < 0.5), 1 / 3, detects=0.3)
    # The mean is the fixed point of the mean map, the variance a geometric series: 1/4 per level.
    assert_mean(y, 1 / 3, y.var(), detects=0.2)
    hole = (np.abs(points - [0.5, 0.2]) < 0.05).all(1)
    assert not hole.any()


def test_maps_are_chosen_in_proportion_to_their_area():
    maps = np.array([[0.9, 0, 0, 0.9, 0, 0], [0.3, 0, 0, 0.3, 10, 0]])
    x = chaos_game.orbit(maps, 20_000, 3)[:, 0]
    chosen = ~np.isclose(x[1:], 0.9 * x[:-1])
    assert_fraction(chosen, 0.09 / 0.9, detects=0.25)


def test_images_are_one_grey_on_black_within_the_margin():
    images = encode_srgb(FractalDB(Options(vary=False)).generate((64, 96), rng(0, 1)))
    for image in images:
        assert set((image * 255).round().unique().tolist()) == {0.0, 127.0}
        assert image[:, :5].max() == 0
        assert image[..., :5].max() == 0
        shown = image[0] > 0
        assert shown.any(1).nonzero()[[0, -1], 0].tolist()[0] <= 7
        assert shown.any(0).nonzero()[[0, -1], 0].tolist()[1] >= 96 - 8


def test_stamps_and_hues():
    place = np.array([[5, 5], [0, 0]])
    stamp = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
    image = chaos_game.stamped((8, 8), place, np.array([[9, 8, 7], [1, 2, 3]], dtype=np.uint8), stamp)
    assert {tuple(p) for p in np.argwhere(image[..., 0] > 0)} == {(4, 4), (5, 6), (0, 1)}
    assert image[4, 4].tolist() == [9, 8, 7]
    model = FractalDB(Options(colour="hue", render="point"))
    assert len(model._levels(100_000)) == 100_000
    image = encode_srgb(model.generate((64, 64), rng(3)))[0]
    assert image.amax() == pytest.approx(0.75, abs=0.01)
    assert not torch.equal(image[0], image[1])


def test_variants_scale_one_coefficient():
    changed = {varied(SIERPINSKI, k).tobytes() for k in range(25)}
    assert SIERPINSKI.tobytes() in changed
    assert np.array_equal(varied(SIERPINSKI, 1)[:, 0], 0.2 * SIERPINSKI[:, 0])
    assert np.array_equal(varied(SIERPINSKI, 24)[:, 5], 1.8 * SIERPINSKI[:, 5])
    wild = np.array([[0.9, 0.5, 0.5, 0.9, 0, 1], [0.9, -0.5, 0.5, 0.9, 1, 0]])
    assert np.isfinite(chaos_game.orbit(varied(wild, 4), 4096, 0)).all()


def test_sizes_without_room_and_fills_beyond_reach_are_refused(monkeypatch):
    with pytest.raises(UsageError, match="too small"):
        FractalDB().generate((12, 40), rng(0))
    monkeypatch.setattr("synthnoise.images.fractal_db._MOST_CANDIDATES", 3)
    with pytest.raises(UsageError, match=r"no system fills 0\.6"):
        search(0, 0, 0.6)
