"""How long work tells what it has done, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener for the advance of one piece of work; the command line shows it as a bar."""

    def start(self, title: str, total: float | None = None) -> None:
        """Begin a stage of ``total`` steps (None: unknown); ends the one before."""
        ...

    def advance(self, steps: float = 1) -> None:
        """Say that ``steps`` more are done."""
        ...

    def note(self, text: str) -> None:
        """Say something worth a line while the work goes on."""
        ...


class Silent:
    """Listens to nothing: what library functions use when no progress is given."""

    def start(self, title: str, total: float | None = None) -> None:
        """Ignore."""

    def advance(self, steps: float = 1) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""


SILENT: Progress = Silent()
