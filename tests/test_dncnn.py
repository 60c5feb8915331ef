"""DnCNN: the paper's network to the parameter, and the properties that its options promise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import stir

from synthnoise import options
from synthnoise.denoisers.dncnn import DnCNN, Options
from synthnoise.errors import UsageError


@pytest.fixture(autouse=True)
def same_numbers_every_time() -> None:
    torch.manual_seed(0)


def network(**values: Any) -> DnCNN:
    stirred = stir(DnCNN(Options(**values)))
    assert isinstance(stirred, DnCNN)
    return stirred


@pytest.mark.parametrize(("batch_norm", "published"), [(True, 556_000), (False, 555_000)])
def test_the_papers_network_has_the_papers_parameters(batch_norm: bool, published: int) -> None:
    """DnCNN-S: about 556 k with batch normalisation, 0.555 M in the version that has it folded away."""
    papers = DnCNN(
        Options(
            channels=1,
            depth=17,
            width=64,
            sigma_planes=0,
            centred=False,
            bias_free=False,
            batch_norm=batch_norm,
        )
    )
    assert sum(p.numel() for p in papers.parameters()) == pytest.approx(published, rel=5e-4)


@pytest.mark.parametrize("sigma_planes", [0, 1, 3])
@pytest.mark.parametrize("given", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (7, 12), (33, 5)])
def test_shape_is_kept_whatever_the_sigma_map(sigma_planes: int, given: int, size: tuple[int, int]) -> None:
    net = network(channels=3, depth=3, width=4, sigma_planes=sigma_planes)
    assert net(torch.rand(2, 3, *size), torch.rand(2, given, *size)).shape == (2, 3, *size)


def test_untrained_it_changes_nothing() -> None:
    noisy = torch.rand(1, 4, 8, 8)
    assert torch.equal(DnCNN()(noisy, torch.ones(1, 1, 8, 8)), noisy)


def test_the_sigma_map_is_heard_only_where_there_is_one() -> None:
    noisy, quiet, loud = torch.rand(1, 4, 8, 8), torch.full((1, 1, 8, 8), 0.1), torch.ones(1, 1, 8, 8)
    conditioned, blind = network(depth=3), network(depth=3, sigma_planes=0)
    assert not torch.equal(conditioned(noisy, quiet), conditioned(noisy, loud))
    assert torch.equal(blind(noisy, quiet), blind(noisy, loud))


def test_one_sigma_plane_takes_the_mean_variance_of_several() -> None:
    net, noisy = network(channels=2, depth=3), torch.rand(1, 2, 6, 6)
    several = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 6, 6)
    mean = torch.full((1, 1, 6, 6), 12.5**0.5)
    torch.testing.assert_close(net(noisy, several), net(noisy, mean))


@pytest.mark.parametrize("bias_free", [True, False])
def test_only_without_biases_the_output_scales_with_the_input(bias_free: bool) -> None:
    noisy, sigma = torch.randn(1, 4, 16, 16), torch.rand(1, 1, 16, 16)
    net = network(depth=5, bias_free=bias_free)
    scaled = 50 * net(noisy, sigma)
    assert torch.allclose(net(50 * noisy, 50 * sigma), scaled, rtol=1e-3, atol=1e-3) == bias_free


@pytest.mark.parametrize("centred", [True, False])
def test_only_centred_the_output_shifts_with_the_input_up_to_its_borders(centred: bool) -> None:
    noisy, sigma = torch.randn(1, 4, 16, 16), torch.rand(1, 1, 16, 16)
    levels = torch.tensor([100.0, -20.0, 0.0, 5.0]).view(1, 4, 1, 1)
    net = network(depth=5, centred=centred)
    shifted = net(noisy, sigma) + levels
    assert torch.allclose(net(noisy + levels, sigma), shifted, atol=1e-3) == centred


@pytest.mark.parametrize("depth", [2, 5])
def test_the_halo_is_the_receptive_radius(depth: int) -> None:
    net = network(depth=depth, width=16)
    noisy = torch.randn(1, 4, 31, 31, requires_grad=True)
    net(noisy, torch.ones(1, 1, 31, 31))[0, :, 15, 15].sum().backward()
    assert noisy.grad is not None
    rows = noisy.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (15 - int(rows[0]), int(rows[-1]) - 15) == (net.halo, net.halo) == (depth, depth)


@pytest.mark.parametrize(
    "values", [{"depth": 1}, {"width": 0}, {"channels": 65}, {"sigma_planes": 2}, {"batch_norm": True}]
)
def test_impossible_options_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        options.build(Options, values, owner="dncnn")
