"""Choosing the device that tensors live on."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from synthnoise.errors import UsageError

if TYPE_CHECKING:
    import torch

NAMES = ("auto", "cpu", "cuda", "mps")


ACCELERATOR_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What drivers of NVIDIA, AMD and of Windows below Linux put there."""


def accelerator_possible() -> bool:
    """Return whether torch may find more than the CPU, as far as is to be seen without importing it."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return sys.platform != "linux" or any(Path(name).exists() for name in ACCELERATOR_FILES)


def pick_device(name: str = "auto") -> torch.device:
    """Return the torch device called ``name``; ``auto`` takes the first accelerator that is there.

    Raises
    ------
    UsageError
        The name is unknown, or there is no such device here.
    """
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(candidate for candidate in ("cuda", "mps", "cpu") if available[candidate])
    kind = name.partition(":")[0]
    if kind not in available:
        raise UsageError(f"--device {name!r}: unknown", hint=f"choose one of {', '.join(NAMES)}")
    if not available[kind]:
        raise UsageError(f"--device {name}: no such device here", hint="use --device auto")
    return torch.device(name)
