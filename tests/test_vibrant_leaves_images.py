"""Vibrant leaves as whole images: their statistics, their colours, and the cache that they are made from."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import torch
import vibrant_leaves_oracle as oracle
from vibrant_leaves_oracle import same_mean

from synthnoise.images.colours import OPPONENT, encode_srgb
from synthnoise.images.vibrant_leaves import cache
from synthnoise.images.vibrant_leaves.colours import palette
from synthnoise.images.vibrant_leaves.model import VibrantLeaves
from synthnoise.images.vibrant_leaves.settings import Options
from synthnoise.rng import Rng

Z = 5.0


def statistics(images):
    """Return per image [n]: mean, spread, mean gradient, share of zero gradients, slope of line spectra."""
    found = []
    for image in images:
        levels = np.rint(255 * image)
        steps = np.concatenate([np.diff(levels, axis=axis).ravel() for axis in (0, 1)])
        lines = np.fft.rfft((image - image.mean()) * np.hanning(image.shape[1]), axis=1)
        power = (abs(lines) ** 2).mean(0)[2:24]
        slope = -np.polyfit(np.log(np.arange(2, 24)), np.log(power), 1)[0]
        found.append([image.mean(), image.std(), abs(steps).mean(), (steps == 0).mean(), slope])
    return np.array(found).T


def test_whole_images_have_the_statistics_of_the_oracles(monkeypatch):
    monkeypatch.setattr(oracle, "R_MAX", 60)
    images, size = 80, (64, 64)
    model = VibrantLeaves(Options(flat_below=10000, shapes="discs", colours="grey", r_max=60))
    g = np.random.Generator(np.random.Philox(8))
    expected = [oracle.flat_image(g, (128, 128)) for _ in range(images)]
    ours = [encode_srgb(model.scene(size, 3, i).image)[0].numpy() for i in range(images)]
    for own, wanted in zip(statistics(ours), statistics(expected), strict=True):
        same_mean(own, wanted)
    histograms = []
    for some in (ours, expected):
        steps = np.concatenate([np.diff(np.rint(255 * one), axis=0).ravel() for one in some])
        histograms.append(np.histogram(steps, np.arange(-256, 257, 8))[0] + 0.5)
    q, p = (histogram / histogram.sum() for histogram in histograms)
    assert (p * np.log(p / q)).sum() < 0.02


def test_palettes_have_the_moments_of_the_photographs():
    """Means and log spreads of BSDS500-train as benchmarks/leaf_colours.py prints them."""
    images = 400
    drawn = 255 * palette("natural", Rng(1, torch.arange(images))).double().numpy()
    opponent = drawn @ np.transpose(OPPONENT)
    means, logs = opponent.mean(1), np.log(opponent.std(1) + 0.5)
    for values, mean, deviation in (
        (means, (183.2, 12.1, -8.8), (49.1, 24.7, 10.1)),
        (logs, (4.385, 2.970, 2.108), (0.328, 0.503, 0.582)),
    ):
        error = np.array(deviation) / math.sqrt(images)
        np.testing.assert_array_less(abs(values.mean(0) - mean), Z * error + 0.005)
        # The standard deviation's own standard error is 1 / sqrt(2 n) of it for normal values.
        np.testing.assert_allclose(values.std(0), deviation, rtol=Z / math.sqrt(2 * images) + 0.02)


def test_cache_survives_damage_and_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = []

    def build():
        built.append(1)
        return np.arange(6.0)

    np.testing.assert_array_equal(cache.cached("a", build), np.arange(6.0))
    np.testing.assert_array_equal(cache.cached("a", build), np.arange(6.0))
    assert len(built) == 1
    path = next(cache.cache_folder().glob("a.*"))
    path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(cache.cached("a", build), np.arange(6.0))
    assert len(built) == 2
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    kept = cache.cached("a", build)
    assert not kept.flags.writeable
    assert len(built) == 3


BUILDER = """
import hashlib, sys
import numpy as np
from synthnoise.images.vibrant_leaves.cache import cached

for number in range(int(sys.argv[1])):
    array = cached(f"field-{number}", lambda: np.random.default_rng(number).random(200_000))
    print(hashlib.sha256(array.tobytes()).hexdigest())
"""


def test_processes_that_build_at_once_get_the_same_arrays_and_leave_whole_files(tmp_path):
    """Two processes race through the same names; each must read what a lone one would have built."""
    names = 12
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", BUILDER, str(names)]
    racing = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=300)[0].split() for process in racing]
    assert all(process.returncode == 0 for process in racing)
    expected = [
        hashlib.sha256(np.random.default_rng(number).random(200_000).tobytes()).hexdigest()
        for number in range(names)
    ]
    assert printed == [expected, expected]
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == sorted(f"field-{number}.v{cache.VERSION}.npy" for number in range(names))
