"""Choosing the device that tensors live on."""

from __future__ import annotations

import contextlib
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from synthnoise.errors import SynthnoiseError, UsageError

if TYPE_CHECKING:
    import torch

NAMES = ("auto", "cpu", "cuda", "mps")
_NUMBERED = re.compile("(auto|cpu|cuda|mps)(?::([0-9]{1,4}))?")


ACCELERATOR_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What drivers of NVIDIA, AMD and of Windows below Linux put there."""


def accelerator_possible() -> bool:
    """Return whether torch may find more than the CPU, as far as is to be seen without importing it."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return sys.platform != "linux" or any(Path(name).exists() for name in ACCELERATOR_FILES)


def split_device(name: str) -> tuple[str, int | None]:
    """Return the kind of device that ``name`` asks for, and its number: of ``cuda:1``, ``cuda`` and 1.

    Raises
    ------
    UsageError
        There is no such kind, or one alone of it.
    """
    found = _NUMBERED.fullmatch(name)
    if found is None or (found[1] == "auto" and found[2]):
        raise UsageError(f"--device {name!r}: unknown", hint=f"choose one of {', '.join(NAMES)}, cuda:1")
    kind, number = found[1], None if found[2] is None else int(found[2])
    if number and kind != "cuda":
        raise UsageError(f"--device {name}: no such device here", hint=f"there is one alone: --device {kind}")
    return kind, number


def pick_device(name: str = "auto", *, double: bool = False) -> torch.device:
    """Return the torch device called ``name``; ``auto`` takes the first accelerator that is there.

    Parameters
    ----------
    double
        What it is for computes in double precision, as drawing images and noise does. Apple's GPUs have none:
        ``auto`` passes them by.

    Raises
    ------
    UsageError
        The name is unknown, or there is no such device here.
    """
    import torch

    kind, number = split_device(name)
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind == "auto":
        order = ("cuda", "cpu") if double else ("cuda", "mps", "cpu")
        kind = next(candidate for candidate in order if available[candidate])
    if not available[kind]:
        raise UsageError(f"--device {name}: no such device here", hint="use --device auto")
    if number and number >= (count := torch.cuda.device_count()):
        there = ", ".join(f"cuda:{n}" for n in range(count))
        raise UsageError(f"--device {name}: no such device here", hint=f"there is {there}")
    return torch.device(kind) if number is None else torch.device(kind, number)


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Have CUDA convolve float32 with all its digits in the block, in every thread.

    Otherwise it reads ten bits of each number where a GPU can (TF32): of a stabilised level of 300, eighths.
    A network that takes the level away leaves that rounding in the picture, and it is more than the noise
    that it leaves. Matrices are multiplied in all digits by default.
    """
    import torch

    cudnn = torch.backends.cudnn
    # torch 2.9 asks for each kind of layer by itself; the older flag has to agree, or reading it is an error.
    kinds = [getattr(cudnn, name) for name in ("conv", "rnn") if hasattr(cudnn, name)]
    before = [kind.fp32_precision for kind in kinds]
    allowed = "tf32" in before if kinds else cudnn.allow_tf32
    cudnn.allow_tf32 = False
    for kind in kinds:
        kind.fp32_precision = "ieee"
    try:
        yield
    finally:
        cudnn.allow_tf32 = allowed
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


class DeviceMemoryError(SynthnoiseError):
    """An accelerator is out of memory: of several, perhaps one alone."""


@contextlib.contextmanager
def enough_memory(hint: str) -> Iterator[None]:
    """Say in one line that an accelerator has not enough memory for what the block does.

    Raises
    ------
    DeviceMemoryError
        It has not; the hint says what takes less.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError("the device is out of memory", hint=hint) from error
