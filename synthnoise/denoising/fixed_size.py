"""Graphs of a fixed size, made to run at any: some other program asked for it, the network did not.

Tiles of that size would not give what the network gives: its features end at the edge of the image, and no
padding of a smaller image makes them end there.
"""

from __future__ import annotations

from importlib import util
from pathlib import Path

import numpy as np

from synthnoise.errors import InputError, MissingExtraError

AXES = {0: "batch", 2: "h", 3: "w"}
"""What is made free of [B, C, H, W], and its names."""


def of_any_size(path: Path, size: tuple[int, int], multiple_of: int) -> bytes:
    """Return the model of a file of ``synthnoise export --static`` with batch, height and width free.

    What the file pads ``size`` by is left out with it: height and width have to be multiples of
    ``multiple_of``. Operations that hold the size themselves are not looked for: they fail in the run.

    Parameters
    ----------
    path
        A file that onnxruntime has opened.
    size
        (height, width) that it is fixed to.
    multiple_of
        What height and width are padded to inside.

    Raises
    ------
    MissingExtraError
        The package onnx is not installed.
    InputError
        It does not read the file.
    """
    if util.find_spec("onnx") is None:
        raise MissingExtraError("onnx", "onnx")
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import numpy_helper

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise InputError("not an ONNX file of one piece") from error
    graph = model.graph
    for value in (*graph.input, *graph.output):
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if axis in AXES:
                dimension.dim_param = AXES[axis]
    del graph.value_info[:]
    padding = np.array([0] * 6 + [-edge % multiple_of for edge in size], np.int64)
    inside = onnx.TensorProto.DEFAULT
    constants = {value.name: value for value in graph.initializer if value.data_location == inside}
    given = {value.name for value in graph.input}
    for node in graph.node:
        if node.op_type == "Pad" and node.input[0] in given and node.input[1] in constants:
            pads = constants[node.input[1]]
            if np.array_equal(numpy_helper.to_array(pads), padding):
                pads.CopyFrom(numpy_helper.from_array(np.zeros_like(padding), pads.name))
    data: bytes = model.SerializeToString()
    return data
