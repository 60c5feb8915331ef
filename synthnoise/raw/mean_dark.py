"""The mean of dark frames: n of them have an nth of the temporal variance of one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.errors import InputError
from synthnoise.raw.frame import Frame, scaled_levels

EXPOSURES_APART = 0.1
"""Relative difference of two exposure times that still count as equal."""
LIT = 0.2
"""Share of the range below which a dark's middle level must lie."""
COARSEST = 0.5
"""Noise of a mean that a step of its whole numbers may be: rounding adds a fiftieth of the variance."""
MOST_STEPS = 16
LARGEST = 65535
BAND = 128
"""Rows at a time."""
THINNED = (3, 7)
"""Every third row and seventh column tells the noise of a frame."""


@dataclass(frozen=True)
class MeanDark:
    """The mean of some darks of one camera and setting.

    Attributes
    ----------
    frame
        The mean, float32; of a single dark its own mosaic.
    count
        How many there were.
    origin
        Where they are from, in words; empty if they were given.
    steps
        What pixels and levels of ``frame`` are multiplied by: its whole numbers are 1 / ``steps`` DN.
    """

    frame: Frame
    count: int
    origin: str = ""
    steps: int = 1

    def __str__(self) -> str:
        return self.origin or ("a dark frame" if self.count == 1 else f"{self.count} dark frames")

    def check_fits(self, frame: Frame, *, any_exposure: bool = False) -> None:
        """Raise InputError where the darks do not belong to a frame."""
        check_alike(scaled_levels(self.frame, 1 / self.steps), frame, any_exposure=any_exposure)


def average_darks(darks: Iterable[Frame]) -> MeanDark:
    """Return the mean of dark frames, one of which is in memory at a time.

    Raises
    ------
    InputError
        There is none, they differ in camera, size, ISO or exposure, or one is not dark.
    """
    first: Frame | None = None
    total: NDArray[Any] | None = None
    black, lines, count = np.zeros(1), [np.zeros(1), np.zeros(1)], 0
    for dark in darks:
        middle = float(np.median(dark.mosaic[::7, ::7])) - float(dark.black.mean())
        if middle > LIT * float(dark.white - dark.black.mean()):
            raise InputError(
                f"{dark.path or 'the dark'}: is not dark", hint="cap the lens, cover the viewfinder"
            )
        if first is None or total is None:
            first, total = dark, dark.mosaic
        else:
            check_alike(dark, first)
            total = np.add(total, dark.mosaic, out=total if count > 1 else None, dtype=np.float32)
        black = black + dark.black
        for axis, line in enumerate((dark.black_rows, dark.black_columns)):
            lines[axis] = lines[axis] + (0.0 if line is None else line)
        count += 1
    if first is None or total is None:
        raise InputError("there is no dark frame to subtract")
    if count > 1:
        total /= count
    rows, columns = (line / count if line.size > 1 else None for line in lines)
    mean = dataclasses.replace(
        first, mosaic=total, black=black / count, black_rows=rows, black_columns=columns
    )
    return MeanDark(mean, count)


def in_whole_steps(mean: MeanDark, one: Frame) -> MeanDark:
    """Return a mean of two darks or more as uint16, in steps that are small beside its noise.

    How strong that noise is, ``one`` of the darks says. Steps are halved from one DN as often as needed, as
    far as 16 bits go.
    """
    thin = tuple(slice(None, None, step) for step in THINNED)
    apart = one.mosaic[thin] - mean.frame.mosaic[thin]
    noise = 1.4826 * float(np.median(np.abs(apart - np.median(apart)))) / math.sqrt(mean.count - 1)
    largest, steps = max(float(mean.frame.mosaic.max()), mean.frame.white), 1
    while steps < MOST_STEPS and steps * COARSEST * noise < 1 and 2 * steps * largest <= LARGEST:
        steps *= 2
    mosaic = np.empty(mean.frame.mosaic.shape, np.uint16)
    for top in range(0, len(mosaic), BAND):
        mosaic[top : top + BAND] = np.rint(mean.frame.mosaic[top : top + BAND] * np.float32(steps))
    bits = None if mean.frame.bits is None else min(mean.frame.bits + steps.bit_length() - 1, 16)
    frame = dataclasses.replace(scaled_levels(mean.frame, steps), mosaic=mosaic, bits=bits)
    return dataclasses.replace(mean, frame=frame, steps=steps)


def check_alike(dark: Frame, other: Frame, *, any_exposure: bool = False) -> None:
    """Raise InputError where a dark does not belong to another frame."""
    name, of = dark.path or "the dark", other.path or "the frame"
    hint = "shoot darks with the settings of the photograph"
    if dark.mosaic.shape != other.mosaic.shape or dark.area != other.area:
        sizes = " and ".join(f"{f.mosaic.shape[1]} x {f.mosaic.shape[0]}" for f in (dark, other))
        raise InputError(f"{name}: differs in size from {of}: {sizes} pixels", hint=hint)
    if not np.array_equal(dark.cfa, other.cfa) or dark.white != other.white:
        raise InputError(f"{name}: differs in colour filters or white level from {of}", hint=hint)
    if dark.camera and other.camera and dark.camera != other.camera:
        raise InputError(f"{name}: is of a {dark.camera}, {of} of a {other.camera}", hint=hint)
    if dark.iso and other.iso and dark.iso != other.iso:
        raise InputError(f"{name}: has ISO {dark.iso:g}, {of} ISO {other.iso:g}", hint=hint)
    seconds = dark.exposure_time or 0.0, other.exposure_time or 0.0
    if not any_exposure and all(seconds) and abs(seconds[0] / seconds[1] - 1) > EXPOSURES_APART:
        raise InputError(f"{name}: was exposed {seconds[0]:g} s, {of} {seconds[1]:g} s", hint=hint)
