"""A GPU that is not there: its tensors are held by the processor, and refused where CUDA would refuse them.

Within :func:`pretended_gpu`, what asks for ``cuda`` gets tensors that say they are on it. Where two devices
meet, and where a tensor there is taken for an array here, it is an error as on a GPU; and convolutions read
ten bits of each number, unless they are told not to (TF32). How long the real one waits is counted, not felt.
One thing differs: parameters of modules that move become other objects, where CUDA keeps them. Apple's
(``mps``) is refused double precision instead.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from lightning_fabric.accelerators.mps import MPSAccelerator
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

CPU = torch.device("cpu")
_kind = "cuda"

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "is_available": lambda: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "set_device": lambda device: None,
    "get_device_name": lambda device=None: "a pretended GPU",
    "get_device_capability": lambda device=None: (9, 0),
    "synchronize": lambda device=None: None,
    "empty_cache": lambda: None,
    "max_memory_allocated": lambda device=None: 0,
    "is_bf16_supported": lambda *_, **__: True,
}
"""Of torch.cuda, what is asked before anything else."""

ARRAYS = {"numpy", "__array__", "data_ptr", "__dlpack__"}
CROSSING = {"copy_", "to", "__set__", "_has_compatible_shallow_copy_type"}
INDEXING = {"__getitem__", "__setitem__", "index_put_"}
WAITING = {"item", "tolist", "nonzero", "masked_select", "unique", "bincount", "equal"} | {
    "__bool__", "__int__", "__float__", "__index__", "cpu",
}  # fmt: skip
"""Functions by name: which want an array, may see two devices, may be given numbers of the other one, and
which make the processor wait for the GPU."""


class There(Tensor):
    """A tensor on the GPU."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of tensors."""
        return _call(func, args, kwargs or {}, collections.Counter())

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse: what is pickled on a GPU is not read without one."""
        raise TypeError("pickled on the GPU")


class _Mode(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.waits: collections.Counter[str] = collections.Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _call(func, args, kwargs or {}, self.waits)


@contextlib.contextmanager
def pretended_gpu(kind: str = "cuda") -> Iterator[collections.Counter[str]]:
    """Have a GPU in this thread; yields how often the processor waited for it, by what it called."""
    global _kind
    before, _kind = _kind, kind
    with contextlib.ExitStack() as there:
        there.callback(globals().update, _kind=before)
        if kind == "cuda":
            there.enter_context(mock.patch.multiple(torch.cuda, **FUNCTIONS))
        else:
            there.enter_context(mock.patch.object(torch.backends.mps, "is_available", return_value=True))
            # Lightning Fabric keeps what it was first told.
            there.enter_context(mock.patch.object(MPSAccelerator, "is_available", return_value=True))
        yield there.enter_context(_Mode()).waits


def _call(func: Any, args: Any, kwargs: Any, waits: collections.Counter[str]) -> Any:
    name = getattr(func, "__name__", "")
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    there = [x for x in tensors if isinstance(x, There)]
    with torch._C.DisableTorchFunctionSubclass():
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return torch.device(_kind, 0) if there else args[0].device
        if func == Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return bool(there)
        if name == "_has_compatible_shallow_copy_type":
            return len(there) in (0, len(tensors))
        if func is Tensor.__deepcopy__ and there:
            return _copied(args[0], args[1])
        _check(name, args, tensors)
        target, args, kwargs = _target(name, args, kwargs)
        if there and (name in WAITING or target == CPU or _waits_to_index(name, args)):
            waits[name] += 1
        if there and name == "conv2d" and _rounds(args, kwargs):
            args = (_ten_bits(args[0]), _ten_bits(args[1]), *args[2:])
        found = func(*args, **kwargs)
    on_gpu = bool(there) if target is None else target.type == _kind
    if name == "copy_":
        on_gpu = isinstance(args[0], There)
    crosses = target is not None and on_gpu != bool(there)
    if (
        _kind == "mps"
        and on_gpu
        and any(isinstance(x, Tensor) and x.dtype == torch.float64 for x in tree_leaves(found))
    ):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
    return tree_map(lambda x: _tagged(x, on_gpu, copy=crosses) if isinstance(x, Tensor) else x, found)


def _check(name: str, args: Any, tensors: list[Tensor]) -> None:
    """Raise what a GPU would where tensors of two devices meet; single numbers may come along."""
    there = [x for x in tensors if isinstance(x, There)]
    here = [x for x in tensors if not isinstance(x, There)]
    if there and name in ARRAYS:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")
    if not there or name in CROSSING:
        return
    if name in INDEXING:
        if not isinstance(args[0], There) and any(x.dim() for x in there):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor")
    elif any(x.dim() for x in here):
        raise RuntimeError(f"{name}: expected all tensors to be on the same device: cuda:0 and cpu")


def _target(name: str, args: Any, kwargs: Any) -> tuple[torch.device | None, Any, Any]:
    """Return the device that is asked for, and arguments that ask for the processor instead."""
    gpu = torch.device(_kind, 0)
    asked: list[torch.device] = [CPU] if name == "cpu" else [gpu] if name == "cuda" else []

    def here(value: Any) -> Any:
        if isinstance(value, torch.device) or (
            isinstance(value, str) and value.partition(":")[0] in (_kind, "cpu")
        ):
            asked.append(torch.device(value))
            return CPU
        return value

    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": here(kwargs["device"])}
    if name == "to":
        args = (args[0], *map(here, args[1:]))
        asked += [gpu if isinstance(x, There) else CPU for x in args[1:] if isinstance(x, Tensor)]
    return (asked[-1] if asked else None), args, kwargs


def _waits_to_index(name: str, args: Any) -> bool:
    chosen = tree_leaves(args[1]) if name in ("__getitem__", "__setitem__") else []
    return any(isinstance(x, Tensor) and (x.dtype == torch.bool or not isinstance(x, There)) for x in chosen)


def _tagged(tensor: Tensor, on_gpu: bool, *, copy: bool) -> Tensor:
    if isinstance(tensor, There) == on_gpu:
        return tensor
    tensor = tensor.clone() if copy else tensor
    if tensor.requires_grad and tensor.is_leaf:
        return tensor.detach().as_subclass(There if on_gpu else Tensor).requires_grad_()
    return tensor.as_subclass(There if on_gpu else Tensor)


def _copied(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    new: Any = tensor.detach().clone().as_subclass(There).requires_grad_(tensor.requires_grad)
    if getattr(tensor, "_is_param", False):
        new._is_param = True
    memo[id(tensor)] = new
    return new  # type: ignore[no-any-return]


def _rounds(args: Any, kwargs: Any) -> bool:
    """Whether cuDNN would use TF32; depthwise convolutions are torch's own."""
    groups = kwargs.get("groups", args[6] if len(args) > 6 else 1)
    few = _kind == "cuda" and torch.backends.cudnn.conv.fp32_precision == "tf32"
    return few and (groups == 1 or groups != args[0].shape[1])


def _ten_bits(values: Tensor) -> Tensor:
    """Return float32 with ten bits of significand, rounded to even; gradients as if it were the same."""
    if values.dtype != torch.float32:
        return values
    bits = values.detach().contiguous().view(torch.int32)
    rounded = ((bits + 0x0FFF + (bits >> 13 & 1)) & ~0x1FFF).view(torch.float32).view(values.shape)
    return values + (rounded - values.detach())
