"""Training of Noise Flow by maximum likelihood on pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.noise.flow_network import FlowNetwork
from synthnoise.rng import Rng, Stream

_LEVELS = 32
"""Signal levels by which S and O are first guessed."""


@dataclass(frozen=True, kw_only=True)
class FlowTraining:
    """How long and in what portions a flow is trained.

    Attributes
    ----------
    steps, batch, patch
        Steps of Adam, patches in each, and their packed pixels each way.
    rate
        Learning rate at the start; falls to 0 along a cosine.
    seed
        Of the couplings' start and of the patches.
    """

    steps: int = 400
    batch: int = 32
    patch: int = 32
    rate: float = 5e-3
    seed: int = 0


def train_flow(clean: Tensor, noisy: Tensor, training: FlowTraining) -> FlowNetwork:
    """Return the flow that pairs float32 [N, C, H, W], linear, white = 1, are likeliest under.

    S and O start from the variance of the noise at each level of the signal, all else from white noise.

    Raises
    ------
    UsageError
        The pairs do not fit each other, or are smaller than a training patch.
    """
    if clean.shape != noisy.shape or clean.ndim != 4:
        raise UsageError(f"pairs of shapes {tuple(clean.shape)} and {tuple(noisy.shape)} are not pairs")
    if min(clean.shape[2:]) < training.patch or clean.shape[1] < 2:
        raise UsageError(
            f"pairs of {tuple(clean.shape[1:])} are too small to train a flow on",
            hint=f"two planes or more, of {training.patch} x {training.patch} packed pixels or more",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        network = FlowNetwork(clean.shape[1])
    network.set_levels(*noise_levels(clean, noisy))
    optimiser = torch.optim.Adam(network.parameters(), training.rate)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.steps)
    values = training.patch**2 * clean.shape[1]
    for step in range(training.steps):
        chosen = _patches(clean, noisy, training, step)
        loss = -network.log_likelihood(*chosen).mean() / values
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        plan.step()
    return network.eval()


def noise_levels(clean: Tensor, noisy: Tensor) -> tuple[list[float], list[float]]:
    """Return S and O of each plane: a line through the variances at 32 levels of the signal."""
    shots, reads = [], []
    for plane in range(clean.shape[1]):
        signal = clean[:, plane].flatten().double()
        noise = (noisy - clean)[:, plane].flatten().double()
        order = signal.argsort()
        levels = torch.stack([part.mean() for part in signal[order].chunk(_LEVELS)])
        variances = torch.stack([part.var() for part in noise[order].chunk(_LEVELS)])
        centred = levels - levels.mean()
        power = float(centred.square().sum())
        slope = float((centred * variances).sum()) / power if power > 0 else 0.0
        shots.append(max(slope, 1e-12))
        least = float(variances.min()) * 0.5
        reads.append(max(float(variances.mean() - slope * levels.mean()), least, 1e-18))
    return shots, reads


def _patches(clean: Tensor, noisy: Tensor, training: FlowTraining, step: int) -> tuple[Tensor, Tensor]:
    """Return the patches of one step, [B, C, p, p] each."""
    size = training.patch
    shares = Rng(training.seed, torch.tensor([step])).uniform(Stream.CROP, (training.batch, 3))[0]
    room = torch.tensor([clean.shape[0], clean.shape[2] - size + 1, clean.shape[3] - size + 1])
    places = (shares * room).long().tolist()
    first, second = (
        torch.stack([whole[n, :, y : y + size, x : x + size] for n, y, x in places])
        for whole in (clean, noisy)
    )
    return first, second
