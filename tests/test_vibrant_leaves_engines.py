"""The engines of vibrant leaves draw the same scenes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthnoise.errors import UsageError
from synthnoise.images.vibrant_leaves.coefficients import prepare
from synthnoise.images.vibrant_leaves.compiled_leaves import draw_compiled
from synthnoise.images.vibrant_leaves.depth import kernel
from synthnoise.images.vibrant_leaves.engines import choose_engine
from synthnoise.images.vibrant_leaves.leaf_law import leaf_law
from synthnoise.images.vibrant_leaves.model import VibrantLeaves
from synthnoise.images.vibrant_leaves.painter import paint
from synthnoise.images.vibrant_leaves.settings import HEAD, PAPER, Options, Settings
from synthnoise.images.vibrant_leaves.table import NAMES, draw_table
from synthnoise.images.vibrant_leaves.tensor_leaves import draw_tensors
from synthnoise.images.vibrant_leaves.torch_engine import visibility
from synthnoise.images.vibrant_leaves.torch_engine.depth import LENS_REACH, disc_weights
from synthnoise.images.vibrant_leaves.torch_engine.engine import shading_of
from synthnoise.images.vibrant_leaves.torch_engine.visibility import visible_leaves
from synthnoise.rng import Rng

CANVAS = (240, 200)
COLOURS = ("first", "second", "spread", "turn")
"""Columns that only colours are made of: these may differ by rounding, and no others."""

SETTINGS = {
    "vl": Settings(),
    "paper": PAPER,
    "head": HEAD,
    "plane": Settings(boundary="stationary", shapes="mixed", depth=False, colours="uniform"),
    "discs": Settings(shapes="discs", textures=False, periods=(7, 7)),
}


def same_tables(a, b):
    """Fail unless two tables hold the same leaves."""
    assert a.bounds == b.bounds
    torch.testing.assert_close(a.blur.cpu(), b.blur.cpu(), rtol=1e-6, atol=0)
    for name in NAMES:
        one, other = a.column(name).cpu(), b.column(name).cpu()
        if name.startswith(COLOURS):
            torch.testing.assert_close(
                one, other, rtol=1e-5, atol=2e-6, msg=lambda text, n=name: f"{n}: {text}"
            )
        else:
            assert torch.equal(one, other), name


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_engine_draws_the_same_leaves(settings):
    rng = Rng(5, torch.arange(3))
    law = leaf_law(settings, CANVAS)
    same_tables(draw_tensors(settings, law, rng), draw_compiled(settings, law, rng))


@pytest.mark.parametrize("draw", [draw_tensors, draw_compiled])
def test_a_leaf_knows_no_batch(draw):
    law = leaf_law(Settings(), CANVAS)
    together = draw(Settings(), law, Rng(5, torch.arange(4))).leaves
    alone = draw(Settings(), law, Rng(5, torch.tensor([2]))).leaves
    torch.testing.assert_close(alone[0], together[2], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_torch_sees_the_leaves_that_the_compiled_painter_sees(settings):
    table = draw_table(settings, CANVAS, Rng(5, torch.arange(3)))
    labels, boxes = visible_leaves(table)
    for image in range(3):
        painted, expected = paint(table.leaves[image].numpy(), table.bounds, CANVAS)
        assert torch.equal(boxes[image], torch.from_numpy(expected))
        # Edges are followed by adding slopes there, and by multiplying them here.
        assert (labels[image].numpy() != painted).mean() < 1e-4


def test_words_hold_leaves_that_cross_themselves():
    """A bow tie, of which one half turns the other way, is inside on both sides."""
    square = torch.tensor([[0.0, 0, 20, 10], [20, 10, 20, 0], [20, 0, 0, 10], [0, 10, 0, 0]])
    boxes = torch.tensor([[0, 9, 0, 19]], dtype=torch.int32)
    crossings = visibility._edge_crossings(torch.zeros(4, dtype=torch.int64), square, 10)
    words, _ = visibility._inside(boxes, (crossings,))
    row = words.view(10, 2)[2, 0]
    inside = [(int(row) >> 2 * pixel & 3) != 1 for pixel in range(32)]
    assert inside == [pixel < 4 or 16 <= pixel < 20 for pixel in range(32)]


VARIANTS = {
    "vl": {},
    "paper": {"preset": "paper-2025"},
    "head": {"preset": "reference-head"},
    "lens": {"blur": "lens", "boundary": "stationary"},
    "sharp": {"blur": "off", "waves": "plain", "slope": (0.5, 2.5)},
    "maps": {"depth": False, "weights": (1.0, 0.0, 1.0), "warp": 1.0, "perspective": 1.0, "shapes": "mixed"},
}


def assert_same_images(images, expected):
    """Fail unless 99.9 % of pixels agree to 1/255; the rest may lie on edges."""
    apart = (images.cpu() - expected).abs().amax(1)
    assert (apart > 1 / 255).double().mean() < 1e-3
    assert apart.mean() < 1e-4


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_torch_makes_the_compiled_images(options):
    rng = Rng(7, torch.tensor([4, 1]))
    expected = VibrantLeaves(Options(engine="compiled", **options)).generate((64, 96), rng)
    images = VibrantLeaves(Options(engine="torch", **options)).generate((64, 96), rng)
    assert_same_images(images, expected)
    assert expected.std() > 0.05


def test_torch_prepares_the_compiled_slots():
    settings = Settings(weights=(0.5, 0.2, 0.5))
    table = draw_table(settings, (400, 400), Rng(5, torch.tensor([0])))
    leaves = table.leaves[0].numpy()
    _, boxes = paint(leaves, table.bounds, (400, 400))
    slots, starts = prepare(leaves, boxes, settings.periods, settings.period_exponent)
    shading = shading_of(settings, table, torch.from_numpy(boxes)[None])
    there = boxes[:, 1] >= 0
    np.testing.assert_allclose(shading.slots.numpy()[there], slots[there], rtol=2e-5, atol=1e-5)
    ragged = there & (table.column("ragged")[0].numpy() > 0) & (table.column("grid")[0].numpy() == 0)
    np.testing.assert_array_equal(shading.starts.numpy()[ragged], starts[ragged])


@pytest.mark.parametrize("radius", [0.0, 0.7, 1.0, 2.3, 5.02, 9.99])
def test_torch_blurs_by_the_compiled_disc(radius):
    expected = kernel("lens", radius)
    reach = len(expected) // 2
    weights = disc_weights(torch.tensor([radius]))[0].double().numpy()
    rows = weights.sum(1)[LENS_REACH - reach : LENS_REACH + reach + 1]
    np.testing.assert_allclose(rows, expected / expected.sum(), atol=1e-6)
    assert weights.sum() == pytest.approx(1, abs=1e-6)


def test_engines_say_what_they_cannot_do():
    with pytest.raises(UsageError, match="parity"):
        VibrantLeaves(Options(engine="torch", parity=True))
    with pytest.raises(UsageError, match="double precision"):
        choose_engine("torch", torch.device("mps"), Settings())
    assert choose_engine("auto", torch.device("cpu"), Settings()) == "compiled"
    assert choose_engine("auto", torch.device("cuda"), Settings(parity=True)) == "compiled"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_gpu_draws_the_same_leaves(settings):
    indices = torch.arange(16)
    there = draw_table(settings, CANVAS, Rng(5, indices, "cuda"))
    assert there.leaves.device.type == "cuda"
    same_tables(there, draw_table(settings, CANVAS, Rng(5, indices)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator")
@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_a_gpu_makes_the_compiled_images(options):
    indices = torch.arange(8)
    expected = VibrantLeaves(Options(engine="compiled", **options)).generate((250, 200), Rng(7, indices))
    model = VibrantLeaves(Options(engine="torch", **options))
    images = model.generate((250, 200), Rng(7, indices, "cuda"))
    assert images.device.type == "cuda"
    assert_same_images(images, expected)
    alone = model.generate((250, 200), Rng(7, indices[5:6], "cuda"))
    torch.testing.assert_close(alone[0], images[5], rtol=0, atol=1e-5)
