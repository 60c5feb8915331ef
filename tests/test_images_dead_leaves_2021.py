"""The settings and shadings of 2021."""

from __future__ import annotations

import math

import pytest
import torch
from sampling import assert_fraction

from synthnoise.images.dead_leaves_2021 import DeadLeaves2021, Options
from synthnoise.testing import rng


def test_leaves_stop_at_one_in_five_hundred_pixels_bare():
    images = DeadLeaves2021(Options(reduction=1, r_max=60.0)).generate((96, 96), rng(*range(12)))
    bare = (images.sum(1) == 0).float().mean((1, 2))
    error = float(bare.std()) / math.sqrt(len(bare))
    # Near the border, where fewer leaves reach, more stays bare than the 0.2 % of the plane.
    assert 0.002 - 5 * error < float(bare.mean()) < 0.02
    assert float(bare.mean()) > 3 * error


def test_large_leaves_are_ramps_from_a_fifth_to_four_fifths():
    law = DeadLeaves2021(Options(ramps="large", r_min=(150.0,), r_max=400.0, exponent=1.0))._law(
        (500, 500), 150.0
    )
    leaves = law.draw(rng(0), 0, 4096)
    ramped = leaves.shade[0, :, 1:].abs().sum(-1) > 0
    large = leaves.radius[0] > 200
    assert not ramped[~large].any()
    assert_fraction(ramped[large], 0.7, detects=0.15)
    constant, down, right = leaves.shade[0, ramped].T
    y, x, radius = (v[0, ramped] for v in (leaves.y, leaves.x, leaves.radius))
    middle = constant + down * y + right * x
    assert torch.allclose(middle, torch.full_like(middle, 0.5))
    assert torch.allclose(torch.hypot(down, right) * radius, torch.full_like(middle, 0.3))
    flat = leaves.shade[0, ~ramped]
    assert torch.equal(flat, torch.tensor([[1.0, 0, 0]], dtype=torch.float64).expand_as(flat))


@pytest.mark.parametrize("ramps", ["large", "all"])
def test_ramps_make_the_inside_of_leaves_change(ramps):
    options = {"reduction": 1, "r_min": (210.0,), "r_max": 400.0}
    flat, ramped = (
        DeadLeaves2021(Options(ramps=kind, **options)).generate((64, 64), rng(0, 1, 2))
        for kind in ("none", ramps)
    )
    changes = [(image.diff(dim=-1) != 0).float().mean() for image in (flat, ramped)]
    assert changes[0] < 0.05 < 0.2 < changes[1]
