"""Denoising files: one or hundreds, RAW to DNG, pictures to what they were."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthnoise.denoising.dark_pattern import MeanDark, average_darks, subtract_dark
from synthnoise.denoising.denoise import denoise_frame
from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.denoising.pictures import denoise_picture
from synthnoise.denoising.preview import preview, preview_picture
from synthnoise.denoising.raw_outputs import RawOutput
from synthnoise.errors import OutputExistsError, SynthnoiseError, UsageError
from synthnoise.files import FileOutcome, expand_inputs, subfolder
from synthnoise.plugins import default_plugins
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.images import write_png
from synthnoise.raw.picture_files import read_picture, write_picture
from synthnoise.raw.plain import Geometry
from synthnoise.raw.reading import read_frame

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
RAW_FORMATS = {"dng": ".dng", "linear-dng": ".dng", "tiff": ".tif", "png": ".png", "jpeg": ".jpg"}
PICTURE_FORMATS = {"tiff": ".tif", "png": ".png", "jpeg": ".jpg"}
SAME_SUFFIX = {".jpeg": ".jpg", ".tiff": ".tif"}
POLICIES = ("error", "skip", "overwrite")
SUFFIX = "-denoised"
PREVIEW_SUFFIX = "-preview"
RENDERED_REPEATS = ((1, 1), (1, 3), (2, 2), (6, 6))
UNRENDERED = (
    "raw converters show wrong colours of this colour filter array: --format linear-dng is shown rightly"
)


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
        Files at a time. One file keeps all cores busy but for reading and writing, so two are a little
        faster than one, and take twice the memory.
    preview
        Write, in place of the result, a PNG of the middle of the picture before and after, at 100 %.
    darks
        Dark frames of the camera and setting of all the files, whose fixed pattern is subtracted.
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

    def mean_dark(self) -> MeanDark | None:
        """Return the mean of the darks, or None where there are none; raises InputError as they are read."""
        if not self.darks:
            return None
        return average_darks(
            read_frame(path, geometry=self.geometry, sandbox=self.sandbox) for path in self.darks
        )

    def is_picture(self, path: Path) -> bool:
        """Return whether a file has left the camera as a picture."""
        return self.geometry is None and path.suffix.lower() in PICTURE_SUFFIXES

    def target(self, path: Path, output: str | Path | None, folder: Path) -> Path:
        """Return where the result of a file goes; ``folder`` is where below an input folder it lies."""
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
        A folder or pattern holds nothing to denoise.
    """
    settings = settings or Settings()
    request = Batch(**batch)
    raw_suffixes = [suffix for record in default_plugins().records("readers") for suffix in record.suffixes]
    paths = expand_inputs(inputs, (*raw_suffixes, *PICTURE_SUFFIXES), recursive=request.recursive)
    if len(paths) > 1 and output is not None and Path(output).suffix and not Path(output).is_dir():
        raise UsageError(f"{output}: one file cannot hold {len(paths)} results", hint="give -o a folder")
    asked_for = {Path(item) for item in inputs}
    # What a folder or pattern finds of earlier results is not denoised again, nor are its darks.
    known = {Path(path).resolve() for path in request.darks}
    paths = [
        path
        for path in paths
        if path in asked_for or not (path.stem.endswith((SUFFIX, PREVIEW_SUFFIX)) or path.resolve() in known)
    ]
    dark = request.mean_dark()
    alone = len(paths) == 1
    taken: dict[Path, Path] = {}
    claim = threading.Lock()

    def work(path: Path) -> FileOutcome:
        try:
            target = request.target(path, output, subfolder(path, inputs))
            with claim:
                first = taken.setdefault(target.resolve(), path)
            if first != path:
                raise UsageError(
                    f"{path}: would become {target}, as {first} does", hint="denoise them into two folders"
                )
            outcome = _denoise_file(path, target, settings, request, dark, progress if alone else SILENT)
        except SynthnoiseError as error:
            if not alone:
                progress.note(f"{path}: failed")
            outcome = FileOutcome(path, error=error)
        if not alone:
            progress.advance()
        return outcome

    if not alone:
        progress.start("denoising", len(paths))
    if request.jobs == 1:
        return [work(path) for path in paths]
    with ThreadPoolExecutor(request.jobs) as pool:
        try:
            return list(pool.map(work, paths))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _denoise_file(
    path: Path, target: Path, settings: Settings, batch: Batch, dark: MeanDark | None, progress: Progress
) -> FileOutcome:
    if target.exists() and batch.on_existing == "skip":
        return FileOutcome(path, target, skipped=True)
    if target.exists() and (batch.on_existing == "error" or target.resolve() == path.resolve()):
        raise OutputExistsError(target, hint="--on-existing skip or overwrite, or -o elsewhere")
    overwrite = batch.on_existing == "overwrite"
    if batch.is_picture(path):
        if dark is not None:
            raise UsageError(f"{path}: is a picture, and dark frames are for RAW files")
        return _denoise_picture_file(path, target, settings, batch, progress)
    frame = read_frame(path, geometry=batch.geometry, demosaiced=True, sandbox=batch.sandbox)
    output = RawOutput(
        format=batch.format or "dng", bits=batch.bits, strength=settings.strength, overwrite=overwrite
    )
    whole, subtracted = np.issubdtype(frame.mosaic.dtype, np.integer), None
    if dark is not None:
        frame, subtracted = subtract_dark(frame, dark)
    if batch.preview:
        picture, result = preview(frame, settings)
        write_png(target, picture, overwrite)
    else:
        result = denoise_frame(output.prepared(frame), settings, progress=progress)
        output.write(path, target, output.finished(result, path) if whole else result)
    percent = 100 * result.residual
    remarks = (
        *([] if subtracted is None else [f"subtracted {subtracted}"]),
        f"denoised by {result.denoiser}, noise level from {result.noise.source}",
        f"noise left: {percent:.0f} %",
        *result.noise.warnings,
        *result.remarks,
        *([] if frame.cfa.shape in RENDERED_REPEATS or output.format != "dng" else [UNRENDERED]),
    )
    details = {
        "denoiser": result.denoiser,
        "noise_source": result.noise.source,
        "noise_profile": result.noise.pairs,
        "residual_noise": result.residual,
        "warnings": result.noise.warnings,
    }
    if subtracted is not None:
        details["dark"] = dataclasses.asdict(subtracted)
    return FileOutcome(path, target, details=details, remarks=remarks)


def _denoise_picture_file(
    path: Path, target: Path, settings: Settings, batch: Batch, progress: Progress
) -> FileOutcome:
    picture = read_picture(path)
    denoiser = Denoiser(settings)
    if batch.preview:
        restored, sigma = preview_picture(picture, denoiser)
    else:
        restored, sigma = denoise_picture(picture, denoiser, tile=settings.tile, progress=progress)
    write_picture(target, restored, overwrite=batch.on_existing == "overwrite")
    level = float(np.mean(sigma) * 255)
    return FileOutcome(
        path,
        target,
        details={
            "denoiser": denoiser.name,
            "noise_source": "estimated",
            "sigma": [float(s) for s in sigma],
        },
        remarks=(
            f"denoised by {denoiser.name}, noise level estimated from the picture: sigma {level:.1f} of 255",
            *denoiser.remarks,
        ),
    )


def _target(path: Path, output: str | Path | None, suffix: str, folder: Path, ending: str) -> Path:
    """Return where the result goes: beside the input, into a folder, or to the file that was named."""
    name = f"{path.stem}{ending}{suffix}"
    if output is None:
        return path.with_name(name)
    place = Path(output)
    if place.is_dir() or not place.suffix:
        return place / folder / name
    if SAME_SUFFIX.get(place.suffix.lower(), place.suffix.lower()) != SAME_SUFFIX.get(
        suffix.lower(), suffix.lower()
    ):
        raise UsageError(
            f"{place}: the result is a {suffix} file", hint=f"name it {place.with_suffix(suffix).name}"
        )
    return place
