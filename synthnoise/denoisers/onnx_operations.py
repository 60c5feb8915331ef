"""What each operation of torch becomes in an ONNX graph: layers here, the rest from the rooms beside.

The functions are called with the recorder, what torch returned and torch's own arguments; they return the
names of the values that they wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from synthnoise.denoisers.onnx_activations import ACTIVATIONS, pointwise
from synthnoise.denoisers.onnx_shapes import SHAPES
from synthnoise.denoisers.onnx_support import BATCH, Writer, check

if TYPE_CHECKING:
    from synthnoise.denoisers.onnx_graph import Recorder


def _convolution(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> list[str]:
    graph = recorder.graph
    inputs = recorder.names(x, weight, *([] if bias is None else [bias]))
    attributes: dict[str, Any] = {
        "strides": stride,
        "pads": [*padding, *padding],
        "dilations": dilation,
        "group": groups,
        "kernel_shape": list(weight.shape[2:]),
    }
    if transposed:
        attributes["output_padding"] = output_padding
    names = graph.add("ConvTranspose" if transposed else "Conv", inputs, **attributes)
    if transposed and graph.blocked:
        # A maximum over one pixel: onnxruntime lays its output out in blocks, and all that follows with it.
        names = graph.add("MaxPool", names, kernel_shape=[1, 1])
    return names


def _average(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    kernel: list[int],
    stride: Sequence[int] = (),
    *rest: Any,
) -> list[str]:
    check(not any(rest[1:2]), "averages of what is beyond the image")
    check(rest[3:] in ((), (None,)), "averages with a divisor of their own")
    if set(kernel) == set(stride or kernel) == {1}:
        return [recorder.name(x)]
    own = {"count_include_pad": int(rest[2]) if rest[2:] else 1} if any(np.ravel(rest[:1])) else {}
    return _pooled(recorder, "AveragePool", x, kernel, stride, rest, **own)


def _maximum(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    kernel: list[int],
    stride: Sequence[int] = (),
    *rest: Any,
) -> list[str]:
    check(set(np.ravel(rest[1:2])) <= {1} and not any(rest[2:3]), "maxima of pixels apart")
    return _pooled(recorder, "MaxPool", x, kernel, stride, rest)


def _pooled(
    recorder: Recorder,
    operator: str,
    x: Tensor,
    kernel: list[int],
    stride: Sequence[int],
    rest: Sequence[Any],
    **own: Any,
) -> list[str]:
    if any(padding := list(rest[0]) if rest else []):
        own["pads"] = padding * 2
    return recorder.graph.add(
        operator, [recorder.name(x)], kernel_shape=list(kernel), strides=list(stride or kernel), **own
    )


def _reduction(operator: str) -> Writer:
    """Return how to write what many values along some axes are made one by."""

    def write(
        recorder: Recorder,
        _outputs: Sequence[Tensor],
        x: Tensor,
        dims: int | list[int] | None = None,
        keepdim: bool = False,
        dtype: torch.dtype | None = None,
    ) -> list[str]:
        check(dtype in (None, x.dtype), f"{operator} in another precision")
        chosen = [dims] if isinstance(dims, int) else dims or range(x.dim())
        axes = recorder.graph.constant(np.array([d % x.dim() for d in chosen], np.int64))
        return recorder.graph.add(operator, [recorder.name(x), axes], keepdims=int(keepdim))

    return write


def _length(
    recorder: Recorder,
    outputs: Sequence[Tensor],
    x: Tensor,
    order: float = 2,
    dims: list[int] | None = None,
    keepdim: bool = False,
) -> list[str]:
    check(order in (1, 2), "other norms than of first and second order")
    return _reduction(f"ReduceL{order:.0f}")(recorder, outputs, x, dims, keepdim)


def _variance(
    recorder: Recorder,
    outputs: Sequence[Tensor],
    x: Tensor,
    dims: list[int] | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> list[str]:
    taken = [d % x.dim() for d in dims or range(x.dim())]
    lost = 1.0 if correction is None else float(correction)
    check(lost == 0 or taken == [1], "unbiased variances over the image")
    mean = _reduction("ReduceMean")
    (middle,) = mean(recorder, outputs, x, taken, True)
    (apart,) = recorder.graph.add("Sub", [recorder.name(x), middle])
    (squares,) = recorder.graph.add("Mul", [apart, apart])
    axes = recorder.graph.constant(np.array(taken, np.int64))
    found = recorder.graph.add("ReduceMean", [squares, axes], keepdims=int(keepdim))
    if lost:
        factor = x.shape[1] / (x.shape[1] - lost)
        found = recorder.graph.add("Mul", [*found, recorder.name(factor)])
    return found


def _deviation(recorder: Recorder, outputs: Sequence[Tensor], *values: Any, **rest: Any) -> list[str]:
    return recorder.graph.add("Sqrt", _variance(recorder, outputs, *values, **rest))


def _softmax(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, dim: int, _half: bool) -> list[str]:
    return recorder.graph.add("Softmax", recorder.names(x), axis=dim % x.dim())


def _affine(
    recorder: Recorder, _outputs: Sequence[Tensor], bias: Tensor, x: Tensor, weight: Tensor, **rest: Any
) -> list[str]:
    check(not rest, "linear layers with factors")
    return recorder.graph.add(
        "Add", [*recorder.graph.add("MatMul", recorder.names(x, weight)), recorder.name(bias)]
    )


def _layer_norm(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    shape: list[int],
    weight: Tensor | None,
    bias: Tensor | None,
    epsilon: float,
) -> list[str]:
    ones = np.ones(shape, np.float32)
    factors = recorder.graph.constant(ones) if weight is None else recorder.name(weight)
    inputs = [recorder.name(x), factors, *([] if bias is None else [recorder.name(bias)])]
    return recorder.graph.add("LayerNormalization", inputs, axis=-len(shape), epsilon=epsilon)


def _group_norm(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    _count: int,
    _planes: int,
    _pixels: int,
    groups: int,
    epsilon: float,
) -> list[str]:
    varying = any(id(factors) in recorder.values for factors in (weight, bias))
    check(not varying, "normalisation by factors that depend on the image")
    # ONNX has an operator of this name, whose factors were per group before version 21.
    graph, (name,) = recorder.graph, recorder.names(x)
    (size,) = graph.add("Shape", [name])
    (grouped,) = graph.add("Reshape", [name, graph.constant(np.array([0, groups, -1], np.int64))])
    plain = [graph.constant(np.full(groups, value, np.float32)) for value in (1, 0)]
    (even,) = graph.add("InstanceNormalization", [grouped, *plain], epsilon=epsilon)
    names = graph.add("Reshape", [even, size])
    shape = (-1, *[1] * (x.dim() - 2))
    for operator, factors in (("Mul", weight), ("Add", bias)):
        if factors is not None:
            own = graph.constant(factors.detach().cpu().numpy().reshape(shape))
            names = graph.add(operator, [*names, own])
    return names


def _batch_norm(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    _momentum: float,
    epsilon: float,
) -> list[str]:
    graph, name, planes = recorder.graph, recorder.name(x), x.shape[1]
    # To torch, the planes of all images of a batch are those of one, where each is normalised by itself.
    of_each = x.shape[0] == 1 and planes % BATCH == 0
    check(of_each or not training, "batch normalisation in training")
    if of_each:
        planes //= BATCH
        size = graph.add("Shape", [name])
        shape = graph.constant(np.array([-1, planes, *[0] * (x.dim() - 2)], np.int64))
        (name,) = graph.add("Reshape", [name, shape])
    names = []
    for value, default in ((weight, 1), (bias, 0), (mean, 0), (variance, 1)):
        if value is None:
            names.append(graph.constant(np.full(planes, default, np.float32)))
        else:
            names.append(_of_one(recorder, value) if of_each else recorder.name(value))
    operator = "InstanceNormalization" if training else "BatchNormalization"
    found = graph.add(operator, [name, *(names[:2] if training else names)], epsilon=epsilon)
    return graph.add("Reshape", [*found, *size]) if of_each else found


def _of_one(recorder: Recorder, factors: Tensor) -> str:
    """Return the name of the factors of one image, which all of a batch have in turn."""
    check(id(factors) not in recorder.values, "normalisation by factors that depend on the image")
    first, *others = factors.detach().cpu().view(BATCH, -1)
    check(all(bool((other == first).all()) for other in others), "normalisation by factors of single images")
    return recorder.graph.constant(first.numpy())


def _product(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, y: Tensor) -> list[str]:
    """Write products of matrices; what is one matrix for all, as in linear layers, is kept as one."""
    if id(y) not in recorder.values and y.stride(0) == 0:
        factors = recorder.graph.constant(y[0].detach().cpu().numpy())
    else:
        factors = recorder.name(y)
    return recorder.graph.add("MatMul", [recorder.name(x), factors])


OPERATIONS: dict[str, Writer] = {
    **ACTIVATIONS,
    **SHAPES,
    "aten.convolution.default": _convolution,
    "aten.avg_pool2d.default": _average,
    "aten.max_pool2d_with_indices.default": _maximum,
    "aten.mean.dim": _reduction("ReduceMean"),
    "aten.mean.default": _reduction("ReduceMean"),
    "aten.sum.dim_IntList": _reduction("ReduceSum"),
    "aten.amax.default": _reduction("ReduceMax"),
    "aten.amin.default": _reduction("ReduceMin"),
    "aten.max.dim": _reduction("ReduceMax"),
    "aten.min.dim": _reduction("ReduceMin"),
    "aten.var.correction": _variance,
    "aten.std.correction": _deviation,
    "aten.linalg_vector_norm.default": _length,
    "aten._softmax.default": _softmax,
    "aten.mm.default": pointwise("MatMul"),
    "aten.bmm.default": _product,
    "aten.addmm.default": _affine,
    "aten.native_layer_norm.default": _layer_norm,
    "aten.native_group_norm.default": _group_norm,
    "aten.native_batch_norm.default": _batch_norm,
}
"""By torch's names."""
