"""Denoising one frame, tile by tile."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthnoise.denoising import demosaiced
from synthnoise.denoising.dark_pattern import DarkSubtraction
from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.denoising.mosaic_planes import MosaicPlanes
from synthnoise.denoising.noise_source import FrameNoise, NoisePairs, find_noise
from synthnoise.denoising.profile_darks import ProfileDarks
from synthnoise.denoising.residual import noise_left, squares, transmitted, white
from synthnoise.denoising.tile_pipeline import denoise_tiles
from synthnoise.profiles.schema import CameraProfile
from synthnoise.profiles.store import load_profile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.frame import Frame
from synthnoise.specs import Domain

DEFAULT_TILE = 2048
"""Mosaic pixels: small enough for 1 GB on any frame, large enough that the context costs little."""
NETWORK_AREA = 1_250_000
"""Pixels of a plane with their context, for networks, whose features take 300 bytes for each ..."""
LARGE_FRAME, LARGE_FRAME_AREA = 32_000_000, 900_000
"""... and where the frame itself takes more of the memory, ..."""
LARGE_FLOAT_AREA = 800_000
"""... or, in single precision, even more."""
LARGE_TILE = 3072
"""The same where a repeat is large, and the context with it."""
ROUNDING_VARIANCE = 1 / 6
"""DN^2 of rounding up as often as the fraction says, in the mean over all fractions."""
FAINTEST_SHOT = 1e-8
"""DNG forbids S = 0."""


@dataclass(frozen=True)
class DenoiseResult:
    """A denoised frame and how it came about.

    Attributes
    ----------
    frame
        The denoised mosaic, uint16 or float32 as the source, with ``residual_profile`` as its noise.
    noise
        What was taken out, and how that was known.
    residual
        Standard deviation of what is left of the noise in the median place, relative to what it was.
    by_colour
        The same for R, G, B, which differ where brightness and colour are denoised by different strengths.
    denoiser
        What took it out.
    remarks
        What the user should know of where the denoiser ran.
    dark
        What the profile's dark frame took off, or None.
    """

    frame: Frame
    noise: FrameNoise
    residual: float
    by_colour: tuple[float, ...]
    denoiser: str
    remarks: tuple[str, ...] = ()
    dark: DarkSubtraction | None = None

    @property
    def residual_profile(self) -> NoisePairs:
        """(S, O) of what noise is left, for the file's NoiseProfile tag."""
        frame, rounding = self.frame, 0.0
        if np.issubdtype(frame.mosaic.dtype, np.integer):
            rounding = ROUNDING_VARIANCE / float(np.min(frame.white - frame.black)) ** 2
        return tuple(
            (max(s * share**2, FAINTEST_SHOT), o * share**2 + rounding)
            for (s, o), share in zip(self.noise.pairs, self.by_colour, strict=True)
        )


def denoise_frame(
    frame: Frame,
    settings: Settings | None = None,
    *,
    dtype: type[np.uint16 | np.float32] | None = None,
    progress: Progress = SILENT,
    **changes: Any,
) -> DenoiseResult:
    """Return a frame with its noise taken out of the active area.

    Masked borders and clipped pixels stay exactly as they were, and local means as near as they are
    known. Memory beyond input and output is that of a few tiles. How much is known of the noise decides:
    a profile before the file's own NoiseProfile before an estimate from the frame. What a frame
    shares with the profile's dark frame, where it keeps one that fits, is subtracted first
    (:mod:`synthnoise.denoising.profile_darks`).

    Parameters
    ----------
    frame
        A frame of any colour filter array of red, green and blue, or of none.
    settings, changes
        How to denoise: ``denoise_frame(frame, strength=0.5)`` is ``Settings(strength=0.5)``.
    dtype
        Of the result's mosaic; None for that of the frame. To uint16 it is rounded up as often as
        the fraction says.

    Raises
    ------
    InputError
        The colour filter array lacks a colour.
    UsageError
        An option, the profile or the ISO does not fit.
    """
    settings = dataclasses.replace(settings or Settings(), **changes)
    if isinstance(settings.profile, str | Path):
        settings = dataclasses.replace(settings, profile=load_profile(settings.profile))
    profile = settings.profile if isinstance(settings.profile, CameraProfile) else None
    if profile is not None and settings.profile_dark:
        return _behind_dark(frame, settings, profile, dtype, progress)
    noise, spread = noise_in(frame, profile, settings.iso)
    return denoise_knowing(frame, settings, noise, spread=spread, dtype=dtype, progress=progress)


def noise_in(
    frame: Frame, profile: CameraProfile | None = None, iso: float | None = None
) -> tuple[FrameNoise, bool]:
    """Return the noise of a frame, and whether a demosaic has spread it: it is that of the mosaic then.

    Errors as :func:`synthnoise.denoising.noise_source.find_noise`.
    """
    mosaic = demosaiced.noisiest_mosaic(frame) if frame.is_linear else None
    return find_noise(mosaic or frame, profile, iso), mosaic is not None


def denoise_knowing(
    frame: Frame,
    settings: Settings,
    noise: FrameNoise,
    *,
    spread: bool,
    dtype: type[np.uint16 | np.float32] | None = None,
    progress: Progress = SILENT,
) -> DenoiseResult:
    """Return a frame denoised as :func:`denoise_frame` does, once :func:`noise_in` has told its noise.

    A part of a frame is denoised as the whole is, with what is known of that. No dark is subtracted, and the
    settings' profile and ISO do not count.
    """
    source = MosaicPlanes(frame)
    ordinary = frame.is_linear or source.period in ((1, 1), (2, 2))
    denoiser = Denoiser(
        settings,
        colours=None if ordinary else source.colours,
        period=source.period,
        neutral=frame.as_shot_neutral,
        domain=_domain(frame),
        shares_noise=spread,
    )
    if denoiser.by_mosaics:
        source = MosaicPlanes(demosaiced.by_repeats(frame))
    shot, read = noise.per_plane(source.colours)
    if spread and not denoiser.by_mosaics:
        shot, read = (tuple(demosaiced.SPREAD * value for value in values) for values in (shot, read))
    edge = settings.tile or (DEFAULT_TILE if ordinary else LARGE_TILE)
    area = None
    if denoiser.record.trainable and settings.tile is None:
        area = NETWORK_AREA
        if frame.mosaic.size > LARGE_FRAME:
            area = LARGE_FRAME_AREA if frame.mosaic.dtype == np.uint16 else LARGE_FLOAT_AREA
        area = area * 4 // max(len(source.colours), 4)
    grid = denoiser.tiles(source.size, edge // max(source.period), area=area, levelled=False)
    progress.start(frame.path.name if frame.path else "denoising", len(grid))
    mosaic = np.empty(frame.mosaic.shape, dtype or frame.mosaic.dtype)
    # Of this only masked borders stay, which are whole numbers.
    np.maximum(frame.mosaic, 0 if dtype is np.uint16 else -np.inf, out=mosaic, casting="unsafe")
    top, left, bottom, right = frame.area
    output = mosaic[top:bottom, left:right]
    denoise_tiles(source, output, denoiser, grid, (shot, read), progress)
    residual, by_colour = noise_left(
        [
            transmitted(
                denoiser.denoised(source.read(square)[None], shot, read, whole=True),
                lambda noisy: denoiser.denoised(noisy, shot, read),
                shot,
                read,
                demosaiced.spread_noise if denoiser.by_mosaics else white,
            )
            for square in squares(source.size)
        ],
        source.colours,
    )
    result = DenoiseResult(
        dataclasses.replace(frame, mosaic=mosaic),
        noise,
        residual,
        by_colour,
        denoiser.name,
        denoiser.remarks,
    )
    return dataclasses.replace(
        result, frame=dataclasses.replace(result.frame, noise_profile=result.residual_profile)
    )


def _behind_dark(
    frame: Frame,
    settings: Settings,
    profile: CameraProfile,
    dtype: type[np.uint16 | np.float32] | None,
    progress: Progress,
) -> DenoiseResult:
    """Return a frame denoised, less what it shares with a dark of the profile; whole numbers stay such."""
    clean = ProfileDarks(profile, settings.iso).subtract(frame)
    whole = np.issubdtype(frame.mosaic.dtype, np.integer)
    dtype = dtype or (np.uint16 if whole else np.float32)
    result = denoise_frame(clean.frame, settings, dtype=dtype, profile_dark=False, progress=progress)
    remarks = (*result.remarks, *([clean.unused] if clean.unused else []))
    return dataclasses.replace(result, dark=clean.dark, remarks=remarks)


def _domain(frame: Frame) -> Domain:
    """Return what the planes of a frame are."""
    if frame.is_linear:
        return "linear-rgb"
    return frame.cfa_name or "mosaic"
