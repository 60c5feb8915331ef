"""Whether a network does the same to an image of any size, asked without computing anything.

What is written down of a small image holds for large ones only where none of the network's decisions depends
on the size. Local pooling in place of global one, as test-time local converters have it (Chu et al., ECCV
2022), begins at a few hundred pixels, which no quick trial has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

LARGE = 1024
"""Pixels, at least, that are added to the edges."""


class _Shape(Tensor):
    """A tensor that has a shape and no content."""

    extent: Tensor
    course: list[str]
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, inner: Tensor, _course: list[str]) -> _Shape:
        place = torch.device("cpu")
        return Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), dtype=inner.dtype, device=place
        )

    def __init__(self, inner: Tensor, course: list[str]) -> None:
        self.extent, self.course = inner, course

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        courses: list[list[str]] = []

        def unwrapped(value: Any) -> Any:
            if isinstance(value, _Shape):
                courses.append(value.course)
                return value.extent
            return value.to("meta") if isinstance(value, Tensor) else value

        args, kwargs = tree_map(unwrapped, (args, kwargs or {}))
        if "device" in kwargs:
            kwargs["device"] = "meta"
        result = func(*args, **kwargs)
        courses[0].append(str(func))
        return tree_map(lambda x: _Shape(x, courses[0]) if isinstance(x, Tensor) else x, result)


def depends_on_size(network: nn.Module, shapes: Sequence[tuple[int, ...]], step: int) -> bool:
    """Return whether a network on the CPU does other operations to images that are larger.

    Parameters
    ----------
    shapes
        Of what it takes, [B, C, h, w].
    step
        Pixels, of which its images have multiples along the edge.
    """
    more = -(-LARGE // step) * step
    try:
        small = _course(network, shapes)
        large = _course(network, [(*shape[:-2], shape[-2] + more, shape[-1] + more) for shape in shapes])
    except Exception:  # networks may ask for content: then the trials alone decide
        return False
    return small != large


def _course(network: nn.Module, shapes: Sequence[tuple[int, ...]]) -> list[str]:
    course: list[str] = []
    with torch.no_grad():
        network(*(_Shape(torch.empty(shape, device="meta"), course) for shape in shapes))
    return course
