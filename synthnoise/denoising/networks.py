"""From what a user calls a denoiser to a network that runs: a name, bundled weights, or a file of weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from synthnoise.denoisers.bundled import bundled_weights
from synthnoise.errors import InputError, MissingExtraError, SynthnoiseError, UsageError
from synthnoise.files import existing_file, printable
from synthnoise.plugins import default_plugins
from synthnoise.specs import DenoiserSpec, Domain

ONNX, SAFETENSORS = ".onnx", ".safetensors"

_EXTRA = "onnx"
_SELF_TEST = (1, 32, 40)
"""Batch, height and width of what an ONNX file must denoise to something finite before it is trusted."""


def load_denoiser(name: str, options: Mapping[str, Any]) -> tuple[DenoiserSpec, nn.Module]:
    """Return the record and the network, on the CPU, of a denoiser.

    Parameters
    ----------
    name
        A classical denoiser, bundled weights, or a ``.safetensors`` or ``.onnx`` file.
    options
        Of a classical denoiser; weights have none.

    Raises
    ------
    UsageError
        It has to be trained first, or weights are given options.
    InputError
        The file is not what it should be.
    PluginError
        There is no such denoiser.
    """
    path = bundled_weights(name) or Path(name)
    if path.suffix in (ONNX, SAFETENSORS):
        if options:
            raise UsageError(f"{name}: its options were settled when it was trained", hint="leave them out")
        return load_onnx(path) if path.suffix == ONNX else _load_weights(path)
    record: DenoiserSpec = default_plugins().find("denoisers", name)
    if record.trainable:
        raise UsageError(
            f"{record.name} has to be trained first",
            hint=f"synthnoise train -d {record.name} -o weights.safetensors",
        )
    return record, default_plugins().create("denoisers", name, options)


def _load_weights(path: Path) -> tuple[DenoiserSpec, nn.Module]:
    from synthnoise.denoisers.weights import denoiser_spec, load_weights

    network, card = load_weights(path)
    # On a CPU the planes of a pixel side by side take a third off the time.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return denoiser_spec(card), network


def load_onnx(path: Path | str) -> tuple[DenoiserSpec, nn.Module]:
    """Return the record and the network of a file that ``synthnoise export`` wrote.

    Raises
    ------
    MissingExtraError
        onnxruntime is not installed.
    InputError
        It is not an ONNX file, it was not written by ``synthnoise export``, or it does not run.
    """
    if util.find_spec("onnxruntime") is None:
        raise MissingExtraError("onnxruntime", _EXTRA)
    path = existing_file(path)
    network = OnnxNetwork(path)
    record = _record(path, network.metadata)
    noisy = torch.zeros(1, record.channels, *_SELF_TEST[1:])
    try:
        result = network(noisy, torch.ones_like(noisy[:, :1]))
    except (SynthnoiseError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: does not run: {printable(str(error).splitlines()[0])}") from error
    if result.shape != noisy.shape or not bool(result.isfinite().all()):
        raise InputError(f"{path}: gives {tuple(result.shape)} for {tuple(noisy.shape)}, or no numbers")
    return record, network


class OnnxNetwork(nn.Module):
    """An ONNX file as a network: onnxruntime on the CPU, on as many threads as torch would use.

    Attributes
    ----------
    metadata
        What the file says of itself, text by key.

    Raises
    ------
    InputError
        onnxruntime cannot load the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        # The arena would keep the memory of the largest tile for each of many sizes.
        options.enable_cpu_mem_arena = False
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own, without a common ancestor
            reason = printable(str(error).splitlines()[0])
            raise InputError(f"{path}: not an ONNX file that onnxruntime runs: {reason}") from error
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self._inputs = {item.name: item.shape for item in self._session.get_inputs()}

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised image, float32 [B, C, H, W], for a noise level map [B, 1 or C, H, W]."""
        feed = {"noisy": noisy}
        if "sigma" in self._inputs:
            planes = self._inputs["sigma"][1]
            if planes == 1 and sigma.shape[1] > 1:
                sigma = sigma.square().mean(1, keepdim=True).sqrt()
            elif planes != sigma.shape[1]:
                sigma = sigma.expand(-1, planes, -1, -1)
            feed["sigma"] = sigma
        arrays = {name: np.ascontiguousarray(x.cpu().numpy(), dtype=np.float32) for name, x in feed.items()}
        (denoised,) = self._session.run(None, arrays)
        return torch.from_numpy(denoised)


def _record(path: Path, metadata: Mapping[str, str]) -> DenoiserSpec:
    """Return what the file says of its network, for the core."""
    try:
        facts = json.loads(metadata["synthnoise"])
        numbers = {key: int(facts[key]) for key in ("channels", "halo", "multiple_of")}
        domain, stabilised = facts["domain"], facts["stabilised"]
        global_context = bool(facts.get("global_context", False))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: does not say what its network takes", hint="use a file of synthnoise export"
        ) from error
    if domain not in get_args(Domain) or not isinstance(stabilised, bool) or min(numbers.values()) < 0:
        raise InputError(f"{path}: its synthnoise metadata is damaged")
    return DenoiserSpec(
        name="onnx",
        summary="An exported network.",
        factory=OnnxNetwork,
        domain=domain,
        stabilised=stabilised,
        global_context=global_context,
        channels=numbers["channels"],
        halo=numbers["halo"],
        # Padding is inside the graph, but tiles have to begin on the network's grid.
        multiple_of=max(numbers["multiple_of"], 1),
    )
