"""The network that learns: what one step does to its weights."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from synthnoise.denoisers.convolutions import Centred
from synthnoise.errors import PluginError, UsageError
from synthnoise.training.average import Average
from synthnoise.training.checkpoint import RunState, copy_tensors, restore_tensors
from synthnoise.training.examples import Example
from synthnoise.training.losses import LOSSES
from synthnoise.training.optimisers import build_optimiser
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.ranks import Ranks

GRADIENT_LIMIT, GRADIENT_MEMORY = 2.0, 100
"""Largest norm of a gradient, in its usual norm, and how many steps make that."""


class Learner:
    """A network, its optimiser and the average of its weights.

    Attributes
    ----------
    network
        On the device; its parameters are float32 in any precision.
    parameters
        Numbers that it learns.

    Raises
    ------
    UsageError
        It has nothing to learn, or the precision is too low for what it is shown.
    """

    def __init__(self, network: nn.Module, plan: TrainingPlan, ranks: Ranks, *, stabilised: bool) -> None:
        network = network.to(ranks.device)
        learnt = [p for p in network.parameters() if p.requires_grad]
        if not learnt:
            raise UsageError(
                f"{plan.denoiser} has nothing to train", hint="choose a network: synthnoise models"
            )
        if (
            plan.precision != "32"
            and stabilised
            and not any(isinstance(m, Centred) for m in network.modules())
        ):
            raise UsageError(
                f"--precision {plan.precision} would round the noise of RAW away in this {plan.denoiser}",
                hint="a centred network (-o centred=true where there is such an option), or --precision 32",
            )
        self.network = network
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parameters = sum(p.numel() for p in learnt)
        self._ranks, self._plan = ranks, plan
        self._optimiser = build_optimiser(plan.optimiser, learnt, plan.lr)
        self._module, self._stepper = ranks.setup(self.network, self._optimiser)
        self._average = Average(self.network, plan.average)

    def look(self, example: Example, state: RunState) -> float:
        """Find the gradient of a batch's loss, limit it, and return the loss; ``state`` learns its norm."""
        self._optimiser.zero_grad(set_to_none=True)
        noisy = example.noisy.contiguous(memory_format=torch.channels_last)
        loss = LOSSES[self._plan.loss].measure(self._module(noisy, example.sigma), example)
        self._ranks.backward(loss)
        self._limit_gradient(state)
        return loss.item()

    def step(self, rate: float, state: RunState) -> None:
        """Move the weights along the gradient that :meth:`look` found, and the average after them."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._stepper.step()
        state.step += 1
        self._average.follow(self.network, state.step)

    def _limit_gradient(self, state: RunState) -> None:
        """Cut a gradient much larger than usual to twice that (Pascanu, Mikolov, Bengio, ICML 2013)."""
        limit = GRADIENT_LIMIT * state.gradient
        norm = self._ranks.limit_gradient(self._module, self._stepper, limit or math.inf)
        state.overflows = 0 if math.isfinite(norm) else state.overflows + 1
        if math.isfinite(norm):
            state.gradient += (min(norm, limit or norm) - state.gradient) / min(
                state.step + 1, GRADIENT_MEMORY
            )

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return float(self._optimiser.param_groups[0]["lr"])

    def averaged(self) -> nn.Module:
        """Return a copy of the network with the average of the weights, ready to denoise."""
        network: nn.Module = copy.deepcopy(self.network)
        network.load_state_dict(self._average.values)
        return network.eval()

    def tensors(self) -> dict[str, Tensor]:
        """Return copies on the CPU of all that a step changes."""
        return copy_tensors(self.network, self._average, self._optimiser)

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what :meth:`tensors` took.

        Raises
        ------
        RuntimeError, KeyError, ValueError
            They are of another network.
        """
        restore_tensors(tensors, self.network, self._average, self._optimiser)


@torch.no_grad()
def check_network(name: str, network: nn.Module, channels: int, crop: int, multiple_of: int) -> None:
    """Refuse, before anything is learnt, a network that does not give what it takes, at two sizes.

    An output of fewer planes would fit the target by repetition, and be trained to nonsense.

    Parameters
    ----------
    network
        On the CPU, where its reach will be measured.
    channels
        Planes that it is shown.
    crop, multiple_of
        Height and width in pixels, and what they are multiples of.

    Raises
    ------
    PluginError
        It fails, or gives something else than images of the size it was shown.
    """
    hint = "its record, or an attribute of the network, says the domain, channels and multiple_of it is for"
    learns = network.training
    network.eval()
    for width in (crop, crop + multiple_of):
        noisy = torch.zeros(1, channels, crop, width)
        try:
            # Reports are about a copy, which holds the average.
            found = copy.deepcopy(network)(noisy, torch.ones_like(noisy[:, :1]))
        except Exception as error:
            raise PluginError(
                f"{name}: fails on {channels} planes of {crop}x{width} pixels: {error}", hint=hint
            ) from error
        gives = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        if gives != tuple(noisy.shape):
            raise PluginError(f"{name}: gives {gives} for images {tuple(noisy.shape)}", hint=hint)
    network.train(learns)
