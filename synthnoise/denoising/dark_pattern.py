"""Subtracting what dark frames and a photograph share: glow, shading, lines, dark signal of pixels, hot ones.

A dark holds the sensor's fixed pattern and noise of its own, which subtraction would add. So of each part
only as much is taken off as is fixed. How much that is, the photograph says itself: noise of the dark is
not in it and the pattern is, so that the regression of the photograph on the dark, over places where little
happens, has the fixed share of the dark's variance as its slope (the best linear estimate, Wiener). What
varies slowly cannot be told from the scene like that; there the dark's own noise is known from its fine
detail. Hot pixels are brighter, but also noisier and unsteady: what they say and what their neighbours say is
weighed by how sure each is, so that neighbours replace them where a photograph is smooth.

A dark that was exposed for another time than the photograph holds another dark current. Of lines and pixels
the photograph says what is shared; of offset and shading it does not, so they are only taken off where the
exposure times are near each other, or so short that there is little dark current (:func:`level_is_shared`).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthnoise.denoising.dark_regression import (
    AMPLITUDES,
    add_detail,
    flat_places,
    leaking_part,
    line_slopes,
    pixel_slopes,
)
from synthnoise.denoising.dark_shading import HOT, Mask, Plane, enlarged, slow_part, take_off
from synthnoise.errors import InputError
from synthnoise.raw.frame import Frame
from synthnoise.raw.mean_dark import MeanDark

UNSTEADY = 0.25
"""Share of its excess by which a hot pixel may differ between frames: temperature, exposure, shot noise."""
SHORT = 1 / 60
"""Seconds up to which dark current and glow are less than the offset that a sensor has without any."""
NEAR = (0.5, 1.5)
"""Exposures of a dark, relative to that of a photograph, that were seen to help all virtual cameras in the
mean over three units: what is left of the dark current, or taken off too much, is at most half of it."""
THINNED = 7
"""Every seventh row tells the middle level of a frame."""
SMOOTH = 33
"""Lines over whose mean a line is judged where what varies slowly is not shared."""


@dataclass(frozen=True, kw_only=True)
class DarkSubtraction:
    """What was taken off a frame, in DN.

    Attributes
    ----------
    frames
        Number of darks.
    offset
        Mean over the frame.
    shading, lines, pixels
        Standard deviation of what varies slowly, of rows and columns, and of single pixels.
    hot
        Hot pixels that were mended.
    origin
        Where the darks are from, in words.
    left
        Why offset and shading were left as they are; empty where they were not.
    """

    frames: int
    offset: float
    shading: float
    lines: float
    pixels: float
    hot: int
    origin: str = "a dark frame"
    left: str = ""

    def __str__(self) -> str:
        level = "" if self.left else f"offset {self.offset:+.2f}, shading {self.shading:.2f}, "
        rest = f"; not offset and shading, {self.left}" if self.left else ""
        return (
            f"from {self.origin}: {level}lines {self.lines:.2f}, pixels {self.pixels:.2f} DN,"
            f" {self.hot} hot pixels{rest}"
        )


def level_is_shared(dark: float | None, photograph: float | None) -> bool:
    """Return whether a dark and a photograph of some seconds (None: unknown) share offset and shading."""
    if not dark or not photograph:
        return False
    return max(dark, photograph) <= SHORT or NEAR[0] <= dark / photograph <= NEAR[1]


def subtract_dark(
    frame: Frame, dark: MeanDark, *, any_exposure: bool = False
) -> tuple[Frame, DarkSubtraction]:
    """Return a frame, now float32, without the pattern that it shares with darks, and what that was.

    Clipped pixels, unless they are hot, and masked borders stay as they are. Beyond input and output,
    memory is that of a few planes of the colour filter array.

    Parameters
    ----------
    any_exposure
        Take darks of any exposure time; of those whose level is not shared (:func:`level_is_shared`) only
        what the photograph confirms, lines and pixels.

    Raises
    ------
    InputError
        The darks are of another camera, size, ISO or exposure, or brighter than the frame.
    """
    dark.check_fits(frame, any_exposure=any_exposure)
    untold, warmth = "", 1.0
    if any_exposure:
        seconds = dark.frame.exposure_time, frame.exposure_time
        untold = "" if level_is_shared(*seconds) else _other_exposure(*seconds)
        warmth = min((seconds[1] or 0.0) / seconds[0], 1.0) if seconds[0] else 0.0
    active, without_light = frame.active(), dark.frame.active()
    if not untold:
        _refuse_brighter(without_light, active, dark.steps)
    h, w = active.cfa.shape
    output = frame.mosaic.astype(np.float32)
    top, left, bottom, right = frame.area
    parts = [
        _clean_plane(output[top:bottom, left:right], active, without_light, dark.steps, *divmod(position, w),
                     level=not untold, warmth=warmth)
        for position in range(h * w)
    ]  # fmt: skip
    offset, shading, lines, pixels, hot_pixels = np.mean(parts, 0).tolist()
    summary = DarkSubtraction(
        frames=dark.count,
        offset=offset,
        shading=math.sqrt(shading),
        lines=math.sqrt(lines),
        pixels=math.sqrt(pixels),
        hot=round(hot_pixels * h * w),
        origin=str(dark),
        left=untold,
    )
    return dataclasses.replace(frame, mosaic=output), summary


def _refuse_brighter(dark: Frame, photograph: Frame, steps: int) -> None:
    """Raise InputError where a dark has more than a photograph of its exposure, which light only adds to.

    Their middle levels may differ by the noise of a pixel, and a DN: black drifts from frame to frame.
    """
    h, w = photograph.cfa.shape
    levels = []
    for position in range(h * w):
        lit = np.median(_above_black(photograph, *divmod(position, w))[::THINNED])
        without_light = _above_black(dark, *divmod(position, w))[::THINNED]
        without_light /= steps
        # Of neighbours: if this is a photograph, its contrast is not noise.
        noise = 1.4826 * np.median(np.abs(np.diff(without_light))) / math.sqrt(2)
        levels.append((lit, np.median(without_light), noise))
    lit, unlit, noise = np.mean(levels, 0).tolist()
    if unlit > lit + max(noise, 1.0):
        raise InputError(
            f"{dark.path or 'the dark'}: is brighter than {photograph.path or 'the frame'}:"
            f" {unlit:.0f} and {lit:.0f} DN above black",
            hint="a dark is shot with the lens cap on, as long as the photograph and as warm",
        )


def _other_exposure(dark: float | None, photograph: float | None) -> str:
    """Return what is said of two exposure times that are apart, or not known."""
    if dark and photograph:
        return f"as it was exposed {dark:g} s and the photograph {photograph:g} s"
    return f"as the exposure time of the {'photograph' if dark else 'dark'} is not known"


def _clean_plane(
    inside: NDArray[np.float32],
    active: Frame,
    without_light: Frame,
    steps: int,
    i: int,
    j: int,
    *,
    level: bool,
    warmth: float,
) -> tuple[float, ...]:
    """Take the pattern off one position of the CFA, in place; return what of it, and hot pixels."""
    dark = _above_black(without_light, i, j)
    dark /= steps
    pattern, hot, unsure, sums = _plane_pattern(active, dark, i, j, level=level, warmth=warmth)
    h, w = active.cfa.shape
    plane, shown = inside[i::h, j::w], active.mosaic[i::h, j::w] < active.white
    np.subtract(plane, pattern, out=plane, where=shown)
    _mend(plane, hot, np.where(shown[hot], unsure, np.inf))
    return (*sums, float(hot.sum()))


def _plane_pattern(
    active: Frame, dark: Plane, i: int, j: int, *, level: bool, warmth: float
) -> tuple[Plane, NDArray[np.bool_], Plane, tuple[float, float, float, float]]:
    """Return the pattern in DN of one position of the CFA, its hot pixels, and what it is made of.

    ``dark`` [H, W] is in DN above black, and overwritten. Of hot pixels [n], those that stand out in the
    photograph too, it also says how wrong the pattern may be. What it is made of are the mean, and the
    variances of shading, lines and pixels. Without ``level`` mean and shading are left; ``warmth`` is how hot
    pixels are in the photograph, relative to the dark.
    """
    h, w = active.cfa.shape
    even = flat_places(_above_black(active, i, j))
    even &= active.mosaic[i::h, j::w] < active.white
    slow, hot, deviation = slow_part(dark)
    take_off(slow, dark)
    detail = dark
    leak, noise = detail[hot], deviation.of(hot)
    detail[hot] = 0
    rows, columns = _take_lines(detail)
    detail[hot] = 0
    light = _above_black(active, i, j)
    flat = np.greater(even, hot)
    shares = line_slopes(light, flat, rows, columns)
    slopes = pixel_slopes(light, detail, flat, deviation)
    shared = leaking_part(light, even, hot, leak, noise)
    # Of whole planes there are to be two at a time.
    del light, flat, even
    if not level:
        slow[:] = 0
        rows, columns = (
            means - ndimage.uniform_filter1d(means, SMOOTH, mode="nearest") for means in (rows, columns)
        )
    pattern = enlarged(slow, detail.shape)
    mean, shading = float(pattern.mean()), float(pattern.var())
    rows, columns = shares[0] * rows, shares[1] * columns
    pattern += rows[:, None]
    pattern += columns
    pixels = add_detail(pattern, detail, deviation, slopes, AMPLITUDES)
    pattern[hot] += shared
    warm = np.abs(leak) * np.float32(warmth)
    unsure = np.hypot(noise, np.where(shared == 0, warm, UNSTEADY * np.abs(shared)))[warm >= HOT * noise]
    hot[hot] = warm >= HOT * noise
    return pattern, hot, unsure, (mean, shading, float(rows.var() + columns.var()), pixels)


def _take_lines(detail: Plane) -> tuple[Plane, Plane]:
    """Return the means of rows and then of columns of a plane, float32 [H] and [W], taken off it in place."""
    rows = detail.mean(1)
    detail -= rows[:, None]
    columns = detail.mean(0)
    detail -= columns
    return rows, columns


def _above_black(frame: Frame, i: int, j: int) -> Plane:
    """Return one position of the CFA in DN above the black level of the file, float32."""
    h, w = frame.cfa.shape
    plane = frame.mosaic[i::h, j::w].astype(np.float32)
    plane -= np.float32(frame.black[i, j])
    if frame.black_rows is not None:
        plane -= frame.black_rows[i::h, None].astype(np.float32)
    if frame.black_columns is not None:
        plane -= frame.black_columns[j::w].astype(np.float32)
    return plane


def _mend(plane: Plane, hot: Mask, unsure: Plane) -> None:
    """Set hot pixels, in place, to the mean of what they say themselves and what the pixels around them say.

    Each is weighed by how sure it is: themselves by a standard deviation ``unsure`` [n], which is infinite
    for clipped ones, those of their eight neighbours that are not hot by how much they differ.
    """
    rows, columns = np.nonzero(hot)
    total, squares, count = (np.zeros(len(rows)) for _ in range(3))
    own = plane[rows, columns].astype(np.float64)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            r, c = rows + down, columns + across
            inside = (r >= 0) & (r < plane.shape[0]) & (c >= 0) & (c < plane.shape[1])
            r, c = np.clip(r, 0, plane.shape[0] - 1), np.clip(c, 0, plane.shape[1] - 1)
            sound = inside & ~hot[r, c]
            apart = np.where(sound, plane[r, c] - own, 0)
            total += apart
            squares += apart**2
            count += sound
    mean = total / np.maximum(count, 1)
    spread = (
        np.maximum(squares - count * mean**2, 0) / np.maximum(count - 1, 1) * (1 + 1 / np.maximum(count, 1))
    )
    share = np.where(np.isinf(unsure), 1.0, 1 - spread / (spread + np.square(unsure, dtype=np.float64)))
    plane[rows, columns] = own + np.where(count > 0, share * mean, 0)
