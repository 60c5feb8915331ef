"""The engines of vibrant leaves draw the same scenes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from synthnoise.errors import UsageError
from synthnoise.images.vibrant_leaves.coefficients import SLOTS, prepare
from synthnoise.images.vibrant_leaves.compiled_leaves import draw_compiled
from synthnoise.images.vibrant_leaves.depth import kernel
from synthnoise.images.vibrant_leaves.engines import choose_engine, engine_of
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
    if draw is draw_compiled:
        assert torch.equal(alone[0], together[2])


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
    # The compiled Lab is made of polynomials, good to 3e-5.
    np.testing.assert_allclose(shading.slots.numpy()[there], slots[there], rtol=2e-5, atol=4e-5)
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


def test_tiles_list_the_leaves_whose_boxes_they_touch():
    tiles = pytest.importorskip("synthnoise.images.vibrant_leaves.triton_engine.tiles", reason=NO_TRITON)
    table = draw_table(Settings(r_max=40), (70, 100), Rng(5, torch.arange(2)))
    boxes = torch.stack(
        [torch.from_numpy(paint(t.numpy(), table.bounds, (70, 100))[1]) for t in table.leaves]
    )
    lists = tiles.tile_lists(boxes, table.bounds, (70, 100), 16)
    assert lists.grid == (5, 4)
    count, tile = boxes.shape[1], 0
    for image in range(2):
        for layer in range(3):
            for row in range(5):
                for column in range(4):
                    top, bottom, left, right = boxes[image].unbind(-1)
                    on = (top < 16 * row + 16) & (bottom >= 16 * row)
                    on &= (left < 32 * column + 32) & (right >= 32 * column)
                    expected = [
                        image * count + k
                        for k in range(table.bounds[layer], table.bounds[layer + 1])
                        if on[k]
                    ]
                    first, last = lists.starts[tile : tile + 2]
                    assert lists.leaves[first:last].tolist() == expected
                    tile += 1


INTERPRETED = """
import ast, json, sys
import torch
from synthnoise.images.vibrant_leaves.model import VibrantLeaves
from synthnoise.images.vibrant_leaves.painter import paint
from synthnoise.images.vibrant_leaves.settings import Options
from synthnoise.images.vibrant_leaves.table import draw_table
from synthnoise.images.vibrant_leaves.triton_engine import engine
from synthnoise.rng import Rng

torch.set_num_threads(1)
engine.TALL = 32
model = VibrantLeaves(Options(r_max=20, **ast.literal_eval(sys.argv[1])))
size, rng = (16, 24), Rng(3, torch.tensor([1]))
canvas = tuple(side * model.settings.reduction for side in size)
table = draw_table(model.settings, canvas, rng)
light, labels = engine.paint_layers(model.settings, table, labels=True)
image = engine.fuse_layers(model.settings, table.blur, light)
painted, _ = paint(table.leaves[0].numpy(), table.bounds, canvas)
expected = model.generate(size, rng)
apart = (image - expected).abs()
print(json.dumps([int((labels[0].numpy() != painted).sum()), float(apart.max()), float(expected.std())]))
"""
"""Compares the kernels, run by Triton's interpreter, with the compiled engine."""

NO_TRITON = "triton is not installed: it comes with the CUDA builds of torch"
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason=NO_TRITON)


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("name", ["vl", "head", "lens", "maps", "sharp"])
def test_kernels_make_the_compiled_images(name):
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", INTERPRETED, repr(VARIANTS[name])]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    labels, apart, spread = json.loads(result.stdout)
    assert labels == 0
    assert apart < 1 / 255
    assert spread > 0.03


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile_for_gpus(capability):
    """Machine code is made without a GPU; whether it is fast, only a GPU can say."""
    kernels = pytest.importorskip("synthnoise.images.vibrant_leaves.triton_engine.kernels", reason=NO_TRITON)
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    floats = {
        "leaves", "edges", "slots", "periods", "warp", "light", "weights", "blurred", "images",
    }  # fmt: skip
    numbers = {"count", "height", "width", "tile_rows", "tile_columns", "out_height", "out_width"}
    constants = {
        kernels.paint_tiles: {
            "COLUMNS": len(NAMES), "SLOTS": SLOTS, "TALL": 16, "EDGES": 32, "CLASSIC": False, "LABELS": False,
        },
        kernels.blur_columns: {"TALL": 8},
        kernels.fuse_rows: {"TALL": 8, "REDUCTION": 2},
    }  # fmt: skip
    for kernel_function, values in constants.items():
        names = kernel_function.arg_names
        kinds = {
            name: "constexpr"
            if name in values
            else "i32"
            if name in numbers
            else "*fp32"
            if name in floats
            else "*i32"
            for name in names
        }
        source = ASTSource(kernel_function, kinds, {(names.index(name),): v for name, v in values.items()})
        made = compile(source, target=GPUTarget("cuda", capability, 32), options={"enable_fp_fusion": True})
        assert made.asm["cubin"]


def test_triton_asks_for_a_gpu(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(UsageError, match="CUDA device"):
        VibrantLeaves(Options(engine="triton")).generate((8, 8), Rng(0, torch.tensor([0])))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="not installed"):
        engine_of("triton")


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
@pytest.mark.parametrize("engine", ["torch", "triton"])
@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_a_gpu_makes_the_compiled_images(options, engine):
    indices = torch.arange(8)
    expected = VibrantLeaves(Options(engine="compiled", **options)).generate((250, 200), Rng(7, indices))
    model = VibrantLeaves(Options(engine=engine, **options))
    images = model.generate((250, 200), Rng(7, indices, "cuda"))
    assert images.device.type == "cuda"
    assert_same_images(images, expected)
    alone = model.generate((250, 200), Rng(7, indices[5:6], "cuda"))
    torch.testing.assert_close(alone[0], images[5], rtol=0, atol=1e-5)
