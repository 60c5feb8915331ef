"""The text of ``profile.toml``: a camera profile as a TOML document, and back with every value checked."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from synthnoise.errors import InputError
from synthnoise.profiles.schema import (
    QUANTITIES,
    SCHEMA_VERSION,
    CameraProfile,
    GainRegime,
    IsoNoise,
    MeanDarkFile,
    Quantity,
    SourceFile,
    SourceRole,
)
from synthnoise.profiles.toml_table import TomlTable

LARGEST_REPEAT = 8
LARGEST_SIZE = 1 << 20
LARGEST_COUNT = 1 << 16
LARGEST = 1e9
"""Beyond every level, gain and noise of a camera, in any unit here."""

REGIMES: tuple[GainRegime, ...] = ("good", "high-snr", "textured", "low-light", "stated", "unmeasured")
ROLES: tuple[SourceRole, ...] = ("dark", "noisy", "flat", "masked border", "tag")
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")

PER_POSITION = ("offset", "read_noise", "read_noise_se")
PER_COLOUR = ("shot", "shot_se", "read", "read_se")
SCALARS = ("row_noise", "row_noise_se", "column_noise", "column_noise_se")


@dataclasses.dataclass(frozen=True)
class ArrayFile:
    """Where the arrays of an ISO lie: a name beside ``profile.toml`` and its SHA-256; both may be empty."""

    name: str = ""
    sha256: str = ""


def to_document(profile: CameraProfile, array_files: dict[float, ArrayFile]) -> dict[str, Any]:
    """Return a profile as a TOML document; ``array_files`` by ISO."""
    camera = {
        "make": profile.make,
        "model": profile.model,
        "cfa": ["".join("RGB"[colour] for colour in row) for row in profile.cfa],
        "black": list(profile.black),
        "white": profile.white,
        "bits": profile.bits,
        "size": list(profile.size) if profile.size else None,
        "as_shot_neutral": list(profile.as_shot_neutral) if profile.as_shot_neutral else None,
        "colour_matrix": [list(row) for row in profile.colour_matrix] if profile.colour_matrix else None,
    }
    return {
        "schema": profile.schema,
        "software": profile.software,
        "created": profile.created,
        "provenance": profile.provenance,
        "camera": _present(camera),
        "iso": [_iso_table(noise, array_files[noise.iso]) for noise in profile.isos.values()],
    }


def _iso_table(noise: IsoNoise, array_file: ArrayFile) -> dict[str, Any]:
    measured = noise.gain_regime != "unmeasured"
    table = {
        "iso": noise.iso,
        "exposure_time": noise.exposure_time,
        "gain": noise.gain if measured else None,
        "gain_se": noise.gain_se if measured else None,
        "gain_interval": list(noise.gain_interval) if measured else None,
        "gain_regime": noise.gain_regime,
        **{key: list(getattr(noise, key)) for key in PER_POSITION},
        **{key: getattr(noise, key) for key in SCALARS},
        **{key: list(getattr(noise, key)) for key in PER_COLOUR if measured or key.startswith("read")},
        "quantisation_step": noise.quantisation_step,
        "hot_pixel_fraction": noise.hot_pixel_fraction,
        "hot_pixel_fraction_se": noise.hot_pixel_fraction_se,
        "offset_se": list(noise.offset_se) or None,
        "quantities": quantity_table(noise.quantities) or None,
        "dark_file": noise.dark_file or None,
        "mean_dark": dataclasses.asdict(noise.mean_dark) if noise.mean_dark else None,
        "arrays": array_file.name or None,
        "arrays_sha256": array_file.sha256 or None,
        "diagnostics": noise.diagnostics,
        "source": [_present(dataclasses.asdict(source)) for source in noise.sources],
    }
    return _present(table)


def quantity_table(quantities: dict[str, Quantity]) -> dict[str, float]:
    """Return every quantity under its name, its standard error under the name with ``_se``."""
    return {
        name + suffix: number
        for name, quantity in quantities.items()
        for suffix, number in (("", quantity.value), ("_se", quantity.se))
    }


def read_quantities(entry: TomlTable) -> dict[str, Quantity]:
    """Return the ``quantities`` of a table; names that this version does not know pass unread."""
    if "quantities" not in entry:
        return {}
    table = entry.table("quantities")
    return {
        name: Quantity(table.number(name, low=-1e9, high=1e9), table.number(f"{name}_se", low=0, high=1e9))
        for name in QUANTITIES
        if name in table
    }


def _present(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def from_document(table: TomlTable, folder: str) -> tuple[CameraProfile, dict[float, ArrayFile]]:
    """Return the profile of a TOML document, without its arrays, and where those lie by ISO.

    Raises
    ------
    InputError
        A key is missing or holds what it may not; the message names file and key.
    """
    schema = int(table.number("schema"))
    if schema != SCHEMA_VERSION:
        raise InputError(
            f"{table.where}: schema {schema}, this program knows {SCHEMA_VERSION}",
            hint="update synthnoise, or calibrate anew",
        )
    camera = table.table("camera")
    cfa = read_cfa(camera)
    positions = len(cfa) * len(cfa[0])
    black = camera.numbers("black", positions, low=0, high=1e9)
    isos, array_files = {}, {}
    for entry in table.tables("iso"):
        noise = _iso_noise(entry, positions)
        if noise.iso in isos:
            raise entry.refuse("iso", f"{noise.iso:g} appears twice")
        isos[noise.iso], array_files[noise.iso] = noise, _array_file(entry)
    if not isos:
        raise table.refuse("iso", "is missing: the profile describes no ISO")
    profile = CameraProfile(
        make=camera.text("make"),
        model=camera.text("model"),
        cfa=cfa,
        black=black,
        white=camera.number("white", low=max(black) + 1, high=1e9),
        isos={iso: isos[iso] for iso in sorted(isos)},
        bits=int(camera.number("bits", low=1, high=32)) if "bits" in camera else None,
        size=_size(camera),
        as_shot_neutral=_three(camera, "as_shot_neutral"),
        colour_matrix=_matrix(camera),
        folder=folder,
        software=table.text("software", ""),
        created=table.text("created", ""),
        provenance=table.text("provenance", ""),
    )
    return profile, array_files


def read_cfa(camera: TomlTable) -> tuple[tuple[int, ...], ...]:
    """Return the CFA repeat of a table whose ``cfa`` is its rows as letters."""
    rows = camera.texts("cfa")
    if not 1 <= len(rows) <= LARGEST_REPEAT or not 1 <= len(rows[0]) <= LARGEST_REPEAT:
        raise camera.refuse("cfa", f"is not a repeat of 1 to {LARGEST_REPEAT} rows and columns")
    if any(len(row) != len(rows[0]) or set(row) - set("RGB") for row in rows):
        raise camera.refuse("cfa", "is not made of equal rows of the letters R, G and B")
    return tuple(tuple("RGB".index(letter) for letter in row) for row in rows)


def _size(camera: TomlTable) -> tuple[int, int] | None:
    if "size" not in camera:
        return None
    height, width = camera.numbers("size", 2, low=1, high=LARGEST_SIZE)
    return int(height), int(width)


def _three(camera: TomlTable, key: str) -> tuple[float, float, float] | None:
    if key not in camera:
        return None
    red, green, blue = camera.numbers(key, 3, low=1e-6)
    return red, green, blue


def _matrix(camera: TomlTable) -> tuple[tuple[float, float, float], ...] | None:
    if "colour_matrix" not in camera:
        return None
    rows = camera.rows("colour_matrix", 3, 3)
    return tuple((a, b, c) for a, b, c in rows)


def _iso_noise(entry: TomlTable, positions: int) -> IsoNoise:
    regime = entry.choice("gain_regime", REGIMES)
    measured = regime != "unmeasured"
    nan = float("nan")
    low, high = entry.numbers("gain_interval", 2, low=0, high=LARGEST) if measured else (nan, nan)
    if low > high:
        raise entry.refuse("gain_interval", "has its ends swapped")
    values: dict[str, Any] = {key: entry.number(key, low=0, high=LARGEST) for key in SCALARS}
    for key in PER_POSITION:
        values[key] = entry.numbers(key, positions, low=-LARGEST if key == "offset" else 0, high=LARGEST)
    for key in PER_COLOUR:
        known = measured or key.startswith("read")
        values[key] = entry.numbers(key, 3, low=0, high=LARGEST) if known else (nan, nan, nan)
    return IsoNoise(
        iso=entry.number("iso", low=1e-3, high=1e9),
        gain=entry.number("gain", low=1e-9, high=LARGEST) if measured else nan,
        gain_se=entry.number("gain_se", low=0, high=LARGEST) if measured else nan,
        gain_interval=(low, high),
        gain_regime=regime,
        quantisation_step=entry.number("quantisation_step", low=1e-6),
        hot_pixel_fraction=entry.number("hot_pixel_fraction", low=0, high=1),
        hot_pixel_fraction_se=entry.optional_number("hot_pixel_fraction_se", low=0),
        offset_se=entry.numbers("offset_se", positions, low=0) if "offset_se" in entry else (),
        quantities=read_quantities(entry),
        exposure_time=entry.optional_number("exposure_time", low=0),
        dark_file=_plain_name(entry, "dark_file"),
        mean_dark=_mean_dark(entry),
        diagnostics=entry.plain("diagnostics"),
        sources=tuple(_source(source) for source in entry.tables("source")),
        **values,
    )


def _source(table: TomlTable) -> SourceFile:
    return SourceFile(
        role=table.choice("role", ROLES),
        name=table.text("name"),
        sha256=table.text("sha256"),
        iso=table.optional_number("iso", low=0),
        exposure_time=table.optional_number("exposure_time", low=0),
        date=table.text("date", ""),
    )


def _mean_dark(entry: TomlTable) -> MeanDarkFile | None:
    if "mean_dark" not in entry:
        return None
    table = entry.table("mean_dark")
    name = _plain_name(table, "file")
    if not name:
        raise table.refuse("file", "is missing")
    frames, steps = (
        int(table.number(key, low=low, high=LARGEST_COUNT)) for key, low in (("frames", 2), ("steps", 1))
    )
    return MeanDarkFile(file=name, frames=frames, steps=steps)


def _array_file(entry: TomlTable) -> ArrayFile:
    name = _plain_name(entry, "arrays")
    return ArrayFile(name, entry.text("arrays_sha256")) if name else ArrayFile()


def _plain_name(entry: TomlTable, key: str) -> str:
    """Return the name of a file beside ``profile.toml``; never a way to another folder."""
    name = entry.text(key, "")
    if name and not PLAIN_NAME.fullmatch(name):
        raise entry.refuse(key, f"{name!r} is not the plain name of a file in the profile's folder")
    return name
