"""The processes that train one network together, a device each, on Lightning Fabric.

A batch is shared out: every process draws its part of the numbered pairs, and gradients are averaged. So
which pairs a step sees depends on the seed and the step alone, not on how many processes there are.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision
from torch import Tensor, nn

from synthnoise.errors import UsageError
from synthnoise.training.plan import PrecisionName


class _MixedPrecision(MixedPrecision):
    """Half precision inside the network only: a level of 600 whose noise is 1 needs all its digits."""

    def convert_input(self, data: Any) -> Any:
        """Return the network's input as it is."""
        return data


class Ranks:
    """This process among those of the run, and its device.

    Parameters
    ----------
    device
        What to train on.
    devices
        How many of them: as many processes are started, unless torchrun has.
    precision
        ``"32"``, or mixed: convolutions in bfloat16 or float16, weights and their averages in float32.

    Attributes
    ----------
    rank, count
        Number of this process, and of all.
    device
        Its device.

    Raises
    ------
    UsageError
        There are not so many devices, or they do not know the precision.
    """

    def __init__(self, device: torch.device, devices: int = 1, precision: PrecisionName = "32") -> None:
        local, nodes = _share_of_torchrun(devices)
        _check(device, local, precision)
        mixed = None if precision == "32" else _MixedPrecision(precision, device=device.type)
        with _quiet():
            self._fabric = Fabric(
                accelerator=device.type,
                devices=local if device.index is None else [device.index],
                num_nodes=nodes,
                strategy="ddp" if local * nodes > 1 else "auto",
                precision="32-true" if mixed is None else None,
                plugins=mixed,
            )
            self._fabric.launch()
        self._mixed = mixed
        self.rank, self.count = self._fabric.global_rank, self._fabric.world_size
        self.device: torch.device = self._fabric.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, first: int, count: int) -> tuple[int, int]:
        """Return the first number and how many there are of this process's part of a batch.

        Raises
        ------
        UsageError
            The batch cannot be shared out evenly.
        """
        part, left = divmod(count, self.count)
        if left or not part:
            raise UsageError(
                f"a batch of {count} pairs cannot be shared by {self.count} devices",
                hint=f"--batch {max(1, -(-count // self.count)) * self.count}",
            )
        return first + self.rank * part, part

    def setup(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[nn.Module, Any]:
        """Return the network, on the device, and the optimiser as they are to be called in training."""
        module, wrapped = self._fabric.setup(network, optimiser)
        return module, wrapped

    def seed(self, seed: int, step: int) -> None:
        """Begin torch's generators, from which layers such as dropout draw, for a step of this process."""
        number = (seed * 1_000_003 + step * self.count + self.rank) % (1 << 63)
        torch.default_generator.manual_seed(number)
        if self.device.type != "cpu":
            torch.get_device_module(self.device).manual_seed(number)

    def backward(self, loss: Tensor) -> None:
        """Add up gradients, averaged over all processes."""
        self._fabric.backward(loss)

    def limit_gradient(self, network: nn.Module, optimiser: Any, greatest: float) -> float:
        """Scale the gradient down to a norm of ``greatest`` if it has more; return what it had."""
        norm = self._fabric.clip_gradients(network, optimiser, max_norm=greatest, error_if_nonfinite=False)
        assert norm is not None
        return float(norm)

    def gather(self, *values: float) -> list[list[float]]:
        """Return the values of every process, in order of their ranks."""
        if self.count == 1:
            return [list(values)]
        table = torch.zeros(self.count, len(values), dtype=torch.float64, device=self.device)
        table[self.rank] = torch.tensor(values, dtype=torch.float64)
        # Rows of zeros leave those of others what they are.
        summed = self._fabric.all_reduce(table, reduce_op="sum")
        assert isinstance(summed, Tensor)
        # At once: to ask a GPU for one number takes as long as for all.
        rows: list[list[float]] = summed.tolist()
        return rows

    def wait(self) -> None:
        """Return when all processes have come here."""
        self._fabric.barrier()

    @property
    def scaler(self) -> dict[str, float]:
        """What scales the loss in float16, numbers by name; empty elsewhere."""
        return dict(self._mixed.state_dict()) if self._mixed else {}

    @scaler.setter
    def scaler(self, values: dict[str, float]) -> None:
        if self._mixed and values:
            self._mixed.load_state_dict(values)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Fabric from reporting that processes start, or that there is a GPU which was not chosen."""
    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module=r"lightning_fabric\..*")
            yield
    finally:
        logger.setLevel(level)


def is_first_process() -> bool:
    """Return whether this process speaks for the run, by what torchrun or the process before it set."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def _share_of_torchrun(devices: int) -> tuple[int, int]:
    """Return how many processes on how many machines torchrun has started, or ``devices`` on one."""
    if not torch.distributed.is_available() or not torch.distributed.is_torchelastic_launched():
        return devices, 1
    local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    if devices not in (1, local):
        raise UsageError(
            f"--devices {devices}, but torchrun has started {local} processes", hint="leave out --devices"
        )
    return local, world // local


def _check(device: torch.device, devices: int, precision: str) -> None:
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device.type, os.cpu_count() or 1)
    if device.index is not None and devices > 1:
        raise UsageError(f"--device {device} is one, not {devices}", hint=f"--device {device.type}")
    if not 1 <= devices <= max(there, 2 if device.type == "cpu" else 1):
        raise UsageError(
            f"{devices} devices of the kind {device.type}, there are {there}", hint="--devices 1"
        )
    if precision != "32" and device.type == "mps":
        raise UsageError(f"--precision {precision} is not for {device.type}", hint="--precision 32")
