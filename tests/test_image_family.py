"""What every image model of the family keeps: any size, any number of threads, one image at a time."""

from __future__ import annotations

import pytest
import torch

from synthnoise.plugins import default_plugins
from synthnoise.testing import rng

MODELS = {
    "spectrum": {},
    "color": {},
    "wmm": {"iterations": 1},
    "mondrian": {},
    "random-phase": {"source": "mondrian"},
    "slanted-edge": {},
    "siemens-star": {},
    "dead-leaves-chart": {"reduction": 1, "r_min": 4.0},
    "dead-leaves-shapes": {},
    "dead-leaves-textured": {"textures": 1},
    "dead-leaves-2021": {"reduction": 1, "ramps": "all"},
    "fractal-db": {"categories": 1},
    "stylegan": {},
    "primitives-3d": {"objects": (3, 3), "samples": 1},
}


@pytest.fixture(params=MODELS)
def model(request):
    return default_plugins().create("image_models", request.param, MODELS[request.param])


def test_the_number_of_threads_changes_nothing(model):
    before, images = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            images.append(model.generate((150, 263), rng(2)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*images)


@pytest.mark.parametrize("size", [(17, 70), (64, 31)])
def test_sizes_of_any_parity_and_shape(model, size):
    image = model.generate(size, rng(1))[0]
    assert image.shape == (3, *size)
    assert image.isfinite().all()
    assert 0 <= image.min() <= image.max() <= 1
    assert image.std() > 0.01
