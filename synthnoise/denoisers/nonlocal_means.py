"""Non-local means: the mean of the pixels whose surroundings look alike.

Buades, Coll, Morel, CVPR 2005. Distances are those of patches over all planes, less what noise alone makes of
them; all pixels at once for one shift of the image after the other (Darbon et al., ISBI 2008).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.windows import box_mean


@dataclass(frozen=True, kw_only=True)
class Options:
    """Windows and tolerance."""

    patch: int = field(default=2, metadata={"help": "radius of the surroundings in pixels", "range": (0, 16)})
    search: int = field(default=6, metadata={"help": "radius of the search in pixels", "range": (1, 32)})
    tolerance: float = field(
        default=0.5, metadata={"help": "in standard deviations of the noise", "range": (0.01, 10)}
    )


class NonlocalMeans(nn.Module):
    """See the module.

    Attributes
    ----------
    halo
        Pixels that a pixel depends on.
    """

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options = options or Options()
        self.halo = options.patch + options.search

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return [B, C, H, W] denoised of planes with noise of ``sigma`` [B, 1 or C, H, W], in their unit."""
        reach = self.options.search
        height, width = noisy.shape[-2:]
        scaled = noisy / sigma.clamp_min(1e-12)
        padded, values = (functional.pad(x, (reach,) * 4, mode="replicate") for x in (scaled, noisy))
        # The pixel itself counts as the best of the others: its distance of zero says nothing.
        best = torch.zeros_like(noisy[:, :1])
        total, weights = torch.zeros_like(noisy), torch.zeros_like(best)
        for i in range(2 * reach + 1):
            for j in range(2 * reach + 1):
                if i == reach and j == reach:
                    continue
                window = (..., slice(i, i + height), slice(j, j + width))
                difference = (scaled - padded[window]).square().mean(1, keepdim=True)
                distance = (box_mean(difference, self.options.patch) - 2).clamp_min(0)
                weight = (-distance / self.options.tolerance**2).exp()
                total += weight * values[window]
                weights += weight
                best = best.maximum(weight)
        best = best.clamp_min(1e-6)
        return (total + best * noisy) / (weights + best)
