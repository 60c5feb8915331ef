"""Noise of low-dose computed tomography: photons are counted in projections, and the image is their inverse.

A. C. Kak, M. Slaney, "Principles of Computerized Tomographic Imaging", 1988, chapters 3 and 5.2; counts and
electronics as in L. Yu et al., "Development and validation of a practical lower-dose-simulation tool for
optimizing CT scan protocols", JCAT 36, 2012.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.noise.projections import back_project, back_project_variance, filter_ramp, project
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile

FEWEST_PHOTONS = 20.0
"""Expected counts of a ray below which the logarithm of a count is badly biased: such scans are refused."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The scan."""

    photons: float = field(
        default=1e5, metadata={"help": "photons per ray without the object", "range": (1e2, 1e9)}
    )
    angles: int = field(default=180, metadata={"help": "projections over half a turn", "range": (8, 4000)})
    attenuation: float = field(
        default=0.01,
        metadata={
            "help": "attenuation of a pixel of value 1 (water at 70 keV, pixels of 0.5 mm: 0.0095)",
            "unit": "nepers per pixel width",
            "range": (1e-6, 1),
        },
    )
    electronic: float = field(
        default=10.0,
        metadata={"help": "standard deviation of the electronics", "unit": "photons", "range": (0, 1e4)},
    )


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Photons per ray, projections, attenuation per pixel of value 1, and electronic noise in photons."""

    photons: float
    angles: int
    attenuation: float
    electronic: float


class LowDoseCt:
    """y = x + inverse of the error of log counts: I = Poisson(I0 e^-p) + N(0, e²), p the line integrals of x.

    Parallel beam, one energy, Ram-Lak filter, linear interpolation. No scatter, beam hardening, detector
    blur, bow-tie or tube modulation; rays that expect fewer than 20 photons are refused, where the
    logarithm is biased and scanners filter the counts. Only the noise is reconstructed, so the clean image
    suffers nothing. Channels are slices of their own. Values below 0 attenuate nothing. It works on whole
    images: a crop of the whole is not the crop.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Parameters:
        """Return the parameters of the options; camera profiles say nothing of X-rays."""
        return Parameters(**dataclasses.asdict(self.options))

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W] noisy slices of the unit of the clean ones.

        Raises
        ------
        UsageError
            A ray expects fewer than 20 photons, or a part of an image was asked for.
        """
        if rng.origin != (0, 0):
            raise UsageError(
                "low-dose-ct makes the noise of whole images, not of parts", hint="smaller images"
            )
        counts = self._expected(clean, parameters)
        size = (counts.shape[1], counts.shape[2], counts.shape[3])
        seen = rng.poisson(Stream.SHOT_NOISE, counts)
        seen += rng.normal(Stream.READ_NOISE, size).mul_(parameters.electronic)
        error = -(seen.clamp_(min=1) / counts).log_()
        noise = back_project(filter_ramp(error), (clean.shape[2], clean.shape[3]))
        return noise.div_(parameters.attenuation).add_(clean)

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return the variance [B, C, H, W]: that of log counts, 1/I + e²/I², propagated exactly.

        The logarithm is taken to first order in the error of a count, good to 1/I.

        Raises
        ------
        UsageError
            A ray expects fewer than 20 photons.
        """
        counts = self._expected(clean, parameters)
        error = (counts + parameters.electronic**2) / counts**2
        spread = back_project_variance(error, (clean.shape[2], clean.shape[3]))
        return spread / parameters.attenuation**2

    def _expected(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return the expected counts, float32 [B, C, angles, detectors]."""
        integrals = project(clean.clamp(min=0), parameters.angles) * parameters.attenuation
        counts = parameters.photons * (-integrals).exp()
        least = float(counts.min())
        if not least >= FEWEST_PHOTONS:
            raise UsageError(
                f"a ray through the image expects {least:.2g} photons, fewer than {FEWEST_PHOTONS:g}",
                hint="its option photons="
                f"{parameters.photons * math.ceil(2 * FEWEST_PHOTONS / max(least, 1e-6)):.2g}"
                " or a lower attenuation",
            )
        return counts
