"""DRUNet and U-DRU: the published size, and the properties that their structure promises."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from networks import stir

from synthnoise.denoisers import drunet, raw_dru, u_dru
from synthnoise.denoisers.bundled import bundled_weights
from synthnoise.denoisers.weights import read_record
from synthnoise.errors import UsageError

SMALL: dict[str, Any] = {"widths": (4, 6, 8), "blocks": 1}


def small(**values: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return stir(drunet.DRUNet(drunet.Options(**SMALL | values))).double()


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_papers_network_has_the_papers_parameters() -> None:
    """32.64 M for colour: table 1 of the paper."""
    with torch.device("meta"):
        assert parameters(drunet.DRUNet()) == pytest.approx(32.64e6, rel=2e-4)


def test_the_default_for_pictures_is_small() -> None:
    with torch.device("meta"):
        assert parameters(u_dru.build()) == pytest.approx(1.05e6, rel=5e-3)
        assert parameters(u_dru.build(u_dru.Options(widths=(64, 128, 256)))) == pytest.approx(
            4.17e6, rel=5e-3
        )


def test_the_default_for_raw_is_the_network_of_the_bundled_weights() -> None:
    with torch.device("meta"):
        network = raw_dru.build()
    path = bundled_weights("raw")
    assert path is not None
    assert parameters(network) == pytest.approx(1.064e6, rel=1e-3)
    assert dataclasses.asdict(raw_dru.Options()) == dataclasses.asdict(
        drunet.Options(**read_record(path).options)
    )


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_shape_is_kept_and_the_sigma_map_heard(unshuffle: int) -> None:
    network = small(unshuffle=unshuffle)
    multiple = network.multiple_of
    assert multiple == 4 * unshuffle
    noisy = torch.rand(2, 3, 3 * multiple, 5 * multiple, dtype=torch.float64)
    quiet, loud = torch.full_like(noisy[:, :1], 0.1), torch.ones_like(noisy)
    assert network(noisy, quiet).shape == noisy.shape
    assert not torch.allclose(network(noisy, quiet), network(noisy, loud))


def test_the_output_scales_with_the_input() -> None:
    network, noisy = small(), torch.randn(1, 3, 16, 16, dtype=torch.float64)
    sigma = torch.rand(1, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(network(7 * noisy, 7 * sigma), 7 * network(noisy, sigma))


def test_centred_the_output_shifts_with_the_input() -> None:
    network = small(centred=True, residual=True, channels=4)
    noisy, sigma = torch.randn(1, 4, 16, 16, dtype=torch.float64), torch.ones(1, 1, 16, 16).double()
    shift = torch.tensor([300.0, -20.0, 5.0, 0.0], dtype=torch.float64).view(1, 4, 1, 1)
    torch.testing.assert_close(network(noisy + shift, sigma), network(noisy, sigma) + shift)


def test_untrained_a_residual_network_changes_nothing() -> None:
    noisy = torch.rand(1, 3, 16, 16)
    assert torch.equal(u_dru.build()(noisy, torch.ones(1, 1, 16, 16)), noisy)


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_nothing_beyond_the_halo_is_seen_and_what_is_nearly_as_far_is(unshuffle: int) -> None:
    network = small(unshuffle=unshuffle)
    edge = -(-(2 * network.halo + 40) // network.multiple_of) * network.multiple_of
    centre = edge // 2
    noisy = torch.randn(1, 3, edge, edge, dtype=torch.float64, requires_grad=True)
    network(noisy, torch.ones(1, 1, edge, edge, dtype=torch.float64))[0, 0, centre, centre].backward()
    assert noisy.grad is not None
    rows, columns = noisy.grad.abs().sum((0, 1)).nonzero(as_tuple=True)
    reach = max(int((x - centre).abs().max()) for x in (rows, columns))
    assert network.halo - 3 * network.multiple_of <= reach <= network.halo


@pytest.mark.parametrize("values", [{"widths": ()}, {"widths": (4, 0)}, {"centred": True}])
def test_options_without_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        drunet.Options(**values)
