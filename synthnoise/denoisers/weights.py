"""Weights files: safetensors with a record of what the network is and how it was trained.

The record is JSON under the key ``synthnoise`` of the safetensors metadata. Reading runs no code
from the file: the network is built from a registered denoiser by name, and only numbers are read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from safetensors import SafetensorError, safe_open

import synthnoise
from synthnoise.denoisers.tensor_files import not_weights, read_header, read_tensors
from synthnoise.errors import InputError, PluginError, UsageError
from synthnoise.files import existing_file, printable, write_bytes
from synthnoise.plugins import BUILTIN, Plugins, default_plugins
from synthnoise.specs import DenoiserSpec, Domain

if TYPE_CHECKING:
    from torch import Tensor, nn

KEY = "synthnoise"
SCHEMA = 1
FARTHEST_UNKNOWN = 256
"""Largest halo in pixels of a network that does not say how far it can see at all."""


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """What a weights file says of its network.

    Attributes
    ----------
    denoiser
        Name of the registered denoiser that builds the network.
    options
        Values of its options.
    domain
        What the planes are (:data:`synthnoise.specs.Domain`), such as ``"bayer"`` or ``"srgb"``.
    channels
        Planes in and out.
    sigma_planes
        Planes of the noise level map that it was trained with.
    stabilised
        It was trained on variance-stabilised planes, whose noise is white, and wants such.
    noise_range
        Least and greatest standard deviation in training, in the unit of the network's input.
    halo
        Receptive radius in pixels of its input.
    multiple_of
        Height and width must be a multiple of this.
    global_context
        Every pixel depends on the whole image, so that it cannot be tiled.
    seed
        Seed of initialisation and training pairs.
    steps
        Optimiser steps taken.
    recipe
        Arguments of the training run, JSON values.
    figures
        Validation results in dB, such as ``{"psnr": ..., "noisy_psnr": ...}``.
    version
        The synthnoise that wrote the file.
    """

    denoiser: str
    domain: Domain
    channels: int
    options: dict[str, Any] = field(default_factory=dict)
    sigma_planes: int = 1
    stabilised: bool = False
    noise_range: tuple[float, float] = (0.0, 0.0)
    halo: int = 0
    multiple_of: int = 1
    global_context: bool = False
    seed: int = 0
    steps: int = 0
    recipe: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    version: str = synthnoise.__version__
    schema: int = SCHEMA

    def as_json(self) -> str:
        """Return the record as compact JSON with sorted keys: same record, same bytes."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)


def save_weights(
    path: Path | str, module: nn.Module, record: WeightsRecord, *, half: bool = False, overwrite: bool = False
) -> None:
    """Write a network's parameters and buffers and its record, in one atomic step.

    ``half`` rounds numbers to half precision (float16), for a file of half the size.

    Raises
    ------
    OutputExistsError
        ``path`` exists and ``overwrite`` is false.
    SynthnoiseError
        The folder cannot be written, or the disk is full.
    """
    from safetensors.torch import save

    # Copies: layers that share their weights would be one memory under two names, which safetensors refuses.
    tensors = {
        name: value.detach().to("cpu", copy=True).contiguous() for name, value in module.state_dict().items()
    }
    if half:
        tensors = {
            name: value.half() if value.is_floating_point() else value for name, value in tensors.items()
        }
    write_bytes(path, save(tensors, {KEY: record.as_json()}), overwrite=overwrite)


def load_weights(path: Path | str, *, plugins: Plugins | None = None) -> tuple[nn.Module, WeightsRecord]:
    """Return the network of a weights file on the CPU, ready to denoise, and its record.

    Raises
    ------
    InputError
        The file is truncated, not a weights file, holds NaN or infinity, its tensors do not fit
        the network that its record names, or the record says of the network what it is not.
    PluginError
        No installed plugin offers that denoiser, or the one that does fails to make it.
    """
    path = existing_file(path)
    tensors, metadata = read_tensors(path)
    record = _parse_record(path, metadata)
    plugins = plugins or default_plugins()
    try:
        spec = plugins.find("denoisers", record.denoiser)
    except PluginError as error:
        raise PluginError(
            f"{path}: is of the denoiser {printable(record.denoiser)}, which no plugin here offers",
            hint="install the package that it was trained with",
        ) from error
    try:
        module = _build(path, record, plugins, tensors)
    except PluginError as error:
        raise PluginError(f"{path}: {error.message}", hint=error.hint) from error
    _check_claims(path, record, module, spec)
    module.load_state_dict(tensors)
    return module.eval(), record


def read_record(path: Path | str) -> WeightsRecord:
    """Return the record of a weights file without reading its tensors.

    Raises
    ------
    InputError
        It is not a weights file.
    """
    path = existing_file(path)
    return _parse_record(path, read_header(path))


def count_parameters(path: Path | str) -> int:
    """Return how many numbers a weights file holds, by its header.

    Raises
    ------
    InputError
        It is not a weights file.
    """
    path = existing_file(path)
    try:
        with safe_open(path, framework="np") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise not_weights(path, str(error)) from error


def denoiser_spec(record: WeightsRecord, *, plugins: Plugins | None = None) -> DenoiserSpec:
    """Return the record of a network with these weights: halo and domain are theirs, not the architecture's.

    Raises
    ------
    PluginError
        No installed plugin offers that denoiser.
    """
    spec: DenoiserSpec = (plugins or default_plugins()).find("denoisers", record.denoiser)
    return dataclasses.replace(
        spec,
        domain=record.domain,
        channels=record.channels,
        stabilised=record.stabilised,
        halo=record.halo,
        multiple_of=record.multiple_of,
        global_context=record.global_context,
    )


def content_hash(module: nn.Module) -> str:
    """Return the SHA-256 of names, shapes and values of all parameters and buffers, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def build_network(
    denoiser: str, options: Mapping[str, Any], *, seed: int, plugins: Plugins | None = None
) -> nn.Module:
    """Return a new network, its initial values drawn from ``seed`` alone.

    Initialisers of torch draw from its global generator, which is put back as it was.

    Raises
    ------
    PluginError
        There is no such denoiser, or it is not a network.
    UsageError
        The options do not fit.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = (plugins or default_plugins()).create("denoisers", denoiser, options)
    if not isinstance(network, torch.nn.Module):
        raise PluginError(f"the denoiser {denoiser} is not a torch network")
    return network


def _parse_record(path: Path, metadata: Mapping[str, str]) -> WeightsRecord:
    try:
        values = json.loads(metadata.get(KEY, "null"))
    except (TypeError, ValueError, RecursionError) as error:
        raise not_weights(path, "its record is not JSON") from error
    if not isinstance(values, dict):
        raise not_weights(path, f"it has no {KEY} record")
    if values.get("schema") != SCHEMA:
        raise InputError(
            f"{path}: its record has schema {printable(values.get('schema'))}, this reads {SCHEMA}",
            hint="use the synthnoise that wrote it",
        )
    hints = get_type_hints(WeightsRecord)
    known = {key: value for key, value in values.items() if key in hints}
    for key, value in known.items():
        if not _has_type(value, hints[key]):
            raise not_weights(path, f"{key} of its record is {value!r}")
    if "noise_range" in known:
        known["noise_range"] = tuple(known["noise_range"])
    try:
        return WeightsRecord(**known)
    except TypeError as error:
        raise not_weights(path, f"its record is incomplete: {error}") from error


def _has_type(value: Any, annotation: Any) -> bool:
    """Return whether a JSON value has one of the types that the fields of the record have."""
    if annotation == tuple[float, float]:
        return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    arguments = get_args(annotation)
    if arguments:
        return isinstance(value, dict) and (arguments[1] is Any or all(map(_is_number, value.values())))
    return isinstance(value, annotation) and (annotation is not int or value >= 0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _check_claims(path: Path, record: WeightsRecord, network: nn.Module, spec: DenoiserSpec) -> None:
    """Raise InputError where the record lies about the network: memory is taken, and tiles laid, by it."""
    own = int(getattr(network, "multiple_of", 1))
    largest = max(own, spec.multiple_of)
    farthest = spec.halo or int(getattr(network, "halo", 0))
    channels = spec.channels or int(getattr(network, "channels", record.channels))
    sees_all = bool(getattr(network, "global_context", spec.global_context))
    least, greatest = record.noise_range
    for name, fits, expected in (
        ("channels", record.channels == channels > 0, f"{channels}"),
        ("sigma_planes", record.sigma_planes <= channels, f"at most {channels}"),
        (
            "multiple_of",
            own <= record.multiple_of <= largest and record.multiple_of % own == 0,
            f"{own}" if own == largest else f"{own} to {largest}",
        ),
        # What is measured is at most as far as the convolutions could see, if that is known.
        (
            "halo",
            min(farthest, 1) <= record.halo <= (farthest or FARTHEST_UNKNOWN),
            f"1 to {farthest}" if farthest else f"0 to {FARTHEST_UNKNOWN}",
        ),
        ("global_context", record.global_context or not sees_all, "true"),
        ("noise_range", 0 <= least <= greatest, "two numbers from 0, the least first"),
    ):
        if not fits:
            raise InputError(
                f"{path}: its record says {name} {getattr(record, name)},"
                f" of this {record.denoiser} it is {expected}",
                hint="the file is damaged, or of another version: fetch or train it again",
            )


def _build(path: Path, record: WeightsRecord, plugins: Plugins, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Return the network that the record names, of the shapes that the file holds.

    Ours are built without memory first, so that a record cannot ask for more than its file contains.
    """
    try:
        shapes = _shapes(record, plugins)
    except (UsageError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{path}: its options do not fit the denoiser {printable(record.denoiser)}: {error}"
        ) from error
    for name in sorted(shapes.keys() | tensors.keys()):
        expected = shapes.get(name, "none")
        found = tuple(tensors[name].shape) if name in tensors else "none"
        if expected != found:
            raise InputError(
                f"{path}: tensor {printable(name)} has shape {found}, {record.denoiser} needs {expected}",
                hint="the file is damaged, or of another version",
            )
    return build_network(record.denoiser, record.options, seed=0, plugins=plugins)


def _shapes(record: WeightsRecord, plugins: Plugins) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all parameters and buffers of the network that a record names."""
    import torch

    def shapes() -> dict[str, tuple[int, ...]]:
        network = build_network(record.denoiser, record.options, seed=0, plugins=plugins)
        return {name: tuple(value.shape) for name, value in network.state_dict().items()}

    try:
        with torch.device("meta"):
            return shapes()
    except Exception:
        # Networks of plugins may ask for the values of tensors while they are built, which need memory.
        if plugins.find("denoisers", record.denoiser).source == BUILTIN:
            raise
        return shapes()
