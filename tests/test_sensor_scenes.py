"""The test scenes hold no grain, fill the range that they promise, and repeat by seed."""

from __future__ import annotations

import numpy as np
import pytest

from synthnoise.sensors import scenes

SIZE = (120, 160)


@pytest.mark.parametrize("draw", [scenes.dead_leaves, scenes.patches, scenes.ramp, scenes.edges])
@pytest.mark.parametrize("size", [SIZE, (37, 61)])
def test_a_scene_is_linear_rgb_in_range(draw, size):
    scene = draw(size)
    assert (scene.shape, scene.dtype) == ((3, *size), np.float32)
    assert scene.min() >= 0
    assert scene.max() <= 1
    assert scene.std() > 0.05


@pytest.mark.parametrize("draw", [scenes.dead_leaves, scenes.edges])
def test_a_seed_is_a_scene(draw):
    np.testing.assert_array_equal(draw(SIZE, 3), draw(SIZE, 3))
    assert np.abs(draw(SIZE, 3) - draw(SIZE, 4)).mean() > 0.05


def test_leaves_cover_the_canvas_and_have_no_grain():
    scene = scenes.dead_leaves((256, 256), 1, radii=(12.0, 60.0)).mean(0)
    background = scenes.dead_leaves((256, 256), 1, radii=(12.0, 60.0), blur=0.0)[:, 0, 0]
    assert np.unique(np.round(scene, 4)).size > 1000  # shading, not flat colours
    detail = np.abs(np.diff(scene, 2, axis=1))
    assert np.median(detail) < 2e-3  # most places are smooth
    assert np.quantile(detail, 0.99) > 0.02  # and edges are there
    assert (
        np.mean(np.all(np.abs(scenes.dead_leaves((256, 256), 1) - background[:, None, None]) < 1e-6, 0))
        < 0.05
    )


def test_leaves_look_alike_at_any_scale():
    """Log-log slope of the power spectrum near -2 (Ruderman 1997) for radii down to a few pixels."""
    slopes = []
    for seed in range(3):
        image = scenes.dead_leaves((256, 256), seed, radii=(2.0, 100.0), blur=0.0).mean(0)
        power = np.abs(np.fft.fft2((image - image.mean()) * np.hanning(256)[:, None] * np.hanning(256))) ** 2
        radius = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(256, 1 / 256)])).astype(int)
        band = np.arange(6, 60)
        radial = np.array([power[radius == r].mean() for r in band])
        slopes.append(np.polyfit(np.log(band), np.log(radial), 1)[0])
    assert -3.0 < np.mean(slopes) < -1.8


def test_the_chart_has_its_levels():
    chart = scenes.patches((200, 300), levels=24)
    levels = np.unique(chart)
    assert levels.size == 24
    np.testing.assert_allclose(levels[1:] / levels[:-1], (0.9 / 0.01) ** (1 / 23), rtol=1e-4)
    assert np.ptp(chart[:, :50, :50]) == 0


def test_the_ramp_is_straight():
    ramp = scenes.ramp((4, 101), 0.1, 0.6)
    np.testing.assert_allclose(ramp[1, 2], 0.1 + 0.5 * np.arange(101) / 100, atol=1e-6)
