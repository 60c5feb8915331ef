"""Noise profiles of darktable, read from the user's own installation, as a prior.

The program measures on demosaiced pixels with a Haar detail whose variance is four times too small, so that
its (a, b) are far below (S, O) of the raw data: by 6 to 21 times, depending on colour and demosaicing
(measured by passing a known ramp through it). What is read here is multiplied by ``SCALE`` and good to a
factor of two. The file is the property of its project (GPL): none of its values is part of this program.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthnoise.errors import InputError, UsageError
from synthnoise.files import existing_file, printable
from synthnoise.naming import camera_name
from synthnoise.profiles.schema import CameraProfile, IsoNoise
from synthnoise.profiles.stated import Pair, stated_noise
from synthnoise.profiles.toml_table import TomlTable

SCALE = (8.0, 14.0, 8.0)
"""Factor from a to S and from b to O of red, green and blue."""

DOUBT = 2.0
"""Factor by which the result may be off."""

MAX_BYTES = 32 << 20
RGGB = (0, 1, 1, 2)

PLACES = (
    "/usr/share/darktable",
    "/usr/local/share/darktable",
    "/opt/darktable/share/darktable",
    "/app/share/darktable",
    "/Applications/darktable.app/Contents/Resources/share/darktable",
    "C:/Program Files/darktable/share/darktable",
)
"""Folders of its data in usual installations."""


def installed_file() -> Path:
    """Return ``noiseprofiles.json`` of the darktable that is installed here.

    Raises
    ------
    InputError
        There is none in the usual places.
    """
    own = [Path(folder) / "darktable" for folder in os.environ.get("XDG_DATA_DIRS", "").split(":") if folder]
    for folder in (*own, *map(Path, PLACES)):
        if (folder / "noiseprofiles.json").is_file():
            return folder / "noiseprofiles.json"
    raise InputError(
        "darktable's noiseprofiles.json is in none of the usual places", hint="give its path as the file"
    )


def read_darktable(
    path: Path | str | None, camera: str | None, *, black: float | None = None, white: float | None = None
) -> CameraProfile:
    """Return the profile of one camera from ``noiseprofiles.json``, labelled as a prior.

    Parameters
    ----------
    path
        The file; None looks where darktable is usually installed.
    camera
        Make and model, such as "Sony ILCE-7SM2"; the case does not matter.
    black, white
        Levels in DN, which the file does not state; 0 and 65535 if left out.

    Raises
    ------
    UsageError
        No camera is named, or none of that name is in the file.
    InputError
        The file is not darktable's.
    """
    path = existing_file(installed_file() if path is None else path)
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: more than {MAX_BYTES} bytes, not the profiles of darktable")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from error
    models = {_key(make, model): (make, model, rows) for make, model, rows in _models(path, data)}
    if camera is None:
        raise UsageError(f"{path} describes {len(models)} cameras", hint='choose one: --camera "Make Model"')
    make, model, rows = _choose(models, camera, path)
    low, high = 0.0 if black is None else black, 65535.0 if white is None else white
    if not high > low >= 0:
        raise UsageError(f"black {low:g} and white {high:g} are no levels", hint="0 <= black < white")
    isos = {noise.iso: noise for noise in _noises(rows, high - low)}
    if not isos:
        raise InputError(f"{path}: no usable ISO of {camera}")
    return CameraProfile(
        make=make,
        model=model,
        cfa=(RGGB[:2], RGGB[2:]),
        black=(low,) * 4,
        white=high,
        isos={iso: isos[iso] for iso in sorted(isos)},
        provenance=f"prior, good to a factor of {DOUBT:g}: {path.name} of darktable, a and b times"
        f" {SCALE[0]:g}, {SCALE[1]:g}, {SCALE[2]:g}; CFA not stated: taken for RGGB; GPL data, not to be"
        " shipped",
    )


def _models(path: Path, data: Any) -> Iterator[tuple[str, str, TomlTable]]:
    """Yield make, model and table of every camera."""
    if not isinstance(data, dict):
        raise InputError(f"{path}: not a JSON object")
    for maker in TomlTable(data, str(path)).tables("noiseprofiles"):
        for model in maker.tables("models"):
            yield maker.text("maker"), model.text("model"), model


def _key(make: str, model: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", camera_name(make, model).lower()).strip()


def _choose(
    models: dict[str, tuple[str, str, TomlTable]], camera: str, path: Path
) -> tuple[str, str, TomlTable]:
    wanted = _key("", camera)
    if wanted in models:
        return models[wanted]
    close = difflib.get_close_matches(wanted, models, n=3)
    names = ", ".join(camera_name(*models[name][:2]) for name in close)
    raise UsageError(
        f"{path.name} has no {printable(camera)}", hint=f"did you mean {names}?" if close else None
    )


def _noises(model: TomlTable, scale: float) -> Iterator[IsoNoise]:
    """Yield the noise of every ISO whose fit is one: shot noise positive, not marked to be skipped."""
    for row in model.tables("profiles"):
        slopes, offsets = row.numbers("a", 3, high=1.0), row.numbers("b", 3, high=1.0)
        if min(slopes) <= 0 or row.flag("skip"):
            continue
        pairs: list[Pair] = [(k * a, k * max(b, 0.0)) for k, a, b in zip(SCALE, slopes, offsets, strict=True)]
        noise = stated_noise(row.number("iso", low=1, high=1e9), pairs, RGGB, [scale] * 4)
        low, high = noise.gain_interval
        half = 1 - 1 / DOUBT
        yield dataclasses.replace(
            noise,
            gain_se=half * noise.gain,
            gain_interval=(low / DOUBT, high * DOUBT),
            read_noise_se=tuple(half * value for value in noise.read_noise),
            shot_se=tuple(half * value for value in noise.shot),
            read_se=tuple(half * value for value in noise.read),
        )
