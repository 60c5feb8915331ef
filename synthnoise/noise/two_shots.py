"""2-Shots in the Dark: shot noise of a known gain, and darks redrawn from the one that was shot.

arXiv 2512.03245 (CVPR 2026). The published estimator of the gain from one noisy image is not here: the
gain comes from the profile, or from the options.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.noise.calibrated import choose_iso, kept_dark
from synthnoise.noise.dark_synthesis import DarkSynthesis, Recipe, dark_shading
from synthnoise.noise.poisson_gaussian import add_shot_noise
from synthnoise.noise.real_darks import planes_in, scale_of, shot_noise
from synthnoise.raw.reading import read_frame
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile
    from synthnoise.raw.frame import Frame

GAIN_RANGE = (0.7, 1.3)
"""Bounds of a gain that varies, as fractions of it."""

BAND_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the two shots come from, and what of the published method is done with them."""

    dark: str | None = field(
        default=None, metadata={"help": "dark frame to resample; default: the one that the profile kept"}
    )
    gain: float | None = field(
        default=None,
        metadata={"help": "system gain; default: the profile's", "unit": "DN/e-", "range": (0, math.inf)},
    )
    iterations: int = field(
        default=10, metadata={"help": "rounds of histogram and spectrum matching", "range": (0, 1000)}
    )
    shared_phase: bool = field(
        default=True, metadata={"help": "the same random phases in all planes; false is the ablation"}
    )
    darks: int = field(
        default=0,
        metadata={
            "help": "different darks that images take crops of (published: 399); 0: one for each image",
            "range": (0, 1 << 31),
        },
    )
    shading: bool = field(
        default=False,
        metadata={"help": "add the dark shading and black-level bias, where they are on the sensor"},
    )
    round_dark: bool = field(
        default=False, metadata={"help": "round and clip the dark alone to DN, as published"}
    )
    gain_spread: float = field(
        default=0.0,
        metadata={
            "help": "standard deviation of each image's gain, within 30 % (published: 1)",
            "unit": "DN/e-",
            "range": (0, math.inf),
        },
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameters:
    """What is known of the camera, normalised so that white is 1.

    Attributes
    ----------
    shot
        float32 [C, 1, 1], S: one electron is worth S.
    gain
        DN per electron.
    darks
        Source of residuals [C, H, W]. They are sums of integers and shading: the rounding of the
        dark frame that was shot is in them.
    shading
        float32 [C, H, W], or None where it is not to be added.
    black, scale
        float32 [C, 1, 1] DN: black level of the dark, and what 1 is worth.
    """

    shot: Tensor
    gain: float
    darks: DarkSynthesis
    shading: Tensor | None
    black: Tensor
    scale: Tensor


class TwoShots:
    """y = S·Poisson(x / S) + residual of a synthetic dark.

    An image takes a random crop of its dark, which is periodic, so that a crop of the whole equals
    the crop. Pixels of the dark are correlated: rows, columns and planes are those of the sensor.
    Nothing is clipped; the sum is not rounded.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Parameters:
        """Return the parameters of a dark frame and a gain, both from a calibrated ISO or the options.

        Raises
        ------
        UsageError
            There is no gain, or no dark frame: the profile kept none, or was not calibrated at this ISO.
        InputError
            The dark frame cannot be read.
        """
        noise = choose_iso(profile, iso) if profile else None
        dark = self.options.dark
        frame = read_frame(Path(dark) if dark is not None else kept_dark("two-shots", profile, noise))
        gain = self.options.gain or (noise.gain if noise else math.nan)
        if not gain > 0:
            raise UsageError(
                "two-shots needs the gain of the camera",
                hint="--profile with a noisy shot, or its option gain=K",
            )
        active = frame.active()
        if profile and tuple(map(tuple, active.cfa.tolist())) != profile.cfa:
            raise UsageError(
                "the dark frame is of another colour filter array than what is to get its noise",
                hint="two-shots makes the noise of RAW frames of the camera that shot the dark",
            )
        scale = scale_of(active, profile)
        residual, shading = _split(
            active, scale, keep_shading=self.options.shading or self.options.round_dark
        )
        black = torch.from_numpy(active.black.reshape(-1, 1, 1)).float()
        recipe = Recipe(iterations=self.options.iterations, shared_phase=self.options.shared_phase)
        return Parameters(
            shot=shot_noise(gain, scale, None if self.options.gain else profile),
            gain=gain,
            darks=DarkSynthesis(residual, recipe),
            shading=shading,
            black=black,
            scale=torch.from_numpy(scale.reshape(-1, 1, 1)).float(),
        )

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1.

        Raises
        ------
        UsageError
            The planes are of another number than the dark's, or reach beyond it.
        """
        self._check(clean, parameters, rng)
        noisy = add_shot_noise(clean, self._shot(parameters, rng), rng)
        for number, index in enumerate(rng.indices):
            noisy[number] += self._dark(parameters, rng.at(index), (clean.shape[2], clean.shape[3]))
        return noisy

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return S x + variance of the residual per plane, [B, C, H, W]."""
        dark = parameters.darks.residual.var((1, 2), correction=0).view(-1, 1, 1)
        return clean.clamp(min=0) * parameters.shot.to(clean.device) + dark.to(clean.device)

    def _check(self, clean: Tensor, parameters: Parameters, rng: Rng) -> None:
        planes, height, width = parameters.darks.residual.shape
        if clean.shape[1] != planes:
            raise UsageError(
                f"the dark frame has {planes} planes, the image {clean.shape[1]}",
                hint="two-shots makes the noise of RAW frames of the same colour filter array",
            )
        bottom, right = rng.origin[0] + clean.shape[2], rng.origin[1] + clean.shape[3]
        if min(rng.origin) < 0 or bottom > height or right > width:
            raise UsageError(
                f"an image of {bottom}x{right} packed pixels is larger than the dark frame, {height}x{width}",
                hint="take smaller images, or a model that knows no size: poisson-gaussian",
            )

    def _shot(self, parameters: Parameters, rng: Rng) -> Tensor:
        """Return S of each image and plane, [B, C, 1, 1]: the gain varies as a truncated normal."""
        shot = parameters.shot.to(rng.device)
        spread = self.options.gain_spread / parameters.gain
        if not spread:
            return shot.expand(len(rng.indices), *shot.shape)
        low, high = (
            torch.special.ndtr(torch.tensor((bound - 1) / spread, device=rng.device)) for bound in GAIN_RANGE
        )
        u = rng.uniform(Stream.GAIN, (1,)).view(-1, 1, 1, 1)
        factor = 1 + spread * torch.special.ndtri(low + u * (high - low))
        varied: Tensor = shot * factor.clamp(*GAIN_RANGE)
        return varied

    def _dark(self, parameters: Parameters, rng: Rng, size: tuple[int, int]) -> Tensor:
        """Return what the dark of one image adds to it, [C, H, W]."""
        number = rng.indices
        if self.options.darks:
            number = rng.integers(Stream.DARK_CHOICE, (1,), 0, self.options.darks).flatten()
        residual = parameters.darks.draw(rng.at(number))
        place = rng.uniform(Stream.DARK_CROP, (2,))[0].tolist()
        rows, columns = (
            (torch.arange(n, device=rng.device) + int(share * whole) + first) % whole
            for n, share, whole, first in zip(size, place, residual.shape[1:], rng.origin, strict=True)
        )
        dark = residual[:, rows[:, None], columns]
        if parameters.shading is None:
            return dark
        (top, left), (height, width) = rng.origin, size
        shading = parameters.shading[:, top : top + height, left : left + width].to(rng.device)
        dark = dark + shading
        if self.options.round_dark:
            black, scale = parameters.black.to(rng.device), parameters.scale.to(rng.device)
            codes = (dark * scale + black).round().clamp(min=0).minimum(black + scale)
            dark = (codes - black) / scale
        return dark if self.options.shading else dark - shading


def _split(dark: Frame, scale: NDArray[np.float64], *, keep_shading: bool) -> tuple[Tensor, Tensor | None]:
    """Return residual and shading of a dark, float32 [C, H, W], where 1 is worth ``scale`` [C] DN.

    Band by band, plane by plane.
    """
    h, w = dark.cfa.shape
    rows, columns = dark.mosaic.shape[0] // h, dark.mosaic.shape[1] // w
    planes = np.empty((h * w, rows, columns), np.float32)
    for top in range(0, rows, BAND_ROWS):
        bottom = min(rows, top + BAND_ROWS)
        planes[:, top:bottom] = planes_in(scale, dark.crop((top * h, 0, bottom * h, columns * w)))
    shading = np.empty_like(planes) if keep_shading else None
    for number, plane in enumerate(planes):
        blurred = dark_shading(plane)
        plane -= blurred
        blurred += plane.mean()
        plane -= plane.mean()
        if shading is not None:
            shading[number] = blurred
    return torch.from_numpy(planes), None if shading is None else torch.from_numpy(shading)
