"""Weights files: what is saved is what is loaded, and hostile files are refused before they do harm."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import stirred
from safetensors.torch import save

from synthnoise.denoisers.model_card import describe_weights
from synthnoise.denoisers.weights import (
    WeightsRecord,
    build_network,
    content_hash,
    denoiser_spec,
    load_weights,
    read_record,
    save_weights,
)
from synthnoise.errors import InputError, OutputExistsError, PluginError

OPTIONS = {"channels": 4, "depth": 3, "width": 8}
RECORD = WeightsRecord(
    denoiser="dncnn",
    options=OPTIONS,
    domain="bayer",
    channels=4,
    stabilised=True,
    noise_range=(1.0, 1.0),
    halo=3,
    seed=7,
    steps=11,
    recipe={"images": "dead-leaves", "crop": 64},
    figures={"psnr": 31.25},
)


@pytest.fixture
def network() -> torch.nn.Module:
    return stirred(OPTIONS, seed=7)


@pytest.fixture
def good(tmp_path: Path, network: torch.nn.Module) -> Path:
    save_weights(tmp_path / "good.safetensors", network, RECORD)
    return tmp_path / "good.safetensors"


def test_round_trip(good: Path, network: torch.nn.Module) -> None:
    loaded, record = load_weights(good)
    assert record == RECORD == read_record(good)
    assert content_hash(loaded) == content_hash(network)
    noisy, sigma = torch.rand(1, 4, 9, 11), torch.ones(1, 1, 9, 11)
    assert torch.equal(loaded(noisy, sigma), network(noisy, sigma))
    assert not loaded.training


def test_the_file_says_what_it_is_and_how_to_run_it(good: Path) -> None:
    facts = describe_weights(good)
    assert (facts["denoiser"], facts["noise_range"]) == ("dncnn", [1.0, 1.0])
    assert facts["card"]["recipe"]["crop"] == 64
    assert facts["parameters"] == sum(value.numel() for value in load_weights(good)[0].state_dict().values())
    spec = denoiser_spec(RECORD)
    assert (spec.name, spec.halo, spec.channels, spec.stabilised) == ("dncnn", 3, 4, True)


def test_same_network_same_bytes(good: Path, network: torch.nn.Module, tmp_path: Path) -> None:
    save_weights(tmp_path / "again.safetensors", network, RECORD)
    assert (tmp_path / "again.safetensors").read_bytes() == good.read_bytes()


def test_the_seed_alone_decides_initial_values_and_the_global_generator_rests() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = build_network("dncnn", OPTIONS, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert content_hash(build_network("dncnn", OPTIONS, seed=3)) == content_hash(first)
    assert content_hash(build_network("dncnn", OPTIONS, seed=4)) != content_hash(first)


def test_nothing_is_overwritten_unasked(good: Path, network: torch.nn.Module) -> None:
    before = good.read_bytes()
    with pytest.raises(OutputExistsError):
        save_weights(good, network, RECORD)
    assert good.read_bytes() == before
    save_weights(good, network, RECORD, overwrite=True)


@pytest.mark.parametrize("kept", [0, 4, 8, 40, 400, -1])
def test_a_truncated_file_is_refused(good: Path, kept: int) -> None:
    good.write_bytes(good.read_bytes()[:kept])
    with pytest.raises(InputError):
        load_weights(good)


@pytest.mark.parametrize("length", [0, 1, 1 << 30, 1 << 60, (1 << 64) - 1])
def test_a_header_of_insane_size_is_refused(good: Path, length: int) -> None:
    good.write_bytes(struct.pack("<Q", length) + good.read_bytes()[8:])
    with pytest.raises(InputError, match="header of"):
        load_weights(good)


@pytest.mark.parametrize(
    "header", [b"[" * 100_000, b"[1, 2]", b"{", b'{"__metadata__": 3}', b"\xff\xfe", b"null", b"NaN"]
)
def test_a_header_that_is_not_a_table_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError):
        load_weights(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(tmp_path: Path, network: torch.nn.Module, value: float) -> None:
    with torch.no_grad():
        next(network.parameters())[0, 0, 0, 0] = value
    save_weights(tmp_path / "bad.safetensors", network, RECORD)
    with pytest.raises(InputError, match="NaN or infinity"):
        load_weights(tmp_path / "bad.safetensors")


def write(path: Path, tensors: dict[str, torch.Tensor], record: Any) -> Path:
    path.write_bytes(save(tensors, {"synthnoise": record if isinstance(record, str) else json.dumps(record)}))
    return path


def test_weights_of_a_plugin_that_is_missing_say_so(tmp_path: Path, network: torch.nn.Module) -> None:
    record = json.loads(RECORD.as_json()) | {"denoiser": "their-net"}
    path = write(tmp_path / "theirs.safetensors", dict(network.state_dict()), record)
    with pytest.raises(PluginError, match=r"theirs.safetensors: is of the denoiser their-net") as caught:
        load_weights(path)
    assert "install" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"options": {"channels": 4, "depth": 64, "width": 512}}, InputError),
        ({"options": {"depth": 10**9}}, InputError),
        ({"options": {"depth": 2.5}}, InputError),
        ({"options": {"no_such_option": 1}}, InputError),
        ({"options": [4]}, InputError),
        ({"denoiser": "os:system"}, PluginError),
        ({"denoiser": 3}, InputError),
        ({"denoiser": "patch-dct", "options": {}}, (InputError, PluginError)),
        ({"schema": 2}, InputError),
        ({"domain": "martian"}, InputError),
        ({"halo": -1}, InputError),
        ({"halo": 0}, InputError),
        ({"halo": 4}, InputError),
        ({"multiple_of": 0}, InputError),
        ({"multiple_of": 1_000_000}, InputError),
        ({"channels": 1_000_000}, InputError),
        ({"sigma_planes": 1_000_000}, InputError),
        ({"noise_range": [1.0, 0.5]}, InputError),
        ({"noise_range": [-1.0, 1.0]}, InputError),
        ({"noise_range": 5}, InputError),
        ({"noise_range": [float("nan"), 1.0]}, InputError),
        ({"figures": {"psnr": "great"}}, InputError),
    ],
)
def test_a_record_that_lies_is_refused(
    tmp_path: Path, network: torch.nn.Module, changes: dict[str, Any], error: type[Exception]
) -> None:
    record = json.loads(RECORD.as_json()) | changes
    with pytest.raises(error):
        load_weights(write(tmp_path / "bad.safetensors", dict(network.state_dict()), record))


@pytest.mark.parametrize(
    ("name", "values", "claims", "fits"),
    [
        ("drunet", {"widths": [4, 8], "blocks": 1}, {"multiple_of": 2, "halo": 1}, True),
        (
            "drunet",
            {"widths": [4, 8], "blocks": 1},
            {"multiple_of": 8, "halo": 1},
            True,
        ),  # as all are trained
        ("drunet", {"widths": [4, 8], "blocks": 1}, {"multiple_of": 3, "halo": 1}, False),
        ("drunet", {"widths": [4, 8], "blocks": 1}, {"multiple_of": 16, "halo": 1}, False),
        ("drunet", {"widths": [4, 8], "blocks": 1}, {"multiple_of": 1, "halo": 1}, False),
        ("ridnet", {"width": 16, "modules": 1}, {"global_context": True}, True),
        ("ridnet", {"width": 16, "modules": 1}, {"global_context": False}, False),
    ],
)
def test_what_a_record_claims_is_held_against_the_network(
    tmp_path: Path, name: str, values: dict[str, Any], claims: dict[str, Any], fits: bool
) -> None:
    network = build_network(name, values, seed=0)
    facts = {"options": values, "domain": "bayer", "channels": int(network.channels), **claims}
    path = tmp_path / "net.safetensors"
    save_weights(path, network, WeightsRecord(denoiser=name, **facts))
    if fits:
        assert load_weights(path)[1].multiple_of == claims.get("multiple_of", 1)
        return
    (claim,) = claims.keys() - {"halo"}
    with pytest.raises(InputError, match=f"{claim} {claims[claim]}, of this {name} it is"):
        load_weights(path)


@pytest.mark.parametrize("record", ["", "[]", "{}", "[" * 100_000, '{"schema": 1}'])
def test_a_record_that_is_none_is_refused(tmp_path: Path, network: torch.nn.Module, record: str) -> None:
    with pytest.raises(InputError):
        load_weights(write(tmp_path / "bad.safetensors", dict(network.state_dict()), record))


def test_tensors_of_another_shape_are_named(tmp_path: Path) -> None:
    wider = build_network("dncnn", OPTIONS | {"width": 9}, seed=0)
    path = write(tmp_path / "bad.safetensors", dict(wider.state_dict()), json.loads(RECORD.as_json()))
    with pytest.raises(InputError, match=r"layers\.0\.convolution\.weight has shape \(9, 5, 3, 3\)"):
        load_weights(path)


class Bomb:
    """Writes a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(pickle.dumps(Bomb(tmp_path / "fired")))
    torch.save({"layers.0.weight": Bomb(tmp_path / "fired")}, tmp_path / "bad.pth")
    for name in ("bad.safetensors", "bad.pth"):
        with pytest.raises(InputError):
            load_weights(tmp_path / name)
    assert not (tmp_path / "fired").exists()


def test_half_precision_is_widened(tmp_path: Path, network: torch.nn.Module) -> None:
    halves = {name: value.half() for name, value in network.state_dict().items()}
    loaded, _ = load_weights(write(tmp_path / "half.safetensors", halves, json.loads(RECORD.as_json())))
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, halves[name].float())
