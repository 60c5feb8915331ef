"""A recipe alone makes its weights from nothing: missing parts first, and none of them twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synthnoise.cli.main import app
from synthnoise.denoisers.weights import load_weights, read_record, save_weights
from synthnoise.errors import OutputExistsError, SynthnoiseError, UsageError
from synthnoise.plugins import default_plugins
from synthnoise.progress import Silent
from synthnoise.training import TrainingInterrupted, train, train_recipe
from synthnoise.training.chain import _foreseen, _parts
from synthnoise.training.recipes import FOLDER, read_recipe, recipe_names
from synthnoise.training.start import read_start

SMALL = """
noise = "gaussian"
noise_options = { sigma = 5, sigma_max = 50 }
denoiser = "u-dru"
denoiser_options = { widths = [4, 4, 4], blocks = 1 }
ratio = [1, 1]
steps = 3
batch = 1
crop = 16
"""
OTHER = "0" * 64
POISSON = {"shot": 1e-3, "read": 1e-5}


class Listener(Silent):
    """Keeps what is said of the parts, and may interrupt the run at a report."""

    def __init__(self, stop_at: int = 0) -> None:
        self.said: list[str] = []
        self._left = stop_at

    def note(self, text: str) -> None:
        if text.startswith("part "):
            self.said.append(text)
        else:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a chain of three recipes, the last of which asks for other weights than will be made."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "one.toml").write_text(f"{SMALL}seed = 1\n")
    (folder / "two.toml").write_text(f'start = "one.safetensors"\n{SMALL}seed = 2\n')
    three = f'start = "two.safetensors"\nstart_sha256 = "{OTHER}"\n{SMALL}seed = 3\n'
    (folder / "three.toml").write_text(three)
    return folder


@pytest.fixture(scope="module")
def whole(recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The weights of the chain, each part trained by itself from the file of the one before."""
    folder = tmp_path_factory.mktemp("whole")
    for name, before in (("one", None), ("two", "one"), ("net", "two")):
        values = read_recipe(recipes / f"{'three' if name == 'net' else name}.toml")
        values |= {"start_sha256": None, "start": before and folder / f"{before}.safetensors"}
        train(output=folder / f"{name}.safetensors", device="cpu", **values)
    return weights(folder)


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def make(recipes: Path, folder: Path, **values: Any) -> Any:
    defaults: dict[str, Any] = {"output": folder / "net.safetensors", "device": "cpu"}
    return train_recipe(recipes / "three.toml", **defaults | values)


def test_missing_parts_are_trained_first(recipes: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    listener = Listener()
    summary = make(recipes, tmp_path, progress=listener)
    assert weights(tmp_path) == whole
    assert summary.output == tmp_path / "net.safetensors"
    assert listener.said == [
        "part 1 of 3: one, 3 steps",
        "part 2 of 3: two, 3 steps, from one.safetensors",
        "part 3 of 3: three, 3 steps, from two.safetensors,"
        " which are not the very weights of the recipe, but of their kind",
    ]


@pytest.mark.parametrize("there", [["one"], ["two"]])
def test_parts_that_are_there_are_taken(
    recipes: Path, whole: dict[str, bytes], tmp_path: Path, there: list[str]
) -> None:
    for name in there:
        (tmp_path / f"{name}.safetensors").write_bytes(whole[f"{name}.safetensors"])
    listener = Listener()
    make(recipes, tmp_path, progress=listener)
    assert len(listener.said) == {"one": 2, "two": 1}[there[0]]
    # Of a chain whose second part is there, the first is not needed.
    assert weights(tmp_path) == {
        name: whole[name] for name in whole if name != "one.safetensors" or "one" in there
    }


@pytest.mark.parametrize(
    ("there", "changed", "by", "message"),
    [
        ("one two", "two", ("steps = 3", "steps = 4"), "two says now: with steps 3, not 4"),
        ("one", "one", ("max = 50", "max = 55"), "one says now: with noise_options sigma_max 50, not 55"),
        # Made from what is no longer the recipe of the part before.
        ("one two", "one", ("seed = 1", "seed = 7"), "one says now: with seed 1, not 7"),
        ("two", "two", ("[4, 4, 4]", "[4, 4, 8]"), "its widths is"),
    ],
)
def test_parts_of_another_recipe_than_they_have_now_are_refused(
    recipes: Path, whole: dict[str, bytes], tmp_path: Path, there: str, changed: str, by: Any, message: str
) -> None:
    for name in there.split():
        (tmp_path / f"{name}.safetensors").write_bytes(whole[f"{name}.safetensors"])
    for name in ("one", "two", "three"):
        text = (recipes / f"{name}.toml").read_text()
        (tmp_path / f"{name}.toml").write_text(text.replace(*by) if name == changed else text)
    before = weights(tmp_path)
    with pytest.raises(UsageError, match=message):
        make(tmp_path, tmp_path)
    assert weights(tmp_path) == before


def test_a_part_that_began_from_other_weights_than_are_there_is_refused(
    recipes: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """Both are of their recipes, but the first has been made anew since."""
    (tmp_path / "two.safetensors").write_bytes(whole["two.safetensors"])
    one = tmp_path / "one.safetensors"
    one.write_bytes(whole[one.name])
    network, record = load_weights(one)
    next(network.parameters()).data *= 2
    save_weights(one, network, record, overwrite=True)
    with pytest.raises(UsageError, match=r"two\.safetensors: .* with other weights of that name"):
        make(recipes, tmp_path)


def test_stopped_in_a_part_it_goes_on_there(recipes: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(TrainingInterrupted):
        make(recipes, tmp_path, progress=Listener(stop_at=4))  # three reports a part
    assert [*weights(tmp_path)] == ["one.safetensors"]
    with pytest.raises(OutputExistsError, match=r"two\.safetensors\.checkpoint"):
        make(recipes, tmp_path)
    listener = Listener()
    make(recipes, tmp_path, resume=True, progress=listener)
    assert [text[:13] for text in listener.said] == ["part 2 of 3: ", "part 3 of 3: "]
    assert weights(tmp_path) == whole


def test_the_very_weights_are_named_so(recipes: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    start = tmp_path / "two.safetensors"
    start.write_bytes(whole[start.name])
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text((recipes / f"{name}.toml").read_text())
    digest = read_start(start, default_plugins()).sha256
    (tmp_path / "three.toml").write_text((recipes / "three.toml").read_text().replace(OTHER, digest))
    listener = Listener()
    make(tmp_path, tmp_path, progress=listener)
    assert listener.said == [
        "part 3 of 3: three, 3 steps, from two.safetensors, the very weights of the recipe"
    ]


def test_what_is_given_is_for_the_last_part(recipes: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    make(recipes, tmp_path, steps=1, loss="l1")
    made = weights(tmp_path)
    assert made["one.safetensors"] == whole["one.safetensors"]
    recipe = read_record(tmp_path / "net.safetensors").recipe
    assert (recipe["steps"], recipe["loss"], recipe["start"]) == (1, "l1", "two.safetensors")


def test_a_start_leaves_the_parts_out(
    recipes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(output=tmp_path / "mine.safetensors", device="cpu", **read_recipe(recipes / "one.toml"))
    arguments = [
        "train",
        "--recipe",
        str(recipes / "three.toml"),
        "--start",
        str(tmp_path / "mine.safetensors"),
    ]
    arguments += ["-o", str(tmp_path / "net.safetensors"), "--steps", "1", "--device", "cpu", "--json"]
    app(arguments, standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["steps"] == 1
    assert {*weights(tmp_path)} == {"mine.safetensors", "net.safetensors"}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"denoiser": "dncnn"}, UsageError, "is a u-dru, not a dncnn"),
        ({"noise": "poisson-gaussian", "noise_options": POISSON}, UsageError, "4 planes of bayer"),
        ({"batch": 0}, UsageError, "a batch of 0 pairs"),
        ({"crops": 9}, TypeError, "crops"),
        ({"output": "two.safetensors"}, UsageError, "would be two parts of it"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_part(
    recipes: Path, tmp_path: Path, given: dict[str, Any], error: type[Exception], message: str
) -> None:
    output = {"output": tmp_path / given.get("output", "net.safetensors")}
    with pytest.raises(error, match=message):
        make(recipes, tmp_path, **given | output)
    assert not list(tmp_path.iterdir())


def test_a_last_part_that_is_there_is_not_overwritten(recipes: Path, tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        make(recipes, tmp_path)
    assert weights(tmp_path) == {"net.safetensors": b"mine"}


def test_recipes_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "three.toml").write_text(f'start = "three.safetensors"\n{SMALL}')
    with pytest.raises(SynthnoiseError, match="would be two parts"):
        make(tmp_path, tmp_path, output=tmp_path / "three.safetensors")
    with pytest.raises(SynthnoiseError, match="would be two parts"):
        make(tmp_path, tmp_path)


@pytest.mark.parametrize("name", recipe_names())
def test_bundled_recipes_are_chains_of_networks_that_fit(name: str, tmp_path: Path) -> None:
    parts = _parts(name, tmp_path / "net.safetensors", {})
    assert parts[-1].name == name
    assert "start" not in parts[0].arguments
    assert all((FOLDER / f"{part.name}.toml").is_file() for part in parts)
    before = None
    for part in parts:
        before = _foreseen(part, before, default_plugins())
    assert before is not None
    if name in ("raw", "rgb"):
        bundled = read_start(name, default_plugins()).record
        assert (before.record.denoiser, before.record.options) == (bundled.denoiser, bundled.options)


@pytest.mark.slow
def test_processes_go_through_the_parts_together(recipes: Path, tmp_path: Path) -> None:
    """Two processes on the CPU: the second follows the first from part to part."""
    (tmp_path / "one.toml").write_text((recipes / "one.toml").read_text().replace("batch = 1", "batch = 2"))
    (tmp_path / "two.toml").write_text((recipes / "two.toml").read_text().replace("batch = 1", "batch = 2"))
    command = [sys.executable, "-m", "synthnoise", "train", "--recipe", "two.toml", "--device", "cpu"]
    done = subprocess.run(
        [*command, "--devices", "2", "-o", "net.safetensors"],
        cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("part ")] == [
        "part 1 of 2: one, 3 steps",
        "part 2 of 2: two, 3 steps, from one.safetensors",
    ]
    assert {*weights(tmp_path)} == {"one.safetensors", "net.safetensors"}
