"""The exponential average of the weights, which denoises better than the last of them.

Polyak and Juditsky (1992) average the iterates; the weights decay as in Tarvainen and Valpola, NeurIPS 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """The average of a network's parameters and buffers over its steps, as if they were a network's.

    Parameters
    ----------
    network
        Where it begins.
    decay
        Share of the average before in the one after a step, once there were 10 / (1 - decay) steps: before
        that it is less, so that the first values are forgotten. 0 keeps the last weights.

    Attributes
    ----------
    values
        The state dict that it stands for; not copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.values: dict[str, Tensor] = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Take in the weights after step number ``step`` (from 1)."""
        weight = 1 - min(self._decay, step / (9 + step))
        state = network.state_dict()
        floating = [name for name, value in state.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.values[n] for n in floating], [state[n] for n in floating], weight)
        for name in state.keys() - set(floating):
            self.values[name].copy_(state[name])
