"""Who makes the images: compiled loops on the CPU, or torch on the device that they are wanted on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.images.vibrant_leaves.settings import Engine, Settings
from synthnoise.rng import Rng

Generate = Callable[[Settings, tuple[int, int], Rng], Tensor]


def choose_engine(engine: Engine, device: torch.device, settings: Settings) -> Engine:
    """Return the engine to use on a device, never ``auto``.

    Raises
    ------
    UsageError
        The device cannot do what was asked for.
    """
    if engine == "auto":
        return "torch" if device.type == "cuda" and not settings.parity else "compiled"
    if engine == "torch" and device.type not in ("cpu", "cuda"):
        raise UsageError(
            f"engine=torch needs double precision, which {device.type} lacks", hint="leave out engine"
        )
    return engine


def engine_of(name: Engine) -> Generate:
    """Return what generates images float32 [B, 3, H, W] on ``rng.device``."""
    from synthnoise.images.vibrant_leaves.torch_engine.engine import generate_tensors

    return generate_tensors
