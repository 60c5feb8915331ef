"""The layers of Noise Flow, their inverses, and the logarithms of their Jacobian determinants."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from synthnoise.errors import InputError
from synthnoise.files import atomic_write, existing_file

WIDTH = 4
"""Features of the coupling networks."""

STEPS = 4
"""Pairs of 1x1 convolution and coupling, before and after the gain layer each."""

_FORMAT = "synthnoise-noise-flow-1"
_LEAST = 1e-20


class Coupling(nn.Module):
    """Scales and shifts one half of the planes by what a small network makes of the other half."""

    def __init__(self, planes: int, width: int) -> None:
        super().__init__()
        self.kept = planes // 2
        self.network = nn.Sequential(
            nn.Conv2d(self.kept, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * (planes - self.kept), 3, padding=1),
        )
        nn.init.zeros_(self.network[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.network[-1].bias)  # type: ignore[arg-type]
        self.bound = nn.Parameter(torch.tensor(0.5))

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values [B, C, H, W] nearer to white noise, and the log-determinant [B]."""
        kept, moved = values[:, : self.kept], values[:, self.kept :]
        log_scale, shift = self._affine(kept)
        return torch.cat((kept, moved * log_scale.exp() + shift), 1), log_scale.flatten(1).sum(1)

    def inverse(self, values: Tensor) -> Tensor:
        """Return the values that :meth:`forward` came from."""
        kept, moved = values[:, : self.kept], values[:, self.kept :]
        log_scale, shift = self._affine(kept)
        return torch.cat((kept, (moved - shift) * (-log_scale).exp()), 1)

    def _affine(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.network(kept).chunk(2, 1)
        return self.bound * torch.tanh(raw), shift


class Mixing(nn.Module):
    """An invertible 1x1 convolution: the planes of each pixel times a matrix."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        # Reversing lets every plane be moved by the couplings in turn.
        self.matrix = nn.Parameter(torch.eye(planes).flip(0))

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mixed values, and the log-determinant [B]."""
        volume = torch.linalg.slogdet(self.matrix).logabsdet * values.shape[2] * values.shape[3]
        return torch.einsum("ij,bjhw->bihw", self.matrix, values), volume.expand(len(values))

    def inverse(self, values: Tensor) -> Tensor:
        """Return the values that :meth:`forward` came from."""
        return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self.matrix), values)


class Gain(nn.Module):
    """One factor for each plane."""

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros(planes, 1, 1))

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scaled values, and the log-determinant [B]."""
        volume = self.log_gain.sum() * values.shape[2] * values.shape[3]
        return values * self.log_gain.exp(), volume.expand(len(values))

    def inverse(self, values: Tensor) -> Tensor:
        """Return the values that :meth:`forward` came from."""
        return values * (-self.log_gain).exp()


class FlowNetwork(nn.Module):
    """From noise to white normal noise: signal layer, steps, gain, steps; and back.

    Parameters
    ----------
    planes
        CFA planes, 2 or more.
    """

    def __init__(self, planes: int, width: int = WIDTH, steps: int = STEPS) -> None:
        super().__init__()
        self.planes, self.width, self.steps = planes, width, steps
        self.log_shot = nn.Parameter(torch.zeros(planes, 1, 1))
        self.log_read = nn.Parameter(torch.zeros(planes, 1, 1))
        layers: list[nn.Module] = []
        for half in range(2):
            for _ in range(steps):
                layers += [Mixing(planes), Coupling(planes, width)]
            layers += [Gain(planes)] if half == 0 else []
        self.layers = nn.ModuleList(layers)

    @property
    def halo(self) -> int:
        """Pixels by which one value reaches others: two per coupling."""
        return 2 * sum(isinstance(layer, Coupling) for layer in self.layers)

    def set_levels(self, shot: Sequence[float], read: Sequence[float]) -> None:
        """Set S and O of each plane, normalised so that white is 1."""
        with torch.no_grad():
            for parameter, values in ((self.log_shot, shot), (self.log_read, read)):
                parameter[:, 0, 0] = torch.tensor([math.log(max(v, _LEAST)) for v in values])

    def is_identity(self) -> bool:
        """Return whether the layers after the first are as they were before training."""
        fresh = FlowNetwork(self.planes, self.width, self.steps)
        return all(
            torch.equal(own, new)
            for (name, own), new in zip(
                self.layers.state_dict().items(), fresh.layers.state_dict().values(), strict=True
            )
            if name.endswith(("matrix", "log_gain", "network.4.weight", "network.4.bias"))
            for own in [own.to(new)]
        )

    def signal_scale(self, clean: Tensor) -> Tensor:
        """Return √(S x + O), [B, C, H, W]; of O alone below black."""
        return (clean.clamp(min=0) * self.log_shot.exp() + self.log_read.exp()).sqrt()

    def whiten(self, clean: Tensor, noisy: Tensor) -> tuple[Tensor, Tensor]:
        """Return the white noise [B, C, H, W] behind noisy planes, and the log-determinant [B]."""
        scale = self.signal_scale(clean)
        values, volume = (noisy - clean) / scale, -scale.log().flatten(1).sum(1)
        for layer in self.layers:
            values, change = layer(values)
            volume = volume + change
        return values, volume

    def generate(self, white: Tensor) -> Tensor:
        """Return the field that white noise [B, C, H, W] becomes, before the signal scales it."""
        for layer in reversed(self.layers):
            white = layer.inverse(white)  # type: ignore[operator]
        return white

    def log_likelihood(self, clean: Tensor, noisy: Tensor) -> Tensor:
        """Return the log density of noisy planes [B, C, H, W] given clean ones, nats, [B].

        Change of variables: log N(z; 0, 1) + log |det dz/dy|.
        """
        white, volume = self.whiten(clean, noisy)
        normal = -0.5 * (white.square() + math.log(2 * math.pi))
        return normal.flatten(1).sum(1) + volume


def save_flow(path: Path | str, network: FlowNetwork, *, overwrite: bool = False) -> None:
    """Write a flow as a safetensors file.

    Raises
    ------
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    """
    from safetensors.torch import save

    shape = {"planes": network.planes, "width": network.width, "steps": network.steps}
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(save(tensors, metadata={"format": _FORMAT, "shape": json.dumps(shape)}))


def load_flow(path: Path | str) -> FlowNetwork:
    """Return the flow of a file.

    Raises
    ------
    InputError
        The file is missing, or holds no flow.
    """
    from safetensors import SafetensorError, safe_open

    existing_file(path)
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise InputError(f"{path}: not a noise flow", hint="save_flow writes them")
            network = FlowNetwork(**json.loads(metadata["shape"]))
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a noise flow: {error}") from error
    return network
