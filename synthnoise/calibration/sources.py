"""The frames of a calibration, sorted by what they are, their ISO and their exposure time."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synthnoise.calibration.agreement import EXPOSURE_FACTOR, label
from synthnoise.errors import UsageError
from synthnoise.files import sha256
from synthnoise.profiles.schema import SourceFile, SourceRole
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_frame, read_metadata

SAME_EXPOSURE = 1.02
"""Factor up to which two exposure times are one: files round them."""


@dataclass(frozen=True)
class Source:
    """A frame, or the file it will be read from."""

    given: Path | Frame
    role: SourceRole
    iso: float
    seconds: float | None
    stated: float | None = None
    """ISO that the frame itself states."""

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return label(self.given) if isinstance(self.given, Frame) else str(self.given)

    def frame(self) -> Frame:
        """Return the frame, read anew if it is a file, with the ISO it is taken for."""
        frame = self.given if isinstance(self.given, Frame) else read_frame(self.given)
        return dataclasses.replace(frame, iso=self.iso)

    def record(self, role: SourceRole, date: str) -> SourceFile:
        """Return what a profile says of it."""
        if isinstance(self.given, Frame):
            name, digest = "", hashlib.sha256(self.given.mosaic.tobytes()).hexdigest()
        else:
            name, digest = self.given.name, sha256(self.given)
        return SourceFile(
            role=role, name=name, sha256=digest, iso=self.iso, exposure_time=self.seconds, date=date
        )


@dataclass
class IsoSources:
    """What there is of one ISO."""

    darks: list[Source] = field(default_factory=list)
    noisy: list[Source] = field(default_factory=list)
    flats: list[Source] = field(default_factory=list)

    def dark_exposures(self) -> list[list[Source]]:
        """Return the darks by exposure time, first those exposed most nearly as long as the picture.

        Where exposure times are not all known, or differ by less than black level and dark current would
        show, they are one group.
        """
        if not self.darks or not all(source.seconds for source in self.darks):
            return [self.darks] if self.darks else []
        groups = list(_runs(sorted(self.darks, key=lambda source: source.seconds or 0.0)))
        longest, shortest = (groups[i][0].seconds or 0.0 for i in (-1, 0))
        if longest <= EXPOSURE_FACTOR * shortest:
            return [self.darks]
        lit = next((source.seconds for source in (*self.noisy, *self.flats) if source.seconds), None)
        aim = lit or (max(groups, key=len)[0].seconds or 0.0)
        return sorted(
            groups, key=lambda group: max((group[0].seconds or 0.0) / aim, aim / (group[0].seconds or 1.0))
        )

    def kept_darks(self) -> list[Source]:
        """Return the darks whose mean a profile keeps: the first, and others exposed as long as it.

        Where it does not say how long, they are those that do not either.
        """
        if not self.darks:
            return []
        first, *others = self.dark_exposures()[0]
        return [first, *(other for other in others if _exposed_alike(first, other))]

    def flat_pairs(self) -> list[tuple[Source, Source]]:
        """Return the flats two by two: neighbours of one exposure time, in the order given.

        Raises
        ------
        UsageError
            An exposure time has an odd number of them.
        """
        pairs = list[tuple[Source, Source]]()
        for run in _runs(sorted(self.flats, key=lambda source: source.seconds or 0.0)):
            if len(run) % 2:
                seconds = f" of {run[0].seconds:g} s" if run[0].seconds else ""
                raise UsageError(
                    f"{run[-1].name}: has no partner among the flats{seconds} at ISO {run[0].iso:g}",
                    hint="two flats of the same light and exposure time make a pair",
                )
            pairs += zip(run[::2], run[1::2], strict=True)
        return pairs


def _exposed_alike(one: Source, other: Source) -> bool:
    if not one.seconds or not other.seconds:
        return not one.seconds and not other.seconds
    return 1 / SAME_EXPOSURE <= one.seconds / other.seconds <= SAME_EXPOSURE


def _runs(ordered: Sequence[Source]) -> Iterator[list[Source]]:
    """Yield neighbours of one exposure time."""
    run = list[Source]()
    for source in ordered:
        if run and (source.seconds or 0.0) > SAME_EXPOSURE * (run[0].seconds or 0.0):
            yield run
            run = []
        run.append(source)
    if run:
        yield run


def sources_by_iso(
    darks: Sequence[Path | str | Frame],
    noisy: Sequence[Path | str | Frame],
    flats: Sequence[Path | str | Frame],
    iso: float | None,
) -> dict[float, IsoSources]:
    """Return the frames by rising ISO; ``iso`` is that of all of them, whatever they say.

    Raises
    ------
    UsageError
        A frame does not say its ISO or contradicts another, one is given twice, or an ISO has darks alone.
    """
    if iso is not None:
        _check_one_iso([*darks, *noisy, *flats], iso)
    groups: dict[float, IsoSources] = {}
    seen: dict[Path, SourceRole] = {}
    given: tuple[tuple[SourceRole, Sequence[Path | str | Frame]], ...] = (
        ("dark", darks),
        ("noisy", noisy),
        ("flat", flats),
    )
    for role, items in given:
        for item in items:
            source = _source(item, role, iso)
            if isinstance(source.given, Path):
                _check_once(source.given, role, seen)
            group = groups.setdefault(source.iso, IsoSources())
            {"dark": group.darks, "noisy": group.noisy}.get(role, group.flats).append(source)
    _check_partners(groups)
    return dict(sorted(groups.items()))


def _source(item: Path | str | Frame, role: SourceRole, iso: float | None) -> Source:
    origin = item if isinstance(item, Frame) else Path(item)
    described = origin if isinstance(origin, Frame) else read_metadata(origin)
    speed = described.iso if iso is None else iso
    if speed is None:
        name = label(origin) if isinstance(origin, Frame) else origin
        raise UsageError(f"{name}: does not say its ISO", hint="give it: --iso 800")
    return Source(origin, role, float(speed), described.exposure_time, described.iso)


def contrary_iso(groups: Mapping[float, IsoSources]) -> list[str]:
    """Return a warning where frames state another ISO than the one they were said to have."""
    warnings = list[str]()
    for iso, group in groups.items():
        others = (s for s in (*group.darks, *group.noisy, *group.flats) if s.stated not in (None, iso))
        if source := next(others, None):
            warnings.append(
                f"{source.name}: says ISO {source.stated:g}, and is taken for ISO {iso:g} as asked"
            )
    return warnings


def _check_one_iso(items: Sequence[Path | str | Frame], iso: float) -> None:
    """Raise UsageError where frames that are to be of one ISO say different ones."""
    stated: dict[float, str] = {}
    for item in items:
        described = item if isinstance(item, Frame) else read_metadata(item)
        if described.iso is not None:
            stated.setdefault(described.iso, label(item) if isinstance(item, Frame) else str(item))
    if len(stated) > 1:
        (first, one), (second, other) = list(stated.items())[:2]
        raise UsageError(
            f"{one} says ISO {first:g}, {other} ISO {second:g}: both cannot be ISO {iso:g}",
            hint="give frames of one ISO, or leave --iso out",
        )


def _check_once(path: Path, role: SourceRole, seen: dict[Path, SourceRole]) -> None:
    whole = path.resolve()
    if whole in seen:
        raise UsageError(f"{path}: given twice, as {seen[whole]} and as {role}", hint="each frame once")
    seen[whole] = role


def _check_partners(groups: dict[float, IsoSources]) -> None:
    lit = [iso for iso, group in groups.items() if group.noisy or group.flats]
    if not lit:
        raise UsageError(
            "no noisy frame: the gain needs one", hint="add --noisy FILE, any photograph at the same ISO"
        )
    lonely = sorted(groups.keys() - set(lit))
    if lonely:
        there = ", ".join(f"{iso:g}" for iso in lit)
        raise UsageError(
            f"dark frames at ISO {', '.join(f'{iso:g}' for iso in lonely)} have no noisy frame at that ISO"
            f" (noisy: {there})",
            hint="dark and noisy frame must have the same ISO",
        )
