"""Stopping between two steps when asked to, so that the state on the disk is that of a whole step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from synthnoise.errors import SynthnoiseError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterrupted(SynthnoiseError):
    """Training stopped on a signal; its state is saved (exit 128 + signal: 130 for Ctrl-C)."""

    def __init__(self, message: str, *, hint: str, signal_number: int) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number


class Interruption:
    """Within the block, the first Ctrl-C or SIGTERM is only noted; the second does what it always did.

    Signals can be caught in the main thread alone: in any other the block changes nothing. Signals that
    are ignored stay ignored.

    Attributes
    ----------
    requested
        Number of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            # Who started this may have chosen to ignore one: a background job survives a Ctrl-C for others.
            heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
