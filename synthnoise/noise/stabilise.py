"""The variance-stabilising transform of signal-dependent sensor noise, and its exact unbiased inverse.

Makitalo and Foi, "Optimal inversion of the generalized Anscombe transformation for
Poisson-Gaussian noise", IEEE TIP 22(1), 2013: transforming, denoising and algebraically inverting
biases the mean, because the root of a mean is not the mean of a root. The inverse here maps the
*expectation* of a transformed pixel back to its mean, from a table computed by quadrature.

One thing differs from the generalised Anscombe transform. That one is constant below the pole of its
root, so that what lies in the lower tail of the read noise is lost, and steep above it, where noise
is then amplified. Here the root ends one standard deviation of read noise above black, and its tangent
takes over: no pixel is clipped, and in the deep shadows the transform is the scaling that Gaussian
noise needs. Denoising then gains 0.1 to 1.5 dB where the signal is below the read noise.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from synthnoise.errors import UsageError
from synthnoise.noise.stabilised_arrays import root, unroot

if TYPE_CHECKING:
    from torch import Tensor

GAUSSIAN_NODES = 193
POISSON_NODES = 500
TABULATED_MEANS = 500
MEANS_AT_ONCE = 32
TABLE_SIZE = 4096
TABLE_TOP = 60.0
"""Electrons up to which the bias is tabulated; beyond, it has settled to a constant within 1e-3 e-."""
WHITE = 1e-2
"""Ratio S / O below which noise counts as white, and the transform is a plain scaling: shot noise adds less
than half a percent to its standard deviation at white, and electrons would lose themselves in the root."""


@dataclass(frozen=True)
class Stabiliser:
    """Transforms planes with variance ``S x + O`` to planes with variance 1.

    In units of S (electrons where S = K / (white - black)) the signal is y = x / S with Gaussian
    noise of variance O / S^2, and the transform is the generalised Anscombe root
    ``2 sqrt(y + 3/8 + O / S^2)``, continued by its tangent below y = sqrt(O) / S.

    Attributes
    ----------
    shot, read
        S and O of each plane, normalised as the planes are; one value per plane.
    """

    shot: tuple[float, ...]
    read: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.shot) != len(self.read):
            raise UsageError(f"{len(self.shot)} values of S but {len(self.read)} of O")
        for s, o in zip(self.shot, self.read, strict=True):
            if not (math.isfinite(s) and math.isfinite(o) and s >= 0 and o >= 0 and s + o > 0):
                raise UsageError(
                    f"no noise has S = {s:g} and O = {o:g}", hint="both must be >= 0, one above 0"
                )

    def forward(self, planes: Tensor) -> Tensor:
        """Return [..., C, H, W] float32 with noise of variance near 1 or (in the dark) below."""
        return self._each(planes, _root)

    def inverse(self, stabilised: Tensor) -> Tensor:
        """Return the means whose noisy pixels would have ``stabilised`` as their expected transform."""
        return self._each(stabilised, _unroot)

    def forward_array(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return :meth:`forward` of an array [C, H, W], for which no tensor is made."""
        self._check(planes.shape[-3])
        out = np.empty_like(planes)
        for plane, found, s, o in zip(planes, out, self.shot, self.read, strict=True):
            if s < WHITE * o:
                np.multiply(plane, np.float32(1 / math.sqrt(o)), out=found)
                continue
            join = _Join.of(math.sqrt(o) / s)
            numbers = np.array([1 / s, join.signal, join.offset, 1 / join.steepness], np.float32)
            root(plane, numbers, found)
        return out

    def inverse_array(self, stabilised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return :meth:`inverse` of an array [C, H, W]."""
        self._check(stabilised.shape[-3])
        out = np.empty_like(stabilised)
        for plane, found, s, o in zip(stabilised, out, self.shot, self.read, strict=True):
            if s < WHITE * o:
                np.multiply(plane, np.float32(math.sqrt(o)), out=found)
                continue
            join, shift, step, bias = _unrooting(s, o)
            numbers = np.array([join.root, join.offset, join.steepness, shift, 1 / step, s], np.float32)
            unroot(plane, numbers, bias.astype(np.float32), found)
        return out

    def _check(self, planes: int) -> None:
        if planes != len(self.shot):
            raise UsageError(f"{planes} planes, but noise levels of {len(self.shot)}")

    def _each(self, planes: Tensor, function: Callable[[Tensor, float, float], Tensor]) -> Tensor:
        import torch

        self._check(planes.shape[-3])
        parts = [
            function(planes[..., c, :, :], s, o)
            for c, (s, o) in enumerate(zip(self.shot, self.read, strict=True))
        ]
        return torch.stack(parts, dim=-3)


def _root(x: Tensor, s: float, o: float) -> Tensor:
    if s < WHITE * o:
        return x / math.sqrt(o)
    join = _Join.of(math.sqrt(o) / s)
    y = x / s
    root = 2 * (y.clamp_min(join.signal) + join.offset).sqrt()
    return root + (y - join.signal).clamp_max(0) / join.steepness


def _unroot(z: Tensor, s: float, o: float) -> Tensor:
    import torch

    if s < WHITE * o:
        return z * math.sqrt(o)
    join, shift, step, bias = _unrooting(s, o)
    table = torch.as_tensor(bias, dtype=torch.float32, device=z.device)
    place = ((z + shift) / step).clamp(0, len(bias) - 1.001)
    low = place.floor().to(torch.int64)
    plain = z.clamp_min(join.root) ** 2 / 4 - join.offset + (z - join.root).clamp_max(0) * join.steepness
    return (plain + torch.lerp(table[low], table[low + 1], place - low)) * s


def _unrooting(s: float, o: float) -> tuple[_Join, float, float, NDArray[np.float64]]:
    """Return the join, and what is added to a transform and the step by which it is divided in the table."""
    join = _Join.of(math.sqrt(o) / s)
    # Four digits of the read noise name the bias well enough, and let planes share a table.
    named = _Join.of(float(f"{join.signal:.4g}"))
    first, step, bias = inverse_table(named.signal)
    return join, named.root - join.root - first, step, bias


@dataclass(frozen=True)
class _Join:
    """Where the root passes into its tangent, in electrons, for a read noise of ``signal`` electrons."""

    signal: float
    offset: float
    steepness: float
    root: float

    @classmethod
    def of(cls, sigma: float) -> _Join:
        offset = 0.375 + sigma**2
        steepness = math.sqrt(sigma + offset)
        return cls(signal=sigma, offset=offset, steepness=steepness, root=2 * steepness)

    def transform(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        root = 2 * np.sqrt(np.maximum(y, self.signal) + self.offset)
        return root + np.minimum(y - self.signal, 0) / self.steepness

    def algebraic_inverse(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        squares = np.maximum(z, self.root) ** 2 / 4 - self.offset
        return squares + np.minimum(z - self.root, 0) * self.steepness


@functools.lru_cache(maxsize=1024)
def inverse_table(sigma: float) -> tuple[float, float, NDArray[np.float64]]:
    """Return (first z, step of z, bias) for a read noise of ``sigma`` electrons.

    ``algebraic inverse(z) + bias(z)`` is the mean in electrons whose noisy pixels have the expected
    transform z. Means below zero are reached by the Gaussian part alone, as an offset of the black
    level would; where they are so low that every pixel lies on the tangent, the bias is zero.
    """
    join = _Join.of(sigma)
    lowest, top = -6 * sigma - 0.1, TABLE_TOP + 4 * sigma
    above = np.linspace(0, top**0.5, TABULATED_MEANS) ** 2
    means = np.concatenate([np.linspace(lowest, 0, TABULATED_MEANS // 4, endpoint=False), above])
    expected = expected_transform(means, sigma)
    # Interpolating the bias, which is nearly flat, and not the mean keeps the table small.
    nodes = np.linspace(expected[0], expected[-1], TABLE_SIZE)
    bias = np.interp(nodes, expected, means - join.algebraic_inverse(expected))
    return float(nodes[0]), float(nodes[1] - nodes[0]), bias


def expected_transform(means: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return the mean transform of y = Poisson(mean) + N(0, sigma^2), electrons, for ascending means [N].

    A mean below zero shifts the Gaussian part. The Poisson sums run over the counts that matter, those of
    neighbouring means over the same ones.
    """
    deviates = np.linspace(-6, 6, GAUSSIAN_NODES)
    density = np.exp(-(deviates**2) / 2)
    density /= density.sum()

    def blurred(y: NDArray[np.float64]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = _Join.of(sigma).transform(y[:, None] + sigma * deviates) @ density
        return values

    dark = np.searchsorted(means, 0.0)
    found = [blurred(means[:dark])]
    for begin in range(dark, len(means), MEANS_AT_ONCE):
        rates = means[begin : begin + MEANS_AT_ONCE, None]
        least, most = float(rates[0, 0]), float(rates[-1, 0])
        first, last = max(0, math.floor(least - _reach(least))), math.ceil(most + _reach(most))
        # Many counts are a smooth law, of which some say as much as all.
        step = max(1, math.floor(2 * _reach(least)) // POISSON_NODES)
        counts = np.arange(first, last + 1, step, dtype=np.float64)
        weights = step * np.exp(special.xlogy(counts, rates) - rates - special.gammaln(counts + 1))
        found.append(weights @ blurred(counts))
    return np.concatenate(found)


def _reach(rate: float) -> float:
    """Return how far from their mean Poisson counts still matter."""
    return 10 * math.sqrt(rate) + 12
