"""The Mondrian process against its closed forms, and its painter against plain counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sampling import assert_distribution, assert_fraction, assert_mean, assert_variance

from synthnoise.errors import UsageError
from synthnoise.images.colours import encode_srgb
from synthnoise.images.mondrian import Mondrian, Options, paint, partition
from synthnoise.testing import rng


def test_a_line_meets_a_poisson_number_of_cuts_in_uniform_places():
    numbers, places = [], []
    for index in range(600):
        boxes, _ = partition((20, 30), 0.1, rng(index))
        met = boxes[(boxes[:, 0] <= 7.3) & (boxes[:, 1] > 7.3)]
        cuts = np.sort(met[:, 2])[1:]
        numbers.append(len(cuts))
        places.extend(cuts)
    assert_mean(numbers, 3.0, 3.0, detects=0.25)
    assert_variance(numbers, 3.0, 3.0 + 3 * 3.0**2, detects=0.7)
    assert_distribution(np.array(places) / 30, lambda p: np.clip(p, 0, 1), detects=0.13)


def test_the_number_of_rectangles_and_that_they_tile_the_image():
    counts = []
    for index in range(400):
        boxes, chance = partition((20, 30), 0.1, rng(index))
        counts.append(len(boxes))
        assert ((boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])).sum() == pytest.approx(600)
        assert len(chance) == len(boxes)
    # (1 + rate H)(1 + rate W): Roy and Teh 2008.
    assert_mean(counts, 3.0 * 4.0, np.var(counts), detects=0.35)


def test_painted_edges_are_means_over_pixels():
    boxes = np.array([[0, 2.25, 0, 5], [2.25, 4, 0, 1.6], [2.25, 4, 1.6, 5]])
    light = np.array([[0.2, 0.4, 0.8], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    image = paint((4, 5), boxes, light)
    fine = np.zeros((3, 4 * 20, 5 * 20))
    for (top, bottom, left, right), colour in zip((boxes * 20).round().astype(int), light, strict=True):
        fine[:, top:bottom, left:right] = colour[:, None, None]
    assert np.allclose(image, fine.reshape(3, 4, 20, 5, 20).mean((2, 4)), atol=1e-6)
    ruled = paint((4, 5), boxes, np.ones((3, 3)), 0.1)
    assert ruled.sum() / 3 == pytest.approx(20 - 0.2 * 5 - 0.2 * (4 - 2.25) + 0.2 * 0.1)


def test_pictures_have_the_number_of_colours_asked_for():
    model = Mondrian(Options(count=(4, 4), cuts=(15, 15), colours="grey"))
    for image in encode_srgb(model.generate((96, 96), rng(*range(8))))[:, 0]:
        _, counts = np.unique((image.numpy() * 1e6).round(), return_counts=True)
        flat = np.sort(counts)[::-1]
        assert flat[:4].sum() > 0.6 * image.numel()  # the rest are mixtures at edges
        assert flat[4] < 0.02 * image.numel()


def test_colours_come_in_the_shares_that_were_drawn():
    model = Mondrian(Options(count=(3, 3)))
    _, share = model._palette(rng(2))
    assert share.sum() == pytest.approx(1)
    assert np.abs(share - 1 / 3).max() > 0.1
    chance = np.concatenate([partition((50, 50), 0.2, rng(k))[1] for k in range(60)])
    chosen = np.searchsorted(np.cumsum(share)[:-1], chance, side="right")
    for colour in range(3):
        assert_fraction(chosen == colour, share[colour], detects=0.4)


def test_ranges_that_make_no_sense_are_refused():
    for values in ({"cuts": (5.0, 2.0)}, {"count": (0, 3)}):
        with pytest.raises(UsageError):
            Options(**values)


def test_a_picture_without_cuts_is_one_colour():
    image = Mondrian(Options(cuts=(0.0, 0.0))).generate((8, 9), rng(0))[0]
    assert torch.allclose(image, image[:, :1, :1].expand_as(image))
