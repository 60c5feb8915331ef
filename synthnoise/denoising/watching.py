"""Watching folders: every file that arrives is denoised once it has stopped growing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from synthnoise.denoising.denoiser import Settings
from synthnoise.denoising.file_pipeline import resolved
from synthnoise.denoising.files import PREVIEW_SUFFIX, SUFFIX, Batch, BatchWork, known_suffixes
from synthnoise.errors import UsageError
from synthnoise.files import FileOutcome, names_folder, subfolder
from synthnoise.progress import SILENT, Progress

SECONDS_BETWEEN_LOOKS = 2.0

Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds."""


def wait() -> None:
    """Wait for two seconds, the pause between two looks at the folders."""
    time.sleep(SECONDS_BETWEEN_LOOKS)


def watch_folders(
    folders: Sequence[str | Path],
    output: str | Path | None = None,
    settings: Settings | None = None,
    *,
    pause: Callable[[], None] = wait,
    progress: Progress = SILENT,
    on_existing: str = "skip",
    recursive: bool = False,
    **batch: Any,
) -> Iterator[FileOutcome]:
    """Yield what becomes of every file in some folders, those that are there first; does not end by itself.

    A file is taken when size and date are the same in two looks, so that one still being copied waits.
    Results of earlier runs (``NAME-denoised``) and the darks that were given are no input. An exception of
    ``pause``, or Ctrl-C, ends it; only whole files are left.

    Parameters
    ----------
    output
        A folder; None writes beside each file.
    pause
        Called between two looks; waits two seconds.
    on_existing
        ``skip`` or ``overwrite`` results that are there; a file that changes later counts as new.
    batch
        Further fields of :class:`synthnoise.denoising.files.Batch`.

    Raises
    ------
    UsageError
        What is to be watched is no folder, or the output is no folder.
    InputError
        There is no such profile, or a dark cannot be read. Both are read once.
    """
    places = [Path(folder) for folder in folders]
    for place in places:
        if not place.is_dir():
            hint = "name the folder that it is in" if place.exists() else "make the folder first"
            raise UsageError(f"{place}: only folders can be watched", hint=hint)
    if output is not None and not names_folder(output, known_suffixes(), several=True):
        raise UsageError(f"{output}: one file cannot hold all results", hint="give -o a folder")
    if on_existing == "error":
        raise UsageError(
            "a watched folder cannot stop at results that exist", hint="choose skip or overwrite"
        )
    request = Batch(on_existing=on_existing, **batch)
    darks = {resolved(Path(path)) for path in request.darks}
    shared = BatchWork(settings or Settings(), request)
    seen: dict[Path, Stamp] = {}
    done: dict[Path, Stamp] = {}
    progress.note(f"watching {', '.join(map(str, places))}; Ctrl-C ends it")
    while True:
        found = {path: stamp for path, stamp in _files(places, recursive) if resolved(path) not in darks}
        ready = [path for path, stamp in found.items() if seen.get(path) == stamp != done.get(path)]
        for path in sorted(ready):
            done[path] = found[path]
            yield from shared.run(
                [path], lambda path: request.target(path, output, subfolder(path, places)), progress
            )
        seen = found
        pause()


def _files(folders: Sequence[Path], recursive: bool) -> Iterator[tuple[Path, Stamp]]:
    """Yield the files that may be denoised, with size and date; those that vanish meanwhile are left out."""
    suffixes = known_suffixes()
    for folder in folders:
        for path in _held(folder, recursive):
            if path.suffix.lower() not in suffixes or path.stem.endswith((SUFFIX, PREVIEW_SUFFIX)):
                continue
            if any(part.startswith(".") for part in path.relative_to(folder).parts):
                continue
            try:
                status = path.stat()
            except OSError:
                continue
            if path.is_file() and status.st_size:
                yield path, (status.st_size, status.st_mtime_ns)


def _held(folder: Path, recursive: bool) -> list[Path]:
    """Return what a folder holds: nothing while the disk or the network that it is on is away."""
    try:
        return list(folder.rglob("*") if recursive else folder.iterdir())
    except OSError:
        return []
