"""One self-contained ONNX file of a trained denoiser, checked against torch before it gets its name."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.model_card import describe_network
from synthnoise.denoisers.network_files import ONNX
from synthnoise.denoisers.onnx_graph import DENOISED, NOISY, OPSETS, SIGMA, GraphOptions, onnx_model
from synthnoise.denoisers.onnx_support import UnsupportedOperationError
from synthnoise.denoisers.reach import measured
from synthnoise.denoisers.weights import WeightsRecord, content_hash
from synthnoise.errors import InputError, MissingExtraError, SynthnoiseError, UsageError
from synthnoise.export.half_precision import in_half_precision
from synthnoise.export.source import Source, example_of, open_source
from synthnoise.files import existing_file, printable, write_bytes
from synthnoise.plugins import Plugins

TOLERANCE = 1e-5
"""Largest difference from torch, relative to the largest output (or 1), that passes."""
HALF_TOLERANCE = 1e-2
"""The same for half precision, relative to the largest noise level (or 1): its features have ten bits."""

TILE = 512
"""Pixels along the edge of a tile without its context, as they are suggested."""

_EXTRA = "onnx"
_PACKAGES = ("onnx", "onnxruntime")
_CHECKED_SHAPES = ((1, 64, 64), (3, 33, 41), (1, 7, 9), (2, 17, 128))
_EXAMPLE_SHAPE = (2, 32, 40)


@dataclass(frozen=True, kw_only=True)
class OnnxSummary:
    """What was written.

    Attributes
    ----------
    path
        The file.
    size
        Its bytes.
    nodes
        Operations in its graph.
    max_error
        Largest absolute difference from torch over the sizes checked.
    checked
        The [B, H, W] that were checked.
    remarks
        What the user should know of it.
    """

    path: Path
    size: int
    nodes: int
    max_error: float
    checked: tuple[tuple[int, int, int], ...]
    remarks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for a machine."""
        return dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """Return the summary for a person."""
        sizes = ", ".join(f"{height}x{width}" for _, height, width in self.checked)
        return [
            f"{self.path}: {self.size / 1e6:.2f} MB, {self.nodes} operations",
            f"differs from torch by at most {self.max_error:.1e} (checked at {sizes})",
            *self.remarks,
        ]


class Padded(nn.Module):
    """A network that pads what it gets to whole multiples, as the graph does, and so takes any size."""

    def __init__(self, network: nn.Module, multiple_of: int) -> None:
        super().__init__()
        self.network = network.eval()
        self.multiple_of = multiple_of

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return [B, C, H, W] of ``noisy`` and the noise level map ``sigma`` [B, 1 or C, H, W]."""
        if self.multiple_of == 1:
            return cast(Tensor, self.network(noisy, sigma))
        height, width = noisy.shape[-2:]
        # Replication, unlike reflection, also works where the padding exceeds the image.
        padding = (0, -width % self.multiple_of, 0, -height % self.multiple_of)
        noisy, sigma = (functional.pad(x, padding, mode="replicate") for x in (noisy, sigma))
        denoised: Tensor = self.network(noisy, sigma)
        return denoised[..., :height, :width]


def export_onnx(
    weights: Path | str,
    output: Path | str,
    *,
    static: tuple[int, int] | None = None,
    half: bool = False,
    opset: int = 20,
    overwrite: bool = False,
    plugins: Plugins | None = None,
) -> OnnxSummary:
    """Write the network of a weights file as one ONNX file: same weights, same bytes.

    Inputs ``noisy`` float32 [batch, C, h, w] and ``sigma`` float32 [batch, 1 or C, h, w] (standard
    deviation in the unit of ``noisy``), output ``denoised`` like ``noisy``; batch, h and w are free.
    The metadata entry ``synthnoise`` is JSON: see :func:`describe`.

    Parameters
    ----------
    weights
        A ``.safetensors`` file, or the name of bundled weights.
    output
        A ``.onnx`` file.
    static
        (height, width) in pixels of a plane to fix the file to, for programs that want static shapes; the
        batch is then 1.
    half
        Store and compute in half precision (float16), but for the input, the output and what is next to them.
    opset
        Version of the ONNX operators.

    Raises
    ------
    MissingExtraError
        A package of the extra ``onnx`` is not installed that this network needs.
    InputError
        The weights file cannot be read.
    UsageError
        There is no such opset, or no such size, the network cannot be written in half precision, or
        ``output`` is the weights file or of another suffix.
    OutputExistsError
        ``output`` exists and ``overwrite`` is false.
    SynthnoiseError
        The exported network does not compute what torch computes.
    """
    for package in _PACKAGES:
        if util.find_spec(package) is None:
            raise MissingExtraError(package, _EXTRA)
    if opset not in OPSETS:
        raise UsageError(f"opset {opset} is not supported", hint=f"use {OPSETS[0]} to {OPSETS[-1]}")
    if static is not None and min(static) < 1:
        raise UsageError(f"a static size of {static[0]}x{static[1]} holds no pixel")
    output = Path(output)
    source = open_source(weights, output, ONNX, overwrite=overwrite, plugins=plugins)
    network, record = source.network, measured(source.network, source.record)
    options = GraphOptions(multiple_of=record.multiple_of, size=static, opset=opset)
    facts = {
        **describe(source, record),
        "tile": _tile(record, static),
        "precision": "float16 inside" if half else "float32",
    }
    model = model_of(network, record, options)
    if half:
        model = in_half_precision(model)
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = "synthnoise", json.dumps(facts, sort_keys=True)
    data: bytes = model.SerializeToString(deterministic=True)
    shapes = _CHECKED_SHAPES if static is None else ((1, *static),)
    max_error = _verify(data, Padded(network, record.multiple_of), record, shapes, half)
    write_bytes(output, data, overwrite=overwrite)
    return OnnxSummary(
        path=output, size=len(data), nodes=len(model.graph.node), max_error=max_error, checked=shapes
    )


def describe(source: Source, record: WeightsRecord) -> dict[str, Any]:
    """Return what the file says of itself, JSON values; ``record`` has the measured halo.

    It is :func:`synthnoise.denoisers.model_card.describe_network` with the weights' SHA-256 and their card.
    """
    return {
        **describe_network(record),
        "sha256": content_hash(source.network),
        "card": source.card,
    }


def _tile(record: WeightsRecord, static: tuple[int, int] | None) -> list[int] | None:
    """Return height and width of what to feed at once, with context; None where it is the whole image."""
    if static is not None:
        return list(static)
    if record.global_context:
        return None
    step = record.multiple_of
    kept, halo = (-(-pixels // step) * step for pixels in (TILE, record.halo))
    return [kept + 2 * halo] * 2


def describe_onnx(path: Path | str) -> dict[str, Any]:
    """Return what an ONNX file takes and gives, and what :func:`export_onnx` noted in it, if it did.

    Raises
    ------
    InputError
        It is not an ONNX file.
    MissingExtraError
        The package onnx is not installed.
    """
    if util.find_spec("onnx") is None:
        raise MissingExtraError("onnx", _EXTRA)
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    path = existing_file(path)
    if (size := path.stat().st_size) >= 1 << 31:
        raise InputError(f"{path}: not an ONNX file, which has less than 2 GiB: {size} bytes")
    try:
        # Weights in further files stay there: their paths are the file's to choose, not ours to follow.
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise InputError(f"{path}: not an ONNX file", hint="it may be truncated") from error
    if not model.graph.node:
        raise InputError(f"{path}: not an ONNX file, or one without operations")
    facts: dict[str, Any] = {}
    for kind, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            axes = [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
            facts[f"{kind} {printable(value.name)}"] = " x ".join(printable(axis) for axis in axes)
    facts["opset"] = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    if any(value.data_location == onnx.TensorProto.EXTERNAL for value in model.graph.initializer):
        facts["weights"] = "in further files, which are not followed"
    noted = {entry.key: entry.value for entry in model.metadata_props}.get("synthnoise", "{}")
    try:
        facts |= {str(key): value for key, value in json.loads(noted).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: its synthnoise metadata is damaged") from error
    shape = facts.get(f"input {NOISY}", "").split(" x ")
    if "denoiser" in facts and all(axis.isdecimal() for axis in shape):
        height, width = shape[-2:]
        facts["size"] = f"{height} x {width}: other programs lay tiles of it, synthnoise denoise takes any"
    return facts


def model_of(network: nn.Module, record: WeightsRecord, options: GraphOptions) -> Any:
    """Return the ONNX ModelProto of a network: by torch's own exporter where ours lacks an operation.

    Raises
    ------
    MissingExtraError
        torch's exporter is needed, and onnxscript is not installed.
    SynthnoiseError
        torch's exporter fails.
    """
    with contextlib.suppress(UnsupportedOperationError):
        model = onnx_model(
            network, channels=record.channels, sigma_planes=max(record.sigma_planes, 1), options=options
        )
        if _holds(model, Padded(network, options.multiple_of), record, options.size):
            return model
    if util.find_spec("onnxscript") is None:
        raise MissingExtraError("onnxscript", _EXTRA)
    model = _trace(Padded(network, options.multiple_of), record, options)
    _clean(model)
    _name_outputs(model)
    return model


def _holds(model: Any, network: nn.Module, record: WeightsRecord, size: tuple[int, int] | None) -> bool:
    """Return whether a graph of ours does at another size what the network does: numbers may be its sizes."""
    shape = _CHECKED_SHAPES[1] if size is None else (1, *size)
    try:
        return _verify(model.SerializeToString(), network, record, (shape,), half=False) >= 0
    except Exception:  # onnxruntime raises classes of its own, without a common ancestor
        return False


def _trace(network: nn.Module, record: WeightsRecord, options: GraphOptions) -> Any:
    """Return the ONNX ModelProto of the network as torch's exporter writes it."""
    batch, height, width = _EXAMPLE_SHAPE if options.size is None else (1, *options.size)
    noisy = torch.zeros(batch, record.channels, height, width)
    sigma = torch.ones(batch, max(record.sigma_planes, 1), height, width)
    free = {0: torch.export.Dim("batch"), 2: torch.export.Dim("h"), 3: torch.export.Dim("w")}
    with _silence(), torch.no_grad():
        program = torch.onnx.export(
            network,
            (noisy, sigma),
            input_names=[NOISY, SIGMA],
            output_names=[DENOISED],
            dynamic_shapes={"noisy": free, "sigma": free} if options.size is None else None,
            opset_version=options.opset,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise SynthnoiseError(f"torch could not export {record.denoiser}")
    return program.model_proto


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's prints, warnings and log lines from the user's terminal and pipes."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            logging.disable(disabled)


def _clean(model: Any) -> None:
    """Drop what the exporter noted of the machine it ran on: stack traces with absolute paths."""
    graph = model.graph
    for item in (
        model,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    ):
        del item.metadata_props[:]
        item.doc_string = ""
    # Shapes of intermediate values are inferred again by whoever loads the file.
    del graph.value_info[:]
    for function in model.functions:
        for item in (function, *function.node, *function.value_info):
            del item.metadata_props[:]
            item.doc_string = ""


def _name_outputs(model: Any) -> None:
    """Call the output's axes like the input's: the exporter writes padding arithmetic instead."""
    source, target = model.graph.input[0], model.graph.output[0]
    target.type.tensor_type.shape.CopyFrom(source.type.tensor_type.shape)


def _verify(
    data: bytes,
    network: nn.Module,
    record: WeightsRecord,
    shapes: Sequence[tuple[int, int, int]],
    half: bool,
) -> float:
    """Return the largest difference from torch over images of some [B, H, W].

    Raises
    ------
    SynthnoiseError
        It exceeds what is tolerated.
    """
    session = session_of(data)
    names = [item.name for item in session.get_inputs()]
    worst = 0.0
    for shape in shapes:
        noisy, sigma = example_of(record, shape)
        with torch.no_grad():
            expected = network(noisy, sigma).numpy()
        feed = {k: v.numpy() for k, v in ((NOISY, noisy), (SIGMA, sigma)) if k in names}
        error = _difference(session.run(None, feed), expected)
        if half:
            allowed = HALF_TOLERANCE * max(1.0, record.noise_range[1])
        else:
            allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
        if not error <= allowed:
            raise SynthnoiseError(
                f"the exported {record.denoiser} differs from torch by {error:.2g} at {shape}",
                hint="leave out --half" if half else "try another --opset, and please report this",
            )
        worst = max(worst, error)
    return worst


def session_of(data: bytes) -> Any:
    """Return an onnxruntime session of a model, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _difference(outputs: Sequence[NDArray[np.float32]], expected: NDArray[np.float32]) -> float:
    (found,) = outputs
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max())
