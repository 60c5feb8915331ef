"""From what a user calls a denoiser to a network that runs: a name, bundled weights, or a file of weights."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.network_files import ONNX, SAFETENSORS, suffix_of
from synthnoise.denoising.fixed_size import of_any_size
from synthnoise.denoising.graph_cache import keep_graph, kept_graph
from synthnoise.denoising.onnx_network import (
    CPU,
    CPU_TOLERANCE,
    OnnxNetwork,
    Trial,
    largest_difference,
    on_accelerator,
    on_onnxruntime,
    on_provider,
    open_session,
    thread_count,
)
from synthnoise.devices import accelerator_possible, pick_device
from synthnoise.errors import InputError, MissingExtraError, PluginError, SynthnoiseError, UsageError
from synthnoise.files import existing_file, printable
from synthnoise.plugins import default_plugins
from synthnoise.specs import DenoiserSpec, Domain

if TYPE_CHECKING:
    import torch
    from torch import nn

_EXTRA = "onnx"
_DAMAGED = "the file is damaged, or its metadata are of another network: export the weights again"
_ONE_SIZE = "its graph runs at {} x {} pixels alone: export it without --static"
_ANY_CHANNELS = 4
"""Planes of that image where any number will do."""
_SIGMA = 0.1
"""Noise level of the image that a network is tried on, where it is not stabilised to 1."""
_IMPORT = "synthnoise import-weights makes weights of the layouts that it knows"
FOREIGN = {
    ".pth": _IMPORT,
    ".pt": _IMPORT,
    ".ckpt": _IMPORT,
    ".mat": _IMPORT,
    ".dtmodel": "darktable's packages have their noise level settled: take the weights that it was made of",
}
"""What to say to files that hold networks, but none that is run here."""
_LARGEST = {"channels": 64, "halo": 4096, "multiple_of": 1024}
"""What is believed of an ONNX file, whose network cannot be asked: memory is taken by it."""


@dataclass(frozen=True, kw_only=True)
class LoadedNetwork:
    """A network where it runs.

    Attributes
    ----------
    record
        What its author, or its weights, say of it.
    network
        Takes and gives tensors on ``device``.
    device
        Where its tensors have to be; None where arrays do.
    remark
        Why it does not run on what it should, None if it does.
    trained
        Least and greatest standard deviation of the noise it was trained on, in the unit of its input; None
        where that is not known, or the same for all noise.
    """

    record: DenoiserSpec
    network: nn.Module | OnnxNetwork
    device: torch.device | None = None
    remark: str | None = None
    trained: tuple[float, float] | None = None


def load_denoiser(name: str, options: Mapping[str, Any], device: str = "cpu") -> LoadedNetwork:
    """Return a denoiser on a device: on the CPU a network runs on onnxruntime, where that is installed.

    Parameters
    ----------
    name
        A classical denoiser, bundled weights, or a ``.safetensors`` or ``.onnx`` file; a file without a
        suffix, called like no denoiser, is either.
    options
        Of a classical denoiser; weights have none.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    UsageError
        It has to be trained first, or weights are given options, or there is no such device.
    InputError
        The file is not what it should be.
    PluginError
        There is no such denoiser.
    """
    path = bundled_weights(name) or Path(name)
    suffix = path.suffix.lower()
    if suffix in FOREIGN:
        raise UsageError(f"{name}: is not a file that denoises here", hint=FOREIGN[suffix])
    if suffix in (ONNX, SAFETENSORS):
        if options:
            raise _settled(name)
        return _load_file(path, device)
    try:
        record: DenoiserSpec = default_plugins().find("denoisers", name)
    except PluginError as error:
        if not suffix and path.is_file():  # as training writes where it was given such a name
            if options:
                raise _settled(name) from None
            return _load_file(path, device)
        weights = f"{', '.join(bundled_names())}, a {SAFETENSORS} or an {ONNX} file"
        raise PluginError(error.message, hint=f"{error.hint}; or weights: {weights}") from error
    if record.trainable:
        raise UsageError(
            f"{record.name} has to be trained first",
            hint=f"synthnoise train -d {record.name} -o weights.safetensors",
        )
    place = pick_device(device)
    network: nn.Module = default_plugins().create("denoisers", name, options).eval()
    # How far it looks may depend on its options, of which the record knows nothing.
    record = dataclasses.replace(record, halo=max(record.halo, int(getattr(network, "halo", 0))))
    remark = None
    if place.type != "cpu":
        network, remark = on_accelerator(network, place, _trial(record))
    place = place if remark is None else pick_device("cpu")
    return LoadedNetwork(record=record, network=network, device=place, remark=remark)


def _settled(name: str) -> UsageError:
    return UsageError(f"{name}: its options were settled when it was trained", hint="leave them out")


def _load_file(path: Path, device: str) -> LoadedNetwork:
    """Return the network of a file; that of the last one again, as long as the file is the same."""
    state = existing_file(path).stat()
    return _loaded(path, device, (state.st_mtime_ns, state.st_size, thread_count()))


@functools.lru_cache(maxsize=1)
def _loaded(path: Path, device: str, _state: tuple[int, ...]) -> LoadedNetwork:
    return load_onnx(path, device) if suffix_of(path) == ONNX else _load_weights(path, device)


def _load_weights(path: Path, device: str) -> LoadedNetwork:
    if device == "cpu" or (device == "auto" and not accelerator_possible()):
        kept = _from_cache(path)
        if kept is not None:
            return kept
    from synthnoise.denoisers.weights import denoiser_spec, load_weights

    place = pick_device(device)
    network, card = load_weights(path)
    record = denoiser_spec(card)
    trial, trained = _trial(record), _trained(record, card.noise_range)
    remark = None
    if place.type != "cpu":
        network, remark = on_accelerator(network, place, trial)
        if remark is None:
            return LoadedNetwork(record=record, network=_wide(network), device=place, trained=trained)
    found, graph, slower = on_onnxruntime(network, max(card.sigma_planes, 1), trial)
    remark = remark or slower
    if isinstance(found, OnnxNetwork):
        # The networks of plugins may change without their weights or the version of this package.
        if graph is not None and str(record.factory).startswith("synthnoise."):
            keep_graph(path, graph)
        return LoadedNetwork(record=record, network=found, remark=remark, trained=trained)
    cpu = pick_device("cpu")
    return LoadedNetwork(record=record, network=_wide(network), device=cpu, remark=remark, trained=trained)


def _wide(network: nn.Module) -> nn.Module:
    """Return a network with the planes of a pixel side by side: on a CPU a third off torch's time."""
    import torch

    wide: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return wide


def _from_cache(path: Path) -> LoadedNetwork | None:
    """Return a network from its kept graph, None where there is none or it does not give what it gave."""
    if util.find_spec("onnxruntime") is None or (kept := kept_graph(path)) is None:
        return None
    from synthnoise.denoisers.weights import denoiser_spec, read_record

    card = read_record(path)
    record = denoiser_spec(card)
    try:
        network = OnnxNetwork(open_session(kept.model, CPU))
        difference = largest_difference(_trial(record).run(network), kept.expected)
    except SynthnoiseError:
        return None
    if difference > CPU_TOLERANCE:
        return None
    return LoadedNetwork(record=record, network=network, trained=_trained(record, card.noise_range))


def load_onnx(path: Path | str, device: str = "cpu") -> LoadedNetwork:
    """Return a file that ``synthnoise export`` wrote, ready to run.

    Raises
    ------
    MissingExtraError
        onnxruntime is not installed.
    InputError
        It is not an ONNX file, it was not written by ``synthnoise export``, or it does not run.
    UsageError
        The device asked for by name is not there for onnxruntime.
    """
    if util.find_spec("onnxruntime") is None:
        raise MissingExtraError("onnxruntime", _EXTRA)
    import onnxruntime

    path = existing_file(path)
    model: Path | bytes = path
    network = OnnxNetwork(open_session(path, CPU))
    record, trained = _record(path, network.metadata)
    trial, hint = _trial(record), _DAMAGED
    try:
        if network.size is not None:
            hint = _ONE_SIZE.format(*network.size)
            model = of_any_size(path, network.size, record.multiple_of)
            network = OnnxNetwork(open_session(model, CPU))
        result = trial.run(network)
    except MissingExtraError:
        raise
    except SynthnoiseError as error:
        raise InputError(f"{path}: {error.message}", hint=hint) from error
    if not bool(np.isfinite(result).all()):
        raise InputError(f"{path}: gives NaN or infinity", hint=_DAMAGED)
    available = onnxruntime.get_available_providers()
    network, remark = on_provider(model, device, trial, available=available, reference=network)
    return LoadedNetwork(record=record, network=network, remark=remark, trained=trained)


def _trained(record: DenoiserSpec, noise_range: tuple[float, float]) -> tuple[float, float] | None:
    return noise_range if not record.stabilised and noise_range[1] > 0 else None


def _trial(record: DenoiserSpec) -> Trial:
    return Trial(
        channels=record.channels or _ANY_CHANNELS,
        sigma=1.0 if record.stabilised else _SIGMA,
        multiple_of=max(record.multiple_of, 1),
    )


def _record(path: Path, metadata: Mapping[str, str]) -> tuple[DenoiserSpec, tuple[float, float] | None]:
    """Return what the file says of its network, for the core, and the noise that it was trained on.

    Raises
    ------
    InputError
        It says nothing, or what cannot be.
    """
    from synthnoise.denoisers.weights import SCHEMA

    try:
        facts = json.loads(metadata["synthnoise"])
        numbers = {key: int(facts[key]) for key in ("channels", "halo", "multiple_of")}
        domain, stabilised = facts["domain"], facts["stabilised"]
        schema = facts.get("schema")
        global_context = bool(facts.get("global_context", False))
        least, greatest = (float(level) for level in facts.get("noise_range", (0, 0)))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: does not say what its network takes", hint="use a file of synthnoise export"
        ) from error
    if schema != SCHEMA:
        raise InputError(
            f"{path}: its synthnoise metadata has schema {printable(schema)}, this reads {SCHEMA}",
            hint="use the synthnoise that wrote it",
        )
    if domain not in get_args(Domain) or not isinstance(stabilised, bool):
        raise InputError(f"{path}: its synthnoise metadata is damaged")
    for key, most in _LARGEST.items():
        if not 0 <= numbers[key] <= most:
            raise InputError(
                f"{path}: its synthnoise metadata says {key} {numbers[key]}: not between 0 and {most}",
                hint="export the weights again",
            )
    record = DenoiserSpec(
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
    return record, _trained(record, (least, greatest))
