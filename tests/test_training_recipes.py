"""Recipes: the bundled ones are whole, files are read, mistakes are named, and what is given goes before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from synthnoise.cli.main import app
from synthnoise.denoisers.weights import read_record
from synthnoise.errors import InputError, UsageError
from synthnoise.plugins import default_plugins
from synthnoise.training.budget import Budget
from synthnoise.training.examples import Examples
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.recipes import read_recipe, recipe_names

SMALL = """
noise = "gaussian"
noise_options = { sigma = 5, sigma_max = 50 }
denoiser = "u-dru"
denoiser_options = { widths = [4, 4, 4], blocks = 1 }
ratio = [1, 1]
steps = 3
batch = 2
crop = 16
loss = "l1"
"""


@pytest.mark.parametrize("name", recipe_names())
def test_a_bundled_recipe_makes_sense_as_a_whole(name: str) -> None:
    values = read_recipe(name)
    budget = Budget(steps=values.pop("steps"))
    plan = TrainingPlan(budget=budget, **values)
    examples = Examples(plan, torch.device("cpu"), default_plugins())
    is_raw = name.startswith("raw")
    assert examples.channels == (36 if "x-trans" in name else 4 if is_raw else 3)
    assert examples.stabilised == is_raw


def test_what_is_given_goes_before_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, output = tmp_path / "small.toml", tmp_path / "net.safetensors"
    recipe.write_text(SMALL)
    arguments = [
        "train",
        "--recipe",
        str(recipe),
        "--steps",
        "2",
        "-o",
        str(output),
        "--json",
        "--device",
        "cpu",
    ]
    app(arguments, standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["steps"] == 2
    plan = read_record(output).recipe
    assert (plan["steps"], plan["batch"], plan["loss"], plan["lr"]) == (2, 2, "l1", 1e-3)
    assert plan["denoiser_options"] == {"widths": [4, 4, 4], "blocks": 1}


def test_mistakes_in_a_recipe_are_named(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("colour = 3")
    with pytest.raises(UsageError, match="unknown: colour"):
        read_recipe(path)
    path.write_text("steps = ")
    with pytest.raises(InputError, match="not a recipe"):
        read_recipe(path)
    for line, hint in (
        ('steps = "abc"', "steps is a whole number"),
        ("batch = 2.5", "batch is a whole number"),
        ("steps = true", "steps is a whole number"),
        ("images = 3", "images is text"),
        ("denoiser_options = 3", "denoiser_options is a table"),
        ("ratio = [1, 2, 3]", "ratio is a list of 2 numbers"),
        ('loss = "l3"', "loss is mse, psnr, l1"),
    ):
        path.write_text(line)
        with pytest.raises(UsageError, match=line.split()[0]) as refusal:
            read_recipe(path)
        assert hint in str(refusal.value.hint)
    with pytest.raises(UsageError, match="no recipe called rbg") as refusal:
        read_recipe("rbg")
    assert refusal.value.hint == "did you mean rgb?"
    with pytest.raises(InputError):
        read_recipe(tmp_path / "none.toml")


def test_several_profiles_stand_in_a_list(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('profile = ["virtual-hard", "virtual-mild"]')
    assert read_recipe(recipe)["profile"] == ["virtual-hard", "virtual-mild"]
    recipe.write_text("profile = [1, 2]")
    with pytest.raises(UsageError) as refusal:
        read_recipe(recipe)
    assert refusal.value.hint == "profile is text or a list of text"
