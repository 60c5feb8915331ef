"""Writing files so that a final name never holds half a file."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from synthnoise.errors import InputError, OutputExistsError, SynthnoiseError

PART_SUFFIX = ".part"

_UMASK = threading.Lock()
_FILE_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]*")

ATTEMPTS = 16
"""How often a lock is tried that others remove meanwhile; on odd file systems a file may never be its own."""

CONTACT_SHEET = "contact-sheet.png"
"""Overview that a dataset's folder may hold beside its samples; it is not one of them."""


@contextlib.contextmanager
def atomic_write(path: Path | str, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Yield a binary file that appears under ``path`` only when the block ends without error.

    The bytes go to a temporary file in the same folder, are flushed to the disk and renamed.

    Raises
    ------
    OutputExistsError
        ``path`` exists and ``overwrite`` is false; the file that is there is left untouched.
    SynthnoiseError
        The folder cannot be written, or the disk is full.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputExistsError(path)
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART_SUFFIX)
        partial = Path(name)
        os.close(descriptor)
        with partial.open("wb") as file:  # by its name, which some encoders want to know
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~_umask())
        _publish(partial, path, overwrite=overwrite)
        _sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SynthnoiseError(
            f"{path}: cannot write: {reason}", hint="check free space and permissions"
        ) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def _publish(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Give the finished file its name; another process that was faster wins unless overwriting."""
    if overwrite:
        partial.replace(path)
        return
    try:
        os.link(partial, path)
    except FileExistsError:
        raise OutputExistsError(path) from None
    except OSError:  # file systems without hard links
        if path.exists():
            raise OutputExistsError(path) from None
        partial.replace(path)


def _umask() -> int:
    with _UMASK:  # it can only be read by setting it
        mask = os.umask(0)
        os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path | str, data: bytes, *, overwrite: bool = False) -> None:
    """Write ``data`` to ``path`` in one atomic step (see :func:`atomic_write`)."""
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(data)


def remove_stale_parts(folder: Path) -> int:
    """Delete what interrupted runs left half-written in ``folder``; return how many files that was."""
    stale = list(folder.glob(f".*{PART_SUFFIX}"))
    for part in stale:
        part.unlink(missing_ok=True)
    return len(stale)


def remove_parts_of(path: Path) -> None:
    """Delete what interrupted runs left half-written of the file ``path``, which nobody may be writing."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.????????{PART_SUFFIX}"):
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(place: Path) -> Iterator[None]:
    """Hold a lock on a folder, or for a file to be on one beside it; the system drops it with the process.

    Nothing where there are no locks.

    Raises
    ------
    SynthnoiseError
        Another process holds it, or the folder of the file cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    beside = None if place.is_dir() else place.with_name(f".{place.name}.lock")
    descriptor, left = -1, ATTEMPTS
    try:
        while descriptor < 0:
            descriptor, left = _opened(place, beside), left - 1
            with contextlib.suppress(OSError):  # file systems without locks
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    beside = None
                    what = "folder" if place.is_dir() else "name"
                    raise SynthnoiseError(
                        f"{place}: another process is writing here",
                        hint=f"wait for it, or choose another {what}",
                    ) from None
            if beside is not None and left and not _names(beside, descriptor):
                # Who held it has removed it meanwhile, and a third process may hold a new one.
                os.close(descriptor)
                descriptor = -1
        yield
    finally:
        if descriptor >= 0:
            if beside is not None:
                beside.unlink(missing_ok=True)
            os.close(descriptor)


def _opened(place: Path, beside: Path | None) -> int:
    """Return the descriptor of what is locked: the folder ``place``, or the file ``beside`` it.

    Raises
    ------
    SynthnoiseError
        The folder of the file cannot be written.
    """
    try:
        if beside is None:
            return os.open(place, os.O_RDONLY)
        place.parent.mkdir(parents=True, exist_ok=True)
        return os.open(beside, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise SynthnoiseError(
            f"{place}: cannot write: {error.strerror}", hint="check free space and permissions"
        ) from error


def _names(path: Path, descriptor: int) -> bool:
    """Return whether a name is still that of an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def existing_file(path: Path | str) -> Path:
    """Return ``path`` if it is a readable file.

    Raises
    ------
    InputError
        There is no such file, it is a folder, or it may not be read.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a file")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: may not be read", hint="check its permissions")
    return path


def read_text(path: Path | str, most: int) -> str:
    """Return the UTF-8 text of a file of at most ``most`` bytes.

    Raises
    ------
    InputError
        As of :func:`existing_file`, it is larger, or a pipe or device, which may have no end.
    UnicodeDecodeError
        It is not text.
    """
    path = existing_file(path)
    if not path.is_file():
        raise InputError(f"{path}: is a pipe or a device, not a file")
    if (size := path.stat().st_size) > most:
        raise InputError(f"{path}: {size} bytes are more than the {most} that are read of such files")
    return path.read_text(encoding="utf-8")


def printable(text: object) -> str:
    """Return text from a file with control characters dropped, safe to show on a terminal."""
    return "".join(c for c in str(text) if c.isprintable())


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file of a batch.

    ``output`` is what was written (None where nothing was), ``skipped`` says that it was there
    already, ``error`` why it failed, ``details`` what the command wants to say of it.
    """

    source: Path
    output: Path | None = None
    skipped: bool = False
    error: SynthnoiseError | None = None
    details: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the lines for a person."""
        if self.skipped:
            return [f"{self.source}: skipped, {self.output} exists"]
        return [f"{self.source} -> {self.output}", *(f"  {remark}" for remark in self.remarks)]

    def as_dict(self) -> dict[str, Any]:
        """Return the record for a machine."""
        return {
            "source": str(self.source),
            "output": None if self.output is None else str(self.output),
            "status": "failed" if self.error else "skipped" if self.skipped else "done",
            "error": self.error.message if self.error else None,
            "hint": self.error.hint if self.error else None,
            **self.details,
        }


OnExistingPolicy = Literal["error", "skip", "overwrite"]


def expand_inputs(
    inputs: Sequence[str | Path], suffixes: Iterable[str], *, recursive: bool = False
) -> list[Path]:
    """Return the files that paths, folders and glob patterns name, in order, none twice.

    Folders give the files directly inside (``recursive``: and in folders inside, hidden ones apart)
    whose suffix (lower-case, with the dot) is among ``suffixes``, but not a dataset's contact sheet.

    Raises
    ------
    InputError
        A pattern or folder names no file. A plain path that does not exist is returned as it is,
        so that the batch can report it among its outcomes.
    """
    known = set(suffixes)
    found: dict[Path, None] = {}
    for item in inputs:
        path = Path(item)
        if path.is_dir():
            below = path.rglob("*") if recursive else path.iterdir()
            there = (p for p in below if p.is_file() and p.name != CONTACT_SHEET and not _hidden(p, path))
            matches = sorted(p for p in there if p.suffix.lower() in known)
            if not matches:
                inside = not recursive and any(p.is_dir() for p in path.iterdir() if p.name[0] != ".")
                hint = "it holds folders: name those, or files" if inside else None
                raise InputError(f"{path}: holds no file that can be read here", hint=hint)
        elif not path.exists() and any(sign in str(item) for sign in "*?["):
            matches = sorted(Path(p) for p in glob.glob(str(item), recursive=True))  # noqa: PTH207 - absolute patterns
            if not matches:
                raise InputError(f"{item}: matches no file")
        else:
            matches = [path]
        found.update(dict.fromkeys(matches))
    return list(found)


def names_folder(output: str | Path, suffixes: Iterable[str], *, several: bool = False) -> bool:
    """Return whether a place to write to is meant as a folder: not all names with a dot are those of files.

    A folder is one that is there, a name with a slash at its end or without suffix, and one whose suffix is
    no file's, such as ``2026.11.22``. For several results, so is any whose suffix is not among ``suffixes``
    (lower-case, with the dot).
    """
    path = Path(output)
    if path.is_dir() or str(output).endswith(("/", os.sep)) or not path.suffix:
        return True
    if path.suffix.lower() in suffixes:
        return False
    return several or _FILE_SUFFIX.fullmatch(path.suffix) is None


def subfolder(path: Path, inputs: Sequence[str | Path]) -> Path:
    """Return where a file lies below the folder among ``inputs`` that holds it; ``.`` if it is one itself."""
    for item in inputs:
        folder = Path(item)
        if path.is_relative_to(folder) and folder.is_dir():
            return path.parent.relative_to(folder)
    return Path()


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts[:-1])
