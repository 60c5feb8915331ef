"""From files to a profile: group by ISO, measure, say how sure, and keep."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthnoise import __version__
from synthnoise.calibration.agreement import check_same_camera
from synthnoise.calibration.flats import FlatPair, measure_pair
from synthnoise.calibration.kept_darks import dark_paths, keep_darks
from synthnoise.calibration.one_iso import IsoCalibration, calibrate_iso, noise_of_tag
from synthnoise.calibration.profile_entry import iso_noise
from synthnoise.calibration.report import report_lines
from synthnoise.calibration.sources import IsoSources, contrary_iso, sources_by_iso
from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.naming import camera_name, folder_name
from synthnoise.profiles.iso_law import IsoLaw, iso_law
from synthnoise.profiles.schema import CameraProfile, IsoNoise, SourceFile
from synthnoise.profiles.store import PROFILE_FILE, describe_profile, save_profile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_metadata


@dataclass(frozen=True, kw_only=True)
class CalibrationResult:
    """A profile and what to tell the user about it.

    Attributes
    ----------
    profile
        The profile; its ``folder`` is set where it was written.
    report
        Lines for a person: what was measured, how sure it is, and how the hold-out check went.
    warnings
        One line each.
    """

    profile: CameraProfile
    report: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as data for JSON."""
        data, _ = describe_profile(self.profile)
        return data | {"report": list(self.report), "warnings": list(self.warnings)}


def calibrate(
    darks: Sequence[Path | str | Frame],
    noisy: Sequence[Path | str | Frame],
    flats: Sequence[Path | str | Frame] = (),
    *,
    camera: str | None = None,
    iso: float | None = None,
    output: Path | str | None = None,
    keep_dark: bool = True,
    overwrite: bool = False,
    merge: bool = False,
    progress: Progress | None = None,
) -> CalibrationResult:
    """Return the profile of a camera from its dark and noisy frames, and write it if told where.

    Frames are grouped by ISO; each group needs a noisy frame, any ordinary photograph, or flats. Without a
    dark, the masked border of the noisy frame stands in for it, failing that its NoiseProfile tag, failing
    that its own darkest places.

    Parameters
    ----------
    darks, noisy
        Files or frames, in any order. Two darks tell fixed pattern from noise; darks of several exposure
        times tell the dark current.
    flats
        Pairs of frames of an even field, or of a scene that stands still, two of each exposure time.
    camera
        Name of the camera, if the files do not say.
    iso
        ISO speed of all of them, needed where they do not say; a warning tells where they say another.
    output
        Folder for the profile; None keeps it in memory, with the way to the file of its dark frame.
    keep_dark
        Keep the first dark of each ISO in the folder, for models that resample it, and, of several exposed
        alike, their mean, for the fixed pattern to be subtracted from photographs.
    overwrite, merge
        As :func:`synthnoise.profiles.store.save_profile`.

    Raises
    ------
    UsageError
        Frames are missing, their ISO is unknown, or ``output`` is a file.
    InputError
        A file cannot be read, is not what it is said to be, or the frames do not belong together.
    OutputExistsError
        There is a profile in ``output``, and neither ``overwrite`` nor ``merge`` was asked for.
    """
    folder = None if output is None else Path(output)
    if folder is not None:
        _check_folder(folder)
    if folder is not None and (folder / PROFILE_FILE).exists() and not (overwrite or merge):
        raise OutputExistsError(folder / PROFILE_FILE, "choose another folder, or pass --overwrite")
    groups = sources_by_iso(darks, noisy, flats, iso)
    report, warnings = list[str](), contrary_iso(groups)
    isos: dict[float, IsoNoise] = {}
    profile: CameraProfile | None = None
    for speed, group in groups.items():
        one, sources, frame = _calibrate_group(group, progress or SILENT)
        profile = profile or _camera(frame, camera)
        warnings += one.warnings
        _check_levels(profile, frame, warnings)
        noise = dataclasses.replace(iso_noise(one, profile), sources=sources)
        report += report_lines(one, noise)
        isos[speed] = noise if folder else dataclasses.replace(noise, dark_paths=dark_paths(group))
    assert profile is not None
    profile = dataclasses.replace(profile, isos=isos)
    law = iso_law(profile)
    warnings += _outlier_warnings(law)
    report += law.lines()
    if folder is not None:
        if keep_dark:
            profile, said = keep_darks(profile, groups, folder, overwrite=overwrite)
            report += said
        profile = save_profile(profile, folder, overwrite=overwrite, merge=merge)
        report.append(f"written to {folder}")
    return CalibrationResult(profile=profile, report=tuple(report), warnings=tuple(dict.fromkeys(warnings)))


def tag_profile(path: Path | str, *, iso: float | None = None, camera: str | None = None) -> CameraProfile:
    """Return the profile that the NoiseProfile tag of a DNG states; nothing is measured (0 shots).

    Raises
    ------
    UsageError
        The file does not say its ISO, and ``iso`` does not either.
    InputError
        It cannot be read, or carries no NoiseProfile.
    """
    group = sources_by_iso((), [path], (), iso)
    (source,) = next(iter(group.values())).noisy
    frame = source.frame()
    if frame.noise_profile is None:
        raise InputError(
            f"{path}: carries no NoiseProfile",
            hint=f"synthnoise calibrate --noisy {Path(path).name} measures",
        )
    profile, one = _camera(frame, camera), noise_of_tag(frame)
    record = source.record("tag", frame.date)
    noise = dataclasses.replace(iso_noise(one, profile), sources=(record,))
    name = f"NoiseProfile tag of {Path(path).name}"
    return dataclasses.replace(profile, isos={source.iso: noise}, provenance=name)


def default_folder(noisy: Sequence[Path | str | Frame], camera: str | None = None) -> Path:
    """Return the folder that a profile made from these frames would be named: make and model as words."""
    if camera is None and noisy:
        first = noisy[0]
        origin = first if isinstance(first, Frame) else read_metadata(first)
        camera = camera_name(origin.make, origin.model)
    return Path(folder_name(camera or ""))


def _check_folder(folder: Path) -> None:
    """Raise UsageError where a file stands in the way of a folder."""
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise UsageError(f"{place}: is a file, and a profile is a folder", hint="choose another name")


def _calibrate_group(
    group: IsoSources, progress: Progress
) -> tuple[IsoCalibration, tuple[SourceFile, ...], Frame]:
    """Return the measurement of one ISO, the files behind it, and a frame that describes the camera."""
    if group.flats and not group.darks:
        raise UsageError(
            f"flats at ISO {group.flats[0].iso:g} need a dark frame",
            hint="photograph with the lens cap on at the same ISO, and pass it as --dark",
        )
    dark_sources = group.dark_exposures()
    exposures = [[source.frame() for source in sources] for sources in dark_sources]
    darks, noisy = [frame for frames in exposures for frame in frames], [s.frame() for s in group.noisy]
    check_same_camera([*noisy, *darks])
    used = [source for sources in dark_sources for source in sources] + group.noisy
    dates = [frame.date for frame in (*darks, *noisy)]
    pairs = list[FlatPair]()
    for one_of_two in group.flat_pairs():
        first, second = (source.frame() for source in one_of_two)
        check_same_camera([*(darks or noisy)[:1], first, second])
        pairs.append(measure_pair(first, second))
        used += one_of_two
        dates += [first.date, second.date]
    one = calibrate_iso(
        exposures[0] if exposures else [], noisy, flats=pairs, other_darks=exposures[1:], progress=progress
    )
    records = tuple(
        source.record(one.role if source.role == "noisy" and not darks else source.role, date)
        for source, date in zip(used, dates, strict=True)
    )
    return one, records, (noisy or darks)[0]


def _camera(frame: Frame, name: str | None) -> CameraProfile:
    active = frame.active()
    matrix = frame.colour_matrix
    return CameraProfile(
        make="" if name else frame.make,
        model=name or frame.model,
        cfa=tuple(tuple(int(colour) for colour in row) for row in active.cfa),
        black=tuple(float(level) for level in active.black.reshape(-1)),
        white=float(frame.white),
        isos={},
        bits=frame.bits,
        size=(active.mosaic.shape[0], active.mosaic.shape[1]),
        as_shot_neutral=frame.as_shot_neutral,
        colour_matrix=None if matrix is None else tuple((float(a), float(b), float(c)) for a, b, c in matrix),
        software=f"synthnoise {__version__}",
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _check_levels(profile: CameraProfile, frame: Frame, warnings: list[str]) -> None:
    if frame.white != profile.white:
        warnings.append(
            f"ISO {frame.iso:g}: white level {frame.white:g}, that of the profile is {profile.white:g}"
        )


def _outlier_warnings(law: IsoLaw) -> list[str]:
    return [
        f"ISO {outlier.iso:g}: gain over ISO is {outlier.factor:.2f} times that of the others, but should be"
        " the same; is the ISO right, and is a frame multiplied or textured?"
        for outlier in law.outliers
    ]
