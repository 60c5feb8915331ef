"""What inspect says of weights and ONNX files, to people and to programs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import onnx
import pytest
from networks import SMALL, SMALL_RECORD, stirred

from synthnoise.cli.main import app
from synthnoise.denoisers.bundled import bundled_names
from synthnoise.denoisers.weights import save_weights
from synthnoise.denoising.networks import load_denoiser
from synthnoise.errors import InputError
from synthnoise.export import export_onnx
from synthnoise.inspection import inspect_file
from synthnoise.profiles.store import shipped_folder
from synthnoise.progress import Silent
from synthnoise.training import TrainingInterrupted, train_recipe
from synthnoise.training.recipes import read_recipe


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_weights_are_known_by_name_and_say_what_they_learnt_from(name: str) -> None:
    kind, facts = inspect_file(name)
    assert kind == "weights"
    assert 1e5 < facts["parameters"] < 2e6
    card = facts["card"]
    assert card["license"] == "MIT"
    assert "synthetic images" in card["data"]
    assert "unknown" not in card["data"]
    assert card["recipe"]["seed"] == card["seed"]


def test_weights_and_the_file_exported_of_them_say_the_same(tmp_path: Path) -> None:
    save_weights(tmp_path / "net.safetensors", stirred(SMALL), SMALL_RECORD)
    export_onnx(tmp_path / "net.safetensors", tmp_path / "net.onnx")
    (_, weights), (kind, model) = (inspect_file(tmp_path / f"net.{end}") for end in ("safetensors", "onnx"))
    assert kind == "ONNX denoiser"
    alike = weights.keys() & model.keys()
    assert {"card", "normalisation", "noise_range", "halo", "domain", "figures"} <= alike
    assert {key: weights[key] for key in alike - {"halo"}} == {key: model[key] for key in alike - {"halo"}}
    # What is measured at the export can only be less.
    assert model["halo"] <= weights["halo"]


@pytest.mark.parametrize("name", ["net", "NET.SAFETENSORS"])
def test_weights_are_known_however_they_are_called(tmp_path: Path, name: str) -> None:
    save_weights(tmp_path / "net.safetensors", stirred(SMALL), SMALL_RECORD)
    kind, facts = inspect_file(tmp_path / "net.safetensors")
    (tmp_path / "net.safetensors").rename(tmp_path / name)
    assert inspect_file(tmp_path / name) == (kind, facts)
    # Denoising takes them, too.
    assert load_denoiser(str(tmp_path / name), {}).record.channels == facts["channels"]


@pytest.mark.parametrize("static", [None, (32, 40)])
def test_exported_files_are_known_without_suffix(tmp_path: Path, static: tuple[int, int] | None) -> None:
    save_weights(tmp_path / "net.safetensors", stirred(SMALL), SMALL_RECORD)
    export_onnx(tmp_path / "net.safetensors", tmp_path / "net.onnx", static=static)
    found = inspect_file(tmp_path / "net.onnx")
    (tmp_path / "net.onnx").rename(tmp_path / "net")
    assert inspect_file(tmp_path / "net") == found
    assert load_denoiser(str(tmp_path / "net"), {}).record.channels == found[1]["channels"]
    with pytest.raises(InputError, match="is what export writes"):
        export_onnx(tmp_path / "net", tmp_path / "again.onnx")


def test_what_a_training_leaves_says_where_it_stands(tmp_path: Path) -> None:
    """The state of a run that was stopped, its log, and the recipe that it was begun with."""
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'images = "mondrian"\nnoise = "gaussian"\nnoise_options = { sigma = 25 }\ndenoiser = "dncnn"\n'
        "denoiser_options = { depth = 3, width = 8 }\nratio = [1, 1]\nsteps = 40\nbatch = 1\ncrop = 16\n"
    )

    class Stopping(Silent):
        def note(self, text: str) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted):
        train_recipe(recipe, output=tmp_path / "net.safetensors", device="cpu", progress=Stopping())
    kind, state = inspect_file(tmp_path / "net.safetensors.checkpoint")
    assert "unfinished" in kind
    # A twentieth of the steps, at which the first report is, and the one that Ctrl-C lets end.
    assert 2 <= state["step"] <= 3
    assert (state["plan"]["steps"], state["plan"]["noise_options"]) == (40, {"sigma": 25.0})
    kind, log = inspect_file(tmp_path / "net.safetensors.csv")
    assert (kind, log["reports"], log["step"]) == ("log of a training", 1, 2)
    assert log["psnr"] == pytest.approx(state["best_psnr"], abs=1e-3)
    kind, arguments = inspect_file(recipe)
    assert (kind, arguments) == ("recipe for synthnoise train", read_recipe(recipe))


@pytest.mark.parametrize(
    ("name", "content", "said", "hint"),
    [
        ("a.csv", b"x,y\n1,2\n", "is a table, but not the log", "step, seconds, lr"),
        ("a.csv", b"\xff\xfe", "is a table, but not the log", "step, seconds, lr"),
        ("a.csv", b"", "is a table, but not the log", "step, seconds, lr"),
        ("a.safetensors.checkpoint", b"{}", "only 2 bytes", "safetensors"),
        ("a.txt", b"hello", "not a camera file", "inspect knows RAW files"),
        ("a.raw", bytes(64), "not a camera file", "develop take: --geometry width="),
        ("a.toml", b"=", "not a recipe", "None"),
    ],
)
def test_what_is_none_of_these_is_said(
    tmp_path: Path, name: str, content: bytes, said: str, hint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said) as refusal:
        inspect_file(tmp_path / name)
    assert hint in str(refusal.value.hint)


def test_what_is_damaged_or_a_folder_is_not_told_what_inspect_knows(tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(b"II*\0junkjunk")
    for path, hint in ((tmp_path / "a.dng", "None"), (tmp_path, "profile.toml")):
        with pytest.raises(InputError) as refusal:
            inspect_file(path)
        assert hint in str(refusal.value.hint)


@pytest.mark.parametrize(
    ("name", "size"),
    [("a.csv", 1 << 25), ("a.toml", 1 << 21), ("a.onnx", 1 << 31), ("a.checkpoint", 1 << 32)],
)
def test_what_is_too_large_is_not_read(tmp_path: Path, name: str, size: int) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(size)
    with pytest.raises(InputError, match=f"{size} bytes"):
        inspect_file(path)


@pytest.mark.parametrize("name", ["a.csv", "a.toml"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="is a pipe"):
        inspect_file(tmp_path / name)


def test_the_files_that_make_a_folder_a_profile_stand_for_it() -> None:
    folder = shipped_folder() / "virtual-mild"
    assert inspect_file(folder / "profile.toml") == inspect_file(folder)


def test_files_without_suffix_are_not_all_weights(tmp_path: Path) -> None:
    for content in (
        b"",
        b"12345678",
        (1 << 40).to_bytes(8, "little") + b"{}",
        b"II*\0" + bytes(60),
        b"\x08\x09" * 9,
    ):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(InputError) as refusal:
            inspect_file(tmp_path / "x")
        assert "weights" not in refusal.value.message


def test_people_read_rows_and_programs_a_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app(["inspect", "rgb"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    rows = dict(line.split("  ", 1) for line in lines[1:])
    assert lines[0] == "rgb: weights"
    assert rows["options: widths"].strip() == "32 64 128"
    assert rows["noise range"].strip().endswith(" to 75 of 255)")
    assert not any("{" in line or "None" in line for line in lines)
    app(["inspect", "rgb", "--json"], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    assert document["card"]["recipe"]["noise_options"]["sigma_max"] == 75


@pytest.mark.parametrize("noise_range", [None, [0.1], "0 to 75", [None, 1], 3])
def test_a_noise_range_that_is_none_is_shown_as_it_stands(
    noise_range: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(tmp_path / "net.safetensors", stirred(SMALL), SMALL_RECORD)
    export_onnx(tmp_path / "net.safetensors", tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    (entry,) = model.metadata_props
    facts = json.loads(entry.value) | {"noise_range": noise_range, "domain": "srgb"}
    entry.value = json.dumps(facts)
    onnx.save(model, tmp_path / "net.onnx")
    app(["inspect", str(tmp_path / "net.onnx"), "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["noise_range"] == noise_range


def test_what_is_not_ours_is_said(tmp_path: Path) -> None:
    save_weights(tmp_path / "net.safetensors", stirred(SMALL), SMALL_RECORD)
    export_onnx(tmp_path / "net.safetensors", tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    del model.metadata_props[:]
    kernel = max(model.graph.initializer, key=lambda value: len(value.raw_data))
    kernel.ClearField("raw_data")
    kernel.data_location = onnx.TensorProto.EXTERNAL
    entry = kernel.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
    kind, facts = inspect_file(tmp_path / "theirs.onnx")
    assert kind == "ONNX file, not of synthnoise export"
    assert facts["weights"] == "in further files, which are not followed"
    (tmp_path / "theirs.pth").write_bytes(b"anything")
    with pytest.raises(InputError, match="other software") as refusal:
        inspect_file(tmp_path / "theirs.pth")
    assert "import-weights" in str(refusal.value.hint)
    with pytest.raises(InputError, match="no such file") as refusal:
        inspect_file(tmp_path / "nothing")
    assert ", ".join(bundled_names()) in str(refusal.value.hint)
