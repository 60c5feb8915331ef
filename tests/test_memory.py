"""Memory that is not taken, or is given back."""

from __future__ import annotations

import platform
import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from raw_scenes import noise_frame

from synthnoise.denoising.mosaic_planes import MosaicPlanes
from synthnoise.raw.colour import Tone


def peak(run: Callable[[], object]) -> int:
    """Return the bytes that a call takes at its peak, after one for what it compiles."""
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_planes_are_stored_without_taking_their_memory_again() -> None:
    source = MosaicPlanes(frame := noise_frame("RGGB", (1200, 600)))
    output, planes = frame.mosaic.copy(), source.read((0, 0, 600, 300))
    assert peak(lambda: source.write(output, (0, 0, 600, 300), planes)) < planes.nbytes / 2


def test_a_picture_is_toned_without_taking_its_memory_six_times() -> None:
    linear = np.random.default_rng(0).random((1500, 200, 3), np.float32)
    toned = Tone(2.0).levels(linear)
    np.testing.assert_allclose(toned, 255 * Tone(2.0).apply(linear), atol=0.51)
    assert peak(lambda: Tone(2.0).levels(linear)) < linear.nbytes


SCRIPT = """
import threading
from pathlib import Path
from synthnoise import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def hold():
    parts = [bytearray(1 << 16) for _ in range(3000)]
    kept.append(parts[-1])

kept = []
hold_in_thread = threading.Thread(target=hold)
hold_in_thread.start()
hold_in_thread.join()
before = resident()
memory.return_freed()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do not keep what is freed")
def test_what_a_thread_freed_goes_back_to_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 100 << 20
