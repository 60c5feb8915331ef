"""Denoising files: one or hundreds, RAW to DNG, pictures to what they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.denoising.denoise import DenoiseResult, denoise_frame
from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.denoising.pictures import denoise_picture
from synthnoise.errors import OutputExistsError, SynthnoiseError, UsageError
from synthnoise.files import FileOutcome, expand_inputs
from synthnoise.plugins import default_plugins
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.develop import camera_rgb, develop
from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.images import read_image, write_png, write_tiff
from synthnoise.raw.plain import Geometry
from synthnoise.raw.reading import read_frame
from synthnoise.raw.rewrite import rewrite_dng

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
RAW_FORMATS = {"dng": ".dng", "linear-dng": ".dng", "tiff": ".tif", "png": ".png"}
PICTURE_FORMATS = {"tiff": ".tif", "png": ".png"}
POLICIES = ("error", "skip", "overwrite")
SUFFIX = "-denoised"


def denoise_files(
    inputs: Sequence[str | Path],
    output: str | Path | None = None,
    settings: Settings | None = None,
    *,
    format: str | None = None,
    on_existing: str = "error",
    geometry: Geometry | None = None,
    progress: Progress = SILENT,
) -> list[FileOutcome]:
    """Denoise files, folders and glob patterns; one broken file does not stop the rest.

    Parameters
    ----------
    inputs
        RAW files and pictures.
    output
        A folder, or for one input a file; None writes ``NAME-denoised`` beside each input.
    format
        ``dng`` (default for RAW), ``linear-dng``, ``tiff`` or ``png``.
    on_existing
        ``error``, ``skip`` or ``overwrite``.
    geometry
        What plain mosaics cannot say of themselves; with it every input is one.

    Raises
    ------
    UsageError
        The request makes no sense: an unknown format or policy, one output file for many inputs.
    InputError
        A folder or pattern holds nothing to denoise.
    """
    settings = settings or Settings()
    if on_existing not in POLICIES:
        raise UsageError(f"on-existing {on_existing!r}: choose one of {', '.join(POLICIES)}")
    if format is not None and format not in RAW_FORMATS:
        raise UsageError(f"format {format!r}: choose one of {', '.join(RAW_FORMATS)}")
    raw_suffixes = [suffix for record in default_plugins().records("readers") for suffix in record.suffixes]
    paths = expand_inputs(inputs, (*raw_suffixes, *PICTURE_SUFFIXES))
    if len(paths) > 1 and output is not None and Path(output).suffix and not Path(output).is_dir():
        raise UsageError(f"{output}: one file cannot hold {len(paths)} results", hint="give -o a folder")
    asked_for = {Path(item) for item in inputs}
    # What a folder or pattern finds of earlier results is not denoised again.
    paths = [path for path in paths if path in asked_for or not path.stem.endswith(SUFFIX)]
    outcomes = []
    for path in paths:
        try:
            outcomes.append(_denoise_file(path, output, settings, format, on_existing, geometry, progress))
        except SynthnoiseError as error:
            outcomes.append(FileOutcome(path, error=error))
            progress.note(f"{path}: failed")
    return outcomes


def _denoise_file(
    path: Path,
    output: str | Path | None,
    settings: Settings,
    format: str | None,
    on_existing: str,
    geometry: Geometry | None,
    progress: Progress,
) -> FileOutcome:
    is_picture = geometry is None and path.suffix.lower() in PICTURE_SUFFIXES
    formats = PICTURE_FORMATS if is_picture else RAW_FORMATS
    if format is not None and format not in formats:
        raise UsageError(f"{path}: a picture cannot become a {format}", hint=f"choose {' or '.join(formats)}")
    suffix = formats[format] if format else _picture_suffix(path) if is_picture else ".dng"
    target = _target(path, output, suffix)
    if target.exists() and on_existing == "skip":
        return FileOutcome(path, target, skipped=True)
    if target.exists() and (on_existing == "error" or target.resolve() == path.resolve()):
        raise OutputExistsError(target, hint="--on-existing skip or overwrite, or -o elsewhere")
    overwrite = on_existing == "overwrite"
    if is_picture:
        return _denoise_picture_file(path, target, settings, overwrite, progress)
    frame = read_frame(path, geometry=geometry, demosaiced=True)
    result = denoise_frame(frame, settings, progress=progress)
    WRITERS[format or "dng"](path, target, result, settings.strength, overwrite)
    percent = 100 * result.residual
    remarks = (
        f"noise level from {result.noise.source}",
        f"noise left: {percent:.0f} %",
        *result.noise.warnings,
    )
    details = {
        "noise_source": result.noise.source,
        "noise_profile": result.noise.pairs,
        "residual_noise": result.residual,
        "warnings": result.noise.warnings,
    }
    return FileOutcome(path, target, details=details, remarks=remarks)


def _denoise_picture_file(
    path: Path, target: Path, settings: Settings, overwrite: bool, progress: Progress
) -> FileOutcome:
    picture = read_image(path)
    restored, sigma = denoise_picture(picture, Denoiser(settings), tile=settings.tile, progress=progress)
    write = write_png if target.suffix.lower() == ".png" else write_tiff
    write(target, restored, overwrite)
    level = float(np.mean(sigma) * 255)
    return FileOutcome(
        path,
        target,
        details={"noise_source": "estimated", "sigma": [float(s) for s in sigma]},
        remarks=(f"noise level estimated from the picture: sigma {level:.1f} of 255",),
    )


def _picture_suffix(path: Path) -> str:
    return path.suffix if path.suffix.lower() in (".png", ".tif", ".tiff") else ".png"


def _target(path: Path, output: str | Path | None, suffix: str) -> Path:
    """Return where the result goes: beside the input, into a folder, or to the file that was named."""
    name = f"{path.stem}{SUFFIX}{suffix}"
    if output is None:
        return path.with_name(name)
    place = Path(output)
    if place.is_dir() or not place.suffix:
        return place / name
    if place.suffix.lower() != suffix.lower():
        raise UsageError(
            f"{place}: the result is a {suffix} file", hint=f"name it {place.with_suffix(suffix).name}"
        )
    return place


def _write_dng(path: Path, target: Path, result: DenoiseResult, strength: float, overwrite: bool) -> None:
    profile = result.residual_profile
    if path.suffix.lower() == ".dng" and np.issubdtype(result.frame.mosaic.dtype, np.integer):
        mosaic: NDArray[Any] = result.frame.mosaic
        rewrite_dng(
            path, target, mosaic, noise_profile=profile, noise_reduction=strength, overwrite=overwrite
        )
    else:
        write_dng(
            target,
            result.frame,
            noise_profile=profile,
            noise_reduction=strength,
            metadata_from=path,
            overwrite=overwrite,
        )


def _write_linear(path: Path, target: Path, result: DenoiseResult, strength: float, overwrite: bool) -> None:
    write_linear_dng(
        target,
        camera_rgb(result.frame),
        result.frame,
        noise_profile=result.residual_profile,
        noise_reduction=strength,
        metadata_from=path,
        overwrite=overwrite,
    )


def _write_tiff(_path: Path, target: Path, result: DenoiseResult, _strength: float, overwrite: bool) -> None:
    write_tiff(target, develop(result.frame), overwrite)


def _write_png(_path: Path, target: Path, result: DenoiseResult, _strength: float, overwrite: bool) -> None:
    write_png(target, develop(result.frame), overwrite)


WRITERS: dict[str, Callable[[Path, Path, DenoiseResult, float, bool], None]] = {
    "dng": _write_dng,
    "linear-dng": _write_linear,
    "tiff": _write_tiff,
    "png": _write_png,
}
