"""Total variation: the image with the least variation among those as near to the noisy one.

Rudin, Osher, Fatemi, Physica D 1992, by the projection of Chambolle, "An algorithm for total variation
minimization and applications", JMIV 2004, section 3. The planes share their edges: the gradient's length is
that over all of them (Blomgren and Chan, IEEE TIP 1998).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

STEP = 0.25
"""Of the projection; converges up to this."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much to smooth."""

    weight: float = field(
        default=1.4,
        metadata={"help": "of the variation, in standard deviations of the noise", "range": (0, 10)},
    )
    iterations: int = field(default=100, metadata={"help": "projections", "range": (1, 1000)})


class TotalVariation(nn.Module):
    """See the module.

    Attributes
    ----------
    halo
        Pixels that a pixel depends on, at most.
    """

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options = options or Options()
        self.halo = options.iterations + 1

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return [B, C, H, W] denoised of planes with noise of ``sigma`` [B, 1 or C, H, W], in their unit."""
        weight = (self.options.weight * sigma).clamp_min(1e-12)
        down, right = torch.zeros_like(noisy), torch.zeros_like(noisy)
        for _ in range(self.options.iterations):
            dy, dx = _gradient(_divergence(down, right) - noisy / weight)
            length = (dy.square() + dx.square()).sum(1, keepdim=True).sqrt()
            down = (down + STEP * dy) / (1 + STEP * length)
            right = (right + STEP * dx) / (1 + STEP * length)
        return noisy - weight * _divergence(down, right)


def _gradient(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Return forward differences down and right, zero at the far borders."""
    dy, dx = torch.zeros_like(planes), torch.zeros_like(planes)
    dy[..., :-1, :] = planes.diff(dim=-2)
    dx[..., :-1] = planes.diff(dim=-1)
    return dy, dx


def _divergence(down: Tensor, right: Tensor) -> Tensor:
    """Return the negative adjoint of :func:`_gradient`."""
    total = torch.zeros_like(down)
    total[..., :-1, :] += down[..., :-1, :]
    total[..., 1:, :] -= down[..., :-1, :]
    total[..., :-1] += right[..., :-1]
    total[..., 1:] -= right[..., :-1]
    return total
