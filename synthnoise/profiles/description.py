"""A profile in words and as data."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from synthnoise.profiles.iso_law import iso_law
from synthnoise.profiles.schema import QUANTITIES, CameraProfile, IsoNoise


def describe_profile(profile: CameraProfile) -> tuple[dict[str, Any], list[str]]:
    """Return what a profile says, as data for JSON and as lines for a person."""
    rows = [_row(noise) for noise in profile.isos.values()]
    cfa = ["".join("RGB"[colour] for colour in row) for row in profile.cfa]
    data = {
        "camera": profile.name,
        "folder": profile.folder,
        "cfa": cfa,
        "black": list(profile.black),
        "white": profile.white,
        "bits": profile.bits,
        "size": list(profile.size) if profile.size else None,
        "created": profile.created,
        "software": profile.software,
        "provenance": profile.provenance,
        "isos": rows,
    }
    black = ", ".join(f"{value:g}" for value in dict.fromkeys(profile.black))
    lines = [
        f"{profile.name}: CFA {' '.join(cfa)}, black {black}, white {profile.white:g}"
        + (f", {profile.size[1]} x {profile.size[0]} pixels" if profile.size else "")
    ]
    if profile.created:
        lines.append(f"made {profile.created} by {profile.software or 'an unknown program'}")
    lines += [line for noise in profile.isos.values() for line in _lines(noise)]
    return data, lines + iso_law(profile).lines()


def _row(noise: IsoNoise) -> dict[str, Any]:
    return {
        "iso": noise.iso,
        "gain": noise.gain,
        "gain_interval": list(noise.gain_interval),
        "gain_regime": noise.gain_regime,
        "offset": list(noise.offset),
        "read_noise": list(noise.read_noise),
        "read_noise_se": list(noise.read_noise_se),
        "row_noise": noise.row_noise,
        "column_noise": noise.column_noise,
        "noise_profile": [list(pair) for pair in zip(noise.shot, noise.read, strict=True)],
        "hot_pixel_fraction": noise.hot_pixel_fraction,
        "dark_file": noise.dark_file,
        "mean_dark": dataclasses.asdict(noise.mean_dark) if noise.mean_dark else None,
        "quantities": {
            name: {"value": value, "se": error, "unit": QUANTITIES[name]}
            for name, (value, error) in noise.quantities.items()
        },
        "arrays": sorted(noise.arrays),
        "diagnostics": noise.diagnostics,
        "sources": [{"role": source.role, "name": source.name} for source in noise.sources],
    }


def _lines(noise: IsoNoise) -> list[str]:
    read = sum(noise.read_noise) / len(noise.read_noise)
    lines = [f"ISO {noise.iso:g}"]
    if math.isfinite(noise.gain):
        low, high = noise.gain_interval
        measured = f"95 %: {low:.4g} .. {high:.4g}, {noise.gain_regime}"
        lines.append(
            f"  gain {noise.gain:.4g} DN/e- ({'stated' if noise.gain_regime == 'stated' else measured}),"
            f" read noise {read:.3g} DN = {read / noise.gain:.3g} e-"
        )
    else:
        lines.append(f"  gain not measured, read noise {read:.3g} DN")
    lines.append(
        f"  rows {noise.row_noise:.3g} DN, columns {noise.column_noise:.3g} DN,"
        f" hot pixels {1e6 * noise.hot_pixel_fraction:.3g} per million"
    )
    lines += [
        f"  {name.replace('_', ' ')} {value:.4g} +- {error:.2g} {QUANTITIES[name]}".removesuffix(" 1")
        for name, (value, error) in noise.quantities.items()
    ]
    pairs = ", ".join(f"({s:.3g}, {o:.3g})" for s, o in zip(noise.shot, noise.read, strict=True))
    lines.append(f"  variance = S x + O for R, G, B: {pairs}")
    return lines
