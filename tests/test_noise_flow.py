"""Noise Flow: exact inverse, exact likelihood by change of variables, and what it learns from pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sampling import assert_correlation, assert_variance
from scipy import stats

from synthnoise.errors import InputError, UsageError
from synthnoise.noise import noise_flow
from synthnoise.noise.flow_network import FlowNetwork, load_flow, save_flow
from synthnoise.noise.flow_training import FlowTraining, noise_levels
from synthnoise.noise.noise_flow import NoiseFlow
from synthnoise.rng import Rng

SHOT, READ = 2e-4, 3e-6


def rng(*indices: int) -> Rng:
    return Rng(4, torch.tensor(indices or (0,)))


def shaken(planes: int = 4, seed: int = 0) -> FlowNetwork:
    """Return a flow whose layers all do something."""
    generator = torch.Generator().manual_seed(seed)
    network = FlowNetwork(planes)
    network.set_levels((SHOT,) * planes, (READ,) * planes)
    with torch.no_grad():
        for name, parameter in network.layers.named_parameters():
            parameter += (0.3 if "network" in name else 0.1) * torch.randn(
                parameter.shape, generator=generator
            )
    return network.requires_grad_(False)


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    clean = 0.1 * torch.rand(shape, dtype=torch.float64, generator=generator)
    return clean, clean + 0.002 * torch.randn(shape, dtype=torch.float64, generator=generator)


def test_the_log_determinant_is_that_of_the_jacobian_that_autograd_finds():
    network = shaken().double()
    clean, noisy = pair(1, 4, 3, 4)
    jacobian = torch.autograd.functional.jacobian(lambda y: network.whiten(clean, y)[0].flatten(), noisy)
    expected = torch.linalg.slogdet(jacobian.reshape(48, 48)).logabsdet
    white, volume = network.whiten(clean, noisy)
    assert float(volume) == pytest.approx(float(expected), rel=1e-10)
    normal = stats.norm.logpdf(white.numpy()).sum()
    assert float(network.log_likelihood(clean, noisy)) == pytest.approx(normal + float(expected), rel=1e-12)


def test_the_flow_runs_backwards_exactly():
    network = shaken().double()
    clean, noisy = pair(2, 4, 9, 11)
    white, _ = network.whiten(clean, noisy)
    again = clean + network.generate(white) * network.signal_scale(clean)
    assert torch.allclose(again, noisy, atol=1e-12)


def test_the_density_of_one_pixel_integrates_to_one():
    network = shaken(planes=2).double()
    clean = torch.full((1, 2, 1, 1), 0.05, dtype=torch.float64)
    side = torch.linspace(-0.06, 0.06, 151, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side).view(-1, 2, 1, 1)
    density = network.log_likelihood(clean.expand(len(grid), -1, -1, -1), clean + grid).exp()
    assert float(density.sum()) * float(side[1] - side[0]) ** 2 == pytest.approx(1, abs=5e-3)


def test_untrained_it_is_the_heteroscedastic_model():
    model = NoiseFlow(noise_flow.Options(shot=SHOT, read=READ))
    parameters = model.parameters()
    clean = torch.full((1, 4, 120, 120), 0.04)
    noise = (model.sample(clean, parameters, rng()) - clean).double().numpy()
    assert_variance(noise, SHOT * 0.04 + READ, detects=0.07)
    sigma = math.sqrt(SHOT * 0.04 + READ)
    expected = stats.norm.logpdf(noise, scale=sigma).sum()
    found = model.log_likelihood(clean, clean + torch.from_numpy(noise).float(), parameters)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert model.variance(clean, parameters)[0, 0, 0, 0].item() == pytest.approx(sigma**2, rel=1e-5)


def test_a_crop_of_the_whole_is_the_crop():
    parameters = noise_flow._probed(shaken())
    model, clean = NoiseFlow(), torch.full((1, 4, 50, 60), 0.04)
    whole = model.sample(clean, parameters, rng(3))
    part = model.sample(clean[..., 5:30, 7:40], parameters, rng(3).cropped(5, 7))
    assert torch.allclose(part, whole[..., 5:30, 7:40], atol=3e-6)
    assert not torch.equal(whole, model.sample(clean, parameters, rng(4)))


@pytest.fixture(scope="module")
def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs whose plane 3 shares half of its noise with the pixel to the left in plane 0."""
    generator = torch.Generator().manual_seed(5)
    clean = 0.1 * torch.rand(12, 4, 1, 1, generator=generator).expand(-1, -1, 64, 64).contiguous()
    white = torch.randn(12, 4, 64, 65, generator=generator)
    field = white[..., 1:].clone()
    field[:, 3] = 0.7 * white[:, 0, :, :-1] + math.sqrt(1 - 0.49) * field[:, 3]
    return clean, clean + field * (SHOT * clean + READ).sqrt()


def test_levels_are_read_off_the_pairs(pairs):
    shot, read = noise_levels(*pairs)
    assert shot == pytest.approx([SHOT] * 4, rel=0.1)
    assert read == pytest.approx([READ] * 4, rel=0.5)


def test_it_learns_what_planes_share_and_gains_likelihood(pairs):
    model = NoiseFlow()
    clean, noisy = pairs
    trained = model.calibrate(clean, noisy, FlowTraining(steps=120, batch=8, rate=1e-2))
    plain = NoiseFlow(noise_flow.Options(shot=SHOT, read=READ)).parameters()
    gain = (model.log_likelihood(clean, noisy, trained) - model.log_likelihood(clean, noisy, plain)).mean()
    # 0.49 of a plane's variance known from another plane are worth -log(1 - 0.49) / 2 nats a pixel.
    most = -0.5 * math.log(1 - 0.49) * 64 * 63
    assert 0.5 * most < float(gain) < 1.02 * most
    even = torch.full((1, 4, 256, 256), 0.05)
    noise = (model.sample(even, trained, rng()) - even).numpy()[0]
    assert np.corrcoef(noise[3, :, 1:].ravel(), noise[0, :, :-1].ravel())[0, 1] > 0.45
    assert_correlation(noise[3], noise[1], 0, detects=0.1, effective_n=20_000)
    for plane in range(4):
        assert noise[plane].var() == pytest.approx(SHOT * 0.05 + READ, rel=0.15)
        stated = model.variance(even, trained)[0, plane, 0, 0].item()
        assert noise[plane].var() == pytest.approx(stated, rel=0.03)


def test_a_flow_is_kept_in_a_file(tmp_path):
    network = shaken()
    save_flow(tmp_path / "flow.safetensors", network)
    again = load_flow(tmp_path / "flow.safetensors")
    clean, noisy = torch.full((1, 4, 8, 8), 0.04), torch.full((1, 4, 8, 8), 0.041)
    assert torch.equal(again.log_likelihood(clean, noisy), network.log_likelihood(clean, noisy))
    model = NoiseFlow(noise_flow.Options(weights=str(tmp_path / "flow.safetensors")))
    assert model.sample(clean, model.parameters(), rng()).shape == clean.shape
    (tmp_path / "other").write_bytes(b"no flow at all")
    with pytest.raises(InputError, match="not a noise flow"):
        load_flow(tmp_path / "other")
    with pytest.raises(InputError):
        load_flow(tmp_path / "missing")


def test_what_does_not_fit_is_refused(pairs):
    clean, noisy = pairs
    with pytest.raises(UsageError, match="not pairs"):
        NoiseFlow().calibrate(clean, noisy[:, :3])
    with pytest.raises(UsageError, match="too small"):
        NoiseFlow().calibrate(clean[..., :8], noisy[..., :8])
    model = NoiseFlow(noise_flow.Options(shot=SHOT, read=READ))
    with pytest.raises(UsageError, match="4 planes"):
        model.sample(torch.zeros(1, 3, 8, 8), model.parameters(), rng())
    with pytest.raises(UsageError, match="shot noise of which camera"):
        NoiseFlow().parameters()
