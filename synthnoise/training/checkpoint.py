"""The state of a run between two steps: enough to go on as if it had never stopped.

One safetensors file, written in one atomic step: tensors of the network and of the optimiser, and
JSON with the step, the time spent and the plan. Nothing in it is code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from synthnoise.denoisers.tensor_files import read_header, read_tensors
from synthnoise.errors import InputError, UsageError
from synthnoise.files import existing_file, write_bytes
from synthnoise.training.average import Average
from synthnoise.training.plan import difference

KEY = "synthnoise-training"
SCHEMA = 2
_NETWORK, _AVERAGE, _OPTIMISER = "network.", "average.", "optimiser."


@dataclass
class RunState:
    """Where a run stands.

    Attributes
    ----------
    step
        Steps done.
    seconds
        Wall clock spent, of all sittings together.
    loss_sum, loss_count
        Losses since the last line of the log.
    rows
        Lines of the log so far.
    gradient
        Usual norm of the gradient.
    overflows
        Steps since the gradient was last finite.
    scaler
        Of the loss in float16: its numbers by name.
    best_psnr
        Of all lines of the log, dB.
    least_sigma, greatest_sigma
        Range of noise levels seen, in the unit of the network's input.
    """

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    rows: int = 0
    gradient: float = 0.0
    least_sigma: float = sys.float_info.max
    greatest_sigma: float = 0.0
    overflows: int = 0
    best_psnr: float = 0.0
    scaler: dict[str, float] = field(default_factory=dict)


def checkpoint_path(output: Path) -> Path:
    """Return where the state of a run that will write ``output`` is kept."""
    return output.with_name(output.name + ".checkpoint")


def copy_tensors(network: nn.Module, average: Average, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return copies on the CPU of all that a step changes."""
    tensors = {_NETWORK + name: value for name, value in network.state_dict().items()}
    tensors |= {_AVERAGE + name: value for name, value in average.values.items()}
    for number, values in optimiser.state_dict()["state"].items():
        tensors |= {f"{_OPTIMISER}{number}.{name}": value for name, value in values.items()}
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}


def restore_tensors(
    tensors: dict[str, Tensor], network: nn.Module, average: Average, optimiser: torch.optim.Optimizer
) -> None:
    """Put back what :func:`copy_tensors` took.

    Raises
    ------
    RuntimeError, KeyError
        The network is another one.
    """
    network.load_state_dict(
        {name.removeprefix(_NETWORK): v for name, v in tensors.items() if name.startswith(_NETWORK)}
    )
    for name, value in average.values.items():
        value.copy_(tensors[_AVERAGE + name])
    parameters = dict(enumerate(p for group in optimiser.param_groups for p in group["params"]))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(_OPTIMISER):
            number, _, key = name.removeprefix(_OPTIMISER).partition(".")
            like = parameters[int(number)]
            # Optimisers take all parameters at once where what belongs to one lies in memory as it does.
            laid = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            state.setdefault(int(number), {})[key] = laid
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def write_checkpoint(path: Path, tensors: dict[str, Tensor], state: RunState, plan: dict[str, Any]) -> None:
    """Replace the checkpoint by the given state.

    Raises
    ------
    SynthnoiseError
        The folder cannot be written, or the disk is full; the checkpoint before is kept.
    """
    record = json.dumps({"schema": SCHEMA, "state": vars(state), "plan": plan})
    write_bytes(path, save(tensors, {KEY: record}), overwrite=True)


def read_checkpoint(path: Path, plan: dict[str, Any]) -> tuple[dict[str, Tensor], RunState]:
    """Return the tensors and the state of a run with the same plan.

    Raises
    ------
    InputError
        There is no checkpoint, or it is damaged.
    UsageError
        It belongs to a run with another plan; the message names what differs.
    """
    if not path.exists():
        raise InputError(f"{path}: there is nothing to resume", hint="leave out --resume to start")
    tensors, metadata = read_tensors(existing_file(path))
    state, before = _parsed(path, metadata)
    if (differs := difference(before, plan)) is not None:
        raise UsageError(
            f"{path}: was begun with {differs}",
            hint="resume with the same arguments, or start again with --overwrite",
        )
    return tensors, state


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """Return what the state of a run says of itself, JSON values by name, without its tensors.

    Raises
    ------
    InputError
        It is none, or damaged.
    """
    state, plan = _parsed(path, read_header(path))
    said = {name: value for name, value in plan.items() if value not in (None, "", {})}
    return {"step": state.step, "seconds": state.seconds, "best_psnr": state.best_psnr or None, "plan": said}


def _parsed(path: Path, metadata: Mapping[str, str]) -> tuple[RunState, dict[str, Any]]:
    """Return state and plan of a checkpoint."""
    try:
        record = json.loads(metadata[KEY])
        if record["schema"] != SCHEMA:
            raise ValueError("of another version")
        state, plan = RunState(**record["state"]), dict(record["plan"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not a checkpoint of synthnoise train",
            hint="it is damaged, or of another version: train anew, with --overwrite",
        ) from error
    return state, plan
