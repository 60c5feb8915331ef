"""How the writers of ONNX operations are called, and how they say that they do not know one."""

from __future__ import annotations

from collections.abc import Callable

from synthnoise.errors import SynthnoiseError

Writer = Callable[..., list[str]]
"""Called with the recorder, what torch returned and torch's own arguments; returns names of what it wrote."""

BATCH = 2
"""Images that a network denoises at once while it is written down."""


class UnsupportedOperationError(SynthnoiseError):
    """The network does something that has no entry in the table."""


def check(condition: bool, what: str) -> None:
    """Raise UnsupportedOperationError for ``what`` unless ``condition`` holds."""
    if not condition:
        raise unknown(what)


def unknown(what: str) -> UnsupportedOperationError:
    """Return the error for ``what``."""
    return UnsupportedOperationError(f"no ONNX operation is known for {what}")
