"""Before and after, side by side at 100 %: a quick look that costs one tile."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthnoise.denoising.denoise import DenoiseResult, denoise_knowing, noise_in
from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.denoising.pictures import denoise_picture, estimate_sigma
from synthnoise.profiles.store import load_profile
from synthnoise.raw.develop import metered_tone, oriented, render
from synthnoise.raw.exif import orientation_in
from synthnoise.raw.frame import Frame
from synthnoise.raw.picture import Picture
from synthnoise.raw.preview import picture_area

EDGE = 640
"""Pixels along the edge of each half."""
GAP = 4
WHITE = 255


def preview(frame: Frame, settings: Settings) -> tuple[NDArray[np.uint8], DenoiseResult]:
    """Return uint8 sRGB [h, 2 w + gap, 3], the middle of the picture as it is and denoised, and the result.

    The noise level is that of the whole frame, and so is the exposure; only the middle is denoised.
    """
    profile = settings.profile
    if isinstance(profile, str | Path):
        profile = load_profile(profile)
    noise, spread = noise_in(frame, profile, settings.iso)
    part = _middle(frame)
    result = denoise_knowing(part, settings, noise, spread=spread)
    tone = metered_tone(frame)
    before, after = (oriented(render(f, tone=tone), frame.orientation) for f in (part, result.frame))
    gap = np.full((len(before), GAP, 3), WHITE, np.uint8)
    return np.concatenate([before, gap, after], 1), result


def preview_picture(picture: Picture, denoiser: Denoiser) -> tuple[Picture, NDArray[np.float64]]:
    """Return the middle of a picture as it is and denoised, upright, and the sigma of the whole picture."""
    largest = np.iinfo(picture.pixels.dtype).max
    sigma = estimate_sigma(picture.pixels, largest, picture.opaque)
    height, width = picture.pixels.shape[:2]
    top, left = max(height - EDGE, 0) // 2, max(width - EDGE, 0) // 2
    area = (slice(top, top + EDGE), slice(left, left + EDGE))
    part = dataclasses.replace(picture, pixels=picture.pixels[area], extra=picture.extra[area])
    restored, _ = denoise_picture(part, denoiser, sigma=sigma)
    turn = orientation_in(picture.exif)
    before, after = (oriented(half.pixels, turn) for half in (part, restored))
    gap = np.full((len(before), GAP, before.shape[2]), largest, before.dtype)
    pixels = np.concatenate([before, gap, after], 1)
    return (
        Picture(
            pixels=pixels, extra=pixels[..., :0], container="preview", icc=picture.icc, path=picture.path
        ),
        sigma,
    )


def _middle(frame: Frame) -> Frame:
    """Return the middle of the picture, beginning with a whole repeat of the colour filter array."""
    top, left, bottom, right = picture_area(frame)
    h, w = frame.cfa.shape
    samples = 3 if frame.is_linear else 1
    rows, columns = min(EDGE, bottom - top), min(EDGE * samples, right - left)
    top += (bottom - top - rows) // 2 // h * h
    left += (right - left - columns) // 2 // w * w
    return frame.crop((top, left, top + rows, left + columns))
