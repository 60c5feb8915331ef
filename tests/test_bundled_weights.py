"""The weights that come with synthnoise: small, made by a recipe, better than what needs no training."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import synthnoise
from synthnoise.cli.main import app
from synthnoise.denoisers.bundled import FOLDER, bundled_names, bundled_weights
from synthnoise.denoisers.weights import content_hash, read_record
from synthnoise.denoising import Denoiser, Settings
from synthnoise.errors import PluginError, UsageError
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.training.budget import Budget
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.recipes import read_recipe


def test_they_fit_into_the_wheel() -> None:
    assert "rgb" in bundled_names()
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 10e6


@pytest.mark.parametrize("name", bundled_names())
def test_a_recipe_says_how_they_were_made(name: str) -> None:
    path = bundled_weights(name)
    assert path is not None
    record, recipe = read_record(path), read_recipe(name)
    plan = TrainingPlan(budget=Budget(steps=recipe.pop("steps")), **recipe).recipe()
    written = record.recipe | {"minutes": None}
    # The command line's options are text.
    same = {key: str(value) for key, value in written.items() if not key.endswith("_options")}
    assert same == {key: str(plan[key]) for key in same}
    # Arguments that training has learnt since have their defaults.
    default = TrainingPlan(images="", noise="", denoiser="", budget=Budget(steps=1)).recipe()
    assert all(plan[key] == default[key] for key in plan.keys() - written.keys())
    assert (record.steps, record.seed) == (plan["steps"], plan["seed"])


def test_pictures_are_denoised_by_name() -> None:
    """Colour by colour better than the classical default, on scenes that no image model here drew."""
    clean = torch.from_numpy(dead_leaves((96, 128), seed=5))[None] ** (1 / 2.2)
    for level in (15 / 255, 50 / 255):
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        noisy, read = clean + level * noise, (level**2,) * 3
        errors = [
            (Denoiser(Settings(denoiser=name, device="cpu"))(noisy, (0.0,) * 3, read) - clean).square().mean()
            for name in ("rgb", "patch-dct")
        ]
        assert 10 * torch.log10(errors[1] / errors[0]) > 0.5


def test_tiles_of_the_bundled_network_equal_the_whole() -> None:
    denoiser = Denoiser(Settings(denoiser="rgb", device="cpu"))
    planes = torch.rand(1, 3, 40, 420, generator=torch.Generator().manual_seed(1))
    noise = (0.0,) * 3, (0.01,) * 3
    whole = denoiser(planes, *noise)
    grid = denoiser.tiles((40, 420), 64)
    assert len(grid) == 7
    for tile in grid:
        top, left, bottom, right = tile.outer
        part = denoiser(planes[..., top:bottom, left:right], *noise)[(..., *tile.kept)]
        top, left, bottom, right = tile.inner
        assert float((part - whole[..., top:bottom, left:right]).abs().max()) < 1e-4


def test_raw_is_refused_by_the_network_for_pictures() -> None:
    planes = torch.rand(1, 4, 32, 32)
    with pytest.raises(UsageError, match="takes 3 planes, not 4"):
        Denoiser(Settings(denoiser="rgb", device="cpu"))(planes, (1e-3,) * 4, (1e-5,) * 4)


def test_options_are_settled() -> None:
    with pytest.raises(UsageError, match="settled"):
        Denoiser(dataclasses.replace(Settings(denoiser="rgb"), options={"blocks": 1}))


def test_noise_beyond_the_training_is_remarked_on() -> None:
    denoiser = Denoiser(Settings(denoiser="rgb", device="cpu"), domain="srgb")
    assert denoiser.beyond_training(75 / 255) == ()
    (remark,) = denoiser.beyond_training(100 / 255)
    assert remark == "rgb was trained on noise up to sigma 75 of 255, not on 100"
    assert Denoiser(Settings(denoiser="raw", device="cpu"), domain="bayer").beyond_training(9.0) == ()


def test_python_gets_them_by_name_as_networks() -> None:
    network = synthnoise.denoiser("rgb")
    noisy = torch.full((1, 3, 16, 24), 0.5) + 0.1 * torch.randn(1, 3, 16, 24)
    with torch.inference_mode():
        assert network(noisy, torch.full((1, 1, 16, 24), 0.1)).std() < 0.5 * noisy.std()
    path = bundled_weights("rgb")
    assert content_hash(synthnoise.denoiser(str(path))) == content_hash(network)
    with pytest.raises(UsageError, match="settled"):
        synthnoise.denoiser("rgb", blocks=1)


def test_they_are_listed_beside_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    app(["models"], standalone_mode=False)
    listed = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("weights ")]
    assert [line[1] for line in listed] == bundled_names()
    with pytest.raises(PluginError) as refusal:
        app(["models", "rgb"], standalone_mode=False)
    assert "synthnoise inspect rgb" in str(refusal.value.hint)
    app(["models", "nafnet"], standalone_mode=False)
    assert "multiples of 8, may see the whole image" in capsys.readouterr().out
