"""Noise Flow: a normalising flow of RAW noise given the signal, learned from pairs.

A. Abdelhamed, M. A. Brubaker, M. S. Brown, "Noise Flow: noise modeling with conditional normalizing flows",
ICCV 2019: a signal-dependent layer, steps of 1x1 convolution and affine coupling, a gain layer, steps again.
One camera and ISO per network here, so the gain layer holds one number per plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.noise import poisson_gaussian
from synthnoise.noise.flow_network import FlowNetwork, load_flow
from synthnoise.noise.flow_training import FlowTraining, train_flow
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile

_PROBE = 192
"""Rows and columns of the sample that tells mean and variance of a network's noise."""

_PROBE_SEED = 20190


@dataclass(frozen=True, kw_only=True)
class Options:
    """A trained network, or else S and O of the flow before any training."""

    weights: str = field(
        default="", metadata={"help": "safetensors file of a flow that NoiseFlow.calibrate has trained"}
    )
    shot: float | None = field(
        default=None,
        metadata={
            "help": "without weights, S: variance per unit of signal",
            "unit": "white = 1",
            "range": (0, math.inf),
        },
    )
    read: float | None = field(
        default=None,
        metadata={
            "help": "without weights, O: variance in the dark",
            "unit": "(white = 1)^2",
            "range": (0, math.inf),
        },
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameters:
    """A flow, and the moments of the field it makes before the signal scales it.

    Attributes
    ----------
    network
        The flow.
    mean, variance
        float32 [C, 1, 1], dimensionless: 0 and 1 of an untrained flow.
    """

    network: FlowNetwork
    mean: Tensor
    variance: Tensor


class NoiseFlow:
    """y = x + √(S x + O) v, with v the field that the flow makes of white normal noise.

    Untrained, v is white and the model is the heteroscedastic one. Trained, v has the moments of the
    pairs, what planes share at one pixel and its neighbours, and heavier or lighter tails. It has no rows,
    and little correlation within a plane: couplings see neighbours in other planes alone. A crop of the
    whole equals the crop to rounding; nothing is clipped.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Parameters:
        """Return the trained flow of the options, or an untrained one of a profile's S and O.

        Raises
        ------
        UsageError
            Neither says how strong the noise is.
        InputError
            The weights cannot be read.
        """
        if self.options.weights:
            return _probed(load_flow(self.options.weights))
        plain = poisson_gaussian.Options(shot=self.options.shot, read=self.options.read)
        known = poisson_gaussian.PoissonGaussian(plain).parameters(profile, iso)
        planes = 4 if len(known.shot) == 1 else len(known.shot)
        network = FlowNetwork(planes)
        network.set_levels(
            *(values * planes if len(values) == 1 else values for values in (known.shot, known.read))
        )
        return _probed(network)

    def calibrate(self, clean: Tensor, noisy: Tensor, training: FlowTraining | None = None) -> Parameters:
        """Return the parameters of a flow trained on pairs float32 [N, C, H, W], linear, white = 1.

        Raises
        ------
        UsageError
            The pairs do not fit each other, or are smaller than a training patch.
        """
        return _probed(train_flow(clean, noisy, training or FlowTraining()))

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1.

        Raises
        ------
        UsageError
            The flow is of another number of planes.
        """
        network = parameters.network.to(clean.device)
        _check_planes(network, clean)
        with torch.no_grad():
            noise = _field(network, rng, (clean.shape[2], clean.shape[3]))
            return noise.mul_(network.signal_scale(clean)).add_(clean)

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return (S x + O) Var(v), [B, C, H, W]; Var(v) of a trained flow from a sample, to 1 %."""
        _check_planes(parameters.network, clean)
        with torch.no_grad():
            scale = parameters.network.to(clean.device).signal_scale(clean)
        return scale.square_().mul_(parameters.variance.to(clean.device))

    def log_likelihood(self, clean: Tensor, noisy: Tensor, parameters: Parameters) -> Tensor:
        """Return the log density of noisy planes given clean ones, nats, [B]; images are whole, not crops.

        Raises
        ------
        UsageError
            The flow is of another number of planes.
        """
        _check_planes(parameters.network, clean)
        with torch.no_grad():
            return parameters.network.to(clean.device).log_likelihood(clean, noisy)


def _field(network: FlowNetwork, rng: Rng, size: tuple[int, int]) -> Tensor:
    """Return v float32 [B, C, H, W] at ``rng.origin``; white noise beyond the borders is drawn along."""
    halo = network.halo
    wider = (network.planes, size[0] + 2 * halo, size[1] + 2 * halo)
    white = rng.cropped(-halo, -halo).normal(Stream.READ_NOISE, wider)
    return network.generate(white)[:, :, halo : halo + size[0], halo : halo + size[1]].contiguous()


def _probed(network: FlowNetwork) -> Parameters:
    """Return a flow with the moments of its field."""
    network = network.eval().requires_grad_(False)
    if network.is_identity():
        ones = torch.ones(network.planes, 1, 1)
        return Parameters(network=network, mean=torch.zeros_like(ones), variance=ones)
    field = _field(network, Rng(_PROBE_SEED, torch.arange(4)), (_PROBE, _PROBE)).double()
    flat = field.transpose(0, 1).flatten(1)
    mean, variance = flat.mean(1).float(), flat.var(1).float()
    return Parameters(network=network, mean=mean.view(-1, 1, 1), variance=variance.view(-1, 1, 1))


def _check_planes(network: FlowNetwork, clean: Tensor) -> None:
    if clean.shape[1] != network.planes:
        raise UsageError(
            f"a flow of {network.planes} planes cannot go on {clean.shape[1]}",
            hint="images must have the planes of the pairs it was trained on",
        )
