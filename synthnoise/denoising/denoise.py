"""Denoising one frame, tile by tile."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.denoising.mosaic_planes import MosaicPlanes
from synthnoise.denoising.noise_source import FrameNoise, NoisePairs, find_noise
from synthnoise.denoising.residual import squares, transmitted
from synthnoise.denoising.tiles import Tile
from synthnoise.profiles.store import load_profile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.frame import Frame, Rectangle

DEFAULT_TILE = 2048
"""Mosaic pixels: small enough for 1 GB on any frame, large enough that the context costs little."""
NETWORK_TILE = 1344
"""The same for networks, whose features take many times the memory of the tile ..."""
LARGE_FRAME, LARGE_FRAME_TILE = 32_000_000, 1024
"""... and where the frame itself takes more of the memory."""
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
    denoiser
        What took it out.
    remarks
        What the user should know of where the denoiser ran.
    """

    frame: Frame
    noise: FrameNoise
    residual: float
    denoiser: str
    remarks: tuple[str, ...] = ()

    @property
    def residual_profile(self) -> NoisePairs:
        """(S, O) of what noise is left, for the file's NoiseProfile tag."""
        frame, share = self.frame, self.residual**2
        rounding = 0.0
        if np.issubdtype(frame.mosaic.dtype, np.integer):
            rounding = ROUNDING_VARIANCE / float(np.min(frame.white - frame.black)) ** 2
        return tuple((max(s * share, FAINTEST_SHOT), o * share + rounding) for s, o in self.noise.pairs)


def denoise_frame(
    frame: Frame, settings: Settings | None = None, *, progress: Progress = SILENT, **changes: Any
) -> DenoiseResult:
    """Return a frame with its noise taken out of the active area.

    Masked borders and clipped pixels stay exactly as they were, and local means as near as they are
    known. Memory beyond input and output is that of a row of tiles. How much is known of the noise decides:
    a profile before the file's own NoiseProfile before an estimate from the frame.

    Parameters
    ----------
    frame
        A frame of any colour filter array of red, green and blue, or of none.
    settings, changes
        How to denoise: ``denoise_frame(frame, strength=0.5)`` is ``Settings(strength=0.5)``.

    Raises
    ------
    InputError
        The colour filter array lacks a colour.
    UsageError
        An option, the profile or the ISO does not fit.
    """
    settings = dataclasses.replace(settings or Settings(), **changes)
    source = MosaicPlanes(frame)
    ordinary = frame.is_linear or source.period in ((1, 1), (2, 2))
    denoiser = Denoiser(
        settings,
        colours=None if ordinary else source.colours,
        period=source.period,
        neutral=frame.as_shot_neutral,
        bayer=frame.is_bayer,
    )
    profile = settings.profile
    if isinstance(profile, str | Path):
        profile = load_profile(profile)
    noise = find_noise(frame, profile, settings.iso)
    shot, read = noise.per_plane(source.colours)
    default = DEFAULT_TILE if ordinary else LARGE_TILE
    if denoiser.record.trainable:
        default = NETWORK_TILE if frame.mosaic.size <= LARGE_FRAME else LARGE_FRAME_TILE
    grid = denoiser.tiles(source.size, (settings.tile or default) // max(source.period), levelled=False)
    progress.start(frame.path.name if frame.path else "denoising", len(grid))
    mosaic = frame.mosaic.copy()
    top, left, bottom, right = frame.area
    output = mosaic[top:bottom, left:right]
    for rectangle, restored in _restored(source, denoiser, grid, shot, read):
        source.write(output, rectangle, restored)
        progress.advance()
    left_over: list[float] = []
    for square in squares(source.size):
        planes = torch.from_numpy(source.read(square))[None].to(denoiser.device)
        left_over += transmitted(lambda noisy: denoiser(noisy, shot, read), planes, shot, read)
    result = DenoiseResult(
        dataclasses.replace(frame, mosaic=mosaic),
        noise,
        min(float(np.median(left_over)), 1.0),
        denoiser.name,
        denoiser.remarks,
    )
    return dataclasses.replace(
        result, frame=dataclasses.replace(result.frame, noise_profile=result.residual_profile)
    )


def _restored(
    source: MosaicPlanes,
    denoiser: Denoiser,
    grid: Sequence[Tile],
    shot: tuple[float, ...],
    read: tuple[float, ...],
) -> Iterator[tuple[Rectangle, NDArray[np.float32]]]:
    """Yield rectangles of the planes and what they are denoised, float32 [C, rows, columns].

    Local means are known two blocks later than the pixels, so a row of tiles waits for the next.
    """
    drift = denoiser.drift(source.size, shot, read)
    waiting: deque[tuple[Rectangle, torch.Tensor]] = deque()
    for tile in grid:
        planes = torch.from_numpy(source.read(tile.outer))[None]
        restored = denoiser.restore(planes, shot, read)[(..., *tile.kept)].cpu()
        noisy = planes[(..., *tile.kept)]
        if drift is not None:
            drift.add(noisy, restored, tile.inner[:2])
        waiting.append((tile.inner, denoiser.strengths.blended(noisy, restored).clone()))
        while waiting and (drift is None or drift.complete(waiting[0][0])):
            rectangle, part = waiting.popleft()
            if drift is not None:
                part = part + denoiser.strengths.of(drift.at(rectangle))
            yield rectangle, part[0].numpy()
