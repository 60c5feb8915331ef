"""Levels finer than the camera's, and what a file says of the noise that is left."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest
import rawpy
from raw_scenes import dump, foreign_dng

from synthnoise.denoising import denoise_files, denoise_frame
from synthnoise.errors import UsageError
from synthnoise.raw.dng import write_dng
from synthnoise.raw.reading import read_frame
from synthnoise.raw.rewrite import levels_may_be_scaled, rewrite_dng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

SIZE = (256, 320)


def shoot(path, name, ratio):
    """Write a DNG of dead leaves; return what a perfect sensor would read."""
    camera = VirtualCamera(dataclasses.replace(SENSORS[name], size=SIZE))
    scene = camera.sensor.camera_rgb(dead_leaves(SIZE, seed=3))
    write_dng(path, camera.shoot(scene, ratio=ratio))
    return camera.clean(scene, ratio)


def normalised(path):
    frame = read_frame(path)
    return (frame.mosaic - frame.black_map()) / (frame.white - frame.black.max())


def test_dark_phones_get_finer_levels_and_lose_less(tmp_path):
    truth = (shoot(tmp_path / "a.dng", "phone", 300) - 64) / (1023 - 64)
    (outcome,) = denoise_files([tmp_path / "a.dng"])
    fine = read_frame(outcome.output)
    assert fine.white in (2 * 1023, 4 * 1023, 8 * 1023, 16 * 1023)
    assert np.all(fine.black * 1023 == 64 * fine.white)
    rough = denoise_frame(read_frame(tmp_path / "a.dng")).frame
    errors = [np.sqrt(np.mean((values - truth) ** 2)) for values in
              (normalised(outcome.output), (rough.mosaic.astype(float) - 64) / (1023 - 64))]  # fmt: skip
    assert errors[0] < 0.9 * errors[1]
    # The same level: what rounding adds to a mean is its noise over the root of the pixels, and far less.
    levels = [values.mean() for values in (normalised(outcome.output), (rough.mosaic - 64.0) / (1023 - 64))]
    assert abs(levels[0] - levels[1]) < 5 * 0.5 / (1023 - 64) / np.sqrt(truth.size)


def test_others_see_the_same_brightness(tmp_path):
    shoot(tmp_path / "a.dng", "low-noise", 3)
    means = []
    for bits in (None, 16):
        (outcome,) = denoise_files([tmp_path / "a.dng"], tmp_path / f"{bits}.dng", bits=bits)
        assert outcome.error is None
        with rawpy.imread(str(outcome.output)) as raw:
            assert raw.white_level == (16383 if bits is None else 4 * 16383)
            means.append(raw.postprocess(use_camera_wb=True, no_auto_bright=True).mean((0, 1)))
    assert np.abs(means[0] - means[1]).max() < 0.1


def test_only_levels_change_beside_the_pixels(tmp_path):
    mosaic = np.random.default_rng(0).integers(100, 4000, (64, 96)).astype(np.uint16)
    foreign_dng(
        tmp_path / "a.dng", mosaic,
        t50713=("H", 2, (2, 2)), t50714=("2I", 4, (257, 2, 256, 2, 256, 2, 255, 2)),
        t50717=("I", 1, 4095), t50716=("2i", 64, (1, 4) * 64),
    )  # fmt: skip
    frame = read_frame(tmp_path / "a.dng")
    rewrite_dng(tmp_path / "a.dng", tmp_path / "b.dng", frame.mosaic * 8, white=8 * 4095)
    rewrite_dng(tmp_path / "a.dng", tmp_path / "c.dng", frame.mosaic)
    scaled = read_frame(tmp_path / "b.dng")
    assert np.array_equal(scaled.black, 8 * frame.black)
    assert np.array_equal(scaled.black_rows, 8 * frame.black_rows)
    assert scaled.white == 8 * frame.white
    first, second = dump(tmp_path / "b.dng"), dump(tmp_path / "c.dng")
    assert {key[1] for key in first if first[key] != second.get(key)} <= {50714, 50716, 50717, 324, 325}
    with pytest.raises(UsageError, match="whole multiple"):
        rewrite_dng(tmp_path / "a.dng", tmp_path / "d.dng", frame.mosaic, white=6000)


def test_a_bad_pixel_constant_keeps_the_levels(tmp_path):
    opcodes = struct.pack(">I4I2I", 1, 4, 0x01030000, 0, 8, 0, 0)
    mosaic = np.full((64, 96), 500, np.uint16)
    foreign_dng(tmp_path / "a.dng", mosaic, t51008=("B", len(opcodes), opcodes))
    foreign_dng(tmp_path / "b.dng", mosaic)
    assert not levels_may_be_scaled(tmp_path / "a.dng")
    assert levels_may_be_scaled(tmp_path / "b.dng")


def test_there_are_sixteen_bits_or_the_cameras():
    with pytest.raises(UsageError, match="16"):
        denoise_files(["a.dng"], bits=12)


def test_noise_left_is_that_of_flat_places(tmp_path):
    # Low noise, and leaves everywhere but in a strip: most blocks keep their texture, and noise in it.
    camera = VirtualCamera(dataclasses.replace(SENSORS["low-noise"], size=(512, 512)))
    scene = camera.sensor.camera_rgb(dead_leaves((512, 512), seed=5))
    random = np.random.default_rng(1)
    scene = scene * random.uniform(0.7, 1, scene.shape[1:]).astype(np.float32)
    scene[:, 96:160] = 0.3
    frame = dataclasses.replace(camera.shoot(scene), noise_profile=camera.sensor.noise_profile)
    result = denoise_frame(frame, denoiser="patch-dct")
    flat = np.s_[112:144, 40:-40]
    left = (result.frame.mosaic - camera.clean(scene))[flat].std()
    noise = (frame.mosaic - camera.clean(scene))[flat].std()
    assert result.residual < 0.5
    assert result.residual == pytest.approx(left / noise, abs=0.15)
