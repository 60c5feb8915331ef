"""Do these frames belong together, and are they what they are said to be?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.dark import DarkNoise
from synthnoise.calibration.gain import GainEstimate
from synthnoise.errors import InputError
from synthnoise.raw.frame import Frame

LIT_DARK = 0.02
"""Share of the range that the mean of a dark may lie above black, if that is also five read noises."""

PICTURE = 0.5
"""Correlation of neighbours beyond which a dark shows a picture."""

DENOISED = 0.1
"""Correlation of neighbours beyond which a dark was probably denoised in the camera."""

DARKER = 0.2
"""Read noises by which a picture may lie below its dark, as black levels drift."""

GAPS = 0.05
MOST_HOT_SHARE = 0.01
SATURATED_SHARE = 0.5
EXPOSURE_FACTOR = 2.0


SMOOTH = 1.2
"""Coarse over fine detail of shot noise, three standard errors down, from which it was smoothed."""

BLACK_SHARE, LOSSY_SHARE = 0.02, 0.25
"""Share of the pixels of a picture at black with none below, and of missing codes, that betray processing."""

FILLED = 20
"""Pixels that codes around one must have on average for its own emptiness to mean something."""

UNEVEN = 1.0
"""Standard deviation of the shading, in read noises, from which light may have come in."""

COPIED = 1e-3
"""Share of the variance that must change between two darks."""


def label(frame: Frame) -> str:
    """Return how to call a frame in a message."""
    return str(frame.path) if frame.path else "a frame"


def check_same_camera(frames: Sequence[Frame]) -> None:
    """Raise InputError unless all frames come from one camera, size, CFA and white level."""
    first = frames[0]
    for frame in frames[1:]:
        if frame.camera and first.camera and frame.camera != first.camera:
            raise InputError(
                f"{label(frame)} is from {frame.camera}, {label(first)} from {first.camera}",
                hint="calibrate one camera at a time",
            )
        shapes = [f.active().mosaic.shape for f in (frame, first)]
        if shapes[0] != shapes[1]:
            sizes = " and ".join(f"{width} x {height}" for height, width in shapes)
            raise InputError(
                f"{label(frame)} and {label(first)} differ in size: {sizes}", hint="use one RAW mode for all"
            )
        if not np.array_equal(frame.active().cfa, first.active().cfa):
            raise InputError(f"{label(frame)} and {label(first)} differ in their colour filter array")
        if frame.white != first.white:
            raise InputError(
                f"{label(frame)} and {label(first)} differ in white level: {frame.white:g}, {first.white:g}",
                hint="use one bit depth and RAW compression for all",
            )


def check_dark(frame: Frame, dark: DarkNoise) -> list[str]:
    """Return warnings about the dark frames, of which ``frame`` is one.

    Raises
    ------
    InputError
        They are no darks: lit, showing a picture, saturated, cut off at black, or copies of each other.
    """
    planes, name = dark.planes, label(frame)
    level = max(plane.offset for plane in planes)
    noise = math.sqrt(max(plane.variance for plane in planes))
    full = frame.white - float(frame.black.max())
    if max(plane.codes.saturated for plane in planes) > SATURATED_SHARE:
        raise InputError(f"{name}: saturated, so not a dark frame", hint="cover the lens")
    if level > max(LIT_DARK * full, 5 * noise):
        raise InputError(
            f"{name}: not dark, its mean is {level:.0f} DN above black ({level / full:.0%} of the range)",
            hint="cover the lens and the viewfinder; or the black level is stated wrongly",
        )
    across, down = (max(plane.correlation[axis] for plane in planes) for axis in (0, 1))
    if max(across, down) > PICTURE:
        raise InputError(f"{name}: shows a picture, not the dark", hint="are dark and noisy file swapped?")
    if any(plane.codes.clipped for plane in planes):
        share = max(plane.codes.lowest_share for plane in planes)
        raise InputError(
            f"{name}: the camera cuts black off ({share:.0%} of the pixels at the lowest code)",
            hint="half of the noise is missing from such files; use a RAW mode that keeps it",
        )
    if dark.frames > 1 and max(plane.split.temporal / plane.variance for plane in planes) < COPIED:
        raise InputError(f"{name}: the dark frames are copies of one another", hint="expose each anew")
    return list(_dark_oddities(name, dark, level, noise, max(across, down)))


def _dark_oddities(
    name: str, dark: DarkNoise, level: float, noise: float, correlation: float
) -> Iterator[str]:
    planes = dark.planes
    if level > 3 * noise:
        yield f"{name}: {level:.1f} DN above black: light leaks in, or the black level is stated wrongly"
    shading = max(float(plane.grid.std()) for plane in planes)
    if shading > UNEVEN * noise:
        yield f"{name}: uneven by {shading:.1f} DN: the sensor glows, or a dim picture is in it"
    if correlation > DENOISED:
        yield (
            f"{name}: neighbouring pixels correlate by {correlation:.2f}:"
            " the camera probably denoised this file"
        )
    steps = {plane.codes.step for plane in planes}
    if max(steps) > 1:
        yield f"{name}: only each {max(steps):g}th code occurs: it was scaled, or has fewer bits than it says"
    elif max(plane.codes.gaps for plane in planes) > GAPS:
        yield f"{name}: some codes never occur: the camera multiplied the data, or compressed them with loss"
    if dark.hot_pixels > MOST_HOT_SHARE * dark.pixels * len(planes):
        yield f"{name}: {dark.hot_pixels} hot pixels, more than {MOST_HOT_SHARE:.0%}: a very warm sensor?"


def check_exposures(darks: Sequence[Frame], noisy: Sequence[Frame]) -> Iterator[str]:
    """Yield a warning where dark and noisy frames were exposed for different times."""
    times = [{f.exposure_time for f in frames if f.exposure_time} for frames in (darks, noisy)]
    if not all(times):
        return
    longest, shortest = max(times[0] | times[1]), min(times[0] | times[1])
    if longest > EXPOSURE_FACTOR * shortest:
        yield (
            f"exposures range from {shortest:g} to {longest:g} s: black level and dark current change too;"
            " expose the dark as long as the noisy frame"
        )


def check_light(noisy: Frame, dark: DarkNoise) -> Iterator[str]:
    """Yield warnings about the light in a noisy frame.

    Raises
    ------
    InputError
        It is saturated, or darker than the dark.
    """
    sample = noisy.active()
    h, w = sample.cfa.shape
    levels, saturated = [], []
    for position, plane in enumerate(dark.planes):
        row, column = divmod(position, w)
        values = sample.mosaic[row :: 4 * h, column :: 4 * w].astype(np.float64)
        levels.append(float(values.mean()) - float(sample.black[row, column]) - plane.offset)
        saturated.append(float((values >= 0.999 * sample.white).mean()))
    noise = math.sqrt(max(plane.variance for plane in dark.planes))
    if min(saturated) > SATURATED_SHARE:
        raise InputError(f"{label(noisy)}: saturated nearly everywhere", hint="expose less")
    if max(levels) < -DARKER * noise:
        raise InputError(
            f"{label(noisy)}: darker than the dark frame by {-max(levels):.1f} DN",
            hint="are dark and noisy file swapped?",
        )
    if max(saturated) > SATURATED_SHARE / 2:
        yield f"{label(noisy)}: {max(saturated):.0%} of a colour are saturated and cannot be used"


def check_codes(noisy: Frame) -> Iterator[str]:
    """Yield a warning where codes of a noisy frame are missing, as after lossy compression.

    Raises
    ------
    InputError
        Black is cut off: many pixels at the black level, and none below.
    """
    frame = noisy.active()
    if not np.issubdtype(frame.mosaic.dtype, np.integer):
        return
    counts = np.bincount(frame.mosaic[::3].ravel())
    black = int(frame.black.min())
    share = float(counts[black : black + 1].sum()) / float(counts.sum())
    if black > 0 and not counts[:black].any() and share > BLACK_SHARE:
        raise InputError(
            f"{label(noisy)}: the camera cuts black off ({share:.0%} of the pixels at the black level, none"
            " below)",
            hint="half of the noise is missing from such files; use a RAW mode that keeps it",
        )
    level = _missing_from(counts)
    if level is not None:
        yield (
            f"{label(noisy)}: some codes never occur from {level} DN on: compressed with loss or multiplied,"
            " so bright places are left with another noise"
        )


def _missing_from(counts: NDArray[np.int64]) -> int | None:
    """Return the first of 64 codes of which too many are empty among well-filled ones; None if nowhere."""
    around = np.convolve(counts, np.ones(9) / 9, "same")
    for start in range(0, len(counts), 64):
        window, filled = counts[start : start + 64], around[start : start + 64] > FILLED
        if filled.sum() >= 32 and np.count_nonzero(window[filled] == 0) > LOSSY_SHARE * filled.sum():
            return start
    return None


def check_whiteness(noisy: Frame, gain: GainEstimate) -> None:
    """Raise InputError where what light adds is smoother than shot noise, which is white in every sensor."""
    if gain.smoothness - 3 * gain.smoothness_se > SMOOTH:
        raise InputError(
            f"{label(noisy)}: its noise is smoother than a sensor's (coarse over fine {gain.smoothness:.2f},"
            " 1 is white): denoised, resized, or textured all over",
            hint="use RAW with noise reduction off, and a picture with smooth areas",
        )
