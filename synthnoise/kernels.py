"""Loops compiled for the CPU."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel, *, fastmath: bool = False, inline: bool = False) -> Kernel:
    """Return a function of numpy arrays that is compiled at its first call, free of the interpreter lock.

    The machine code is kept on the disk for the next process, where there is a place for it.
    ``fastmath`` lets sums be reordered and divisions go unchecked, so that they run in parallel lanes;
    NaN is then undefined. ``inline`` writes the function out wherever another compiled one calls it.
    """
    import numba

    njit = functools.partial(
        numba.njit,
        nogil=True,
        fastmath=fastmath,
        error_model="numpy" if fastmath else "python",
        inline="always" if inline else "never",
    )
    try:
        return cast(Kernel, njit(cache=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache folder may be written
        return cast(Kernel, njit()(function))


def vectorised(function: Kernel) -> Kernel:
    """Return :func:`compiled` with ``fastmath``, as a decorator: for loops over arrays."""
    return compiled(function, fastmath=True)


def inlined(function: Kernel) -> Kernel:
    """Return the same for what such loops do with one element."""
    return compiled(function, fastmath=True, inline=True)
