"""Fixtures that every room's tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def heeded_interrupts() -> None:
    """Heed Ctrl-C also where the suite runs as a shell's background job, which is started deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real camera data that lies beside some checkouts."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real-camera data folder ../shared/data is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def profile_folder(tmp_path_factory) -> Path:
    """Return a profile calibrated from two shots of a small virtual camera, dark frame kept."""
    from synthnoise.calibration import calibrate
    from synthnoise.raw.dng import write_dng
    from synthnoise.sensors.presets import SENSORS
    from synthnoise.sensors.scenes import dead_leaves
    from synthnoise.sensors.virtual_camera import VirtualCamera

    folder = tmp_path_factory.mktemp("two-shots")
    camera = VirtualCamera(SENSORS["mild"])
    write_dng(folder / "dark.dng", camera.dark())
    write_dng(folder / "noisy.dng", camera.shoot(dead_leaves(camera.sensor.size, seed=1), ratio=100, index=1))
    calibrate([folder / "dark.dng"], [folder / "noisy.dng"], output=folder / "profile")
    return folder / "profile"


@pytest.fixture(scope="session")
def profile(profile_folder):
    """Return the profile of :func:`profile_folder`."""
    from synthnoise.profiles.store import load_profile

    return load_profile(profile_folder)
