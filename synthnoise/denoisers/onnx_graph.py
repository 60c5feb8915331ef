"""A network as an ONNX graph, written down operation by operation while it denoises a small image once.

What torch executes is seen by a dispatch mode; each operation becomes one or two ONNX nodes. What depends on
parameters alone is computed then and there and stored as a constant. It takes a fiftieth of the time of
torch's own exporter, needs no package but ``onnx``, and the same weights give the same bytes. The price: only
the operations of :mod:`synthnoise.denoisers.onnx_operations` are known, and sizes only of values before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from synthnoise.denoisers.onnx_course import depends_on_size
from synthnoise.denoisers.onnx_operations import OPERATIONS
from synthnoise.denoisers.onnx_support import BATCH, UnsupportedOperationError, check, unknown
from synthnoise.errors import SynthnoiseError

NOISY, SIGMA, DENOISED = "noisy", "sigma", "denoised"
OPSETS = range(18, 24)

_IR_VERSIONS = {23: 11}
"""Of the file format, where an opset needs a newer one than 10, which every onnxruntime since 1.18 reads."""
_LEAST_EDGE = 32
_OURS = (f"{__package__}.", "torch.nn.")
"""Where the parts of networks are from that are known to be the same at any size."""


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """What kind of graph.

    Attributes
    ----------
    multiple_of
        Height and width are padded inside the graph to a multiple of this.
    step
        The graph is not padded, and will be given multiples of this alone: no other size is tried.
    size
        (height, width) in pixels of the input that the graph is fixed to, with a batch of one; None leaves
        batch, height and width free.
    opset
        Version of the operators.
    blocked
        For onnxruntime's CPU provider alone: features stay in its own layout behind transposed convolutions,
        which saves a tenth of the time of a U-Net, and a fifth of its memory.
    """

    multiple_of: int = 1
    step: int = 1
    size: tuple[int, int] | None = None
    opset: int = 20
    blocked: bool = False


def onnx_model(
    network: nn.Module,
    *,
    channels: int,
    sigma_planes: int,
    options: GraphOptions | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """Return the ONNX ModelProto of a network on the CPU.

    Inputs ``noisy`` float32 [batch, C, h, w] and ``sigma`` float32 [batch, sigma planes, h, w]; output
    ``denoised`` like ``noisy``.

    Raises
    ------
    UnsupportedOperationError
        The network does something that cannot be written down here.
    SynthnoiseError
        It does something else to large images than to small ones, which no graph for all sizes can.
    """
    import onnx
    from onnx import TensorProto, helper

    options = options or GraphOptions()
    graph = _Graph(blocked=options.blocked)
    inner = [graph.pad(name, options) for name in (NOISY, SIGMA)]
    step = math.lcm(options.multiple_of, options.step, int(getattr(network, "multiple_of", 1)))
    height, width = _example_size(step)
    shapes = [(BATCH, planes, height, width) for planes in (channels, max(sigma_planes, 1))]
    ours = all(type(part).__module__.startswith(_OURS) for part in network.modules())
    if options.size is None and not ours and depends_on_size(network, shapes, step):
        raise SynthnoiseError(
            "the network does something else to large images than to small ones",
            hint="a graph of one static size can hold what it does there",
        )
    examples = [torch.rand(shape, generator=torch.Generator().manual_seed(0)) for shape in shapes]
    recorder = Recorder(graph, network)
    for example, name in zip(examples, inner, strict=True):
        recorder.register(example, name)
    with torch.no_grad(), recorder:
        result = network(*examples)
    recorder.refuse_lost(tensors_of(result))
    if id(result) not in recorder.values:
        raise UnsupportedOperationError("what the network returns does not depend on its input")
    graph.finish(recorder.values[id(result)], options)

    free = ("batch", "h", "w") if options.size is None else (1, *options.size)
    axes = {NOISY: channels, SIGMA: max(sigma_planes, 1), DENOISED: channels}
    described = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [free[0], planes, *free[1:]])
        for name, planes in axes.items()
    }
    body = helper.make_graph(
        graph.nodes,
        "denoiser",
        [described[NOISY], described[SIGMA]],
        [described[DENOISED]],
        [onnx.numpy_helper.from_array(value, name) for name, value in graph.constants.items()],
    )
    model = helper.make_model(
        body,
        producer_name="synthnoise",
        opset_imports=[helper.make_opsetid("", options.opset)],
        ir_version=_IR_VERSIONS.get(options.opset, 10),
    )
    helper.set_model_props(model, dict(metadata or {}))
    return model


def _example_size(step: int) -> tuple[int, int]:
    """Return height and width, multiples of a step, of the image with which a graph is written down.

    Trials are of 48 x 64 pixels or the next multiples. Neither height nor width is one of theirs, nor is half
    of it half of theirs after a roll more than once around: what is a size would pass for a number.
    """
    if step >= 48:
        return 2 * step, 4 * step
    edge = 4 * step if step > _LEAST_EDGE // 2 else -(-_LEAST_EDGE // step) * step
    return edge, edge + step


@dataclass(kw_only=True)
class _Graph:
    """Nodes and constants as they are written down.

    Attributes
    ----------
    blocked
        What transposed convolutions give goes through a pooling that leaves it as it is.
    """

    blocked: bool = False
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)

    def add(self, operator: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """Append a node and return the names of its outputs."""
        from onnx import helper

        number = len(self.nodes)
        names = [f"{operator.lower()}_{number}" + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(
            helper.make_node(operator, inputs, names, name=f"{operator}_{number}", **attributes)
        )
        return names

    def constant(self, value: Any, name: str | None = None) -> str:
        """Store an array and return its name."""
        name = name or f"constant_{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def pad(self, name: str, options: GraphOptions) -> str:
        """Return the name of an input after padding it by its border to a multiple."""
        multiple = options.multiple_of
        if options.size is not None:
            missing = [-edge % multiple for edge in options.size]
            if not any(missing):
                return name
            pads = self.constant(np.array([0] * 6 + missing, np.int64))
        elif multiple == 1:
            return name
        else:
            (size,) = self.add("Shape", [name], start=2, end=4)
            (negative,) = self.add("Neg", [size])
            (missing_name,) = self.add("Mod", [negative, self.constant(np.array([multiple], np.int64))])
            (pads,) = self.add("Concat", [self.constant(np.zeros(6, np.int64)), missing_name], axis=0)
        # Replication, unlike reflection, also works where the padding exceeds the image.
        return self.add("Pad", [name, pads], mode="edge")[0]

    def finish(self, result: str, options: GraphOptions) -> None:
        """Crop what was padded and name the result."""
        padded = options.multiple_of > 1 and (
            options.size is None or any(edge % options.multiple_of for edge in options.size)
        )
        if padded:
            (size,) = self.add("Shape", [NOISY], start=2, end=4)
            zero, axes = (self.constant(np.array(v, np.int64)) for v in ([0, 0], [2, 3]))
            (result,) = self.add("Slice", [result, zero, size, axes])
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [DENOISED if name == result else name for name in names]
        if not any(DENOISED in node.output for node in self.nodes):
            raise UnsupportedOperationError("the network returns its input")


def tensors_of(value: Any) -> list[Tensor]:
    """Return the tensors among arguments or results of an operation."""
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for item in items for tensor in tensors_of(item)]


def changed_by(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Return the arguments that an operation writes to."""
    if not func._schema.is_mutable:
        return []
    told = func._schema.arguments
    given = {**dict(zip((each.name for each in told), args, strict=False)), **kwargs}
    return tensors_of([given.get(each.name) for each in told if each.is_write])


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation and writes down those that depend on the image.

    Attributes
    ----------
    values
        Name in the graph of each tensor that depends on the image, by identity.
    extents
        Name of the first of a height and width, by (height, width).
    lost
        Tensors, by identity, of which the graph has no value, or not the one that they have now, and why.
    """

    def __init__(self, graph: _Graph, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = graph
        self.values: dict[int, str] = {}
        self._names = {id(value): name for name, value in network.state_dict(keep_vars=True).items()}
        # Identities are only unique among what is alive.
        self._alive: list[Any] = []
        self.extents: dict[tuple[int, ...], str] = {}
        self.lost: dict[int, str] = {}
        self._sharing: dict[int, set[int]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Asking to be skipped by torch.compile costs its import, a second and a hundred megabytes.
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        before = [tensor.shape for tensor in changed_by(func, args, given)]
        result = func(*args, **given)
        self._alive.append((args, given, result))
        taken, outputs, changed = tensors_of((args, given)), tensors_of(result), changed_by(func, args, given)
        for tensor in (*taken, *outputs):
            self._sharing.setdefault(tensor.untyped_storage()._cdata, set()).add(id(tensor))
        self.refuse_lost(taken)
        if any(id(tensor) in self.values for tensor in taken):
            check(before == [tensor.shape for tensor in changed], f"torch's {func}")
            self._write(func, args, given, outputs)
        for tensor in changed:
            self._lose_others(tensor)
        return result

    def refuse_lost(self, tensors: Sequence[Tensor]) -> None:
        """Raise UnsupportedOperationError if the graph does not have one of the values."""
        for tensor in tensors:
            check(id(tensor) not in self.lost, self.lost.get(id(tensor), ""))

    def _lose_others(self, tensor: Tensor) -> None:
        """Note what has changed with a tensor because it is stored in the same place."""
        others = self._sharing[tensor.untyped_storage()._cdata] - {id(tensor)}
        written = (self._names.get(other) in self.graph.constants for other in (*others, id(tensor)))
        check(not any(written), "a constant that changes")
        for other in others:
            if id(tensor) in self.values or other in self.values:
                self.lost[other] = "values that change with others"

    def _write(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: list[Tensor]) -> None:
        # What is done in place gives the tensor that it was done to, which then has another name.
        name = str(func).replace("_.", ".") if str(func) not in OPERATIONS else str(func)
        check(name in OPERATIONS, f"torch's {func}")
        try:
            written = OPERATIONS[name](self, outputs, *args, **kwargs)
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise unknown(f"torch's {func} with such arguments") from error
        for output, value in zip(outputs, written, strict=False):
            self.register(output, value)
        for output in outputs[len(written) :]:
            self.lost[id(output)] = f"what torch's {func} gives beside its values"

    def register(self, tensor: Tensor, name: str) -> None:
        """Note the name of a tensor that depends on the image."""
        self.values[id(tensor)] = name
        if tensor.dim() == 4:
            self.extents.setdefault(tuple(tensor.shape[2:]), name)

    def extent(self, height: int, width: int) -> str:
        """Return the name of (height, width) of the image at hand, int64 [2], by a value of that size.

        Raises
        ------
        UnsupportedOperationError
            None has it.
        """
        if (height, width) not in self.extents:
            raise UnsupportedOperationError(f"no value before is {height} x {width} pixels")
        return self.graph.add("Shape", [self.extents[height, width]], start=2, end=4)[0]

    def name(self, value: Any) -> str:
        """Return the name of a tensor or number, stored as a constant if it does not depend on the image."""
        if id(value) in self.values:
            return self.values[id(value)]
        if not isinstance(value, Tensor):
            return self.graph.constant(np.array(value, np.float32))
        own = self._names.get(id(value))
        if own is None or own not in self.graph.constants:
            own = self.graph.constant(value.detach().cpu().numpy(), own)
            self._names[id(value)] = own
        return own

    def names(self, *values: Any) -> list[str]:
        """Return the names of values."""
        return [self.name(value) for value in values]
