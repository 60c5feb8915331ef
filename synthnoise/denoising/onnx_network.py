"""Networks on onnxruntime, and the trial that every engine and device has to pass before it is trusted.

On a CPU onnxruntime takes about half of torch's time for the networks here (``benchmarks/networks.py``).
Drivers of accelerators rather compute something wrong than fail, so none is believed before a small image has
come out of it as out of the CPU.
"""

from __future__ import annotations

import copy
import functools
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from synthnoise.denoising.graph_cache import Graph
from synthnoise.devices import full_precision, split_device
from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.files import printable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Array = NDArray[np.float32]

CPU = "CPUExecutionProvider"
PROVIDERS = {
    "cuda": ("CUDAExecutionProvider", "ROCMExecutionProvider"),
    "mps": ("CoreMLExecutionProvider",),
    "auto": (
        "CUDAExecutionProvider",
        "ROCMExecutionProvider",
        "DmlExecutionProvider",
        "CoreMLExecutionProvider",
    ),
    "cpu": (),
}
"""What onnxruntime calls the devices, best first."""
OPTIONS = {"CUDAExecutionProvider": {"use_tf32": "0"}}
"""Of those that would read ten bits of each number, too few for a stabilised level."""
_NUMBERED = ("CUDAExecutionProvider", "ROCMExecutionProvider", "DmlExecutionProvider")
"""Those that are told which of several devices."""

ACCELERATOR_TOLERANCE = 1e-2
"""Largest difference from the CPU that an accelerator is forgiven, in the unit of the network's input: half
precision inside is, rainbows are not."""
CPU_TOLERANCE = 1e-3
"""The same between torch and onnxruntime on one CPU."""

ProviderOptions = Mapping[str, str]
SessionFactory = Callable[[bytes | Path, str, ProviderOptions], Any]
"""Opens a model on one execution provider, which is told its options."""


def providers_of(device: str, available: Sequence[str]) -> list[tuple[str, ProviderOptions]]:
    """Return the execution providers of a device, best first, and what each of them is told.

    Parameters
    ----------
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``, or one of several: ``cuda:1``.
    available
        Names of the execution providers that this onnxruntime has.

    Raises
    ------
    UsageError
        There is no such kind of device, or no execution provider for one that is asked for by name.
    """
    kind, number = split_device(device)
    found: list[tuple[str, ProviderOptions]] = []
    for name in PROVIDERS[kind]:
        if name in available:
            place = {"device_id": str(number)} if number is not None and name in _NUMBERED else {}
            found.append((name, {**OPTIONS.get(name, {}), **place}))
    if not found and kind not in ("auto", "cpu"):
        raise UsageError(
            f"--device {device}: this onnxruntime has no provider for it",
            hint="install the onnxruntime that has, or give the weights instead of the ONNX file",
        )
    return found


def open_session(model: bytes | Path, provider: str, told: ProviderOptions | None = None) -> Any:
    """Return an onnxruntime session on as many threads as torch would use.

    Parameters
    ----------
    model
        An ONNX file, or its content.
    provider, told
        Execution provider, and its options.

    Raises
    ------
    InputError
        onnxruntime cannot load the model.
    SynthnoiseError
        It has the provider, but cannot start it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = thread_count()
    options.inter_op_num_threads = 1
    # A plan of the memory is kept for every size of tile: half as much again, and no faster.
    options.enable_mem_pattern = False
    if _exact_arena():
        options.add_session_config_entry("session.use_env_allocators", "1")
    # Threads that wait by spinning would take the time of torch's between two tiles.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # Where a provider fails, onnxruntime would print so on stdout, amid our results, and take the CPU.
        session = onnxruntime.InferenceSession(
            model, options, providers=[(provider, dict(told or {}))], enable_fallback=0
        )
    except Exception as error:  # onnxruntime raises classes of its own, without a common ancestor
        reason = reason_of(error)
        if provider != CPU:
            raise SynthnoiseError(f"onnxruntime cannot start it here: {reason}") from error
        name = "the network" if isinstance(model, bytes) else model
        hint = "fetch or export it again, or update onnxruntime"
        raise InputError(f"{name}: not an ONNX file that onnxruntime runs: {reason}", hint=hint) from error
    if provider not in session.get_providers():  # the CPU has taken its place without a word
        raise SynthnoiseError("onnxruntime cannot start it here: its driver or libraries are missing")
    return session


def reason_of(error: Exception) -> str:
    """Return what an error of a driver says, in one line; its name where it says nothing."""
    lines = str(error).splitlines()
    return printable(lines[0]) if lines else type(error).__name__


def thread_count() -> int:
    """Return the threads that torch would use; 0, one per core, where it is not loaded and nobody says."""
    if "torch" in sys.modules:
        return int(sys.modules["torch"].get_num_threads())
    try:
        return max(int(os.environ.get("OMP_NUM_THREADS", "0")), 0)
    except ValueError:  # a list, for threads of threads
        return 0


@functools.cache
def _exact_arena() -> bool:
    """Have onnxruntime take the memory that features need, where it would take the next power of two."""
    import onnxruntime

    kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    exact = onnxruntime.OrtArenaCfg({"arena_extend_strategy": 1})
    try:
        onnxruntime.create_and_register_allocator(onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use), exact)
    except RuntimeError:  # there is one for this process
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A small image that a network is tried on: a ramp of ten sigma, and white noise.

    Attributes
    ----------
    channels
        Image planes.
    sigma
        Noise level, in the unit of the network's input.
    multiple_of
        What height and width are a multiple of.
    """

    channels: int
    sigma: float
    multiple_of: int

    def planes(self) -> Array:
        """Return the image, float32 [1, C, H, W]."""
        height, width = (-(-edge // self.multiple_of) * self.multiple_of for edge in (48, 64))
        ramp = np.broadcast_to(np.linspace(0, 10, width, dtype=np.float32), (1, self.channels, height, width))
        noise = np.random.default_rng(0).standard_normal(ramp.shape, dtype=np.float32)
        noisy: Array = np.float32(self.sigma) * (ramp + noise)
        return noisy

    def run(self, network: nn.Module | OnnxNetwork, device: torch.device | str = "cpu") -> Array:
        """Return what a network on ``device`` makes of it, float32 [1, C, H, W]."""
        noisy = self.planes()
        sigma = np.full_like(noisy[:, :1], self.sigma)
        if isinstance(network, OnnxNetwork):
            return network.run(noisy, sigma)
        import torch

        with torch.inference_mode(), full_precision():
            result = network(torch.from_numpy(noisy).to(device), torch.from_numpy(sigma).to(device))
        return cast(Array, result.cpu().numpy())


class OnnxNetwork:
    """An onnxruntime session as a network.

    Attributes
    ----------
    metadata
        What the model says of itself, text by key.
    size
        (height, width) that the model is fixed to, None where it takes any.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self._inputs = {item.name: item.shape for item in session.get_inputs()}
        edges = self._inputs.get("noisy", ())[2:]
        fixed = len(edges) == 2 and all(isinstance(edge, int) for edge in edges)
        self.size: tuple[int, int] | None = (edges[0], edges[1]) if fixed else None
        self._last = 0

    def __call__(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised image, float32 [B, C, H, W], for a noise level map [B, 1 or C, H, W]."""
        import torch

        return torch.from_numpy(self.run(noisy.cpu().numpy(), sigma.cpu().numpy()))

    def run(self, noisy: Array, sigma: Array) -> Array:
        """Return the same for arrays.

        Raises
        ------
        SynthnoiseError
            onnxruntime fails: the model takes something else, or memory or driver give out. Or the model
            gives another shape.
        """
        feed = {"noisy": noisy}
        if "sigma" in self._inputs:
            planes = self._inputs["sigma"][1]
            if planes == 1 and sigma.shape[1] > 1:
                sigma = np.sqrt(np.square(sigma).mean(1, keepdims=True))
            elif planes != sigma.shape[1]:
                sigma = np.broadcast_to(sigma, (len(sigma), planes, *sigma.shape[2:]))
            feed["sigma"] = sigma
        arrays = {name: np.ascontiguousarray(x, dtype=np.float32) for name, x in feed.items()}
        # Memory that was laid out for larger images is no longer needed.
        options = _emptying() if noisy.size < self._last else None
        self._last = noisy.size
        try:
            denoised: Array = self._session.run(None, arrays, options)[0]
        except Exception as error:  # onnxruntime raises classes of its own, without a common ancestor
            raise SynthnoiseError(
                f"onnxruntime does not run the network: {reason_of(error)}",
                hint="a smaller --tile takes less memory",
            ) from error
        if denoised.shape != noisy.shape:
            raise SynthnoiseError(f"the network gives an image of shape {denoised.shape} for {noisy.shape}")
        return denoised


def _emptying() -> Any:
    """Return options of a run that gives all memory for features back to the system when it is done."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def on_onnxruntime(
    network: nn.Module, sigma_planes: int, trial: Trial
) -> tuple[nn.Module | OnnxNetwork, Graph | None, str | None]:
    """Return a network of torch on onnxruntime's CPU provider and its graph, or itself and why not.

    The graph is built in memory, in a fifth of a second.

    Parameters
    ----------
    network
        On the CPU, told the noise level by ``sigma_planes`` planes.
    trial
        What it is tried on.
    """
    from synthnoise.denoisers.onnx_graph import GraphOptions, onnx_model

    missing = [name for name in ("onnx", "onnxruntime") if util.find_spec(name) is None]
    if missing:
        return network, None, f"on torch, slower, as {missing[0]} is missing: pip install 'synthnoise[onnx]'"
    try:
        model = onnx_model(
            network,
            channels=trial.channels,
            sigma_planes=sigma_planes,
            options=GraphOptions(blocked=True, step=trial.multiple_of),
        )
        graph = Graph(model.SerializeToString(), trial.run(network))
        found = OnnxNetwork(open_session(graph.model, CPU))
        difference = largest_difference(trial.run(found), graph.expected)
    except SynthnoiseError as error:
        return network, None, f"on torch, slower: {error.message}"
    if difference > CPU_TOLERANCE:
        return network, None, f"on torch, slower: onnxruntime gives something else, by {difference:.1g}"
    return found, graph, None


def on_provider(
    model: bytes | Path,
    device: str,
    trial: Trial,
    *,
    available: Sequence[str],
    reference: OnnxNetwork,
    open_on: SessionFactory = open_session,
) -> tuple[OnnxNetwork, str | None]:
    """Return a model on the best execution provider of a device that computes what the CPU does.

    Parameters
    ----------
    model
        An ONNX file, or its content.
    device, available
        As :func:`providers_of` takes them.
    trial
        What it is tried on.
    reference
        The model on the CPU.
    open_on
        Opens the model on a provider.

    Returns
    -------
    network, remark
        The remark says why it is the CPU where an accelerator was there; None otherwise.

    Raises
    ------
    UsageError
        The device asked for by name has no execution provider here, or the one of that number does not
        start.
    """
    _, number = split_device(device)
    remark = None
    for provider, told in providers_of(device, available):
        try:
            session = open_on(model, provider, told)
        except SynthnoiseError as error:
            if number is not None:
                raise UsageError(
                    f"--device {device}: {error.message}", hint="use --device auto, or another number"
                ) from error
            remark = f"on the CPU, as {provider} fails: {error.message}"
            continue
        network = OnnxNetwork(session)
        try:
            found = trial.run(network)
        except SynthnoiseError as error:
            remark = f"on the CPU, as {provider} fails: {error.message}"
            continue
        difference = largest_difference(found, trial.run(reference))
        if difference <= ACCELERATOR_TOLERANCE:
            return network, None
        remark = f"on the CPU, as {provider} gives something else, by {difference:.1g}"
    return reference, remark


def on_accelerator(network: nn.Module, device: torch.device, trial: Trial) -> tuple[nn.Module, str | None]:
    """Return a network of torch on an accelerator, or on the CPU and why: there it computes something else.

    Parameters
    ----------
    network
        On the CPU.
    trial
        What it is tried on.
    """
    expected = trial.run(network)
    try:
        # After some failures nothing comes back from there.
        moved = copy.deepcopy(network).to(device)
        difference = largest_difference(trial.run(moved, device), expected)
    except RuntimeError as error:
        return network, f"on the CPU, as {device} fails: {reason_of(error)}"
    if difference <= ACCELERATOR_TOLERANCE:
        return moved, None
    return network, f"on the CPU, as {device} gives something else, by {difference:.1g}"


def largest_difference(found: Array, expected: Array) -> float:
    """Return the largest absolute difference; infinity where a number is none, or the shapes differ."""
    if found.shape != expected.shape:
        return math.inf
    difference = float(np.abs(found - expected).max())
    return difference if math.isfinite(difference) else math.inf
