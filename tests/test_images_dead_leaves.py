"""Dead leaves against what the model is in theory, and against a painter that could not be simpler."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from sampling import assert_distribution, assert_mean
from scipy import integrate

from synthnoise.errors import UsageError
from synthnoise.images.dead_leaves import DeadLeaves, Options
from synthnoise.images.leaves import RECTANGLE_REACH, LeafLaw
from synthnoise.rng import Rng, Stream
from synthnoise.testing import rng


def radius_cdf(law: LeafLaw):
    """The law of the radius by numerical integration of its density."""
    grow = 0.0 if law.inside else 2 * law.reach
    grid = np.geomspace(law.r_min, law.r_max, 20001)
    density = grid**-law.exponent * (law.size[0] + grow * grid) * (law.size[1] + grow * grid)
    mass = integrate.cumulative_simpson(density, x=grid, initial=0)
    return lambda r: np.interp(np.asarray(r), grid, mass / mass[-1])


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("exponent", [3.0, 2.0, 1.0, 2.4])
def test_radii_follow_the_density_of_leaves_that_can_reach_the_canvas(exponent, inside):
    law = LeafLaw(size=(120, 200), r_min=2, r_max=300, exponent=exponent, inside=inside)
    radius = law.draw(rng(0), 0, 1 << 17).radius[0].numpy()
    assert_distribution(radius, radius_cdf(law), detects=0.02)


@pytest.mark.parametrize("inside", [True, False])
def test_centres_are_uniform_on_the_canvas_or_within_reach_of_it(inside):
    law = LeafLaw(size=(50, 90), r_min=1, r_max=80, exponent=2.0, rectangle_share=0.5, inside=inside)
    leaves = law.draw(rng(1), 0, 1 << 17)
    reach = 0 if inside else RECTANGLE_REACH * leaves.radius
    for centre, length in ((leaves.y, 50), (leaves.x, 90)):
        place = (centre + reach) / (length + 2 * reach)
        assert_distribution(place[0].numpy(), lambda p: np.clip(p, 0, 1), detects=0.02)


def test_rectangles_have_the_area_of_the_disc_and_stay_within_their_reach():
    law = LeafLaw(size=(50, 50), r_min=1, r_max=80, exponent=2.0, rectangle_share=1.0)
    leaves = law.draw(rng(1), 0, 4096)
    along, across, cosine, sine = leaves.box[0].unbind(-1)
    assert torch.allclose(4 * along * across, math.pi * leaves.radius[0] ** 2)
    assert torch.allclose(cosine**2 + sine**2, torch.ones(4096, dtype=torch.float64))
    assert (torch.hypot(along, across) <= RECTANGLE_REACH * leaves.radius[0] * (1 + 1e-12)).all()
    assert_distribution(along / across, lambda q: np.clip(2 * np.asarray(q) - 1, 0, 1), detects=0.1)


def test_any_stretch_of_leaves_is_the_same_leaves():
    law = LeafLaw(size=(64, 64), r_min=1, r_max=50, exponent=3.0, rectangle_share=0.5, shading=0.4)
    whole, part = law.draw(rng(3), 0, 512), law.draw(rng(3), 128, 256)
    for field in dataclasses.fields(whole):
        assert torch.equal(getattr(whole, field.name)[:, 128:384], getattr(part, field.name)), field.name


def painted_back_to_front(model: DeadLeaves, size: tuple[int, int], source: Rng, count: int) -> np.ndarray:
    """The definition: every leaf falls on those before it; then the canvas is averaged."""
    options = model.options
    s = options.reduction
    canvas = size[0] * s, size[1] * s
    law = LeafLaw(
        size=canvas,
        r_min=options.r_min[0],
        r_max=options.r_max,
        exponent=options.exponent,
        rectangle_share={"disc": 0.0, "rectangle": 1.0, "mixed": 0.5}[options.shapes],
        shading=options.shading,
        inside=options.boundary == "inside",
    )
    leaves = law.draw(source, 0, count)
    palette = model._palette(source)[0].numpy()
    y, x = np.indices(canvas).reshape(2, -1) + 0.5
    light = np.full((y.size, 3), np.nan)
    for k in reversed(range(count)):
        dy, dx, r = y - leaves.y[0, k].item(), x - leaves.x[0, k].item(), leaves.radius[0, k].item()
        mask = dy**2 + dx**2 <= r**2
        if len(leaves.box[0]) and leaves.box[0, k, 0] > 0:
            along, across, cosine, sine = leaves.box[0, k].tolist()
            mask = (abs(dx * cosine + dy * sine) <= along) & (abs(dy * cosine - dx * sine) <= across)
        shade = np.ones(y.size)
        if len(leaves.shade[0]):
            a, b, c = leaves.shade[0, k].tolist()
            shade = a + b * y + c * x
        light[mask] = palette[leaves.colour[0, k]] * shade[mask, None]
    assert np.isfinite(light).all(), "the oracle needs more leaves"
    averaged = light.reshape(size[0], s, size[1], s, 3).mean((1, 3))
    return np.minimum(averaged, 1).transpose(2, 0, 1).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((40, 70), {"reduction": 1, "r_min": (3.0,)}),
        ((13, 23), {"reduction": 3, "r_min": (3.0,), "boundary": "inside"}),
        ((11, 17), {"reduction": 4, "r_min": (4.0,), "shapes": "mixed"}),
        ((8, 14), {"reduction": 5, "r_min": (6.0,), "shapes": "rectangle", "shading": 0.9, "exponent": 1.5}),
        ((65, 1), {"reduction": 2, "r_min": (4.0,)}),
        ((1, 64), {"reduction": 1, "r_min": (2.0,), "r_max": 2.0}),
    ],
)
def test_both_painters_show_what_falling_leaves_leave(size, options):
    model = DeadLeaves(Options(**{"r_max": 100.0} | options))
    expected = painted_back_to_front(model, size, rng(5), 2500)
    painted = model.generate(size, rng(5))[0].numpy()
    np.testing.assert_allclose(painted, expected, atol=2e-6)
    law = model._law(size, model.options.r_min[0])
    tensors = model.paint_tensors(law, rng(2, 5)).numpy()
    np.testing.assert_allclose(tensors[1], expected, atol=2e-6)


def test_small_leaves_behind_full_blocks_are_skipped_without_a_trace():
    model = DeadLeaves(Options(reduction=2))
    size = (90, 75)
    painted = model.generate(size, rng(8))[0]
    tensors = model.paint_tensors(model._law(size, 1.0), rng(8))[0]
    assert torch.allclose(painted, tensors, atol=2e-6)


def same_leaf(h: float, law: LeafLaw) -> float:
    """P(one leaf shows at points h apart) = g(h) / (2 g(0) - g(h)), g the mean covariogram of the discs."""

    def lens(r: float) -> float:
        if 2 * r <= h:
            return 0.0
        return 2 * r * r * math.acos(h / (2 * r)) - h / 2 * math.sqrt(4 * r * r - h * h)

    if law.r_min == law.r_max:
        shared, area = lens(law.r_min), math.pi * law.r_min**2
    else:
        low = max(law.r_min, h / 2)
        shared = integrate.quad(lambda r: r**-law.exponent * lens(r), low, law.r_max, limit=200)[0]
        area = integrate.quad(lambda r: r**-law.exponent * math.pi * r * r, law.r_min, law.r_max)[0]
    return shared / (2 * area - shared)


@pytest.mark.parametrize(("r_min", "r_max", "lags"), [(6.0, 6.0, (1, 5, 11)), (1.0, 30.0, (1, 4, 12, 30))])
def test_two_points_share_a_leaf_as_often_as_theory_says_at_the_border_too(r_min, r_max, lags):
    options = Options(reduction=1, r_min=(r_min,), r_max=r_max, colours="uniform")
    images = DeadLeaves(options).generate((32, 64), rng(*range(1400)))[:, 0]
    law = LeafLaw(size=(32, 64), r_min=r_min, r_max=r_max, exponent=3.0)
    for lag in lags:
        expected = same_leaf(lag, law)
        for rows in (slice(0, 32), slice(0, 3)):
            equal = (images[:, rows, lag:] == images[:, rows, :-lag]).double().mean((1, 2)).numpy()
            # Two leaves of one of the 2048 colours look like one.
            chance = expected + (1 - expected) / 2048
            assert_mean(equal, chance, equal.var(ddof=1), detects=max(0.14, 0.04 / chance))


def test_every_pixel_is_covered_unless_asked_otherwise():
    dark = Options(r_min=(2.0,), r_max=12.0, reduction=1, colours="grey", uncovered=0.1)
    images = DeadLeaves(dark).generate((32, 32), rng(*range(1200)))
    share = (images[:, 0] == 0).double().mean((1, 2)).numpy()
    assert_mean(share, 0.1, share.var(ddof=1), detects=0.15)
    whole = DeadLeaves(dataclasses.replace(dark, uncovered=0.0)).generate((48, 48), rng(*range(100)))
    assert (whole > 0).all()


def test_several_smallest_radii_share_the_images():
    model = DeadLeaves(Options(r_min=(1.0, 16.0), reduction=1, colours="uniform"))
    source = rng(*range(40))
    images = model.generate((64, 64), source)
    coarse = torch.stack([image.flatten(1).unique(dim=1).shape[1] < 200 * torch.ones(()) for image in images])
    chosen = source.integers(Stream.LEAF_RADIUS, (1,), 0, 2)[:, 0] == 1
    assert 10 < int(chosen.sum()) < 30
    assert bool(coarse[chosen].all())
    assert not bool(coarse[~chosen].all())


def test_an_image_does_not_change_with_the_number_of_threads():
    model, before = DeadLeaves(Options(exponent=2.7, shapes="mixed")), torch.get_num_threads()
    images = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            images.append(model.generate((100, 60), rng(0, 1, 2)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*images)


@pytest.mark.parametrize("r_min", [(), (0.1,), (1.0, 3000.0)])
def test_smallest_radii_out_of_range_are_refused(r_min):
    with pytest.raises(UsageError, match="r_min="):
        Options(r_min=r_min)
