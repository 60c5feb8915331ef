"""Random phases keep the modulus and nothing else, and periodic components have no jump."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sampling import assert_distribution

from synthnoise.errors import InputError, PluginError, UsageError
from synthnoise.images.colours import encode_srgb
from synthnoise.images.random_phase import Options, RandomPhase, periodic_component, with_random_phase
from synthnoise.testing import rng

RAMP = torch.linspace(0, 1, 40)[None, :, None] * torch.linspace(0.5, 1, 56) * torch.ones(3, 1, 1)


def test_the_modulus_stays_and_phases_become_uniform():
    image = 0.3 * rng(1).uniform(0, (3, 40, 56))[0] + 0.4 * RAMP
    texture = with_random_phase(image, rng(1).normal(1, (1, 40, 56))[0, 0])
    before, after = torch.fft.rfft2(image.double()), torch.fft.rfft2(texture.double())
    assert torch.allclose(before.abs(), after.abs(), atol=1e-4)
    assert torch.allclose(texture.mean((1, 2)), image.mean((1, 2)), atol=1e-6)
    between = before[1:] * before[:1].conj(), after[1:] * after[:1].conj()
    assert torch.allclose(*(torch.view_as_real(product) for product in between), atol=1e-2, rtol=1e-3)
    turn = torch.cat(
        [
            torch.angle(after[0, 1:20, 1:28] / before[0, 1:20, 1:28]).flatten(),
            torch.angle(after[0, 21:, 1:28] / before[0, 21:, 1:28]).flatten(),
        ]
    )
    assert_distribution(turn.numpy() / (2 * np.pi) + 0.5, lambda p: np.clip(p, 0, 1), detects=0.18)


def test_the_smooth_component_is_harmonic_inside_and_takes_the_jump_away():
    periodic = periodic_component(RAMP)
    smooth = (RAMP - periodic).double()
    laplacian = sum(smooth.roll(shift, axis) for axis in (1, 2) for shift in (1, -1)) - 4 * smooth
    assert laplacian[:, 1:-1, 1:-1].abs().max() < 1e-5
    assert laplacian.abs().max() > 0.1
    jump = (periodic[:, 0] - periodic[:, -1]).abs().max()
    assert jump < 0.2 * (RAMP[:, 0] - RAMP[:, -1]).abs().max()
    assert torch.allclose(periodic.mean(), RAMP.mean())
    wave = (2 * torch.pi * torch.arange(40) / 40).cos()[None, :, None].expand(1, 40, 56)
    assert (periodic_component(wave) - wave).std() < 0.05  # what is periodic already hardly changes


def test_a_folder_of_photographs_gives_the_spectra(tmp_path):
    grain = 128 + 16 * rng(3).normal(0, (3, 48, 64))[0].clamp(-3, 3)
    stripes = grain + 30 * (torch.arange(64) * 2 * np.pi / 8).sin()
    Image.fromarray(stripes.byte().permute(1, 2, 0).numpy()).save(tmp_path / "stripes.png")
    model = RandomPhase(Options(path=str(tmp_path)))
    textures = encode_srgb(model.generate((48, 64), rng(0, 1)))
    for texture in textures:
        peaks = torch.fft.rfft2(texture[1].double()).abs()
        assert int(peaks.flatten()[1:].argmax()) + 1 == 8  # row 0, 8 cycles: the stripes are still there
    assert not torch.allclose(textures[0], textures[1], atol=0.1)


def test_sources_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(UsageError, match="itself"):
        Options(source="random-phase")
    with pytest.raises(PluginError, match="no-such"):
        RandomPhase(Options(source="no-such"))
    with pytest.raises(InputError, match="no photographs"):
        RandomPhase(Options(path=str(tmp_path)))
