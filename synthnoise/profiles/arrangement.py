"""A profile for planes in another order: a CFA that begins elsewhere, or an RGB picture."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.colour_filter_arrays import NAMED, Cfa, place_in
from synthnoise.profiles.schema import CameraProfile, IsoNoise

PER_PLANE = ("shading", "shading_detail", "marginal", "pixel_quantiles", "hot_rate")
"""Arrays [C, ...] of a profile."""

PER_PAIR = ("pixel_covariance", "fixed_covariance")
"""Arrays [C, C, k, k] of a profile."""

MOST_PLANES = 4
"""Planes in another order up to which spectra are kept: of more, the matrix would be large and singular."""

PLACED = ("hot_pixels", "waves")
"""Arrays that speak of places and lengths on the mosaic."""


def rearranged(profile: CameraProfile, cfa: Cfa) -> CameraProfile:
    """Return a profile for planes of another CFA repeat.

    A repeat that begins at another row or column takes the planes along; the places of single hot pixels are
    forgotten. Any other order, such as the ((0, 1, 2),) of an RGB picture, takes for each plane the first of
    its colour; so two planes may be one, and periodic patterns are left out. Of more than four planes in
    another order only what is known of each colour remains: no spectra.
    """
    if cfa == profile.cfa:
        return profile
    colours = tuple(colour for row in cfa for colour in row)
    shift = place_in(profile.cfa, cfa)
    chosen = _moved(profile.cfa, shift) if shift is not None else _first_of_colour(profile, colours)
    isos = {iso: _rearranged_noise(noise, profile, chosen, shift) for iso, noise in profile.isos.items()}
    if shift is not None:
        black = tuple(profile.black[plane] for plane in chosen)
    else:
        black = tuple(_mean_black(profile, colour) for colour in colours)
    return dataclasses.replace(profile, cfa=cfa, black=black, isos=isos)


def in_named_order(profile: CameraProfile) -> CameraProfile:
    """Return a profile for planes as networks want them, wherever the camera's repeat begins.

    Bayer ones have red first. Profiles of arrays without a name stay as they are.
    """
    name = profile.cfa_name
    return profile if name is None else rearranged(profile, NAMED[name])


def _moved(cfa: Cfa, shift: tuple[int, int]) -> NDArray[np.int64]:
    h, w = len(cfa), len(cfa[0])
    order: NDArray[np.int64] = np.roll(np.arange(h * w).reshape(h, w), (-shift[0], -shift[1]), (0, 1)).ravel()
    return order


def _first_of_colour(profile: CameraProfile, colours: tuple[int, ...]) -> NDArray[np.int64]:
    """Return a plane of the profile for each colour; the first of all where it has none of that colour."""
    known = profile.colours
    return np.array([known.index(colour) if colour in known else 0 for colour in colours])


def _mean_black(profile: CameraProfile, colour: int) -> float:
    own = [level for level, at in zip(profile.black, profile.colours, strict=True) if at == colour]
    return float(np.mean(own or profile.black))


def _rearranged_noise(
    noise: IsoNoise, profile: CameraProfile, chosen: NDArray[np.int64], shift: tuple[int, int] | None
) -> IsoNoise:
    arrays = {
        name: _rearranged_array(name, array, profile.cfa, chosen, shift)
        for name, array in noise.arrays.items()
        if name != "hot_pixels" and (shift is not None or (name not in PLACED and len(chosen) <= MOST_PLANES))
    }
    return dataclasses.replace(
        noise,
        offset=_picked(noise.offset, chosen),
        offset_se=_picked(noise.offset_se, chosen),
        read_noise=_picked(noise.read_noise, chosen),
        read_noise_se=_picked(noise.read_noise_se, chosen),
        arrays=arrays,
    )


def _picked(values: tuple[float, ...], chosen: NDArray[np.int64]) -> tuple[float, ...]:
    return tuple(values[plane] for plane in chosen) if values else values


def _rearranged_array(
    name: str, array: NDArray[Any], cfa: Cfa, chosen: NDArray[np.int64], shift: tuple[int, int] | None
) -> NDArray[Any]:
    if name in PER_PLANE:
        return array[chosen]
    if name in PER_PAIR:
        return array[chosen][:, chosen]
    if not name.endswith("_cross_spectrum"):
        return array
    h, w = len(cfa), len(cfa[0])
    channels = chosen
    if array.shape[-1] != h * w:
        across = "column" in name
        if shift is None:
            channels = chosen % w if across else chosen // w
        else:
            repeat = array.shape[-1]
            channels = (np.arange(repeat) + shift[1 if across else 0]) % repeat
    return array[..., channels, :][..., channels]
