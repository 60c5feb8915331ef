"""Trained weights in use: tiles without seams, and no network on what it was not made for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from networks import stirred

from synthnoise.denoisers import drunet
from synthnoise.denoisers.weights import WeightsRecord, save_weights
from synthnoise.denoising import denoise_frame
from synthnoise.errors import UsageError
from synthnoise.raw.frame import Frame
from synthnoise.sensors.presets import PHONE, SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera


@pytest.fixture(scope="module")
def noisy() -> Frame:
    camera = VirtualCamera(PHONE)
    return camera.shoot(dead_leaves(PHONE.size))


def weights(folder: Path, *, channels: int) -> str:
    options = {"channels": channels, "depth": 8, "width": 4}
    record = WeightsRecord(
        denoiser="dncnn", options=options, domain="bayer", channels=channels, stabilised=True, halo=8
    )
    path = folder / "net.safetensors"
    save_weights(path, stirred(options), record)
    return str(path)


def test_tiles_make_the_same_frame_as_the_whole(tmp_path: Path, noisy: Frame) -> None:
    net = weights(tmp_path, channels=4)
    whole = denoise_frame(noisy, denoiser=net, tile=4096, device="cpu").frame.mosaic.astype(np.int32)
    tiled = denoise_frame(noisy, denoiser=net, tile=64, device="cpu").frame.mosaic.astype(np.int32)
    assert np.abs(whole - noisy.mosaic).max() > 5
    # Sums in another order may fall on the other side of a rounding.
    assert np.abs(whole - tiled).max() <= 1
    assert np.mean(whole != tiled) < 1e-3


def test_weights_need_no_suffix(tmp_path: Path, noisy: Frame) -> None:
    """Training writes to the name that it is given."""
    net = Path(weights(tmp_path, channels=4))
    expected = denoise_frame(noisy, denoiser=str(net), device="cpu").frame.mosaic
    bare = net.rename(net.with_suffix(""))
    assert np.array_equal(denoise_frame(noisy, denoiser=str(bare), device="cpu").frame.mosaic, expected)
    with pytest.raises(UsageError, match="its options were settled"):
        denoise_frame(noisy, denoiser=str(bare), options={"stride": 2})


def test_weights_for_pictures_are_refused_on_raw(tmp_path: Path, noisy: Frame) -> None:
    with pytest.raises(UsageError, match="takes 3 planes, not 4"):
        denoise_frame(noisy, denoiser=weights(tmp_path, channels=3), device="cpu")


def test_a_network_of_four_planes_is_refused_for_x_trans(tmp_path: Path) -> None:
    frame = VirtualCamera(SENSORS["x-trans"]).shoot(dead_leaves(SENSORS["x-trans"].size))
    with pytest.raises(UsageError, match="is for Bayer mosaics, not for X-Trans mosaics"):
        denoise_frame(frame, denoiser=weights(tmp_path, channels=4))


def test_hot_pixels_are_replaced_before_a_network_that_knows_nothing(tmp_path: Path) -> None:
    """An untrained DRUNet passes everything: what differs is what was done before it."""
    options = drunet.Options(channels=4, widths=(4, 8), blocks=1, residual=True)
    record = WeightsRecord(
        denoiser="drunet",
        options=dataclasses.asdict(options),
        domain="bayer",
        channels=4,
        stabilised=True,
        halo=12,
        multiple_of=2,
    )
    net = tmp_path / "identity.safetensors"
    save_weights(net, drunet.DRUNet(options), record)
    random = np.random.default_rng(0)
    clean = np.rint(random.normal(800, 20, (128, 192))).astype(np.uint16)
    mosaic = clean.copy()
    mosaic[20:110:37, 31:180:41] += 4000
    hot = mosaic != clean
    frame = Frame(
        mosaic=mosaic,
        cfa=np.array([[0, 1], [1, 2]], np.uint8),
        black=np.full((2, 2), 512.0),
        white=15512.0,
        noise_profile=((1e-7, (20 / 15000) ** 2),) * 3,
    )
    result = denoise_frame(frame, denoiser=str(net), device="cpu").frame.mosaic.astype(float)
    assert np.abs(result[hot] - 800).max() < 5 * 20
    # The law allows 3 standard deviations beyond all eight neighbours to few: everything else came through.
    assert np.mean(np.abs(result - mosaic)[~hot] > 1) < 1e-3
