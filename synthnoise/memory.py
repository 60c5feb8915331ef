"""What the C library keeps of memory that was freed: glibc has a store of it for every thread.

Frames pass through several threads, of which each would keep what another could use. With other C libraries
nothing happens here.
"""

from __future__ import annotations

import contextlib
import ctypes

_STORES_AT_MOST = -8
"""M_ARENA_MAX of ``malloc.h``."""
STORES = 2


def return_freed() -> None:
    """Give memory that was freed back to the system."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def share_freed() -> None:
    """Have threads share their stores from here on; for programs to call, not for libraries."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_STORES_AT_MOST, STORES)
