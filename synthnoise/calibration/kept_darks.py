"""Dark frames kept beside a profile: one as it was shot, and the mean of those exposed as long as it.

Noise models need the noise of one frame, and subtraction a pattern with little noise. The mean of n frames
has an nth of their temporal variance. It is kept in steps that are small beside that: a profile holds two
frames per ISO, however many were shot.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from synthnoise.calibration.sources import IsoSources
from synthnoise.profiles.schema import CameraProfile, IsoNoise, MeanDarkFile
from synthnoise.profiles.store import iso_stem
from synthnoise.raw.dng import write_dng
from synthnoise.raw.mean_dark import average_darks, in_whole_steps


def dark_paths(group: IsoSources) -> tuple[Path, ...]:
    """Return the files of the darks that a folder would keep; none where the first is only a frame."""
    kept = [source.given for source in group.kept_darks()]
    if not kept or not isinstance(kept[0], Path):
        return ()
    return tuple(given.absolute() for given in kept if isinstance(given, Path))


def keep_darks(
    profile: CameraProfile, groups: Mapping[float, IsoSources], folder: Path, *, overwrite: bool
) -> tuple[CameraProfile, list[str]]:
    """Write the darks of every ISO to a folder; return the profile that names them, and lines for a person.

    Raises
    ------
    InputError
        The darks of an ISO differ in what calibration does not ask for, such as masked borders.
    OutputExistsError
        A file is there, and ``overwrite`` is false.
    """
    isos, report = dict(profile.isos), list[str]()
    for iso, group in groups.items():
        if group.darks:
            isos[iso], line = _keep(profile.isos[iso], group, folder, overwrite=overwrite)
            report += [line] if line else []
    return dataclasses.replace(profile, isos=isos), report


def _keep(noise: IsoNoise, group: IsoSources, folder: Path, *, overwrite: bool) -> tuple[IsoNoise, str]:
    kept, stem = group.kept_darks(), iso_stem(noise.iso)
    first = kept[0].frame()
    noise = dataclasses.replace(noise, dark_file=f"{stem}-dark.dng")
    mean = None
    if len(kept) > 1:
        mean = in_whole_steps(average_darks(source.frame() for source in kept), first)
    write_dng(folder / noise.dark_file, first, overwrite=overwrite)
    if mean is None:
        return noise, _left_out(noise, group, 1)
    file = MeanDarkFile(file=f"{stem}-mean-dark.dng", frames=mean.count, steps=mean.steps)
    write_dng(folder / file.file, mean.frame, overwrite=overwrite)
    return dataclasses.replace(noise, mean_dark=file), _left_out(noise, group, mean.count)


def _left_out(noise: IsoNoise, group: IsoSources, count: int) -> str:
    """Return a line on what is kept of several darks; empty where there was one."""
    others = len(group.darks) - count
    if len(group.darks) == 1:
        return ""
    seconds = group.kept_darks()[0].seconds
    exposed = f" exposed {seconds:g} s" if seconds else " of unknown exposure time"
    kept = f"the first dark frame and the mean of {count}" if count > 1 else "one dark frame"
    rest = f"; {others} exposed otherwise left out" if others else ""
    return f"ISO {noise.iso:g}: keeps {kept}{exposed}{rest}"
