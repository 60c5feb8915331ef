"""Who makes the images: compiled loops on the CPU, or torch or Triton on the device that wants them."""

from __future__ import annotations

import importlib.util
import os
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
    if engine != "compiled" and device.type not in ("cpu", "cuda"):
        raise UsageError(
            f"engine={engine} needs double precision, which {device.type} lacks", hint="leave out engine"
        )
    if engine == "triton" and device.type != "cuda" and not os.environ.get("TRITON_INTERPRET"):
        raise UsageError("engine=triton needs a CUDA device", hint="use --device cuda, or leave out engine")
    return engine


def engine_of(name: Engine) -> Generate:
    """Return what generates images float32 [B, 3, H, W] on ``rng.device``.

    Raises
    ------
    UsageError
        Triton is not installed.
    """
    if name == "triton":
        if importlib.util.find_spec("triton") is None:
            raise UsageError(
                "engine=triton: triton is not installed", hint="it comes with the CUDA builds of torch"
            )
        from synthnoise.images.vibrant_leaves.triton_engine.engine import generate_fused

        return generate_fused
    from synthnoise.images.vibrant_leaves.torch_engine.engine import generate_tensors

    return generate_tensors
