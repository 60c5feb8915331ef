"""The architectures: as many parameters as their papers say, and the halo that they claim."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import stirred

from synthnoise.denoisers.weights import build_network

PAPERS: list[tuple[str, dict[str, Any], float]] = [
    # name, options of the paper's network, parameters it states
    ("ffdnet", {"channels": 1, "depth": 15, "width": 64}, 0.485e6),
    ("ffdnet", {}, 0.852e6),
    ("unet", {"widths": (32, 64, 128, 256, 512), "sigma_plane": False}, 7.76e6),
    ("ridnet", {"sigma_plane": False}, 1.499e6),
    (
        "nafnet",
        {
            "channels": 3,
            "width": 32,
            "down": (2, 2, 4, 8),
            "middle": 12,
            "up": (2,) * 4,
            "sigma_plane": False,
        },
        29.16e6,
    ),
    (
        "nafnet",
        {
            "channels": 3,
            "width": 64,
            "down": (2, 2, 4, 8),
            "middle": 12,
            "up": (2,) * 4,
            "sigma_plane": False,
        },
        115.98e6,
    ),
]

LOCAL: list[tuple[str, dict[str, Any]]] = [
    ("dncnn", {"depth": 4, "width": 6}),
    ("ffdnet", {"depth": 4, "width": 6}),
    ("unet", {"widths": (4, 6, 8)}),
    ("autoencoder", {"width": 4}),
    ("nafnet", {"width": 4, "norm": False, "attention": False}),
    ("drunet", {"widths": (4, 6), "blocks": 1}),
]


@pytest.mark.parametrize(("name", "options", "stated"), PAPERS)
def test_the_papers_network_has_the_papers_parameters(
    name: str, options: dict[str, Any], stated: float
) -> None:
    with torch.device("meta"):
        network = build_network(name, options, seed=0)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(stated, rel=2e-3)


@pytest.mark.parametrize(("name", "options"), LOCAL)
def test_nothing_beyond_the_halo_is_seen(name: str, options: dict[str, Any]) -> None:
    """The gradient of pixels of one block with respect to the input, whose support is the field seen."""
    network = stirred(options, denoiser=name).double()
    assert not getattr(network, "global_context", False)
    multiple = int(getattr(network, "multiple_of", 1))
    halo = int(network.halo)
    centre = -(-(halo + 8) // multiple) * multiple
    edge = 2 * centre + multiple
    noisy = torch.randn(1, network.channels, edge, edge, dtype=torch.float64, requires_grad=True)
    denoised = network(noisy, torch.ones(1, 1, edge, edge, dtype=torch.float64))
    block = slice(centre, centre + multiple)
    generator = torch.Generator().manual_seed(0)
    seen = denoised[..., block, block]
    (seen * torch.randn(seen.shape, generator=generator)).sum().backward()
    assert noisy.grad is not None
    rows, columns = noisy.grad.abs().sum((0, 1)).nonzero(as_tuple=True)
    for reached in (rows, columns):
        assert int(reached.min()) >= centre - halo
        assert int(reached.max()) < centre + multiple + halo


@pytest.mark.parametrize(("name", "options"), [("ridnet", {"width": 16, "modules": 1}), ("nafnet", {})])
def test_networks_that_see_everything_say_so(name: str, options: dict[str, Any]) -> None:
    network = stirred(options, denoiser=name)
    assert network.global_context
    noisy = torch.rand(1, network.channels, 64, 64)
    sigma = torch.ones(1, 1, 64, 64)
    other = noisy.clone()
    other[..., -1, -1] += 1000
    assert not torch.equal(network(noisy, sigma)[..., 0, 0], network(other, sigma)[..., 0, 0])


def test_an_autoencoder_loses_what_is_fine() -> None:
    """With no skip connection a quarter of the resolution in few features is all that passes."""
    network = stirred({"width": 1, "channels": 4}, denoiser="autoencoder")
    noisy = torch.rand(1, 4, 16, 16, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(lambda x: network(x, torch.ones(1, 1, 16, 16)), noisy)
    assert torch.linalg.matrix_rank(jacobian.reshape(1024, 1024)) <= 2 * 16
