"""What can go wrong for a user, and the exit code each kind has on the command line."""

from __future__ import annotations


class SynthnoiseError(Exception):
    """Something a user can mend: one line of what and where, one of how.

    Parameters
    ----------
    message
        What happened, with the offending value and file; one line, no full stop needed.
    hint
        What to do about it; one line.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SynthnoiseError):
    """The request itself makes no sense: unknown option, impossible combination (exit 2)."""

    exit_code = 2


class PluginError(SynthnoiseError):
    """A plugin is broken, a name is unknown or claimed twice (exit 3)."""

    exit_code = 3


class MissingExtraError(PluginError):
    """A package of an optional extra is not installed (exit 3)."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {package}, which is not installed",
            hint=f"pip install 'synthnoise[{extra}]'",
        )


class InputError(SynthnoiseError):
    """A file is corrupt, unsafe, too large or not what it claims to be (exit 4)."""

    exit_code = 4


class OutputExistsError(SynthnoiseError):
    """A file would have been overwritten without being asked to (exit 1)."""

    def __init__(self, path: object, hint: str = "choose another name, or pass --overwrite") -> None:
        super().__init__(f"{path}: exists already", hint=hint)
