"""Loops compiled for the CPU."""

from __future__ import annotations

from collections.abc import Callable


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function of numpy arrays that is compiled at its first call, free of the interpreter lock.

    The machine code is kept on the disk for the next process, where there is a place for it.
    """
    import numba

    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache folder may be written
        return numba.njit(nogil=True)(function)
