"""Files on their way through reading, denoising and writing; of small ones, three at a time.

Denoising keeps all cores busy but for moments, reading and writing keep one: so the next file is read and the
last one written while one is denoised. Large frames take turns, to stay within the memory.
"""

from __future__ import annotations

import dataclasses
import functools
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthnoise.denoising.denoise import DenoiseResult, denoise_frame
from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.denoising.given_darks import GivenDarks
from synthnoise.denoising.pictures import denoise_picture
from synthnoise.denoising.preview import preview, preview_picture
from synthnoise.denoising.profile_darks import ProfileDarks, Subtracted
from synthnoise.denoising.raw_outputs import RawOutput
from synthnoise.errors import InputError, OutputExistsError, SynthnoiseError, UsageError
from synthnoise.files import FileOutcome, printable
from synthnoise.memory import return_freed
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import write_png
from synthnoise.raw.limits import DEFAULT_LIMITS, ReadLimits
from synthnoise.raw.picture import Picture
from synthnoise.raw.picture_files import read_picture, write_picture
from synthnoise.raw.reading import read_frame

if TYPE_CHECKING:
    from synthnoise.denoising.files import Batch

SMALL = 32_000_000
"""Samples up to which an image is read before its turn, and written after it."""
RENDERED_REPEATS = ((1, 1), (1, 3), (2, 2), (6, 6))
UNRENDERED = (
    "raw converters show wrong colours of this colour filter array: --format linear-dng is shown rightly"
)

Finished = tuple[Callable[[], None], FileOutcome]
"""How to write what was denoised, and what has become of the file then. No closure: the traceback of an error
would hold what is in it."""


@dataclasses.dataclass(kw_only=True, eq=False)
class FileWork:
    """One file of a request: its stages are called in the order ``open``, ``read``, ``denoise``, ``write``.

    Each does nothing once the outcome is known; what fails becomes the outcome, so that other files go on.

    Attributes
    ----------
    path
        The file.
    find_target
        Returns where its result goes, or raises UsageError.
    settings, batch, darks
        What is asked for.
    profile_darks
        The profile's dark frames, if they are to be subtracted where they fit.
    outcome
        What became of it, None while that is open.
    """

    path: Path
    find_target: Callable[[], Path]
    settings: Settings
    batch: Batch
    darks: GivenDarks | None = None
    profile_darks: ProfileDarks | None = None
    outcome: FileOutcome | None = None
    target: Path | None = None
    _source: Frame | Picture | None = None
    _finished: Finished | None = None

    def attempt(self, stage: Callable[..., None], *arguments: Any) -> None:
        """Run a stage unless the outcome is known; its error is the outcome."""
        if self.outcome is None:
            try:
                stage(*arguments)
            except SynthnoiseError as error:
                self._fail(error)
            except OSError as error:  # the file or its disk is gone, or a name is too long
                self._fail(InputError(f"{self.path}: {printable(error.strerror or error)}"), error)
            except MemoryError as error:
                self._fail(SynthnoiseError(f"{self.path}: out of memory", hint="a smaller --tile"), error)

    def _fail(self, error: SynthnoiseError, cause: BaseException | None = None) -> None:
        """Make an error the outcome; the images that its traceback holds would stay as long as it does."""
        error.__cause__ = cause or error.__cause__
        failure: BaseException | None = error
        while failure is not None:
            traceback.clear_frames(failure.__traceback__)
            failure = failure.__cause__ or failure.__context__
        self.outcome, self._source, self._finished = FileOutcome(self.path, error=error), None, None

    @property
    def is_small(self) -> bool:
        """Whether what was read is small enough to be written while the next file is denoised."""
        if isinstance(self._source, Picture):
            return self._source.pixels.size <= SMALL
        return self._source is not None and self._source.mosaic.size <= SMALL

    def open(self) -> None:
        """Settle where the result goes; an existing one is an error or ends it, as was asked for."""
        if self.target is not None:
            return
        target = self.find_target()
        if target.exists() and self.batch.on_existing == "skip":
            self.outcome = FileOutcome(self.path, target, skipped=True)
            return
        if target.exists() and self.path.exists() and target.samefile(self.path):
            raise OutputExistsError(target, hint="it is the input, which is never overwritten: -o elsewhere")
        if target.exists() and self.batch.on_existing == "error":
            raise OutputExistsError(target, hint="--on-existing skip or overwrite, or -o elsewhere")
        self.target = target

    def read(self, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        """Read the file, if that has not been done."""
        if self._source is not None:
            return
        if self.batch.is_picture(self.path):
            if self.darks is not None:
                raise UsageError(f"{self.path}: is a picture, and dark frames are for RAW files")
            if self.batch.sandbox:
                raise UsageError(
                    f"{self.path}: is a picture, and the sandbox is for RAW files",
                    hint="pictures are decoded in this process: leave out --sandbox if that will do",
                )
            self._source = read_picture(self.path, limits=limits)
            return_freed()
        else:
            self._source = read_frame(
                self.path,
                limits=limits,
                geometry=self.batch.geometry,
                demosaiced=True,
                sandbox=self.batch.sandbox,
            )

    def read_ahead(self) -> None:
        """Read the file if it is small; what goes wrong is left to be found when it is its turn."""
        self.attempt(self.open)
        if self.outcome is None:
            try:
                self.read(dataclasses.replace(DEFAULT_LIMITS, pixels=SMALL))
            except (SynthnoiseError, OSError, MemoryError):
                self._source = None

    def denoise(self, progress: Progress = SILENT) -> None:
        """Denoise what was read."""
        if isinstance(self._source, Picture):
            self._finished = self._denoise_picture(self._source, progress)
        elif self._source is not None:
            self._finished = self._denoise_frame(self._source, progress)
        self._source = None
        return_freed()

    def write(self) -> None:
        """Write what was denoised: then the outcome is known."""
        finished, self._finished = self._finished, None
        if finished is not None:
            store, outcome = finished
            store()
            self.outcome = outcome
            del finished, store
            return_freed()

    def _denoise_frame(self, frame: Frame, progress: Progress) -> Finished:
        path, batch, target = self.path, self.batch, self._place()
        overwrite = batch.on_existing == "overwrite"
        strength = self.settings.strength
        output = RawOutput(
            format=batch.format or "dng", bits=batch.bits, strength=strength, overwrite=overwrite
        )
        whole, dtype = np.issubdtype(frame.mosaic.dtype, np.integer), output.dtype(frame)
        # Of what is made of the frame, only the last is needed.
        self._source = None
        clean = self._behind_dark(frame)
        frame = clean.frame
        advice = () if frame.cfa.shape in RENDERED_REPEATS or output.format != "dng" else (UNRENDERED,)
        if batch.preview:
            picture, result = preview(frame, self.settings)
            store = functools.partial(write_png, target, picture, overwrite)
        else:
            result = denoise_frame(frame, self.settings, dtype=dtype, profile_dark=False, progress=progress)
            store = functools.partial(_write_frame, output, path, target, result, whole=whole)
        return store, _outcome(path, target, result, clean, advice)

    def _behind_dark(self, frame: Frame) -> Subtracted:
        """Return a frame less the darks that were asked for, or else that of the profile."""
        darks = self.darks or self.profile_darks
        return Subtracted(frame) if darks is None else darks.subtract(frame)

    def _denoise_picture(self, picture: Picture, progress: Progress) -> Finished:
        path, batch, target = self.path, self.batch, self._place()
        denoiser = Denoiser(self.settings, domain="srgb")
        if batch.preview:
            restored, sigma = preview_picture(picture, denoiser)
        else:
            restored, sigma = denoise_picture(
                picture, denoiser, tile=self.settings.tile, in_place=True, progress=progress
            )
        level = float(np.mean(sigma) * 255)
        given = {"profile": self.settings.profile, "ISO": self.settings.iso, "bits": batch.bits}
        unused = [name for name, value in given.items() if value is not None]
        warnings = [f"not used, as it is a picture: {', '.join(unused)}"] if unused else []
        warnings += [*denoiser.beyond_training(level / 255), *denoiser.remarks]
        outcome = FileOutcome(
            path,
            target,
            details={
                "denoiser": denoiser.name,
                "noise_source": "estimated",
                "sigma": [float(s) for s in sigma],
                "warnings": warnings,
            },
            remarks=(
                f"denoised by {denoiser.name}, noise level estimated from the picture:"
                f" sigma {level:.1f} of 255",
                *warnings,
            ),
        )
        overwrite = batch.on_existing == "overwrite"
        return functools.partial(write_picture, target, restored, overwrite=overwrite), outcome

    def _place(self) -> Path:
        if self.target is None:
            raise InputError(f"{self.path}: was not opened")
        return self.target


def work_in_turn(works: Sequence[FileWork], done: Callable[[FileWork], None]) -> None:
    """Take files through all stages, reading the next and writing the last beside denoising.

    Parameters
    ----------
    done
        Called with each file, in their order, once its outcome is known.
    """
    ahead: Future[None] | None = None
    behind: deque[tuple[FileWork, Future[None]]] = deque()

    def wait() -> None:
        while behind:
            work, writing = behind.popleft()
            writing.result()
            done(work)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        try:
            for work, following in zip(works, [*works[1:], None], strict=True):
                if ahead is not None:
                    ahead.result()
                work.attempt(work.open)
                if behind and resolved(work.path) == resolved(behind[0][0].target):
                    wait()  # the result of one file is the input of the next
                work.attempt(work.read)
                small, ahead = work.is_small, None
                unwritten = [work, *(one for one, _ in behind)]
                if small and following is not None and _may_be_early(following, unwritten):
                    ahead = reader.submit(following.read_ahead)
                work.attempt(work.denoise)
                wait()
                behind.append((work, writer.submit(work.attempt, work.write)))
                if not small:
                    wait()
            wait()
        except BaseException:
            for pool in (reader, writer):
                pool.shutdown(wait=False, cancel_futures=True)
            raise


def _may_be_early(following: FileWork, unwritten: Sequence[FileWork]) -> bool:
    """Return whether a file may be read before those ahead of it are written."""
    targets = [resolved(work.target) for work in unwritten]
    return not following.batch.sandbox and resolved(following.path) not in targets


def resolved(path: Path | None) -> Path | None:
    """Return where a path leads, by itself if that is a circle of links; None for None."""
    try:
        return None if path is None else path.resolve()
    except (OSError, RuntimeError):
        return path


def _write_frame(output: RawOutput, path: Path, target: Path, result: DenoiseResult, *, whole: bool) -> None:
    output.write(path, target, output.finished(result, path) if whole else result)


def _outcome(
    path: Path,
    target: Path,
    result: DenoiseResult,
    clean: Subtracted,
    advice: tuple[str, ...],
) -> FileOutcome:
    percent = 100 * result.residual
    remarks = (
        *([] if clean.dark is None else [f"subtracted, {clean.dark}"]),
        *([clean.unused] if clean.unused else []),
        f"denoised by {result.denoiser}, noise level from {result.noise.source}",
        f"noise left: {percent:.0f} %",
        *result.noise.warnings,
        *result.remarks,
        *advice,
    )
    details = {
        "denoiser": result.denoiser,
        "noise_source": result.noise.source,
        "noise_profile": result.noise.pairs,
        "residual_noise": result.residual,
        "warnings": [*result.noise.warnings, *result.remarks],
    }
    if clean.dark is not None:
        details["dark"] = dataclasses.asdict(clean.dark)
    if clean.unused:
        details["dark_unused"] = clean.unused
    return FileOutcome(path, target, details=details, remarks=remarks)
