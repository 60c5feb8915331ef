"""What a denoiser of a plugin does wrong while it runs, in one line: it is no bug of ours."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import PluginError, SynthnoiseError
from synthnoise.files import printable
from synthnoise.specs import DenoiserSpec

Array = NDArray[np.float32]
OURS = "synthnoise."
HINT = "tell its author: synthnoise.testing.check_denoiser checks what is asked of a denoiser"


@contextlib.contextmanager
def faults_of(record: DenoiserSpec) -> Iterator[None]:
    """Turn what the code of a plugin raises into PluginError; in our own denoisers it is a bug."""
    try:
        yield
    except SynthnoiseError:
        raise
    except Exception as error:
        place = record.factory if isinstance(record.factory, str) else f"{record.factory.__module__}."
        if place.startswith(OURS):
            raise
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise PluginError(f"{record.name}: fails: {printable(said)}", hint=HINT) from error


def sound(restored: Array, size: tuple[int, ...], name: str) -> Array:
    """Return what a denoiser gave, float32 [B, C, H, W], if it has the size of its input and is finite.

    Raises
    ------
    PluginError
        It has not, or is NaN or infinite somewhere.
    """
    if restored.shape != size:
        raise PluginError(f"{name}: gives {restored.shape} for planes {size}", hint=HINT)
    if not math.isfinite(float(restored.sum(dtype="f8"))):
        raise PluginError(f"{name}: gives NaN or infinity", hint="nothing was written: take another denoiser")
    return restored
