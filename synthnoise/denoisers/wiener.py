"""The local Wiener filter: as much of the local mean as the local variance is noise.

Lee: "Digital image enhancement and noise filtering by use of local statistics", IEEE TPAMI 1980.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from synthnoise.denoisers.windows import box_mean


@dataclass(frozen=True, kw_only=True)
class Options:
    """The window."""

    radius: int = field(default=2, metadata={"help": "of the window in pixels", "range": (1, 32)})


class Wiener(nn.Module):
    """See the module.

    Attributes
    ----------
    halo
        Pixels that a pixel depends on.
    """

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.radius = (options or Options()).radius
        # The variance is that of distances from means.
        self.halo = 2 * self.radius

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return [B, C, H, W] denoised of planes with noise of ``sigma`` [B, 1 or C, H, W], in their unit."""
        mean = box_mean(noisy, self.radius)
        deviation = noisy - mean
        variance = box_mean(deviation.square(), self.radius)
        noise = sigma.square()
        signal = (variance - noise).clamp_min(0)
        return mean + deviation * signal / variance.maximum(noise).clamp_min(1e-30)
