"""Packages for darktable: what its documentation asks for, and what the network computes."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from networks import stirred

from synthnoise.denoisers.weights import WeightsRecord, load_weights, save_weights
from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.export import describe_darktable, export_darktable
from synthnoise.inspection import inspect_file

VALUES = {"widths": [4, 8], "blocks": 1}


def weights(folder: Path, **changes: object) -> Path:
    facts = {"domain": "srgb", "channels": 3, "multiple_of": 4, "halo": 20, "noise_range": (0.0, 0.2)}
    record = WeightsRecord(denoiser="u-dru", options=VALUES, **(facts | changes))  # type: ignore[arg-type]
    save_weights(folder / "net.safetensors", stirred(VALUES, denoiser="u-dru"), record, overwrite=True)
    return folder / "net.safetensors"


def test_a_package_holds_a_model_of_one_input_that_knows_its_noise(tmp_path: Path) -> None:
    source = weights(tmp_path)
    export_darktable(source, tmp_path / "mine.dtmodel", sigma=20, static=(62, 62))
    with zipfile.ZipFile(tmp_path / "mine.dtmodel") as package:
        assert package.namelist() == ["denoise-mine/config.json", "denoise-mine/model.onnx"]
        facts = json.loads(package.read("denoise-mine/config.json"))
        model = package.read("denoise-mine/model.onnx")
    assert facts["id"] == "denoise-mine"
    assert (facts["task"], facts["backend"], facts["num_inputs"], facts["type"]) == (
        "denoise",
        "onnx",
        1,
        "single",
    )
    assert facts["attributes"] == {"input_sizes": [62]}
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("input", [1, 3, 62, 62])]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("output", [1, 3, 62, 62])]
    noisy = np.random.default_rng(0).random((1, 3, 62, 62), dtype=np.float32)
    (found,) = session.run(None, {"input": noisy})
    padded = torch.from_numpy(np.pad(noisy, ((0, 0), (0, 0), (0, 2), (0, 2)), mode="edge"))
    with torch.no_grad():
        expected = load_weights(source)[0](padded, torch.full((1, 1, 64, 64), 20 / 255))[
            ..., :62, :62
        ].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_package_can_be_asked_what_it_is(tmp_path: Path) -> None:
    export_darktable(weights(tmp_path), tmp_path / "mine.dtmodel", sigma=20, static=(32, 32))
    kind, facts = inspect_file(tmp_path / "mine.dtmodel")
    assert (kind, facts["task"], facts["id"]) == ("package for darktable", "denoise", "denoise-mine")
    assert "sigma" not in facts["description"]
    assert "20 of 255" in facts["description"]
    whole = (tmp_path / "mine.dtmodel").read_bytes()
    with zipfile.ZipFile(tmp_path / "empty.dtmodel", "w"):
        pass
    for content in (b"", b"junk", whole[:-30], (tmp_path / "empty.dtmodel").read_bytes()):
        (tmp_path / "bad.dtmodel").write_bytes(content)
        with pytest.raises(InputError, match="not a package"):
            inspect_file(tmp_path / "bad.dtmodel")


def test_same_weights_same_bytes_and_nothing_of_the_machine(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        export_darktable(weights(tmp_path), tmp_path / name / "net.dtmodel", static=(32, 32))
    first, second = ((tmp_path / name / "net.dtmodel").read_bytes() for name in ("a", "b"))
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as package:
        assert str(tmp_path).encode() not in b"".join(package.read(name) for name in package.namelist())


@pytest.mark.parametrize(
    ("noise_range", "sigma", "told"),
    [
        ((0.0, 0.2), 20.0, False),
        ((0.0, 0.2), 300.0, True),
        ((0.1, 0.2), 15.0, True),
        ((0.0, 55 / 255), 55.0, False),
        ((0.0, 0.0), 300.0, False),  # not known
    ],
)
def test_a_level_that_the_network_never_saw_is_told(
    tmp_path: Path, noise_range: tuple[float, float], sigma: float, told: bool
) -> None:
    source = weights(tmp_path, noise_range=noise_range)
    made = export_darktable(source, tmp_path / "mine.dtmodel", sigma=sigma, static=(32, 32))
    assert ("was trained on noise" in (said := made.lines()[-1])) == told
    assert said.endswith(f"not on {sigma:g}") == told == bool(made.as_dict()["remarks"])


def test_what_darktable_cannot_run_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "net.dtmodel"
    with pytest.raises(UsageError, match="not told the noise"):
        export_darktable(weights(tmp_path, domain="bayer", stabilised=True), target)
    with pytest.raises(UsageError, match="whole picture"):
        export_darktable(weights(tmp_path, global_context=True), target)
    with pytest.raises(UsageError, match="square"):
        export_darktable(weights(tmp_path), target, static=(32, 64))
    with pytest.raises(UsageError, match="no noise"):
        export_darktable(weights(tmp_path), target, sigma=0)
    target.write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        export_darktable(weights(tmp_path), target)
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "holds 0 files called config.json"),
        ({"a/config.json": b"{}", "b/config.json": b"{}"}, "holds 2 files called config.json"),
        ({"a/config.json": b"[1]"}, "is not a table"),
        ({"a/config.json": b"{"}, "is not JSON"),
        ({"a/config.json": bytes(1 << 21)}, "is too large"),
    ],
)
def test_what_is_no_package_is_said_in_one_line(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    path = tmp_path / "bad.dtmodel"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=reason):
        describe_darktable(path)


@pytest.mark.parametrize("harm", ["start", "data", "end", "encrypted"])
def test_a_damaged_package_is_said_in_one_line(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "bad.dtmodel"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/config.json", b'{"key": "' + b"value" * 40 + b'"}')
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    if harm == "encrypted":
        content[6] |= 1
        content[directory + 8] |= 1
    else:
        place = {"start": slice(0, 4), "data": slice(directory - 12, directory - 4), "end": slice(-22, -10)}[
            harm
        ]
        content[place] = b"\xff" * len(content[place])
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        describe_darktable(path)
    assert "\n" not in str(refusal.value)
