"""Layers that several networks are built of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Centred(nn.Module):
    """A convolution whose kernels for the image planes sum to zero, so that it does not see their level.

    The level of stabilised RAW is many times its noise: kernels that see it spend most of a training on
    not seeing it. Borders are replicated, as a border of zeros would be an edge as high as the level.

    Parameters
    ----------
    convolution
        3x3, its first ``image_planes`` inputs the image, further ones noise levels.
    """

    def __init__(self, convolution: nn.Conv2d, image_planes: int) -> None:
        super().__init__()
        self.convolution = convolution
        self.image_planes = image_planes

    def forward(self, seen: Tensor) -> Tensor:
        """Return [B, width, H, W] of image and noise level planes [B, C, H, W], always in their precision."""
        kind = seen.device.type
        if torch.is_autocast_enabled(kind):
            # Half precision has not the digits for a level hundreds of times the noise on it.
            with torch.autocast(kind, enabled=False):
                return self._convolve(seen)
        return self._convolve(seen)

    def _convolve(self, seen: Tensor) -> Tensor:
        image, sigma = self.convolution.weight.tensor_split([self.image_planes], 1)
        weight = torch.cat((image - image.mean((2, 3), keepdim=True), sigma), 1)
        padded = functional.pad(seen, (1, 1, 1, 1), mode="replicate")
        return functional.conv2d(padded, weight, self.convolution.bias)


def convolution(planes_in: int, planes_out: int, *, bias: bool = False) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size, of He's initial values for ReLU, biases zero."""
    layer = nn.Conv2d(planes_in, planes_out, 3, padding=1, bias=bias)
    if layer.weight.is_meta:
        # There is nothing to fill, and torch would import its compiler to do it: two seconds.
        return layer
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def one_level(sigma: Tensor) -> Tensor:
    """Return one noise level plane [B, 1, H, W]: the root of the mean variance of those given."""
    return sigma if sigma.shape[1] == 1 else sigma.square().mean(1, keepdim=True).sqrt()
