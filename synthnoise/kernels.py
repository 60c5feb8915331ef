"""Loops compiled for the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel, *, fastmath: bool = False) -> Kernel:
    """Return a function of numpy arrays that is compiled at its first call, free of the interpreter lock.

    The machine code is kept on the disk for the next process, where there is a place for it.
    ``fastmath`` lets sums be reordered, so that they run in parallel lanes; NaN is then undefined.
    """
    import numba

    try:
        return cast(Kernel, numba.njit(nogil=True, cache=True, fastmath=fastmath)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache folder may be written
        return cast(Kernel, numba.njit(nogil=True, fastmath=fastmath)(function))
