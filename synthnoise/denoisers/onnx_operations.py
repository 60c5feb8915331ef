"""What each operation of torch becomes in an ONNX graph.

The functions are called with the recorder, what torch returned and torch's own arguments; they return the
names of the values that they wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from synthnoise.errors import SynthnoiseError

if TYPE_CHECKING:
    from synthnoise.denoisers.onnx_graph import Recorder


class UnsupportedOperationError(SynthnoiseError):
    """The network does something that has no entry in the table."""


def _check(condition: bool, what: str) -> None:
    if not condition:
        raise UnsupportedOperationError(f"no ONNX operation is known for {what}")


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


def _pointwise(operator: str, **attributes: Any) -> Callable[..., list[str]]:
    """Return how to write an operation of one or two values without further arguments."""

    def write(recorder: Recorder, _outputs: Sequence[Tensor], *values: Any, **rest: Any) -> list[str]:
        _check(not rest and len(values) <= 2, f"{operator} with arguments")
        return recorder.graph.add(operator, recorder.names(*values), **attributes)

    return write


def _leaky_relu(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, slope: float = 0.01) -> list[str]:
    return recorder.graph.add("LeakyRelu", recorder.names(x), alpha=float(slope))


def _concatenate(
    recorder: Recorder, _outputs: Sequence[Tensor], parts: list[Tensor], dim: int = 0
) -> list[str]:
    return recorder.graph.add("Concat", recorder.names(*parts), axis=dim)


def _replicate(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, padding: list[int]) -> list[str]:
    left, right, top, bottom = padding
    pads = recorder.graph.constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    return recorder.graph.add("Pad", [recorder.name(x), pads], mode="edge")


def _unshuffle(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, step: int) -> list[str]:
    # ONNX puts the place within the block before the plane, torch the plane before the place.
    planes = x.shape[1]
    if step == 1:
        return [recorder.name(x)]
    order = np.arange(step**2 * planes).reshape(step**2, planes).T.ravel()
    (blocks,) = recorder.graph.add("SpaceToDepth", [recorder.name(x)], blocksize=step)
    if planes == 1:
        return [blocks]
    return recorder.graph.add("Gather", [blocks, recorder.graph.constant(order)], axis=1)


def _shuffle(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, step: int) -> list[str]:
    if step == 1:
        return [recorder.name(x)]
    return recorder.graph.add("DepthToSpace", [recorder.name(x)], blocksize=step, mode="CRD")


def _average(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    kernel: list[int],
    stride: Sequence[int] = (),
    *rest: Any,
) -> list[str]:
    _check(not any(np.ravel(rest[:1])) and not any(rest[1:2]), "padded averages")
    _check(rest[3:] in ((), (None,)), "averages with a divisor of their own")
    if set(kernel) == set(stride or kernel) == {1}:
        return [recorder.name(x)]
    return recorder.graph.add(
        "AveragePool", [recorder.name(x)], kernel_shape=list(kernel), strides=list(stride or kernel)
    )


def _maximum(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    kernel: list[int],
    stride: Sequence[int] = (),
    *rest: Any,
) -> list[str]:
    _check(not any(np.ravel(rest[:1])), "padded maxima")
    return recorder.graph.add(
        "MaxPool", [recorder.name(x)], kernel_shape=list(kernel), strides=list(stride or kernel)
    )


def _mean(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    dims: list[int],
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> list[str]:
    _check(dtype in (None, x.dtype), "means in another precision")
    axes = recorder.graph.constant(np.array([d % x.dim() for d in dims], np.int64))
    return recorder.graph.add("ReduceMean", [recorder.name(x), axes], keepdims=int(keepdim))


def _split(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, _size: int, dim: int = 0) -> list[str]:
    _check(dim % x.dim() == 1, "splits of other axes than the planes")
    sizes = recorder.graph.constant(np.array([part.shape[1] for part in outputs], np.int64))
    return recorder.graph.add("Split", [recorder.name(x), sizes], len(outputs), axis=1)


def _permute(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, order: list[int]) -> list[str]:
    return recorder.graph.add("Transpose", [recorder.name(x)], perm=order)


def _layer_norm(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    shape: list[int],
    weight: Tensor | None,
    bias: Tensor | None,
    epsilon: float,
) -> list[str]:
    _check(weight is not None and bias is not None, "normalisation without factors")
    inputs = recorder.names(x, weight, bias)
    return recorder.graph.add("LayerNormalization", inputs, axis=-len(shape), epsilon=epsilon)


def _batch_norm(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    training: bool,
    _momentum: float,
    epsilon: float,
) -> list[str]:
    _check(not training, "batch normalisation in training")
    _check(weight is not None and bias is not None, "normalisation without factors")
    inputs = recorder.names(x, weight, bias, mean, variance)
    return recorder.graph.add("BatchNormalization", inputs, epsilon=epsilon)


def _same(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, *_rest: Any) -> list[str]:
    _check(outputs[0].shape == x.shape, "views of another shape")
    return [recorder.name(x)]


OPERATIONS: dict[str, Callable[..., list[str]]] = {
    "aten.convolution.default": _convolution,
    "aten.relu.default": _pointwise("Relu"),
    "aten.sigmoid.default": _pointwise("Sigmoid"),
    "aten.sqrt.default": _pointwise("Sqrt"),
    "aten.neg.default": _pointwise("Neg"),
    "aten.add.Tensor": _pointwise("Add"),
    "aten.sub.Tensor": _pointwise("Sub"),
    "aten.mul.Tensor": _pointwise("Mul"),
    "aten.div.Tensor": _pointwise("Div"),
    "aten.pow.Tensor_Scalar": _pointwise("Pow"),
    "aten.leaky_relu.default": _leaky_relu,
    "aten.cat.default": _concatenate,
    "aten.replication_pad2d.default": _replicate,
    "aten.pixel_unshuffle.default": _unshuffle,
    "aten.pixel_shuffle.default": _shuffle,
    "aten.avg_pool2d.default": _average,
    "aten.max_pool2d_with_indices.default": _maximum,
    "aten.mean.dim": _mean,
    "aten.split.Tensor": _split,
    "aten.permute.default": _permute,
    "aten.native_layer_norm.default": _layer_norm,
    "aten.native_batch_norm.default": _batch_norm,
    "aten.as_strided_.default": _same,
    "aten.detach.default": _same,
}
"""By torch's names."""
