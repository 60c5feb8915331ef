"""Colours of a scene: the sRGB transfer curve, and palettes that image models draw from.

A palette is float32 [B, n, 3], linear light in [0, 1]; its entries are equally likely.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.rng import Rng, Stream

OPPONENT = (
    (1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)),
    (1 / math.sqrt(2), 0.0, -1 / math.sqrt(2)),
    (1 / math.sqrt(6), -2 / math.sqrt(6), 1 / math.sqrt(6)),
)
"""Orthonormal axes: lightness, red against blue, magenta against green."""


@dataclass(frozen=True)
class ColourLaw:
    """How the colours of photographs vary from one to the next: sRGB of 0..255 on the opponent axes.

    Attributes
    ----------
    mean, mean_deviation
        Normal law of a photograph's mean, independent on the three axes.
    log_spread, log_spread_deviation, correlation
        Normal law of the natural logarithm of its standard deviations.
    """

    mean: tuple[float, float, float]
    mean_deviation: tuple[float, float, float]
    log_spread: tuple[float, float, float]
    log_spread_deviation: tuple[float, float, float]
    correlation: tuple[tuple[float, float, float], ...]


PHOTOGRAPHS = ColourLaw(
    mean=(169.815, 14.593, -11.625),
    mean_deviation=(43.252, 28.790, 10.629),
    log_spread=(4.654, 2.941, 1.359),
    log_spread_deviation=(0.389, 0.527, 0.650),
    correlation=((1.0, 0.512, -0.257), (0.512, 1.0, -0.297), (-0.257, -0.297, 1.0)),
)
"""Law of which palettes have means and spreads like the 200 photographs of BSDS500-train.

Arbelaez et al. 2011; fitted by benchmarks/leaf_colours.py. It is wider than theirs, since clusters of
unequal weight and clipping to the cube take from the spread.
"""

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


def natural_palette(rng: Rng, count: int, law: ColourLaw = PHOTOGRAPHS) -> Tensor:
    """Return colours as of one photograph per image, from a parametric law and no photograph.

    Three levels: the mean and spread of the photograph, the 6 to 16 clusters of its palette with
    their weights (uniform on the simplex), and the colour within its cluster.
    """
    levels = 2 + _MOST_CENTRES
    normal = rng.normal(Stream.PALETTE, (levels + count, 4))
    mean, spread = _photograph(law, normal[:, 0], normal[:, 1])
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


def _photograph(law: ColourLaw, mean_normal: Tensor, spread_normal: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation [B, 3] on the opponent axes, of 0..255."""
    device = mean_normal.device
    deviation = torch.tensor(law.mean_deviation, device=device)
    mean = torch.tensor(law.mean, device=device) + deviation * mean_normal[:, :3]
    # On the CPU: elsewhere the check of the result would wait for the device.
    factor = torch.linalg.cholesky(torch.tensor(law.correlation)).to(device)
    # A sum of products, not a matrix product: whose rounding may change with the size of the batch.
    x, y, z = spread_normal[:, :3].unsqueeze(1).unbind(-1)
    correlated = factor[:, 0] * x + factor[:, 1] * y + factor[:, 2] * z
    deviation = torch.tensor(law.log_spread_deviation, device=device)
    return mean, (torch.tensor(law.log_spread, device=device) + deviation * correlated).exp()


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
