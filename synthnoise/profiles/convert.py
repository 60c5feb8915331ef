"""Profiles in the formats of other tools: what they state of a camera's noise, in and out as text."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from synthnoise.errors import InputError, UsageError
from synthnoise.files import existing_file, printable
from synthnoise.profiles.darktable import read_darktable
from synthnoise.profiles.document import quantity_table, read_cfa, read_quantities
from synthnoise.profiles.noise_units import (
    from_emva,
    from_libcamera,
    from_vkdt,
    to_emva,
    to_libcamera,
    to_vkdt,
)
from synthnoise.profiles.schema import CameraProfile, IsoNoise
from synthnoise.profiles.stated import Pair, stated_noise
from synthnoise.profiles.toml_table import TomlTable

MAX_BYTES = 4 << 20
LARGEST = 1e9
"""Beyond every number that can describe a camera, in any unit here."""

LIBCAMERA_ISO = 100.0
"""ISO speed given to analogue gain 1, which is what a tuning file describes."""

PISP_FACTOR = 1.4
"""How much larger the slopes of Raspberry Pi's own PiSP tuning files are than what was measured: their tool
multiplies by it (raw_ecosystem.md 4)."""

RGGB = (0, 1, 1, 2)

DARKTABLE = "darktable"
"""The format that is read alone."""


def profile_pairs(noise: IsoNoise) -> tuple[Pair, Pair, Pair]:
    """Return the DNG NoiseProfile of an ISO: (S, O) of red, green, blue."""
    red, green, blue = zip(noise.shot, noise.read, strict=True)
    return red, green, blue


def export_profile(profile: CameraProfile, file_format: str, *, iso: float | None = None) -> str:
    """Return a profile as the text of a file of another format.

    Parameters
    ----------
    file_format
        ``dng``, ``android``, ``emva1288``: JSON with every ISO. ``libcamera``: the fragment of a tuning file,
        from the lowest ISO, which stands for analogue gain 1. ``vkdt``: the ``.nprof`` of one ISO.
    iso
        Export this calibrated ISO alone; vkdt needs it where the profile has several.

    Raises
    ------
    UsageError
        The format is unknown, or the ISO is not in the profile.
    """
    chosen = _choose(profile, iso)
    return _format(file_format).export(profile, chosen)


def import_profile(
    path: Path | str,
    file_format: str,
    *,
    black: float | None = None,
    white: float | None = None,
    camera: str | None = None,
) -> CameraProfile:
    """Return the profile that a file of another format describes.

    Parameters
    ----------
    file_format
        One of :func:`export_profile`, or ``darktable``: its ``noiseprofiles.json``
        (:mod:`synthnoise.profiles.darktable`).
    black, white
        Levels in DN, for vkdt and darktable, whose files do not state them.
    camera
        Make and model, for darktable, whose file describes many.

    Raises
    ------
    InputError
        The file is not of the format, or too large.
    UsageError
        The format is unknown, or levels are missing.
    """
    if file_format == DARKTABLE:
        return read_darktable(path, camera, black=black, white=white)
    path = existing_file(path)
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: more than {MAX_BYTES} bytes, not a noise profile")
    reader = _format(file_format)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text, so not {file_format}") from error
    return reader.read(path, text, black, white)


class _Format(NamedTuple):
    export: Callable[[CameraProfile, list[IsoNoise]], str]
    read: Callable[[Path, str, float | None, float | None], CameraProfile]


def _format(name: str) -> _Format:
    if name == DARKTABLE:
        raise UsageError("darktable's profiles are read, not written: its numbers are not those of raw noise")
    if name not in FORMATS:
        raise UsageError(f"no profile format {name!r}", hint=f"one of {', '.join((*FORMATS, DARKTABLE))}")
    return FORMATS[name]


def _choose(profile: CameraProfile, iso: float | None) -> list[IsoNoise]:
    noises = [n for n in profile.isos.values() if iso in (None, n.iso) and n.gain_regime != "unmeasured"]
    if not noises:
        known = ", ".join(f"{value:g}" for value in profile.isos)
        wanted = "" if iso is None else f" at ISO {iso:g}"
        raise UsageError(f"{profile.name}: no measured noise{wanted}", hint=f"calibrated: {known}")
    return noises


def _json(profile: CameraProfile, kind: str, rows: list[dict[str, Any]]) -> str:
    head = {
        "format": kind,
        "make": profile.make,
        "model": profile.model,
        "cfa": ["".join("RGB"[colour] for colour in row) for row in profile.cfa],
        "black": list(profile.black),
        "white": profile.white,
    }
    return json.dumps(head | {"iso": rows}, indent=2) + "\n"


def _read_json(
    path: Path, text: str, kind: str, pairs_of: Callable[[TomlTable, list[int], list[float]], list[Pair]]
) -> CameraProfile:
    """Return the profile of a JSON file of ours; ``pairs_of`` reads (S, O) of R, G, B from an entry."""
    table = TomlTable(_parse_json(path, text), str(path))
    if table.text("format", "") != kind:
        raise InputError(f"{path}: not {kind}: its format is {table.text('format', 'not stated')!r}")
    cfa = read_cfa(table)
    colours = [colour for row in cfa for colour in row]
    black = table.numbers("black", len(colours), low=0, high=LARGEST)
    white = table.number("white", low=max(black) + 1, high=LARGEST)
    scale = [white - level for level in black]
    isos = {}
    for entry in table.tables("iso"):
        iso = entry.number("iso", low=1e-3, high=1e9)
        noise = stated_noise(iso, pairs_of(entry, colours, scale), colours, scale)
        isos[iso] = dataclasses.replace(noise, quantities=read_quantities(entry))
    if not isos:
        raise table.refuse("iso", "holds no ISO")
    make, model = table.text("make", ""), table.text("model", "")
    return _imported(path, kind, isos, make=make, model=model, cfa=cfa, black=black, white=white)


def _imported(
    path: Path, kind: str, isos: dict[float, IsoNoise], *notes: str, **camera: Any
) -> CameraProfile:
    provenance = "; ".join((f"imported from {kind}, {printable(path.name)}", *notes))
    return CameraProfile(isos={iso: isos[iso] for iso in sorted(isos)}, provenance=provenance, **camera)


def _parse_json(path: Path, text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: not a JSON object")
    return data


def _colour_scale(profile: CameraProfile, colour: int) -> float:
    """Return white - black in DN, mean over the positions of a colour (all of them where it has none)."""
    scales = [float(d) for c, d in zip(profile.colours, profile.scale, strict=True) if c == colour]
    return sum(scales) / len(scales) if scales else float(profile.scale.mean())


def _export_dng(profile: CameraProfile, noises: list[IsoNoise]) -> str:
    rows = [{"iso": n.iso, "NoiseProfile": [v for pair in profile_pairs(n) for v in pair]} for n in noises]
    return _json(profile, "DNG NoiseProfile", rows)


def _read_dng(path: Path, text: str, black: float | None, white: float | None) -> CameraProfile:
    def pairs(entry: TomlTable, colours: list[int], scale: list[float]) -> list[Pair]:
        values = entry.numbers("NoiseProfile", 6, low=0, high=LARGEST)
        return _positive(entry, "NoiseProfile", list(zip(values[::2], values[1::2], strict=True)))

    return _read_json(path, text, "DNG NoiseProfile", pairs)


def _export_android(profile: CameraProfile, noises: list[IsoNoise]) -> str:
    rows = [
        {"iso": n.iso, "android.sensor.noiseProfile": [list(profile_pairs(n)[c]) for c in profile.colours]}
        for n in noises
    ]
    return _json(profile, "Android SENSOR_NOISE_PROFILE", rows)


def _read_android(path: Path, text: str, black: float | None, white: float | None) -> CameraProfile:
    key = "android.sensor.noiseProfile"

    def pairs(entry: TomlTable, colours: list[int], scale: list[float]) -> list[Pair]:
        rows = entry.rows(key, len(colours), 2, high=LARGEST)
        by_colour: list[list[tuple[float, ...]]] = [[], [], []]
        for colour, row in zip(colours, rows, strict=True):
            by_colour[colour].append(row)
        means = [[sum(v) / len(v) for v in zip(*(found or rows), strict=True)] for found in by_colour]
        return _positive(entry, key, [(s, o) for s, o in means])

    return _read_json(path, text, "Android SENSOR_NOISE_PROFILE", pairs)


def _export_emva(profile: CameraProfile, noises: list[IsoNoise]) -> str:
    rows = []
    for noise in noises:
        both = [to_emva(*profile_pairs(noise)[c], _colour_scale(profile, c)) for c in range(3)]
        gains, darks = zip(*both, strict=True)
        saturation = [1 / noise.shot[c] for c in range(3)]
        row = {"iso": noise.iso, "K": list(gains), "sigma_d": list(darks), "mu_e_sat": saturation}
        more = {"quantities": quantity_table(noise.quantities)} if noise.quantities else {}
        rows.append(row | more)
    return _json(profile, "EMVA 1288", rows)


def _read_emva(path: Path, text: str, black: float | None, white: float | None) -> CameraProfile:
    def pairs(entry: TomlTable, colours: list[int], scale: list[float]) -> list[Pair]:
        gains, darks = (entry.numbers(key, 3, low=0, high=LARGEST) for key in ("K", "sigma_d"))
        mean = sum(scale) / len(scale)
        by_colour = [[d for c, d in zip(colours, scale, strict=True) if c == wanted] for wanted in range(3)]
        scales = [sum(found) / len(found) if found else mean for found in by_colour]
        both = zip(gains, darks, scales, strict=True)
        return _positive(entry, "K", [from_emva(k, d, scale) for k, d, scale in both])

    return _read_json(path, text, "EMVA 1288", pairs)


def _positive(entry: TomlTable, key: str, pairs: list[Pair]) -> list[Pair]:
    if not all(s > 0 and o >= 0 for s, o in pairs):
        raise entry.refuse(key, "has shot noise that is not positive")
    return pairs


def _export_libcamera(profile: CameraProfile, noises: list[IsoNoise]) -> str:
    noise, black16 = noises[0], 65535 * sum(profile.black) / len(profile.black) / profile.white
    constant, slope = to_libcamera(noise.shot[1], noise.read[1], black16)
    algorithms = [
        {"rpi.black_level": {"black_level": black16}},
        {"rpi.noise": {"reference_constant": constant, "reference_slope": slope}},
    ]
    return json.dumps({"version": 2.0, "target": "bcm2835", "algorithms": algorithms}, indent=2) + "\n"


def _read_libcamera(path: Path, text: str, black: float | None, white: float | None) -> CameraProfile:
    data = _parse_json(path, text)
    found: dict[str, Any] = {}
    listed = data.get("algorithms", [data])
    for algorithm in listed if isinstance(listed, list) else []:
        found |= algorithm if isinstance(algorithm, dict) else {}
    table = TomlTable(found, str(path))
    noise = table.table("rpi.noise")
    level = table.table("rpi.black_level").number("black_level", low=0, high=60000)
    slope = noise.number("reference_slope", low=1e-9, high=LARGEST)
    notes = ["scaled to 16 bits", "CFA not stated: taken for RGGB", "ISO 100 stands for analogue gain 1"]
    if data.get("target") == "pisp":
        slope /= PISP_FACTOR
        notes.append(f"slope of a PiSP file divided by {PISP_FACTOR:g}")
    pair = from_libcamera(noise.number("reference_constant", low=0, high=LARGEST), slope, level)
    isos = {LIBCAMERA_ISO: stated_noise(LIBCAMERA_ISO, [pair] * 3, RGGB, [65535 - level] * 4)}
    camera: dict[str, Any] = {"make": "", "model": path.stem, "cfa": (RGGB[:2], RGGB[2:])}
    return _imported(path, "libcamera", isos, *notes, black=(level,) * 4, white=65535.0, **camera)


def _export_vkdt(profile: CameraProfile, noises: list[IsoNoise]) -> str:
    if len(noises) > 1:
        isos = ", ".join(f"{n.iso:g}" for n in noises)
        raise UsageError("vkdt keeps one file per ISO", hint=f"choose one of {isos} (--iso)")
    constant, slope = to_vkdt(noises[0].shot[1], noises[0].read[1], _colour_scale(profile, 1))
    return f"{constant!r} {slope!r}\n"


def _read_vkdt(path: Path, text: str, black: float | None, white: float | None) -> CameraProfile:
    name = re.fullmatch(r"(?P<make>[^-]*)-(?P<model>.*)-(?P<iso>\d+(\.\d+)?)", path.stem)
    words = text.split()
    try:
        constant, slope = (float(word) for word in words)
    except ValueError as error:
        raise InputError(f"{path}: not the two numbers of a vkdt noise profile") from error
    if name is None or float(name["iso"]) <= 0:
        raise InputError(f"{path}: is not called maker-model-iso.nprof, so its ISO is unknown")
    if not (0 <= constant < LARGEST and 0 < slope < LARGEST):
        raise InputError(f"{path}: {constant:g} {slope:g} is no noise")
    if white is None or black is None or not white > black >= 0:
        raise UsageError(f"{path}: vkdt does not state black and white", hint="--black and --white, in DN")
    iso, scale = float(name["iso"]), white - black
    pair = from_vkdt(constant, slope, scale)
    isos = {iso: stated_noise(iso, [pair] * 3, RGGB, [scale] * 4)}
    camera: dict[str, Any] = {"make": name["make"], "model": name["model"], "cfa": (RGGB[:2], RGGB[2:])}
    note = "CFA not stated: taken for RGGB"
    return _imported(path, "vkdt", isos, note, black=(black,) * 4, white=white, **camera)


FORMATS = {
    "dng": _Format(_export_dng, _read_dng),
    "android": _Format(_export_android, _read_android),
    "emva1288": _Format(_export_emva, _read_emva),
    "libcamera": _Format(_export_libcamera, _read_libcamera),
    "vkdt": _Format(_export_vkdt, _read_vkdt),
}
"""Formats by name."""
