"""How far networks see: measured, and enough for tiles."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from networks import stirred
from torch.nn import functional

from synthnoise.denoisers.reach import CONTRAST, TOLERANCE, measured, measured_halo
from synthnoise.denoisers.weights import WeightsRecord

NETWORKS: dict[str, dict[str, Any]] = {
    "dncnn": {"channels": 4, "depth": 4, "width": 8},
    "drunet": {"channels": 4, "widths": [4, 8, 8], "blocks": 1, "residual": True, "centred": True},
    "unet": {"channels": 3, "widths": [4, 8]},
}


def record_of(name: str, **changes: Any) -> tuple[torch.nn.Module, WeightsRecord]:
    network = stirred(NETWORKS[name], denoiser=name)
    facts: dict[str, Any] = {
        "options": NETWORKS[name],
        "domain": "bayer",
        "channels": int(network.channels),
        "halo": int(network.halo),
        "multiple_of": int(getattr(network, "multiple_of", 1)),
        "stabilised": True,
        "noise_range": (1.0, 1.0),
    }
    return network, WeightsRecord(denoiser=name, **(facts | changes))


class Shifted(torch.nn.Module):
    """Adds to each pixel a share of the one ``distance`` to the right."""

    def __init__(self, distance: int, share: float) -> None:
        super().__init__()
        self.distance, self.share = distance, share

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(noisy, (0, self.distance))
        return noisy + self.share * padded[..., self.distance :]


@pytest.mark.parametrize("distance", [3, 8, 21])
def test_the_distance_of_what_counts_is_found(distance: int) -> None:
    _, record = record_of("dncnn", halo=40)
    assert measured_halo(Shifted(distance, 0.1), record) == distance + 1
    # In steps of the network's grid, and one more.
    assert measured_halo(Shifted(distance, 0.1), dataclasses.replace(record, multiple_of=4)) == (
        -(-distance // 4) * 4 + 4
    )
    # What is far and hardly counts does not count.
    assert measured_halo(Shifted(distance, 1e-6), record) == 1


class Coarse(torch.nn.Module):
    """Adds the means of blocks of 128 x 128 pixels, whole ones alone."""

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        means = functional.interpolate(functional.avg_pool2d(noisy, 128), scale_factor=128.0)
        return noisy + means


def test_a_grid_coarser_than_what_is_compared_is_kept_to() -> None:
    _, record = record_of("dncnn", halo=200, multiple_of=128)
    assert measured_halo(Coarse(), record) == 128


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_with_the_measured_halo_equal_the_whole(name: str) -> None:
    network, record = record_of(name)
    halo = measured(network, record).halo
    assert 0 < halo <= record.halo
    edge, inner = 32, 64
    assert edge % record.multiple_of == 0
    halo = -(-halo // record.multiple_of) * record.multiple_of
    size = inner + 2 * (halo + edge)
    noisy = 5 * torch.rand(1, record.channels, size, size, generator=torch.Generator().manual_seed(9))
    sigma = torch.ones(1, 1, size, size)
    outer, kept = slice(edge, size - edge), slice(halo, halo + inner)
    with torch.no_grad():
        whole = network(noisy, sigma)[
            ..., edge + halo : edge + halo + inner, edge + halo : edge + halo + inner
        ]
        part = network(noisy[..., outer, outer], sigma[..., outer, outer])[..., kept, kept]
    assert float((part - whole).abs().max()) < TOLERANCE * CONTRAST


def test_what_sees_everything_has_no_reach() -> None:
    network, record = record_of("dncnn", global_context=True)
    assert measured(network, record) is record


@pytest.mark.parametrize("distance", [0, 3, 30, 90])
def test_a_network_that_does_not_say_how_far_it_sees_is_asked(distance: int) -> None:
    _, record = record_of("dncnn", halo=0)
    found = measured(Shifted(distance, 0.1), record)
    assert (found.halo, found.global_context) == (distance + 1, False)


def test_a_network_that_sees_farther_than_is_asked_is_not_tiled() -> None:
    class Mean(torch.nn.Module):
        def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            return noisy + noisy.mean((2, 3), keepdim=True)

    _, record = record_of("dncnn", halo=0, channels=1)
    assert measured(Mean(), record).global_context
