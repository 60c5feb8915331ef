"""Networks for tests: small ones that do something, as untrained ones do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from synthnoise.denoisers.weights import WeightsRecord, build_network

SMALL: dict[str, Any] = {"channels": 4, "depth": 4, "width": 8}
"""Options of a DnCNN for packed Bayer planes."""

SMALL_RECORD = WeightsRecord(
    denoiser="dncnn",
    domain="bayer",
    channels=4,
    options=SMALL,
    stabilised=True,
    halo=4,
    noise_range=(1, 1),
)
"""What the weights of such a network say, for stabilised RAW."""


def stir(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Return the network with some noise on every parameter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def stirred(options: Mapping[str, Any], *, denoiser: str = "dncnn", seed: int = 0) -> torch.nn.Module:
    """Return a network that removes something, if nothing sensible."""
    return stir(build_network(denoiser, options, seed=seed), seed)
