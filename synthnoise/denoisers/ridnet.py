"""RIDNet: enhancement attention modules at full resolution, with attention to features.

Anwar, Barnes: "Real image denoising with feature attention", ICCV 2019, section 3. The attention averages
over the whole image, so that tiles cannot equal it. The noise level can enter as a further plane; the
paper's network is blind.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.convolutions import convolution, one_level

REDUCTION = 16
"""Features per number that the attention squeezes them into."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The shape of the network. The paper's has ``sigma_plane=false``."""

    channels: int = field(default=3, metadata={"help": "image planes in and out", "range": (1, 64)})
    width: int = field(default=64, metadata={"help": "feature planes", "range": (REDUCTION, 512)})
    modules: int = field(default=4, metadata={"help": "enhancement attention modules", "range": (1, 16)})
    sigma_plane: bool = field(default=True, metadata={"help": "tell it the noise level"})


class RIDNet(nn.Module):
    """Subtracts the noise that its modules find; untrained, it finds none.

    Attributes
    ----------
    channels
        Image planes in and out.
    """

    global_context = True

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        self.options = options = options or Options()
        self.channels = options.channels
        self.head = convolution(options.channels + options.sigma_plane, options.width, bias=True)
        self.body = nn.Sequential(*(_Module(options.width) for _ in range(options.modules)))
        self.tail = convolution(options.width, options.channels, bias=True)
        nn.init.zeros_(self.tail.weight)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised image, [B, C, H, W] in the unit of ``noisy``.

        Parameters
        ----------
        noisy
            float32 [B, C, H, W].
        sigma
            Standard deviation of the noise per pixel in the unit of ``noisy``, [B, 1 or C, H, W].
        """
        seen = torch.cat((noisy, one_level(sigma)), 1) if self.options.sigma_plane else noisy
        noise: Tensor = self.tail(self.body(functional.relu(self.head(seen))))
        return noisy - noise


class _Module(nn.Module):
    """Two dilated branches merged, two residual blocks, attention (figure 2 of the paper)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near, self.far = _dilated(width, 1, 2), _dilated(width, 3, 4)
        self.merge = convolution(2 * width, width, bias=True)
        self.residual = nn.Sequential(
            convolution(width, width, bias=True), nn.ReLU(), convolution(width, width, bias=True)
        )
        self.enhanced = nn.Sequential(
            convolution(width, width, bias=True),
            nn.ReLU(),
            convolution(width, width, bias=True),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
        )
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, width // REDUCTION, 1),
            nn.ReLU(),
            nn.Conv2d(width // REDUCTION, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + functional.relu(self.merge(torch.cat((self.near(x), self.far(x)), 1)))
        x = functional.relu(x + self.residual(x))
        x = functional.relu(x + self.enhanced(x))
        attention: Tensor = self.attention(x)
        return x * attention


def _dilated(width: int, first: int, second: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for dilation in (first, second):
        layers += [nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), nn.ReLU()]
    return nn.Sequential(*layers)
