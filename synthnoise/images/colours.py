"""Colours of a scene: the sRGB transfer curve, and palettes that image models draw from.

A palette is float32 [B, n, 3], linear light in [0, 1]; its entries are equally likely.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from synthnoise.rng import Rng, Stream

OPPONENT = (
    (1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)),
    (1 / math.sqrt(2), 0.0, -1 / math.sqrt(2)),
    (1 / math.sqrt(6), -2 / math.sqrt(6), 1 / math.sqrt(6)),
)
"""Orthonormal axes: lightness, red against blue, magenta against green."""

# Fitted to the 200 photographs of BSDS500-train (Arbelaez et al. 2011) by benchmarks/leaf_colours.py,
# in sRGB of 0..255 on the opponent axes: law of a photograph's mean, and of the logarithm of its
# standard deviation.
_MEAN = (183.2, 12.1, -8.8)
_MEAN_SPREAD = (49.1, 24.7, 10.1)
_LOG_SPREAD = (4.385, 2.970, 2.108)
_LOG_SPREAD_SPREAD = (0.328, 0.503, 0.582)
_LOG_SPREAD_CORRELATION = ((1.0, 0.381, 0.240), (0.381, 1.0, 0.457), (0.240, 0.457, 1.0))

_MOST_CENTRES, _FEWEST_CENTRES = 16, 6
_SHARE_BETWEEN = 0.7
"""Share of a photograph's colour variance that lies between the clusters of its palette."""


def encode_srgb(linear: Tensor) -> Tensor:
    """Return sRGB in [0, 1] of linear light in [0, 1], any shape (IEC 61966-2-1)."""
    power = torch.exp(torch.log(linear.clamp(min=0.0031308)) / 2.4)  # see decode_srgb
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * power - 0.055)


def decode_srgb(encoded: Tensor) -> Tensor:
    """Return linear light in [0, 1] of sRGB in [0, 1], any shape (IEC 61966-2-1)."""
    # Not with **: torch's rounding of powers changes with the number of threads.
    power = torch.exp(2.4 * torch.log((encoded.clamp(min=0.04045) + 0.055) / 1.055))
    return torch.where(encoded <= 0.04045, encoded / 12.92, power)


def uniform_palette(rng: Rng, count: int) -> Tensor:
    """Return colours that are uniform in the sRGB cube: "artificial" colours of the dead-leaves papers."""
    return decode_srgb(rng.uniform(Stream.PALETTE, (count, 4))[..., :3])


def grey_palette(rng: Rng, count: int) -> Tensor:
    """Return greys that are uniform in sRGB."""
    return decode_srgb(rng.uniform(Stream.PALETTE, (count, 4))[..., :1]).expand(-1, -1, 3)


def natural_palette(rng: Rng, count: int) -> Tensor:
    """Return colours as of one photograph per image, from a parametric law and no photograph.

    Three levels: the mean and spread of the photograph, the 6 to 16 clusters of its palette with
    their weights (uniform on the simplex), and the colour within its cluster.
    """
    levels = 2 + _MOST_CENTRES
    normal = rng.normal(Stream.PALETTE, (levels + count, 4))
    mean, spread = _photograph(normal[:, 0], normal[:, 1])
    centre = math.sqrt(_SHARE_BETWEEN) * normal[:, 2:levels, :3]
    # The fourth column has no colour to say: it serves as uniform numbers. In double precision, so that
    # every device chooses the same clusters.
    words = rng.bits(Stream.PALETTE, (levels + count, 4))[:, 1:, 2:].double()
    radius = (((words[..., 0] + 0.5) * 2.0**-32).log() * -2).sqrt()
    uniform = torch.special.ndtr(radius * (words[..., 1] * (2 * math.pi * 2.0**-32)).sin())
    cluster = _clusters(uniform[:, 0], uniform[:, 1 : levels - 1], uniform[:, levels - 1 :])
    place = centre.gather(1, cluster.unsqueeze(-1).expand(-1, -1, 3))
    place = place + math.sqrt(1 - _SHARE_BETWEEN) * normal[:, levels:, :3]
    opponent = mean.unsqueeze(1) + spread.unsqueeze(1) * place
    axes = torch.tensor(OPPONENT, device=rng.device)
    rgb = opponent[..., :1] * axes[0] + opponent[..., 1:2] * axes[1] + opponent[..., 2:] * axes[2]
    # Photographs have few colours at black itself: what falls below is folded back, not clipped.
    return decode_srgb((rgb.abs() / 255).clamp(max=1))


def _photograph(mean_normal: Tensor, spread_normal: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation [B, 3] on the opponent axes, of 0..255."""
    device = mean_normal.device
    mean = torch.tensor(_MEAN, device=device) + torch.tensor(_MEAN_SPREAD, device=device) * mean_normal[:, :3]
    # On the CPU: elsewhere the check of the result would wait for the device.
    factor = torch.linalg.cholesky(torch.tensor(_LOG_SPREAD_CORRELATION)).to(device)
    # A sum of products, not a matrix product: whose rounding may change with the size of the batch.
    x, y, z = spread_normal[:, :3].unsqueeze(1).unbind(-1)
    correlated = factor[:, 0] * x + factor[:, 1] * y + factor[:, 2] * z
    logarithm = torch.tensor(_LOG_SPREAD, device=device)
    logarithm = logarithm + torch.tensor(_LOG_SPREAD_SPREAD, device=device) * correlated
    return mean, logarithm.exp()


def _clusters(number: Tensor, weight: Tensor, choice: Tensor) -> Tensor:
    """Return the cluster of each colour, int64 [B, n], from uniform numbers [B], [B, 16] and [B, n]."""
    count = _FEWEST_CENTRES + (number * (_MOST_CENTRES - _FEWEST_CENTRES + 1)).floor().clamp(
        max=_MOST_CENTRES - _FEWEST_CENTRES
    )
    used = torch.arange(_MOST_CENTRES, device=number.device) < count.unsqueeze(-1)
    # Normalised exponential variates are uniform on the simplex (Dirichlet with parameters 1).
    weights = torch.where(used, -weight.clamp(min=1e-300).log(), 0.0)
    cumulative = weights.cumsum(-1)
    threshold = choice * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold).clamp(max=_MOST_CENTRES - 1)
