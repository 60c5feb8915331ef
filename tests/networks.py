"""Networks for tests: small ones that do something, as untrained ones do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from synthnoise.denoisers.weights import build_network


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
