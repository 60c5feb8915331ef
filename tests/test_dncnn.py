"""DnCNN: the paper's network to the parameter, and the properties that its options promise."""

from __future__ import annotations

import pytest
import torch

from synthnoise.denoisers.dncnn import DnCNN, Options
from synthnoise.errors import UsageError


@pytest.fixture(autouse=True)
def same_numbers_every_time() -> None:
    torch.manual_seed(0)


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("batch_norm", "published"), [(True, 556_000), (False, 555_000)])
def test_the_papers_network_has_the_papers_parameters(batch_norm: bool, published: int) -> None:
    """DnCNN-S: about 556 k with batch normalisation, 0.555 M in the version that has it folded away."""
    network = DnCNN(
        Options(channels=1, depth=17, width=64, sigma_planes=0, bias_free=False, batch_norm=batch_norm)
    )
    assert parameters(network) == pytest.approx(published, rel=5e-4)


@pytest.mark.parametrize("sigma_planes", [0, 1, 3])
@pytest.mark.parametrize("given", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (7, 12), (33, 5)])
def test_shape_is_kept_whatever_the_sigma_map(sigma_planes: int, given: int, size: tuple[int, int]) -> None:
    network = DnCNN(Options(channels=3, depth=3, width=4, sigma_planes=sigma_planes))
    assert network(torch.rand(2, 3, *size), torch.rand(2, given, *size)).shape == (2, 3, *size)


def test_the_sigma_map_is_heard_only_where_there_is_one() -> None:
    noisy, quiet, loud = torch.rand(1, 4, 8, 8), torch.full((1, 1, 8, 8), 0.1), torch.ones(1, 1, 8, 8)
    conditioned, blind = DnCNN(Options(depth=3)), DnCNN(Options(depth=3, sigma_planes=0))
    assert not torch.equal(conditioned(noisy, quiet), conditioned(noisy, loud))
    assert torch.equal(blind(noisy, quiet), blind(noisy, loud))


def test_one_sigma_plane_takes_the_mean_variance_of_several() -> None:
    network, noisy = DnCNN(Options(channels=2, depth=3)), torch.rand(1, 2, 6, 6)
    several = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 6, 6)
    mean = torch.full((1, 1, 6, 6), 12.5**0.5)
    torch.testing.assert_close(network(noisy, several), network(noisy, mean))


def test_without_biases_the_output_scales_with_the_input() -> None:
    noisy, sigma = torch.randn(1, 4, 16, 16), torch.rand(1, 1, 16, 16)
    free, biased = DnCNN(Options(depth=5)), DnCNN(Options(depth=5, bias_free=False))
    for layer in biased.layers:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.constant_(layer.bias, 0.1)  # type: ignore[arg-type]
    torch.testing.assert_close(free(50 * noisy, 50 * sigma), 50 * free(noisy, sigma), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(biased(50 * noisy, 50 * sigma), 50 * biased(noisy, sigma), rtol=0.01)


@pytest.mark.parametrize("depth", [2, 5])
def test_the_halo_is_the_receptive_radius(depth: int) -> None:
    network = DnCNN(Options(depth=depth, width=16))
    noisy = torch.randn(1, 4, 31, 31, requires_grad=True)
    network(noisy, torch.ones(1, 1, 31, 31))[0, :, 15, 15].sum().backward()
    assert noisy.grad is not None
    rows = noisy.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (15 - int(rows[0]), int(rows[-1]) - 15) == (network.halo, network.halo) == (depth, depth)


@pytest.mark.parametrize(
    "values", [{"depth": 1}, {"width": 0}, {"channels": 65}, {"sigma_planes": 2}, {"batch_norm": True}]
)
def test_impossible_options_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Options(**values)  # type: ignore[arg-type]
