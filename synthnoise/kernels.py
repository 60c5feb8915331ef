"""Loops compiled for the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Return a function of numpy arrays that is compiled at its first call, free of the interpreter lock.

    The machine code is kept on the disk for the next process, where there is a place for it.
    """
    import numba

    try:
        return cast(Kernel, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache folder may be written
        return cast(Kernel, numba.njit(nogil=True)(function))
