"""Denoising files: one or hundreds, RAW to DNG, pictures to what they were."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthnoise.denoising.denoiser import Settings
from synthnoise.denoising.file_pipeline import FileWork, resolved, work_in_turn
from synthnoise.denoising.given_darks import GivenDarks
from synthnoise.denoising.profile_darks import ProfileDarks
from synthnoise.errors import InputError, UsageError
from synthnoise.files import FileOutcome, expand_inputs, names_folder, subfolder
from synthnoise.plugins import default_plugins
from synthnoise.profiles.schema import CameraProfile
from synthnoise.profiles.store import load_profile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.mean_dark import MeanDark, average_darks
from synthnoise.raw.plain import Geometry
from synthnoise.raw.reading import read_frame
from synthnoise.raw.stray_light import without_light

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
RAW_FORMATS = {"dng": ".dng", "linear-dng": ".dng", "tiff": ".tif", "png": ".png", "jpeg": ".jpg"}
PICTURE_FORMATS = {"tiff": ".tif", "png": ".png", "jpeg": ".jpg"}
SAME_SUFFIX = {".jpeg": ".jpg", ".tiff": ".tif"}
POLICIES = ("error", "skip", "overwrite")
SUFFIX = "-denoised"
PREVIEW_SUFFIX = "-preview"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What happens to the files of one request.

    Attributes
    ----------
    format
        ``dng`` (default for RAW), ``linear-dng``, ``tiff``, ``png`` or ``jpeg``.
    on_existing
        ``error``, ``skip`` or ``overwrite``.
    geometry
        What plain mosaics cannot say of themselves; with it every input is one.
    recursive
        Whether folders inside of folders count; an output folder gets the same ones.
    jobs
        Files at a time, from reading to writing. With one, small files overlap all the same
        (:mod:`synthnoise.denoising.file_pipeline`); two are little faster, and take twice the memory.
    preview
        Write, in place of the result, a PNG of the middle of the picture before and after, at 100 %.
    darks
        Dark frames of the camera and setting of all the files, whose fixed pattern is subtracted, instead of
        that of the profile's own.
    bits
        16 multiplies the levels of DNGs up to 16 bits; by default only cameras of up to 12 bits get finer
        levels, where whole DN would be coarser than the noise that is left.
    sandbox
        Decode RAW files in a process of their own (:mod:`synthnoise.raw.sandbox`); not pictures.

    Raises
    ------
    UsageError
        A format or policy is unknown.
    """

    format: str | None = None
    on_existing: str = "error"
    geometry: Geometry | None = None
    recursive: bool = False
    jobs: int = 1
    preview: bool = False
    darks: Sequence[str | Path] = ()
    bits: int | None = None
    sandbox: bool = False

    def __post_init__(self) -> None:
        if self.on_existing not in POLICIES:
            raise UsageError(f"on-existing {self.on_existing!r}: choose one of {', '.join(POLICIES)}")
        if self.format is not None and self.format not in RAW_FORMATS:
            raise UsageError(f"format {self.format!r}: choose one of {', '.join(RAW_FORMATS)}")
        if self.bits not in (None, 16):
            raise UsageError(f"{self.bits} bits: DNGs have 16", hint="--bits 16, or leave it away")
        if self.jobs < 1:
            raise UsageError(f"{self.jobs} jobs: at least one file at a time")

    def mean_dark(self) -> MeanDark:
        """Return the mean of the darks; raises InputError where one has seen light, and as they are read."""
        return average_darks(
            without_light(read_frame(path, geometry=self.geometry, sandbox=self.sandbox))
            for path in self.darks
        )

    def is_picture(self, path: Path) -> bool:
        """Return whether a file has left the camera as a picture."""
        return self.geometry is None and path.suffix.lower() in PICTURE_SUFFIXES

    def target(self, path: Path, output: str | Path | None, folder: Path | None) -> Path:
        """Return where the result of a file goes.

        Parameters
        ----------
        output
            A folder or a file; None is beside the input.
        folder
            Where in the folder, which is where below an input folder the file lies; None: ``output`` is the
            result itself.

        Raises
        ------
        UsageError
            The result is of another format than it is to be called, or a picture cannot become it.
        """
        is_picture = self.is_picture(path)
        formats = PICTURE_FORMATS if is_picture else RAW_FORMATS
        if self.preview:
            return _target(path, output, ".png", folder, PREVIEW_SUFFIX)
        if self.format is not None and self.format not in formats:
            raise UsageError(
                f"{path}: a picture cannot become a {self.format}", hint=f"choose {' or '.join(formats)}"
            )
        suffix = formats[self.format] if self.format else path.suffix if is_picture else ".dng"
        return _target(path, output, suffix, folder, SUFFIX)


def denoise_files(
    inputs: Sequence[str | Path],
    output: str | Path | None = None,
    settings: Settings | None = None,
    *,
    progress: Progress = SILENT,
    **batch: Any,
) -> list[FileOutcome]:
    """Denoise files, folders and glob patterns; one broken file does not stop the rest.

    Parameters
    ----------
    inputs
        RAW files and pictures.
    output
        A folder, or for one input a file; None writes ``NAME-denoised`` beside each input.
    batch
        The fields of :class:`Batch`.

    Raises
    ------
    UsageError
        The request makes no sense: an unknown format or policy, one output file for many inputs.
    InputError
        A folder or pattern holds nothing to denoise, or there is no such profile.
    """
    settings = settings or Settings()
    request = Batch(**batch)
    paths = _chosen(inputs, request)
    missing = next((path for path in paths if not path.exists()), None)
    if request.preview and missing is not None and len(paths) > 1:
        raise UsageError(
            f"{missing}: no such file", hint="--preview takes no name: -o NAME.png says where it goes"
        )
    into_folder = output is not None and names_folder(output, known_suffixes(), several=len(paths) > 1)
    if len(paths) > 1 and output is not None and not into_folder:
        others = f" and {len(paths) - 2} more" if len(paths) > 2 else ""
        raise UsageError(
            f"{output}: one file cannot hold the results of {paths[0]}, {paths[1]}{others}",
            hint="give -o a folder",
        )
    shared = BatchWork(settings, request)
    return shared.run(
        paths,
        lambda path: request.target(path, output, subfolder(path, inputs) if into_folder else None),
        progress,
    )


class BatchWork:
    """What the files of a request share, ready for files as they come: camera profile and dark frames.

    Raises
    ------
    InputError
        There is no such profile, or a dark cannot be read.
    """

    def __init__(self, settings: Settings, batch: Batch) -> None:
        if isinstance(settings.profile, str | Path):
            settings = dataclasses.replace(settings, profile=load_profile(settings.profile))
        self._settings, self._batch = settings, batch
        self._darks = GivenDarks(batch.mean_dark) if batch.darks else None
        self._profile_darks: ProfileDarks | None = None
        if self._darks is None and settings.profile_dark and isinstance(settings.profile, CameraProfile):
            self._profile_darks = ProfileDarks(settings.profile, settings.iso, sandbox=batch.sandbox)

    def run(
        self, paths: Sequence[Path], place: Callable[[Path], Path], progress: Progress = SILENT
    ) -> list[FileOutcome]:
        """Denoise files; ``place`` says where the result of each goes, or raises UsageError."""
        taken: dict[Path, Path] = {}
        claim = threading.Lock()

        def claimed(path: Path) -> Path:
            target = place(path)
            with claim:
                first = taken.setdefault(resolved(target) or target, path)
            if first != path:
                raise UsageError(
                    f"{path}: would become {target}, as {first} does", hint="denoise them into two folders"
                )
            return target

        works = [
            FileWork(
                path=path,
                find_target=functools.partial(claimed, path),
                settings=self._settings,
                batch=self._batch,
                darks=self._darks,
                profile_darks=self._profile_darks,
            )
            for path in paths
        ]
        _run(works, self._batch.jobs, progress)
        return [work.outcome for work in works if work.outcome is not None]


def known_suffixes() -> frozenset[str]:
    """Return the suffixes of RAW files and pictures, lower-case, with the dot."""
    readers = default_plugins().records("readers")
    return frozenset(suffix for record in readers for suffix in record.suffixes).union(PICTURE_SUFFIXES)


def _chosen(inputs: Sequence[str | Path], request: Batch) -> list[Path]:
    """Return the files that are meant; errors as :func:`denoise_files`."""
    paths = expand_inputs(inputs, known_suffixes(), recursive=request.recursive)
    asked_for = {Path(item) for item in inputs}
    # What a folder or pattern finds of earlier results is not denoised again, nor are its darks.
    known = {resolved(Path(path)) for path in request.darks}
    chosen = [
        path
        for path in paths
        if path in asked_for or not (path.stem.endswith((SUFFIX, PREVIEW_SUFFIX)) or resolved(path) in known)
    ]
    if not chosen:
        raise InputError(
            f"{', '.join(map(str, inputs))}: nothing but earlier results (NAME{SUFFIX})"
            + (" and dark frames" if known else ""),
            hint="name a file to have it denoised all the same",
        )
    return chosen


def _run(works: Sequence[FileWork], jobs: int, progress: Progress) -> None:
    """Take files through all stages, ``jobs`` at a time."""
    if len(works) == 1:
        _all_stages(works[0], progress)
        return

    def done(work: FileWork) -> None:
        if work.outcome is not None and work.outcome.error is not None:
            progress.note(f"{work.path}: failed")
        progress.advance()

    def run(work: FileWork) -> None:
        _all_stages(work, SILENT)
        done(work)

    progress.start("denoising", len(works))
    if jobs == 1:
        work_in_turn(works, done)
        return
    with ThreadPoolExecutor(jobs) as pool:
        try:
            list(pool.map(run, works))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _all_stages(work: FileWork, progress: Progress) -> None:
    work.attempt(work.open)
    work.attempt(work.read)
    work.attempt(work.denoise, progress)
    work.attempt(work.write)


def _target(path: Path, output: str | Path | None, suffix: str, folder: Path | None, ending: str) -> Path:
    """Return where the result goes: beside the input, into a folder, or to the file that was named."""
    name = f"{path.stem}{ending}{suffix}"
    if output is None:
        return path.with_name(name)
    place = Path(output)
    if folder is not None:
        return place / folder / name
    asked = SAME_SUFFIX.get(place.suffix.lower(), place.suffix.lower())
    if asked != SAME_SUFFIX.get(suffix.lower(), suffix.lower()):
        formats = [name for name, known in PICTURE_FORMATS.items() if known == asked and ending == SUFFIX]
        raise UsageError(
            f"{place}: the result is a {suffix} file",
            hint=" or ".join(
                [
                    f"name it {place.with_suffix(suffix).name}",
                    *(f"add --format {n}" for n in formats),
                    *([] if asked in known_suffixes() else [f"{place}/ for a folder"]),
                ]
            ),
        )
    return place
