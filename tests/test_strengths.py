"""Brightness and colour denoised to different degrees."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from synthnoise.denoising import denoise_frame
from synthnoise.denoising.strengths import Strengths
from synthnoise.errors import UsageError
from synthnoise.raw.cfa import linear_planes
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.virtual_camera import VirtualCamera

NEUTRAL = (0.5, 1.0, 0.7)
COLOURS = (0, 1, 1, 2)


def test_brightness_goes_by_luma_and_colour_by_chroma() -> None:
    strengths = Strengths(luma=0.25, chroma=0.75, neutral=NEUTRAL)
    grey = torch.tensor([NEUTRAL[c] for c in COLOURS]).view(1, 4, 1, 1) * torch.rand(1, 1, 5, 6)
    torch.testing.assert_close(strengths.of(grey), 0.25 * grey)
    # Red against blue, at equal brightness.
    tint = torch.zeros(1, 4, 5, 6)
    tint[:, 0], tint[:, 3] = NEUTRAL[0], -NEUTRAL[2]
    torch.testing.assert_close(strengths.of(tint), 0.75 * tint)
    # The two greens differ only in detail finer than colour.
    detail = torch.zeros(1, 4, 5, 6)
    detail[:, 1], detail[:, 2] = 1, -1
    torch.testing.assert_close(strengths.of(detail), 0.25 * detail)


def test_equal_strengths_scale_everything_and_grey_has_no_colour() -> None:
    difference = torch.randn(1, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Strengths(luma=0.5, chroma=0.5).of(difference), 0.5 * difference)
    torch.testing.assert_close(Strengths(luma=0.5, chroma=0.0).of(difference[:, :1]), 0.5 * difference[:, :1])
    assert Strengths().of(difference) is difference


def test_colour_noise_goes_and_grain_stays_in_a_frame() -> None:
    camera = VirtualCamera(dataclasses.replace(SENSORS["mild"], size=(128, 128)))
    flat = camera.sensor.camera_rgb(np.full((3, 128, 128), 0.2, np.float32))
    frame = dataclasses.replace(camera.shoot(flat, ratio=30), as_shot_neutral=NEUTRAL)

    def spread(**strengths: float) -> tuple[float, float]:
        """Return the deviation of brightness, and of red against blue, as a white balance shows them."""
        mosaic = denoise_frame(frame, denoiser="wiener", device="cpu", **strengths).frame
        planes = linear_planes(mosaic) / np.array([NEUTRAL[c] for c in COLOURS])[:, None, None]
        return float(planes.mean(0).std()), float((planes[0] - planes[3]).std())

    noisy, both, colour = spread(strength=0.0), spread(), spread(luma=0.0)
    assert both[0] < 0.7 * noisy[0]
    assert colour[0] == pytest.approx(noisy[0], rel=0.05)
    assert colour[1] == pytest.approx(both[1], rel=0.05)


def test_strengths_beyond_their_range_are_refused() -> None:
    from synthnoise.denoising import Settings

    for name in ("strength", "luma", "chroma"):
        with pytest.raises(UsageError, match=f"{name} 1.5"):
            Settings(**{name: 1.5})
