"""Arrays of a profile: stored in half the bytes where nothing is lost, and the same when they come back."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from synthnoise.calibration import calibrate
from synthnoise.errors import InputError
from synthnoise.profiles.arrays import encode_arrays, read_arrays
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera


def stored(folder: Path, data: bytes) -> tuple[Path, str]:
    path = folder / "iso-00100.safetensors"
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def test_arrays_that_half_precision_holds_take_half_the_room_and_come_back_the_same(tmp_path: Path) -> None:
    arrays = {
        "marginal": np.linspace(-3, 3, 500).astype(np.float16).astype(np.float32).reshape(2, -1),
        "row_spectrum": np.array([0.1, 1e6, 3], np.float32),
        "hot_pixels": np.array([[4000, 9000, 32000]], np.int32),
        "new_name": np.array([7.0], np.float32),
    }
    data = encode_arrays(arrays)
    kept = load(data)
    assert {name: array.dtype for name, array in kept.items()} == {
        "marginal": np.float16, "row_spectrum": np.float32, "hot_pixels": np.int16, "new_name": np.float16
    }  # fmt: skip
    back = read_arrays(*stored(tmp_path, data))
    for name in ("marginal", "row_spectrum", "hot_pixels"):
        assert back[name].dtype == arrays[name].dtype
        assert np.array_equal(back[name], arrays[name])
    many = {"hot_pixels": np.array([[4000, 9000, 32768]], np.int32)}
    assert load(encode_arrays(many))["hot_pixels"].dtype == np.int32


def test_files_of_full_precision_are_read_and_other_types_refused(tmp_path: Path) -> None:
    full = {"marginal": np.ones((2, 3), np.float32)}
    assert np.array_equal(read_arrays(*stored(tmp_path, save(full)))["marginal"], full["marginal"])
    with pytest.raises(InputError, match="int64"):
        read_arrays(*stored(tmp_path, save({"hot_pixels": np.ones((2, 3), np.int64)})))


@pytest.mark.slow
def test_a_profile_of_36_planes_from_two_darks_stays_below_100_kb(tmp_path: Path) -> None:
    sensor = replace(SENSORS["x-trans"], size=(1020, 1536), hot_fraction=3e-3, amp_glow=100)
    virtual = VirtualCamera(sensor)
    scene = sensor.camera_rgb(dead_leaves(sensor.size, 1))
    shots = [virtual.dark(0), virtual.dark(1)]
    profile = calibrate(shots, [virtual.shoot(scene, ratio=20)], output=tmp_path / "profile").profile
    assert len(profile.isos) == 1
    sizes = [path.stat().st_size for path in (tmp_path / "profile").glob("*.safetensors")]
    assert 40_000 < sum(sizes) <= 100_000
