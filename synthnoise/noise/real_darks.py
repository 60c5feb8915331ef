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
from synthnoise.noise.calibrated import choose_iso, kept_dark
from synthnoise.noise.dark_synthesis import dark_shading
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.reading import read_frame
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile
    from synthnoise.raw.frame import Frame

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
    factor
        What residuals are multiplied by: darks less the mean of n darks themselves have lost 1/n of their
        variance.
    """

    frames: tuple[Frame, ...]
    shading: NDArray[np.float32] | None
    factor: float = 1.0

    @classmethod
    def read(cls, paths: Sequence[Path], remove: ShadingKind) -> RealDarks:
        """Return the darks of files, less their ``remove`` shading.

        The pixel mean needs two darks; of a single one the low frequencies are taken.

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
        if remove == "none":
            return cls(frames=frames, shading=None)
        count = len(frames)
        mean = linear_planes(first)
        for frame in frames[1:]:
            mean += linear_planes(frame)
        mean /= count
        if remove == "pixel" and count > 1:
            return cls(frames=frames, shading=mean, factor=(count / (count - 1)) ** 0.5)
        for plane in mean:
            low = dark_shading(plane)
            low += plane.mean() - low.mean()
            plane[:] = low
        return cls(frames=frames, shading=mean)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns."""
        h, w = self.frames[0].cfa.shape
        rows, columns = self.frames[0].mosaic.shape
        return h * w, rows // h, columns // w

    @property
    def scale(self) -> Tensor:
        """White minus black in DN, float32 [C, 1, 1]."""
        return torch.from_numpy((self.frames[0].white - self.frames[0].black).reshape(-1, 1, 1)).float()

    def variance(self) -> Tensor:
        """Return the variance of the residuals of each plane, float32 [C, 1, 1], white = 1."""
        totals = np.zeros(self.shape[0])
        for frame in self.frames:
            planes = linear_planes(frame)
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
            crop[plane] = level / np.float32(frame.white - frame.black[i, j])
            if self.shading is not None:
                crop[plane] -= self.shading[plane, rows[:, None], columns]
        crop *= np.float32(self.factor)
        return crop


def gain_and_darks(
    model: str,
    dark: tuple[str, ...],
    gain: float | None,
    remove: ShadingKind,
    *,
    profile: CameraProfile | None,
    iso: float | None,
) -> tuple[float, RealDarks]:
    """Return K in DN/e- and the darks of a model's options, or of a profile where they say nothing.

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
    darks = RealDarks.read(paths, remove)
    if profile and tuple(map(tuple, darks.frames[0].cfa.tolist())) != profile.cfa:
        raise UsageError(
            "the dark frame is of another colour filter array than what is to get its noise",
            hint=f"{model} makes the noise of RAW frames of the camera that shot the dark",
        )
    return known, darks


def check_planes(darks: RealDarks, clean: Tensor) -> None:
    """Raise UsageError unless the images have as many planes as the darks."""
    if clean.shape[1] != darks.shape[0]:
        raise UsageError(
            f"the dark frame has {darks.shape[0]} planes, the image {clean.shape[1]}",
            hint="real darks are noise for RAW frames of the same colour filter array",
        )
