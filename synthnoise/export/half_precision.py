"""Half precision inside a graph, whoever wrote it down.

Convolutions and matrix products give float16, and what is computed from that alone stays so. What is computed
from the image itself stays float32: a stabilised level of 200 has no room for its noise in half precision. So
the first convolution and what is added to or subtracted from the image are as exact as before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthnoise.errors import UsageError

PRODUCTS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
"""Operations whose results are features, which are float16."""
ARITHMETIC = ("Abs", "Add", "Clip", "Div", "Max", "Min", "Mul", "Neg", "Sub", "Where")
ACTIVATIONS = (
    *("Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Relu", "Selu", "Sigmoid"),
    *("Softplus", "Tanh"),
)
MEANS = ("AveragePool", "BatchNormalization", "GlobalAveragePool", "LayerNormalization", "MaxPool")
MOVES = (
    *("Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "Pad", "Reshape", "Shape"),
    *("Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
)
IN_HALF = frozenset((*PRODUCTS, *ARITHMETIC, *ACTIVATIONS, *MEANS, *MOVES))
"""Operations that are computed in float16 where all they are given is; others in float32."""


def in_half_precision(model: Any) -> Any:
    """Return an ONNX ModelProto whose features and weights are float16; inputs and outputs stay float32.

    Raises
    ------
    UsageError
        The graph has branches or loops, or values of no known type.
    """
    import onnx
    from onnx import helper, inliner

    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    walk = _Walk(onnx.shape_inference.infer_shapes(model))
    for node in graph.node:
        walk.take(node)
    for value in graph.output:
        walk.give(value.name)
    used = {name for node in walk.nodes for name in node.input}
    constants = [onnx.numpy_helper.from_array(a, n) for n, a in walk.constants.items() if n in used]
    halved = helper.make_graph(walk.nodes, graph.name, graph.input, graph.output, constants)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    result.graph.CopyFrom(halved)
    return result


class _Walk:
    """The nodes of a graph, in their order, with the casts between them.

    Attributes
    ----------
    nodes
        What was written so far.
    constants
        Arrays by name, in both precisions where both were asked for.
    """

    def __init__(self, model: Any) -> None:
        from onnx import TensorProto, numpy_helper

        graph = model.graph
        self._float, self._float16 = TensorProto.FLOAT, TensorProto.FLOAT16
        self.nodes: list[Any] = []
        self.constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
        self._types = {
            value.name: value.type.tensor_type.elem_type
            for value in (*graph.input, *graph.output, *graph.value_info)
        }
        self._types |= {value.name: value.data_type for value in graph.initializer}
        self._fixed = set(self.constants)
        """Values that do not depend on the image, which are taken in any precision."""
        self._features: set[str] = set()
        """Values that count as float16 ..."""
        self._stored: set[str] = set()
        """... and those that are."""
        self._given: dict[tuple[str, bool], str] = {}

    def take(self, node: Any) -> None:
        """Write a node in the precision of what it is given, and note in which its results count."""
        from onnx import AttributeProto, NodeProto

        branches = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
        if any(attribute.type in branches for attribute in node.attribute):
            raise UsageError(
                f"half precision: the graph has branches ({node.op_type})", hint="leave out --half"
            )
        numbers = [name for name in node.input if name and self._is_float(name)]
        varying = [name for name in numbers if name not in self._fixed]
        features = bool(varying) and self._features.issuperset(varying)
        half = features and node.op_type in IN_HALF
        written = NodeProto()
        written.CopyFrom(node)
        for place, name in enumerate(node.input):
            if name in numbers:
                written.input[place] = self._cast(name, half=half)
        self.nodes.append(written)
        results = [name for name in node.output if name and self._is_float(name)]
        if self._fixed.issuperset(filter(None, node.input)):
            self._fixed.update(node.output)
        if half:
            self._stored.update(results)
        if features or node.op_type in PRODUCTS:
            self._features.update(results)

    def give(self, name: str) -> None:
        """Have an output of the graph be float32."""
        if name not in self._stored:
            return
        from onnx import helper

        inside = f"{name}.16"
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [inside if one == name else one for one in names]
        self.nodes.append(helper.make_node("Cast", [inside], [name], name=f"Cast_{name}", to=self._float))

    def _is_float(self, name: str) -> bool:
        if not self._types.get(name):
            raise UsageError(f"half precision: no type is known of {name}", hint="leave out --half")
        return bool(self._types[name] == self._float)

    def _cast(self, name: str, *, half: bool) -> str:
        """Return the name of a value in the precision asked for."""
        if (name in self._stored) == half:
            return name
        if (name, half) not in self._given:
            from onnx import helper

            other = self._given[name, half] = f"{name}.{16 if half else 32}"
            if name in self.constants:
                self.constants[other] = self.constants[name].astype(np.float16 if half else np.float32)
            else:
                kind = self._float16 if half else self._float
                self.nodes.append(helper.make_node("Cast", [name], [other], name=f"Cast_{other}", to=kind))
        return self._given[name, half]
