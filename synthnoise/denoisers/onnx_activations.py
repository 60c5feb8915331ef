"""What torch computes of each value by itself, in ONNX: activations, comparisons, limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from synthnoise.denoisers.onnx_support import Writer, check

if TYPE_CHECKING:
    from synthnoise.denoisers.onnx_graph import Recorder


def pointwise(operator: str, **attributes: Any) -> Writer:
    """Return how to write an operation of one or two values without further arguments."""

    def write(recorder: Recorder, _outputs: Sequence[Tensor], *values: Any, **rest: Any) -> list[str]:
        check(not rest and len(values) <= 2, f"{operator} with arguments")
        return recorder.graph.add(operator, recorder.names(*values), **attributes)

    return write


def _sum(operator: str) -> Writer:
    """Return how to write ``x + alpha y`` or ``x - alpha y``."""

    def write(
        recorder: Recorder, _outputs: Sequence[Tensor], x: Any, y: Any, *, alpha: float = 1
    ) -> list[str]:
        first, second = recorder.names(x, y)
        if alpha != 1:
            (second,) = recorder.graph.add("Mul", [second, recorder.name(alpha)])
        return recorder.graph.add(operator, [first, second])

    return write


def _reversed_difference(
    recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, y: float, alpha: float = 1
) -> list[str]:
    check(alpha == 1, "differences with a factor")
    return recorder.graph.add("Sub", recorder.names(y, x))


def _reciprocal_root(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor) -> list[str]:
    return recorder.graph.add("Reciprocal", recorder.graph.add("Sqrt", recorder.names(x)))


def _leaky_relu(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, slope: float = 0.01) -> list[str]:
    return recorder.graph.add("LeakyRelu", recorder.names(x), alpha=float(slope))


def _gelu(
    recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, *, approximate: str = "none"
) -> list[str]:
    # ONNX has an operator of this name from version 20 on: this is its definition, for the older ones, too.
    graph, (name, half, one) = recorder.graph, recorder.names(x, 0.5, 1.0)
    if approximate == "none":
        (scaled,) = graph.add("Mul", [name, recorder.name(math.sqrt(0.5))])
        bent = graph.add("Erf", [scaled])
    else:
        (cube,) = graph.add("Pow", [name, recorder.name(3.0)])
        (small,) = graph.add("Mul", [cube, recorder.name(0.044715)])
        (inner,) = graph.add("Add", [name, small])
        (scaled,) = graph.add("Mul", [inner, recorder.name(math.sqrt(2 / math.pi))])
        bent = graph.add("Tanh", [scaled])
    (share,) = graph.add("Add", [*bent, one])
    (halved,) = graph.add("Mul", [name, half])
    return graph.add("Mul", [halved, share])


def _silu(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor) -> list[str]:
    (gate,) = recorder.graph.add("Sigmoid", recorder.names(x))
    return recorder.graph.add("Mul", [recorder.name(x), gate])


def _mish(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor) -> list[str]:
    (gate,) = recorder.graph.add("Tanh", recorder.graph.add("Softplus", recorder.names(x)))
    return recorder.graph.add("Mul", [recorder.name(x), gate])


def _softplus(
    recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, beta: float = 1, threshold: float = 20
) -> list[str]:
    # Beyond the threshold torch gives the value itself, from which the law differs by less than a last bit.
    check(beta == 1 and threshold >= 20, "softplus of another slope")
    return recorder.graph.add("Softplus", recorder.names(x))


def _elu(
    recorder: Recorder,
    _outputs: Sequence[Tensor],
    x: Tensor,
    alpha: float = 1,
    scale: float = 1,
    input_scale: float = 1,
) -> list[str]:
    check(input_scale == 1, "ELU of a scaled input")
    bent = recorder.graph.add("Elu", recorder.names(x), alpha=float(alpha))
    return bent if scale == 1 else recorder.graph.add("Mul", [*bent, recorder.name(scale)])


def _gated(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, dim: int = -1) -> list[str]:
    check(dim % x.dim() == 1, "gated units along other axes than the planes")
    half = outputs[0].shape[1]
    sizes = recorder.graph.constant(np.array([half, half], np.int64))
    values, gates = recorder.graph.add("Split", [recorder.name(x), sizes], 2, axis=1)
    return recorder.graph.add("Mul", [values, *recorder.graph.add("Sigmoid", [gates])])


def _clamp(
    recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, least: Any = None, most: Any = None
) -> list[str]:
    names = [recorder.name(x)]
    for operator, bound in (("Max", least), ("Min", most)):
        if bound is not None:
            names = recorder.graph.add(operator, [*names, recorder.name(bound)])
    return names


def _at_most(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, most: Any) -> list[str]:
    return _clamp(recorder, outputs, x, None, most)


def _choice(
    recorder: Recorder, outputs: Sequence[Tensor], condition: Tensor, x: Tensor, y: Tensor
) -> list[str]:
    check(x.dtype == y.dtype == torch.float32, "choices between numbers of other precision")
    return recorder.graph.add("Where", recorder.names(condition, x, y))


def _product_added(
    recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, a: Tensor, b: Tensor, *, value: float = 1
) -> list[str]:
    product = recorder.graph.add("Mul", recorder.names(a, b))
    if value != 1:
        product = recorder.graph.add("Mul", [*product, recorder.name(value)])
    return recorder.graph.add("Add", [recorder.name(x), *product])


def _converted(
    recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, *, dtype: torch.dtype | None = None, **_: Any
) -> list[str]:
    check(outputs[0].dtype == torch.float32, "numbers of other precision")
    if x.dtype == torch.float32:
        return [recorder.name(x)]
    check(x.dtype == torch.bool, "numbers of other precision")
    return recorder.graph.add("Cast", recorder.names(x), to=1)


ACTIVATIONS: dict[str, Writer] = {
    **{
        f"aten.{name}.default": pointwise(operator)
        for name, operator in {
            "relu": "Relu",
            "sigmoid": "Sigmoid",
            "tanh": "Tanh",
            "sqrt": "Sqrt",
            "neg": "Neg",
            "exp": "Exp",
            "log": "Log",
            "abs": "Abs",
            "erf": "Erf",
            "sin": "Sin",
            "cos": "Cos",
            "reciprocal": "Reciprocal",
            "hardswish": "HardSwish",
            "maximum": "Max",
            "minimum": "Min",
            "_prelu_kernel": "PRelu",
            "logical_not": "Not",
            "logical_and": "And",
            "logical_or": "Or",
        }.items()
    },
    **{
        f"aten.{name}.{kind}": pointwise(operator)
        for name, operator in {
            "gt": "Greater",
            "ge": "GreaterOrEqual",
            "lt": "Less",
            "le": "LessOrEqual",
            "eq": "Equal",
        }.items()
        for kind in ("Scalar", "Tensor")
    },
    "aten.add.Tensor": _sum("Add"),
    "aten.sub.Tensor": _sum("Sub"),
    "aten.mul.Tensor": pointwise("Mul"),
    "aten.mul.Scalar": pointwise("Mul"),
    "aten.div.Tensor": pointwise("Div"),
    "aten.pow.Tensor_Scalar": pointwise("Pow"),
    "aten.pow.Tensor_Tensor": pointwise("Pow"),
    "aten.rsub.Scalar": _reversed_difference,
    "aten.rsqrt.default": _reciprocal_root,
    "aten.hardsigmoid.default": pointwise("HardSigmoid", alpha=1 / 6, beta=0.5),
    "aten.leaky_relu.default": _leaky_relu,
    "aten.gelu.default": _gelu,
    "aten.silu.default": _silu,
    "aten.mish.default": _mish,
    "aten.softplus.default": _softplus,
    "aten.elu.default": _elu,
    "aten.glu.default": _gated,
    "aten.clamp.default": _clamp,
    "aten.clamp.Tensor": _clamp,
    "aten.hardtanh.default": _clamp,
    "aten.clamp_min.default": _clamp,
    "aten.clamp_max.default": _at_most,
    "aten.where.self": _choice,
    "aten.addcmul.default": _product_added,
    "aten._to_copy.default": _converted,
}
"""By torch's names."""
