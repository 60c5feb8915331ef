"""From files to a profile: group by ISO, measure, say how sure, and keep."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthnoise import __version__
from synthnoise.calibration.agreement import check_same_camera, label
from synthnoise.calibration.one_iso import IsoCalibration, calibrate_iso
from synthnoise.calibration.profile_entry import iso_noise
from synthnoise.calibration.report import report_lines
from synthnoise.errors import OutputExistsError, UsageError
from synthnoise.files import sha256
from synthnoise.naming import camera_name, folder_name
from synthnoise.profiles.schema import CameraProfile, IsoNoise, SourceFile, SourceRole
from synthnoise.profiles.store import PROFILE_FILE, describe_profile, iso_stem, save_profile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_frame, read_metadata

GAIN_DISAGREEMENT = 1.25
"""Factor by which gain over ISO may differ between ISOs before it is worth a warning."""


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


@dataclass(frozen=True)
class _Source:
    """A frame, or the file it will be read from."""

    given: Path | Frame
    role: SourceRole
    iso: float

    def frame(self) -> Frame:
        frame = self.given if isinstance(self.given, Frame) else read_frame(self.given)
        return dataclasses.replace(frame, iso=self.iso)

    def record(self, frame: Frame) -> SourceFile:
        if isinstance(self.given, Frame):
            name, digest = "", hashlib.sha256(self.given.mosaic.tobytes()).hexdigest()
        else:
            name, digest = self.given.name, sha256(self.given)
        return SourceFile(
            role=self.role,
            name=name,
            sha256=digest,
            iso=self.iso,
            exposure_time=frame.exposure_time,
            date=frame.date,
        )


def calibrate(
    darks: Sequence[Path | str | Frame],
    noisy: Sequence[Path | str | Frame],
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

    Frames are grouped by ISO; each group needs a noisy frame, any ordinary photograph. Without a dark, the
    masked border of the noisy frame stands in for it, and failing that its NoiseProfile tag.

    Parameters
    ----------
    darks, noisy
        Files or frames, in any order.
    camera
        Name of the camera, if the files do not say.
    iso
        ISO speed of all of them, whatever the files say; needed where they do not say.
    output
        Folder for the profile; None keeps it in memory.
    keep_dark
        Keep the first dark of each ISO in the folder, for models that resample it.
    overwrite, merge
        As :func:`synthnoise.profiles.store.save_profile`.

    Raises
    ------
    UsageError
        Frames are missing, or their ISO is unknown.
    InputError
        A file cannot be read, is not what it is said to be, or the frames do not belong together.
    OutputExistsError
        There is a profile in ``output``, and neither ``overwrite`` nor ``merge`` was asked for.
    """
    folder = None if output is None else Path(output)
    if folder is not None and (folder / PROFILE_FILE).exists() and not (overwrite or merge):
        raise OutputExistsError(folder / PROFILE_FILE, "choose another folder, or pass --overwrite")
    groups = _group(_sources(darks, "dark", iso), _sources(noisy, "noisy", iso))
    report, warnings = list[str](), list[str]()
    isos: dict[float, IsoNoise] = {}
    profile: CameraProfile | None = None
    for speed, (dark_sources, noisy_sources) in sorted(groups.items()):
        one, sources, frame = _calibrate_group(dark_sources, noisy_sources, progress or SILENT)
        profile = profile or _camera(frame, camera)
        warnings += one.warnings
        _check_levels(profile, frame, warnings)
        isos[speed] = dataclasses.replace(
            iso_noise(one, profile),
            dark_file=f"{iso_stem(speed)}-dark.dng" if folder and keep_dark and dark_sources else "",
            sources=sources,
        )
        report += report_lines(one, isos[speed])
    assert profile is not None
    warnings += _compare_gains(isos)
    profile = dataclasses.replace(profile, isos=isos)
    if folder is not None:
        if keep_dark:
            _keep_darks(groups, folder, overwrite=overwrite)
        profile = save_profile(profile, folder, overwrite=overwrite, merge=merge)
        report.append(f"written to {folder}")
    return CalibrationResult(profile=profile, report=tuple(report), warnings=tuple(dict.fromkeys(warnings)))


def default_folder(noisy: Sequence[Path | str | Frame], camera: str | None = None) -> Path:
    """Return the folder that a profile made from these frames would be named: make and model as words."""
    if camera is None and noisy:
        first = noisy[0]
        origin = first if isinstance(first, Frame) else read_metadata(first)
        camera = camera_name(origin.make, origin.model)
    return Path(folder_name(camera or ""))


def _sources(given: Sequence[Path | str | Frame], role: SourceRole, iso: float | None) -> list[_Source]:
    sources = []
    for item in given:
        origin = item if isinstance(item, Frame) else Path(item)
        speed = iso
        if speed is None:
            speed = origin.iso if isinstance(origin, Frame) else read_metadata(origin).iso
        if speed is None:
            name = label(origin) if isinstance(origin, Frame) else origin
            raise UsageError(f"{name}: does not say its ISO", hint="give it: --iso 800")
        sources.append(_Source(origin, role, float(speed)))
    return sources


def _group(darks: list[_Source], noisy: list[_Source]) -> dict[float, tuple[list[_Source], list[_Source]]]:
    if not noisy:
        raise UsageError(
            "no noisy frame: the gain needs one", hint="add --noisy FILE, any photograph at the same ISO"
        )
    groups: dict[float, tuple[list[_Source], list[_Source]]] = {}
    for source in (*darks, *noisy):
        groups.setdefault(source.iso, ([], []))[source.role == "noisy"].append(source)
    lonely = sorted(iso for iso, (_, lit) in groups.items() if not lit)
    if lonely:
        there = ", ".join(f"{source.iso:g}" for source in noisy)
        raise UsageError(
            f"dark frames at ISO {', '.join(f'{iso:g}' for iso in lonely)} have no noisy frame at that ISO"
            f" (noisy: {there})",
            hint="dark and noisy frame must have the same ISO",
        )
    return groups


def _calibrate_group(
    dark_sources: list[_Source], noisy_sources: list[_Source], progress: Progress
) -> tuple[IsoCalibration, tuple[SourceFile, ...], Frame]:
    """Return the measurement of one ISO, the files behind it, and a frame that describes the camera."""
    darks = [source.frame() for source in dark_sources]
    noisy = [source.frame() for source in noisy_sources]
    check_same_camera([*noisy, *darks])
    one = calibrate_iso(darks, noisy, progress=progress)
    pairs = zip([*dark_sources, *noisy_sources], [*darks, *noisy], strict=True)
    sources = tuple(
        dataclasses.replace(source.record(frame), role=source.role if darks else one.role)
        for source, frame in pairs
    )
    return one, sources, noisy[0]


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


def _compare_gains(isos: dict[float, IsoNoise]) -> list[str]:
    """Return a warning for each ISO whose gain is out of proportion to the median of the others."""
    ratios = {iso: noise.gain / iso for iso, noise in isos.items()}
    middle = sorted(ratios.values())[len(ratios) // 2]
    return [
        f"ISO {iso:g}: gain over ISO is {ratio / middle:.2f} times that of the others, but should be the same"
        for iso, ratio in ratios.items()
        if not 1 / GAIN_DISAGREEMENT < ratio / middle < GAIN_DISAGREEMENT
        and not isos[iso].gain_interval[0] / iso <= middle <= isos[iso].gain_interval[1] / iso
    ]


def _keep_darks(
    groups: dict[float, tuple[list[_Source], list[_Source]]], folder: Path, *, overwrite: bool
) -> None:
    for iso, (darks, _) in groups.items():
        if darks:
            write_dng(folder / f"{iso_stem(iso)}-dark.dng", darks[0].frame(), overwrite=overwrite)
