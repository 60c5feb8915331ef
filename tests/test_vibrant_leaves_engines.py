"""The engines of vibrant leaves draw the same scenes."""

from __future__ import annotations

import pytest
import torch

from synthnoise.images.vibrant_leaves.compiled_leaves import draw_compiled
from synthnoise.images.vibrant_leaves.leaf_law import leaf_law
from synthnoise.images.vibrant_leaves.settings import HEAD, PAPER, Settings
from synthnoise.images.vibrant_leaves.table import NAMES, draw_table
from synthnoise.images.vibrant_leaves.tensor_leaves import draw_tensors
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
    assert torch.equal(alone[0], together[2]) if draw is draw_compiled else True
    torch.testing.assert_close(alone[0], together[2], rtol=1e-5, atol=2e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_gpu_draws_the_same_leaves(settings):
    indices = torch.arange(16)
    there = draw_table(settings, CANVAS, Rng(5, indices, "cuda"))
    assert there.leaves.device.type == "cuda"
    same_tables(there, draw_table(settings, CANVAS, Rng(5, indices)))
