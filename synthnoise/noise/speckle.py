"""Speckle: the multiplicative noise of coherent imaging, as of synthetic aperture radar (SAR).

J. W. Goodman, "Some fundamental properties of speckle", JOSA 66, 1976: the intensity of fully developed
speckle is exponential, the mean of L independent looks has a gamma law of shape L.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaincinv, gammaln, ndtr
from torch import Tensor

from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile

_PROBITS = (-7.0, 7.0)
_NODES = 4097


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many looks, and what the values of the image are."""

    looks: float = field(
        default=1.0,
        metadata={"help": "number of looks L, the equivalent number included", "range": (0.25, 1e6)},
    )
    values: Literal["intensity", "amplitude"] = field(
        default="intensity", metadata={"help": "whether images hold intensity, or amplitude, its root"}
    )


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Number of looks L, and whether the values are amplitudes."""

    looks: float
    amplitude: bool


class Speckle:
    """y = x g with g a gamma variate of mean 1 and variance 1/L, or in amplitudes y = x √g / E√g.

    Pixels are independent: correlation by oversampling is not modelled. Values of any unit; where x is 0
    there is no noise. A crop of the whole equals the crop; nothing is clipped.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Parameters:
        """Return the parameters of the options; camera profiles say nothing of radar."""
        return Parameters(looks=self.options.looks, amplitude=self.options.values == "amplitude")

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W] speckled images of the unit of the clean ones."""
        low, high = _PROBITS
        table = torch.from_numpy(log_quantiles(parameters.looks)).to(clean.device)
        place = rng.normal(Stream.READ_NOISE, tuple(clean.shape[1:]))
        place.sub_(low).mul_((_NODES - 1) / (high - low)).clamp_(0, _NODES - 1.001)
        at = place.to(torch.int64)
        log_gain = torch.lerp(table[at], table[at + 1], place.sub_(at))
        if not parameters.amplitude:
            return log_gain.exp_().mul_(clean)
        return log_gain.mul_(0.5).exp_().mul_(clean / mean_root(parameters.looks))

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return x²/L, or for amplitudes x² (1/E²√g - 1), [B, C, H, W]."""
        if parameters.amplitude:
            return clean**2 * (mean_root(parameters.looks) ** -2 - 1)
        return clean**2 / parameters.looks


def mean_root(looks: float) -> float:
    """Return the mean of √g for a gamma variate g of mean 1: Γ(L + 1/2) / (Γ(L) √L)."""
    return float(math.exp(gammaln(looks + 0.5) - gammaln(looks)) / math.sqrt(looks))


@functools.lru_cache(maxsize=16)
def log_quantiles(looks: float) -> NDArray[np.float32]:
    """Return log of the quantiles of a gamma variate of shape L and mean 1, float32 [4097].

    At probits from -7 to 7; between them the logarithm is interpolated, to 1e-5 of the value.
    """
    quantiles = gammaincinv(looks, ndtr(np.linspace(*_PROBITS, _NODES))) / looks
    logarithms: NDArray[np.float64] = np.log(np.maximum(quantiles, 1e-37))
    return logarithms.astype(np.float32)
