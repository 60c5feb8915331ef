"""Crops of dark frames that were shot, as noise models use them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.errors import InputError, UsageError
from synthnoise.noise.calibrated import choose_iso, kept_dark, kept_mean
from synthnoise.noise.dark_synthesis import dark_shading
from synthnoise.profiles.full_scale import full_scale_ratio
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.reading import read_frame
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile
    from synthnoise.raw.frame import Frame
    from synthnoise.raw.mean_dark import MeanDark

ShadingKind = Literal["none", "low", "pixel"]
"""What is taken out of darks: nothing, low frequencies, or at each pixel the mean of all darks."""


@dataclass(frozen=True, kw_only=True)
class DarkOptions:
    """Which darks, and the gain of the shot noise."""

    dark: tuple[str, ...] = field(
        default=(),
        metadata={"help": "dark frames, separated by commas; default: the one that the profile kept"},
    )
    gain: float | None = field(
        default=None,
        metadata={"help": "system gain; default: the profile's", "unit": "DN/e-", "range": (0, math.inf)},
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class RealDarks:
    """Dark frames of one camera, ISO and exposure.

    Attributes
    ----------
    frames
        The frames, active areas alone.
    shading
        float32 [C, H, W], white = 1: what is taken out of every dark; None for nothing.
    scale
        float64 [C], DN that 1 is worth: white minus black of the profile, or of the first dark.
    factor
        What residuals are multiplied by: darks less the mean of n darks themselves have lost 1/n of their
        variance.
    """

    frames: tuple[Frame, ...]
    shading: NDArray[np.float32] | None
    scale: NDArray[np.float64]
    factor: float = 1.0

    @classmethod
    def read(
        cls,
        paths: Sequence[Path],
        remove: ShadingKind,
        profile: CameraProfile | None = None,
        mean: MeanDark | None = None,
    ) -> RealDarks:
        """Return the darks of files, less their ``remove`` shading, in the unit of a profile if there is one.

        The pixel mean needs two darks, or a ``mean`` of several that these are among; of a single one the low
        frequencies are taken.

        Raises
        ------
        InputError
            A file cannot be read, or the frames differ in size or colour filter array.
        """
        frames = tuple(read_frame(path).active() for path in paths)
        first = frames[0]
        for frame, path in zip(frames, paths, strict=True):
            if frame.mosaic.shape != first.mosaic.shape or not np.array_equal(frame.cfa, first.cfa):
                raise InputError(
                    f"{path}: not of the size and colour filter array of {paths[0]}",
                    hint="the darks must come from one camera and mode",
                )
        scale = scale_of(first, profile)
        if remove == "none":
            return cls(frames=frames, shading=None, scale=scale)
        if remove == "pixel" and mean is not None:
            shading = planes_in(scale * mean.steps, mean.frame)
            return cls(frames=frames, shading=shading, scale=scale, factor=_apart(mean.count))
        count = len(frames)
        shading = planes_in(scale, first)
        for frame in frames[1:]:
            shading += planes_in(scale, frame)
        shading /= count
        if remove == "pixel" and count > 1:
            return cls(frames=frames, shading=shading, scale=scale, factor=_apart(count))
        for plane in shading:
            low = dark_shading(plane)
            low += plane.mean() - low.mean()
            plane[:] = low
        return cls(frames=frames, shading=shading, scale=scale)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns."""
        h, w = self.frames[0].cfa.shape
        rows, columns = self.frames[0].mosaic.shape
        return h * w, rows // h, columns // w

    @property
    def full_scale(self) -> Tensor:
        """What 1 is worth in DN, float32 [C, 1, 1]."""
        return torch.from_numpy(self.scale.reshape(-1, 1, 1)).float()

    def variance(self) -> Tensor:
        """Return the variance of the residuals of each plane, float32 [C, 1, 1], white = 1."""
        totals = np.zeros(self.shape[0])
        for frame in self.frames:
            planes = planes_in(self.scale, frame)
            if self.shading is not None:
                planes -= self.shading
            totals += planes.var((1, 2), dtype=np.float64)
        mean = totals / len(self.frames) * self.factor**2
        return torch.from_numpy(mean).float().view(-1, 1, 1)

    def draw(self, rng: Rng, size: tuple[int, int]) -> Tensor:
        """Return a crop of a dark for each image of ``rng``, float32 [B, C, h, w] at ``rng.origin``.

        Dark and place are drawn at random. Packed planes keep the crop in phase with the colour filter
        array. Where a crop reaches over the edge it goes on at the opposite one.
        """
        choice = rng.integers(Stream.DARK_CHOICE, (1,), 0, len(self.frames)).flatten().tolist()
        place = rng.uniform(Stream.DARK_CROP, (2,)).tolist()
        crops = [self._crop(n, at, rng.origin, size) for n, at in zip(choice, place, strict=True)]
        return torch.from_numpy(np.stack(crops)).to(rng.device)

    def _crop(
        self, number: int, place: list[float], origin: tuple[int, int], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        frame = self.frames[number]
        period, (_, *whole) = frame.cfa.shape, self.shape
        rows, columns = (
            (np.arange(n) + int(share * length) + first) % length
            for n, share, length, first in zip(size, place, whole, origin, strict=True)
        )
        crop = np.empty((self.shape[0], *size), np.float32)
        for plane in range(self.shape[0]):
            i, j = divmod(plane, period[1])
            y, x = rows * period[0] + i, columns * period[1] + j
            level = frame.mosaic[y[:, None], x].astype(np.float32) - np.float32(frame.black[i, j])
            if frame.black_rows is not None:
                level -= frame.black_rows[y, None].astype(np.float32)
            if frame.black_columns is not None:
                level -= frame.black_columns[x].astype(np.float32)
            crop[plane] = level / np.float32(self.scale[plane])
            if self.shading is not None:
                crop[plane] -= self.shading[plane, rows[:, None], columns]
        crop *= np.float32(self.factor)
        return crop


def scale_of(dark: Frame, profile: CameraProfile | None) -> NDArray[np.float64]:
    """Return float64 [C], the DN that 1 is worth: of a dark's file, or of a profile whose DN are the same.

    Files of one camera may state other levels than the profile; clean images are in the unit of the profile.
    """
    own = (dark.white - dark.black).reshape(-1)
    return own / full_scale_ratio(profile, float(own.mean())) if profile else own


def planes_in(scale: NDArray[np.float64], frame: Frame) -> NDArray[np.float32]:
    """Return the planes [C, H, W] of a frame above its own black, where 1 is worth ``scale`` [C] DN."""
    planes = linear_planes(frame)
    active = frame.active()
    planes *= ((active.white - active.black).reshape(-1) / scale).astype(np.float32)[:, None, None]
    return planes


def _apart(count: int) -> float:
    return math.sqrt(count / (count - 1))


def gain_and_darks(
    model: str,
    dark: tuple[str, ...],
    gain: float | None,
    remove: ShadingKind,
    *,
    profile: CameraProfile | None,
    iso: float | None,
) -> tuple[Tensor, RealDarks]:
    """Return S, float32 [C, 1, 1], and the darks: of a model's options, else of a profile.

    Raises
    ------
    UsageError
        There is no gain, no dark frame, or the dark is of another colour filter array than the profile.
    InputError
        A dark cannot be read.
    """
    noise = choose_iso(profile, iso) if profile else None
    paths = [Path(path) for path in dark] or [kept_dark(model, profile, noise)]
    known = gain or (noise.gain if noise else float("nan"))
    if not known > 0:
        raise UsageError(
            f"{model} needs the gain of the camera", hint="--profile with a noisy shot, or its option gain=K"
        )
    mean = kept_mean(profile, noise) if remove == "pixel" and profile and noise and not dark else None
    darks = RealDarks.read(paths, remove, profile, mean)
    if profile and tuple(map(tuple, darks.frames[0].cfa.tolist())) != profile.cfa:
        raise UsageError(
            "the dark frame is of another colour filter array than what is to get its noise",
            hint=f"{model} makes the noise of RAW frames of the camera that shot the dark",
        )
    return shot_noise(known, darks.scale, None if gain else profile), darks


def shot_noise(gain: float, scale: NDArray[np.float64], profile: CameraProfile | None) -> Tensor:
    """Return S, float32 [C, 1, 1], of a gain in DN/e-, DN of the profile if given, else of ``scale``."""
    known = scale if profile is None else profile.scale
    return torch.from_numpy(gain / known.reshape(-1, 1, 1)).float()


def check_planes(darks: RealDarks, clean: Tensor) -> None:
    """Raise UsageError unless the images have as many planes as the darks."""
    if clean.shape[1] != darks.shape[0]:
        raise UsageError(
            f"the dark frame has {darks.shape[0]} planes, the image {clean.shape[1]}",
            hint="real darks are noise for RAW frames of the same colour filter array",
        )
