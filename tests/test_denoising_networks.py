"""Networks that run: ONNX files as their weights, tiles as the whole; and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import SMALL, SMALL_RECORD, stirred

from synthnoise.denoisers.weights import save_weights
from synthnoise.denoising import Denoiser, Settings, denoise_frame
from synthnoise.errors import InputError, PluginError, UsageError
from synthnoise.export import export_onnx
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.virtual_camera import VirtualCamera


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same small network for stabilised RAW as weights and as ONNX."""
    folder = tmp_path_factory.mktemp("networks")
    weights, onnx = folder / "net.safetensors", folder / "net.onnx"
    save_weights(weights, stirred(SMALL), SMALL_RECORD)
    export_onnx(weights, onnx)
    return weights, onnx


def test_an_onnx_file_denoises_as_its_weights_do(files: tuple[Path, Path]) -> None:
    camera = VirtualCamera(dataclasses.replace(SENSORS["mild"], size=(166, 130)))
    frame = camera.shoot(camera.sensor.camera_rgb(np.full((3, 166, 130), 0.2, np.float32)), ratio=30)
    frame = dataclasses.replace(frame, noise_profile=((1e-3, 1e-6),) * 3)
    by_weights, by_onnx = (denoise_frame(frame, denoiser=str(path)).frame.mosaic for path in files)
    assert not np.array_equal(by_weights, frame.mosaic)
    # Rounding to DN may turn a difference of 1e-6 into one of 1 DN, seldom.
    assert np.abs(by_weights.astype(int) - by_onnx).max() <= 1
    assert (by_weights != by_onnx).mean() < 1e-3


def test_tiles_of_an_onnx_file_equal_the_whole(files: tuple[Path, Path]) -> None:
    denoiser = Denoiser(Settings(denoiser=str(files[1])))
    planes = torch.rand(1, 4, 300, 330, generator=torch.Generator().manual_seed(1))
    noise = (1e-3,) * 4, (1e-6,) * 4
    whole = denoiser(planes, *noise)
    grid = denoiser.tiles((300, 330), 64)
    assert len(grid) > 20
    for tile in grid:
        top, left, bottom, right = tile.outer
        part = denoiser(planes[..., top:bottom, left:right], *noise)[(..., *tile.kept)]
        top, left, bottom, right = tile.inner
        assert float((part - whole[..., top:bottom, left:right]).abs().max()) < 1e-4


def test_options_of_weights_are_refused(files: tuple[Path, Path]) -> None:
    for path in files:
        with pytest.raises(UsageError, match="settled when it was trained"):
            Denoiser(Settings(denoiser=str(path), options={"depth": 5}))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('"channels": 4', '"channels": 3', "does not run the network"),
        ('"domain": "bayer"', '"domain": "martian"', "metadata is damaged"),
        ('"schema": 1', '"schema": 2', "has schema 2, this reads 1"),
        ('"multiple_of": 1', '"multiple_of": 1000000', "not between 0 and 1024"),
    ],
)
def test_metadata_that_lie_are_refused(
    files: tuple[Path, Path], tmp_path: Path, before: str, after: str, reason: str
) -> None:
    import onnx

    model = onnx.load(files[1])
    (entry,) = [item for item in model.metadata_props if item.key == "synthnoise"]
    assert before in entry.value
    # The card has a schema of its own recipe, too: all of them.
    entry.value = entry.value.replace(before, after)
    onnx.save(model, path := tmp_path / "lies.onnx")
    with pytest.raises(InputError, match=reason) as refusal:
        Denoiser(Settings(denoiser=str(path)))
    assert "\n" not in str(refusal.value)


def test_weights_that_are_no_numbers_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(files[1])
    kernel = next(value for value in model.graph.initializer if len(value.dims) == 4)
    broken = np.full_like(numpy_helper.to_array(kernel), np.nan)
    kernel.CopyFrom(numpy_helper.from_array(broken, kernel.name))
    onnx.save(model, path := tmp_path / "nan.onnx")
    with pytest.raises(InputError, match="gives NaN or infinity"):
        Denoiser(Settings(denoiser=str(path)))


@pytest.mark.parametrize("harm", ["truncate", "junk", "metadata", "not ours", "missing"])
def test_a_bad_onnx_file_is_one_clear_line(files: tuple[Path, Path], tmp_path: Path, harm: str) -> None:
    import onnx

    path = tmp_path / "bad.onnx"
    if harm == "truncate":
        path.write_bytes(files[1].read_bytes()[:-500])
    elif harm == "junk":
        path.write_bytes(b"\x08\x0a" + bytes(range(256)) * 4)
    elif harm in ("metadata", "not ours"):
        model = onnx.load(files[1])
        (entry,) = [item for item in model.metadata_props if item.key == "synthnoise"]
        if harm == "metadata":
            entry.value = entry.value.replace('"halo": 4', '"halo": "wide"')
        else:
            model.metadata_props.remove(entry)
        onnx.save(model, path)
    with pytest.raises(InputError) as refusal:
        Denoiser(Settings(denoiser=str(path)))
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_network_of_another_domain_is_refused(files: tuple[Path, Path]) -> None:
    for path in files:
        with pytest.raises(UsageError, match=f"{path.name} is for Bayer mosaics, not for pictures in sRGB"):
            Denoiser(Settings(denoiser=str(path)), domain="srgb")
    with pytest.raises(UsageError, match="rgb is for pictures in sRGB, not for linear RGB"):
        Denoiser(Settings(denoiser="rgb"), domain="linear-rgb")


def test_a_network_of_other_planes_is_refused(files: tuple[Path, Path]) -> None:
    for path in files:
        with pytest.raises(UsageError, match=f"{path.name} takes 4 planes, not 3"):
            Denoiser(Settings(denoiser=str(path)))(torch.rand(1, 3, 32, 32), (1e-3,) * 3, (1e-5,) * 3)


def test_a_network_that_sees_the_whole_image_is_not_tiled(files: tuple[Path, Path]) -> None:
    denoiser = Denoiser(Settings(denoiser=str(files[0])))
    denoiser.record = dataclasses.replace(denoiser.record, global_context=True)
    assert len(denoiser.tiles((64, 64), 64)) == 1
    with pytest.raises(UsageError, match="whole image"):
        denoiser.tiles((64, 128), 64)


@pytest.mark.parametrize(
    ("name", "error", "hint"),
    [
        ("net.pth", UsageError, "import-weights"),
        ("net.dtmodel", UsageError, "take the weights"),
        ("rbg", PluginError, "or weights: raw, raw-x-trans, rgb"),
    ],
)
def test_what_is_no_denoiser_is_told_what_would_be(name: str, error: type[Exception], hint: str) -> None:
    with pytest.raises(error) as refusal:
        Denoiser(Settings(denoiser=name))
    assert hint in str(refusal.value.hint)  # type: ignore[attr-defined]
