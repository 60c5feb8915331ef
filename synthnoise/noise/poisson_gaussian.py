"""Poisson shot noise and white Gaussian read noise: variance S x + O, the law of the DNG NoiseProfile.

A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting
for single-image raw-data", IEEE TIP 17, 2008; Adobe DNG specification 1.7.1, NoiseProfile.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.noise.calibrated import choose_iso
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile


@dataclass(frozen=True, kw_only=True)
class Options:
    """The noise of a camera without a profile, or in place of what its profile says.

    Either S and O as DNG states them, or gain and read noise in DN.
    """

    shot: float | None = field(
        default=None,
        metadata={"help": "S: variance per unit of signal", "unit": "white = 1", "range": (0, math.inf)},
    )
    read: float | None = field(
        default=None,
        metadata={"help": "O: variance in the dark", "unit": "(white = 1)^2", "range": (0, math.inf)},
    )
    gain: float | None = field(
        default=None, metadata={"help": "system gain K", "unit": "DN/e-", "range": (0, math.inf)}
    )
    read_noise: float | None = field(
        default=None,
        metadata={"help": "standard deviation in the dark", "unit": "DN", "range": (0, math.inf)},
    )
    full_scale: float | None = field(
        default=None,
        metadata={
            "help": "white minus black, which gain and read_noise need where there is no profile",
            "unit": "DN",
            "range": (1, math.inf),
        },
    )

    def __post_init__(self) -> None:
        for first, second in (("shot", "gain"), ("read", "read_noise")):
            if getattr(self, first) is not None and getattr(self, second) is not None:
                raise UsageError(f"{first} and {second} say the same thing twice", hint=f"leave out {second}")


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Noise per plane, normalised so that white is 1; a single entry holds for every plane.

    Attributes
    ----------
    shot
        S per plane: variance of the shot noise per unit of signal; one electron is worth S.
    read
        O per plane: variance in the dark, all of it, the camera's rounding to DN included.
    rounding
        The part of ``read`` that is due to rounding, q^2 / 12 of a step q; 0 where unknown.
    """

    shot: tuple[float, ...]
    read: tuple[float, ...]
    rounding: tuple[float, ...] = (0.0,)


class PoissonGaussian:
    """y = S·Poisson(x / S) + N(0, O), pixel by pixel and independent.

    Planes are those of the CFA repeat of the profile, row-major, each with the S and O of its
    colour. A crop of the whole equals the crop; nothing is clipped or rounded. O of a profile was
    measured on rounded frames: whoever rounds the samples again takes :meth:`before_rounding`.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Parameters:
        """Return the parameters of a profile at an ISO; options that are given go before it.

        Raises
        ------
        UsageError
            Neither says what is needed, or the ISO is outside those of the profile.
        """
        shot, read, rounding = self._of_profile(profile, iso) if profile else (None, None, (0.0,))
        scale = self._scale(profile)
        if self.options.shot is not None:
            shot = (self.options.shot,)
        elif self.options.gain is not None:
            shot = tuple(self.options.gain / s for s in scale)
        if self.options.read is not None:
            read = (self.options.read,)
        elif self.options.read_noise is not None:
            read = tuple((self.options.read_noise / s) ** 2 for s in scale)
        if shot is None or read is None:
            raise UsageError(
                f"the {'shot' if shot is None else 'read'} noise of which camera?",
                hint="--profile NAME --iso N, or its options shot=S and read=O as in a DNG NoiseProfile",
            )
        if not all(math.isfinite(value) for value in shot):
            raise UsageError(
                "the profile has no shot noise: its gain was not measured", hint="its option gain=K"
            )
        planes = max(len(shot), len(read))
        return Parameters(shot=_spread(shot, planes), read=_spread(read, planes), rounding=rounding)

    def before_rounding(self, parameters: Parameters) -> Parameters:
        """Return the parameters of the noise that the camera's converter has yet to round."""
        rounding = _spread(parameters.rounding, len(parameters.read))
        read = tuple(max(o - r, 0.0) for o, r in zip(parameters.read, rounding, strict=True))
        return dataclasses.replace(parameters, read=read, rounding=(0.0,))

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1, signal below 0 as 0 e-.

        Raises
        ------
        UsageError
            The parameters are of another number of planes.
        """
        shot, read = (self._column(values, clean) for values in (parameters.shot, parameters.read))
        noisy = add_shot_noise(clean, shot, rng)
        noise = rng.normal(Stream.READ_NOISE, tuple(clean.shape[1:]))
        return noisy.add_(noise.mul_(read.sqrt()))

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return S x + O, [B, C, H, W]; O alone below black."""
        shot, read = (self._column(values, clean) for values in (parameters.shot, parameters.read))
        return clean.clamp(min=0) * shot + read

    def _of_profile(
        self, profile: CameraProfile, iso: float | None
    ) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        noise = choose_iso(profile, iso)
        rounding = noise.quantisation_step**2 / 12 / profile.scale**2
        return (
            tuple(noise.shot[c] for c in profile.colours),
            tuple(noise.read[c] for c in profile.colours),
            tuple(float(r) for r in rounding),
        )

    def _scale(self, profile: CameraProfile | None) -> tuple[float, ...]:
        """Return white minus black in DN per plane."""
        if self.options.full_scale is not None:
            return (self.options.full_scale,)
        if profile is not None:
            return tuple(float(s) for s in profile.scale)
        if self.options.gain is not None or self.options.read_noise is not None:
            raise UsageError(
                "gain and read_noise are in DN: of what full scale?",
                hint="its option full_scale=15871 for 14 bits and black level 512",
            )
        return (1.0,)

    def _column(self, values: tuple[float, ...], clean: Tensor) -> Tensor:
        """Return one value per plane, [C, 1, 1] or [1, 1, 1]."""
        planes = clean.shape[1]
        if len(values) not in (1, planes):
            raise UsageError(
                f"noise of {len(values)} planes cannot go on {planes}",
                hint="images and profile must be of the same colour filter array",
            )
        return torch.tensor(values, dtype=clean.dtype, device=clean.device).view(-1, 1, 1)


def add_shot_noise(clean: Tensor, shot: Tensor, rng: Rng) -> Tensor:
    """Return S·Poisson(x / S) of normalised planes [B, C, H, W]; where S is 0 the planes unchanged.

    ``shot`` is S, broadcast against the planes. Signal below zero has no electrons.
    """
    if not bool((clean > 0).any()):  # a dark: its zeros cost no random numbers
        return torch.where(shot > 0, 0, clean)
    counted = rng.poisson(Stream.SHOT_NOISE, torch.where(shot > 0, clean / shot.clamp(min=1e-30), 0))
    return torch.where(shot > 0, counted.mul_(shot), clean)


def _spread(values: tuple[float, ...], planes: int) -> tuple[float, ...]:
    return values * planes if len(values) == 1 else values
