"""What torch does with the axes of an array, in ONNX: parts, copies, other shapes and other sizes.

Sizes of the image are numbers to torch, of which nothing says where they are from. Those that a graph has to
take from its input are recognised by an earlier value of that height and width (:meth:`Recorder.extent`);
what is told of planes alone is a constant. Where that goes wrong, the graph's trial at another size shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from synthnoise.denoisers.onnx_support import Writer, check

if TYPE_CHECKING:
    from synthnoise.denoisers.onnx_graph import Recorder

_END = 2**31
"""From which on the end of a part is that of the axis."""


def _integers(recorder: Recorder, values: Sequence[int]) -> str:
    return recorder.graph.constant(np.array(values, np.int64))


def same(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, *_rest: Any, **_kept: Any) -> list[str]:
    """Write nothing: the result is the value that was there."""
    check(outputs[0].shape == x.shape and outputs[0].dtype == x.dtype, "views of another shape")
    return [recorder.name(x)]


def _concatenate(
    recorder: Recorder, _outputs: Sequence[Tensor], parts: list[Tensor], dim: int = 0
) -> list[str]:
    return recorder.graph.add("Concat", recorder.names(*parts), axis=dim)


def _stack(recorder: Recorder, outputs: Sequence[Tensor], parts: list[Tensor], dim: int = 0) -> list[str]:
    axis = dim % outputs[0].dim()
    axes = _integers(recorder, [axis])
    names = [recorder.graph.add("Unsqueeze", [name, axes])[0] for name in recorder.names(*parts)]
    return recorder.graph.add("Concat", names, axis=axis)


def _split(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, _size: Any, dim: int = 0) -> list[str]:
    check(dim % x.dim() == 1, "splits of other axes than the planes")
    sizes = _integers(recorder, [part.shape[1] for part in outputs])
    return recorder.graph.add("Split", [recorder.name(x), sizes], len(outputs), axis=1)


def _unbind(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, dim: int = 0) -> list[str]:
    check(dim % x.dim() == 1, "splits of other axes than the planes")
    return [_select(recorder, [part], x, dim, place)[0] for place, part in enumerate(outputs)]


def _select(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, dim: int, place: int) -> list[str]:
    check(dim % x.dim() == 1, "single rows and columns")
    found = recorder.graph.add("Gather", [recorder.name(x), _integers(recorder, [place])], axis=1)
    return recorder.graph.add("Squeeze", [*found, _integers(recorder, [1])])


def _part(
    recorder: Recorder,
    outputs: Sequence[Tensor],
    x: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> list[str]:
    axis, first, last = dim % x.dim(), start or 0, _END if end is None else end
    if outputs[0].shape == x.shape:
        # Up to the end of a small image may be a limit, of which larger ones have more.
        check(axis == 1 or last == x.shape[axis] or last >= _END, "parts of rows and columns up to a place")
        return [recorder.name(x)]
    # A place that is counted from the beginning may depend on the size.
    check(axis == 1 or ((last < 0 or last >= _END) and axis > 1), "parts of rows and columns up to a place")
    bounds = [_integers(recorder, [value]) for value in (first, last, axis, step)]
    return recorder.graph.add("Slice", [recorder.name(x), *bounds])


def _roll(
    recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, shifts: list[int], dims: Sequence[int] = ()
) -> list[str]:
    check(len(dims) == len(shifts), "rolls of all axes as if they were one")
    graph, names = recorder.graph, [recorder.name(x)]
    for shift, dim in zip(shifts, dims, strict=True):
        axis = dim % x.dim()
        (size,) = graph.add("Shape", names, start=axis, end=axis + 1)
        # Where the last are that become the first: small images are rolled more than once around.
        (place,) = graph.add("Mod", [_integers(recorder, [-shift]), size])
        zero, end, axes = (_integers(recorder, [value]) for value in (0, _END, axis))
        parts = [graph.add("Slice", [*names, *ends, axes])[0] for ends in ((place, end), (zero, place))]
        names = graph.add("Concat", parts, axis=axis)
    return names


def _flip(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, dims: list[int]) -> list[str]:
    bounds = ([-1] * len(dims), [-_END] * len(dims), [d % x.dim() for d in dims], [-1] * len(dims))
    return recorder.graph.add("Slice", [recorder.name(x), *(_integers(recorder, each) for each in bounds)])


def _patches(
    recorder: Recorder,
    outputs: Sequence[Tensor],
    x: Tensor,
    kernel: list[int],
    dilation: list[int],
    padding: list[int],
    stride: list[int],
) -> list[str]:
    """Write the patches [B, C h w, L] of images: for each place in a patch the image from there on."""
    graph, name, planes = recorder.graph, recorder.name(x), x.shape[1]
    check(x.dim() == 4, "patches of an image without a batch")
    if any(padding):
        (name,) = graph.add("Pad", [name, _integers(recorder, [0, 0, *padding, 0, 0, *padding])])
    parts = []
    for place in np.ndindex(*kernel):
        first = [at * apart for at, apart in zip(place, dilation, strict=True)]
        spare = [(n - 1 - at) * apart for n, at, apart in zip(kernel, place, dilation, strict=True)]
        bounds = (first, [-each or _END for each in spare], [2, 3], stride)
        parts += graph.add("Slice", [name, *(_integers(recorder, list(each)) for each in bounds)])
    (places,) = graph.add("Concat", parts, axis=1)
    # Torch puts the plane before the place within the patch.
    order = np.arange(len(parts) * planes).reshape(len(parts), planes).T.ravel()
    (images,) = graph.add("Gather", [places, graph.constant(order)], axis=1)
    edges = _counts(x.shape[2:], kernel, dilation, padding, stride)
    recorder.extents.setdefault(edges, images)
    return graph.add("Reshape", [images, _integers(recorder, [0, 0, -1])])


def _overlaid(
    recorder: Recorder,
    outputs: Sequence[Tensor],
    x: Tensor,
    size: list[int],
    kernel: list[int],
    dilation: list[int],
    padding: list[int],
    stride: list[int],
) -> list[str]:
    """Write the sum of patches [B, C h w, L] where they lie in images: for each place a kernel of its own."""
    check(x.dim() == 3, "patches of an image without a batch")
    counts = _counts(size, kernel, dilation, padding, stride)
    covered = [
        (n - 1) * s - 2 * p + d * (k - 1) + 1
        for n, k, d, p, s in zip(counts, kernel, dilation, padding, stride, strict=True)
    ]
    # How much is beyond the last patch depends on the size.
    check(covered == list(size), "images that are not whole patches")
    graph, planes, places = recorder.graph, outputs[0].shape[1], int(np.prod(kernel))
    ends = [_integers(recorder, [0, planes * places]), recorder.extent(*counts)]
    images = graph.add("Reshape", [recorder.name(x), *graph.add("Concat", ends, axis=0)])
    kernels = np.tile(np.eye(places, dtype=np.float32), (planes, 1)).reshape(-1, 1, *kernel)
    return graph.add(
        "ConvTranspose",
        [*images, graph.constant(kernels)],
        strides=list(stride),
        pads=[*padding, *padding],
        dilations=list(dilation),
        group=planes,
        kernel_shape=list(kernel),
    )


def _counts(
    size: Sequence[int], kernel: list[int], dilation: list[int], padding: list[int], stride: list[int]
) -> tuple[int, ...]:
    """Return how many patches an image of a (height, width) has down and across."""
    each = zip(size, kernel, dilation, padding, stride, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in each)


def _unsqueeze(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, dim: int) -> list[str]:
    axes = _integers(recorder, [dim % outputs[0].dim()])
    return recorder.graph.add("Unsqueeze", [recorder.name(x), axes])


def _squeeze(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, dims: int | list[int]) -> list[str]:
    axes = [dim % x.dim() for dim in ([dims] if isinstance(dims, int) else dims)]
    axes = [axis for axis in axes if x.shape[axis] == 1]
    if not axes:
        return [recorder.name(x)]
    return recorder.graph.add("Squeeze", [recorder.name(x), _integers(recorder, axes)])


def _permute(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, order: list[int]) -> list[str]:
    return recorder.graph.add("Transpose", [recorder.name(x)], perm=[axis % x.dim() for axis in order])


def _transpose(
    recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, first: int, second: int
) -> list[str]:
    order = list(range(x.dim()))
    order[first], order[second] = order[second], order[first]
    return _permute(recorder, outputs, x, order)


def _expand(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, *_rest: Any, **_kept: Any) -> list[str]:
    """Write how an array is repeated along axes of one entry."""
    shape = list(outputs[0].shape)
    before = [1] * (len(shape) - x.dim()) + list(x.shape)
    wanted = [1 if old == new else new for old, new in zip(before, shape, strict=True)]
    if outputs[0].shape == x.shape:
        return [recorder.name(x)]
    check(wanted[0] == 1, "copies along the batch")
    if any(size != 1 for size in wanted[2:]):
        check(len(shape) == 4, "copies along other axes than those of an image")
        target = [_integers(recorder, wanted[:2]), recorder.extent(shape[2], shape[3])]
        (size,) = recorder.graph.add("Concat", target, axis=0)
    else:
        size = _integers(recorder, wanted)
    return recorder.graph.add("Expand", [recorder.name(x), size])


def _repeat(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, times: list[int]) -> list[str]:
    check(len(times) == x.dim(), "copies along new axes")
    repeated = [axis for axis, count in enumerate(times) if count != 1]
    if all(x.shape[axis] == 1 for axis in repeated):
        return _expand(recorder, outputs, x)
    check(repeated == [1], "an image beside itself")
    return recorder.graph.add("Tile", [recorder.name(x), _integers(recorder, times)])


def _filled(value: float) -> Writer:
    """Return how to write an array of one value that has the shape of another."""

    def write(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, **_kept: Any) -> list[str]:
        check(outputs[0].dtype == torch.float32, "numbers of other precision")
        one = recorder.graph.constant(np.array([value], np.float32))
        return recorder.graph.add("Expand", [one, *recorder.graph.add("Shape", [recorder.name(x)])])

    return write


def _view(recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, *_rest: Any) -> list[str]:
    """Write another shape: axes that stay are copied, of the others one is what remains."""
    before, shape = list(x.shape), list(outputs[0].shape)
    if before == shape:
        return [recorder.name(x)]
    target = [0 if axis < len(before) and before[axis] == size else size for axis, size in enumerate(shape)]
    edges = next(
        (axis for axis in range(1, len(shape) - 1) if _of_the_image(recorder, shape, target, axis)), None
    )
    changed = [axis for axis, size in enumerate(target) if size and edges not in (axis, axis - 1)]
    if changed:
        # A first axis that changes has the batch in it, unless it is put before it.
        target[0 if 0 in changed and shape[0] != 1 else max(changed, key=shape.__getitem__)] = -1
    if edges is None:
        size = _integers(recorder, target)
    else:
        parts = [_integers(recorder, target[:edges]), recorder.extent(shape[edges], shape[edges + 1])]
        if target[edges + 2 :]:
            parts.append(_integers(recorder, target[edges + 2 :]))
        (size,) = recorder.graph.add("Concat", parts, axis=0)
    return recorder.graph.add("Reshape", [recorder.name(x), size])


def _of_the_image(recorder: Recorder, shape: list[int], target: list[int], axis: int) -> bool:
    """Return whether an axis and the next become rows and columns of an image."""
    pair = (shape[axis], shape[axis + 1])
    return pair != (1, 1) and pair in recorder.extents and any(target[axis : axis + 2])


def _padding(mode: str) -> Writer:
    """Return how to write a border around an image that is made of it."""

    def write(recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, padding: list[int]) -> list[str]:
        left, right, top, bottom = padding
        pads = _integers(recorder, [0, 0, top, left, 0, 0, bottom, right])
        return recorder.graph.add("Pad", [recorder.name(x), pads], mode=mode)

    return write


def _border(
    recorder: Recorder, _outputs: Sequence[Tensor], x: Tensor, padding: list[int], value: float = 0
) -> list[str]:
    check(min(padding) >= 0, "negative borders")
    pairs = [*zip(padding[::2], padding[1::2], strict=True)][::-1]
    pairs = [(0, 0)] * (x.dim() - len(pairs)) + pairs
    pads = _integers(recorder, [pair[end] for end in (0, 1) for pair in pairs])
    return recorder.graph.add("Pad", [recorder.name(x), pads, recorder.name(float(value))])


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


def _resize(**attributes: Any) -> Writer:
    """Return how to write an interpolation at another size, or by factors."""

    def write(
        recorder: Recorder, outputs: Sequence[Tensor], x: Tensor, size: list[int], *rest: Any
    ) -> list[str]:
        own = dict(attributes)
        if own["mode"] != "nearest":
            own["coordinate_transformation_mode"] = "align_corners" if rest[0] else "half_pixel"
        factors = [factor for factor in rest[-2:] if isinstance(factor, float)]
        if len(factors) == 2:
            # Rounded, as they are in ONNX, they lead to other pixels, and at some sizes to one less.
            exact = all(float(np.float32(factor)) == factor for factor in factors)
            check(exact, "interpolation by factors that have no end in binary")
            scales = recorder.graph.constant(np.array([1, 1, *factors], np.float32))
            return recorder.graph.add("Resize", [recorder.name(x), "", scales], **own)
        planes = recorder.graph.add("Shape", [recorder.name(x)], start=0, end=2)
        (target,) = recorder.graph.add("Concat", [*planes, recorder.extent(*size)], axis=0)
        return recorder.graph.add("Resize", [recorder.name(x), "", "", target], **own)

    return write


SHAPES: dict[str, Writer] = {
    "aten.cat.default": _concatenate,
    "aten.stack.default": _stack,
    "aten.split.Tensor": _split,
    "aten.split_with_sizes.default": _split,
    "aten.unbind.int": _unbind,
    "aten.select.int": _select,
    "aten.slice.Tensor": _part,
    "aten.roll.default": _roll,
    "aten.flip.default": _flip,
    "aten.im2col.default": _patches,
    "aten.col2im.default": _overlaid,
    "aten.unsqueeze.default": _unsqueeze,
    "aten.squeeze.dim": _squeeze,
    "aten.squeeze.dims": _squeeze,
    "aten.permute.default": _permute,
    "aten.transpose.int": _transpose,
    "aten.expand.default": _expand,
    "aten.repeat.default": _repeat,
    "aten.ones_like.default": _filled(1.0),
    "aten.zeros_like.default": _filled(0.0),
    "aten.view.default": _view,
    "aten._unsafe_view.default": _view,
    "aten.replication_pad2d.default": _padding("edge"),
    "aten.reflection_pad2d.default": _padding("reflect"),
    "aten.constant_pad_nd.default": _border,
    "aten.pixel_unshuffle.default": _unshuffle,
    "aten.pixel_shuffle.default": _shuffle,
    "aten.upsample_nearest2d.default": _resize(
        mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "aten._upsample_nearest_exact2d.default": _resize(
        mode="nearest", coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_ceil"
    ),
    "aten.upsample_bilinear2d.default": _resize(mode="linear"),
    "aten.upsample_bicubic2d.default": _resize(mode="cubic", cubic_coeff_a=-0.75),
    "aten.as_strided_.default": same,
    "aten.detach.default": same,
    "aten.alias.default": same,
    "aten.clone.default": same,
}
"""By torch's names."""
