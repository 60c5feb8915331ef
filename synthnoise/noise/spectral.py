"""The default noise of a calibrated camera: shot noise, and dark noise of any size from a compact profile.

Dark noise is the sum of pixel noise with the spectrum and the marginal that were measured, of rows and
columns with their own spectra, and of hot pixels. All of it is made from random numbers with addresses
and filters of short reach, so any tile can be made by itself.
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
from synthnoise.noise.hot_pixels import HotPixels, hot_pixels
from synthnoise.noise.poisson_gaussian import add_shot_noise
from synthnoise.noise.row_modes import RowModes, row_modes
from synthnoise.noise.spectral_fields import filtered_planes, mapped
from synthnoise.noise.spectral_profile import (
    LineNoise,
    PixelNoise,
    SensorMap,
    dark_shading,
    fixed_pixels,
    line_noise,
    local_deviation,
    pixel_noise,
    scaled_arrays,
)
from synthnoise.noise.waves import Waves, waves
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile, IsoNoise

BAND_PIXELS = 1 << 18
"""Pixels of all planes that are worked on at a time."""


CALIBRATED_UNIT = 0
"""Number of the specimen that was calibrated: its hot pixels are where they were found."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the images have in common, and what a profile may not know."""

    gain: float | None = field(
        default=None, metadata={"help": "system gain K", "unit": "DN/e-", "range": (0, math.inf)}
    )
    unit: int | None = field(
        default=None,
        metadata={
            "help": "number of the specimen whose fixed pattern all images share, 0 for the one that was"
            " calibrated; none: another for each image",
            "range": (0, 2**44 - 1),
        },
    )
    shading: bool = field(
        default=False,
        metadata={"help": "add the dark shading and black-level bias, where they are on the sensor"},
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameters:
    """What is known of the camera, normalised so that white is 1.

    Attributes
    ----------
    shot
        float32 [C, 1, 1], S: one electron is worth S.
    pixels
        Noise of single pixels, the camera's rounding to codes included.
    continuous
        The same before rounding.
    strength
        Relative strength of the noise of pixels over the sensor; None where it is even.
    rows, columns
        Noise that the pixels of a line share; None where there is none.
    fixed_pixels, fixed_rows, fixed_columns
        What of it stays from frame to frame; None where that is not known.
    modes
        Row noise that differs along the row; None where it does not.
    waves
        Periodic patterns; None where there are none.
    hot
        Hot pixels; None where there are none.
    shading
        Maps whose sum is the mean of the darks; none where it is not to be added.
    """

    shot: Tensor
    pixels: PixelNoise
    continuous: PixelNoise
    strength: SensorMap | None
    rows: LineNoise | None
    columns: LineNoise | None
    fixed_pixels: PixelNoise | None
    fixed_rows: LineNoise | None
    fixed_columns: LineNoise | None
    modes: RowModes | None
    waves: Waves | None
    hot: HotPixels | None
    shading: tuple[SensorMap, ...]


class Spectral:
    """y = S·Poisson(x / S) + T(filtered white noise) + rows + columns + hot pixels.

    A crop of the whole equals the crop, to the last bit on a CPU. Rows, columns and planes are
    correlated as the camera's are. Nothing is clipped or rounded; who rounds the samples takes
    :meth:`before_rounding`. The noise has mean zero: black bias and
    dark shading are left out unless the options ask for them.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Parameters:
        """Return the parameters of a profile at an ISO.

        An ISO between two calibrated ones takes the spectra and the marginal of the nearer, at its own
        level. What was not measured (a profile from a NoiseProfile tag) is taken as white and normal.

        Raises
        ------
        UsageError
            There is no profile, the ISO is outside it, or neither it nor the options know the gain.
        """
        if profile is None:
            raise UsageError(
                "spectral is the noise of a calibrated camera: which?",
                hint="--profile NAME, or the model poisson-gaussian with its options",
            )
        noise = choose_iso(profile, iso)
        if neighbours := noise.diagnostics.get("interpolated_between"):
            near = profile.isos[min(neighbours, key=lambda there: abs(math.log(there / noise.iso)))]
            noise = dataclasses.replace(noise, arrays=scaled_arrays(near, noise))
        return Parameters(
            shot=self._shot(profile, noise),
            pixels=pixel_noise(noise, profile, rounded=True),
            continuous=pixel_noise(noise, profile, rounded=False),
            strength=local_deviation(noise, profile),
            rows=line_noise(noise, profile, rows=True),
            columns=line_noise(noise, profile, rows=False),
            fixed_pixels=fixed_pixels(noise, profile),
            fixed_rows=line_noise(noise, profile, rows=True, fixed=True),
            fixed_columns=line_noise(noise, profile, rows=False, fixed=True),
            modes=row_modes(noise, profile),
            waves=waves(noise, profile),
            hot=hot_pixels(noise, profile, known=self.options.unit == CALIBRATED_UNIT),
            shading=dark_shading(noise, profile) if self.options.shading else (),
        )

    def before_rounding(self, parameters: Parameters) -> Parameters:
        """Return the parameters of the noise that the camera's converter has yet to round."""
        return dataclasses.replace(parameters, pixels=parameters.continuous)

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1.

        Memory beyond the result: one band of rows.

        Raises
        ------
        UsageError
            The parameters are of another number of planes.
        """
        planes, height, width = clean.shape[1:]
        if planes != len(parameters.shot):
            raise UsageError(
                f"noise of {len(parameters.shot)} planes cannot go on {planes}",
                hint="images and profile must be of the same colour filter array",
            )
        noisy = add_shot_noise(clean, parameters.shot.to(clean.device), rng)
        specimen = self._specimen(rng)
        lines = [
            part.draw(source, stream, clean.shape[2 + axis], start=rng.origin[axis]).unsqueeze(3 - axis)
            for part, stream, source, axis in (
                (parameters.rows, Stream.ROW_NOISE, rng, 0),
                (parameters.columns, Stream.COLUMN_NOISE, rng, 1),
                (parameters.fixed_rows, Stream.FIXED_ROWS, specimen, 0),
                (parameters.fixed_columns, Stream.FIXED_COLUMNS, specimen, 1),
            )
            if part is not None
        ]
        modes = parameters.modes.draw(rng, height) if parameters.modes is not None else None
        step = max(16, BAND_PIXELS // max(1, planes * width * len(clean)))
        for top in range(0, height, step):
            band = noisy[:, :, top : top + step]
            self._add_pixels(band, parameters, rng.cropped(top, 0), specimen.cropped(top, 0))
            for line in lines:
                band += line[:, :, top : top + step] if line.shape[2] > 1 else line
            if parameters.modes is not None and modes is not None:
                left = [x for _, x in self._places((1, parameters.modes.width), rng)]
                parameters.modes.add_to(band, modes[..., top : top + step], left)
            if parameters.waves is not None:
                parameters.waves.add_to(band, rng.cropped(top, 0))
        if parameters.hot is not None:
            parameters.hot.add_to(noisy, parameters.shot, specimen, rng)
        return noisy

    def _add_pixels(self, band: Tensor, parameters: Parameters, rng: Rng, specimen: Rng) -> None:
        """Add to a band [B, C, h, W], in place, the noise that its pixels do not share with their lines."""
        size = band.shape[2], band.shape[3]
        pixels, fixed = parameters.pixels, parameters.fixed_pixels
        noise = mapped(filtered_planes(rng, Stream.READ_NOISE, pixels.taps, size), pixels.table)
        if fixed is not None:
            noise += mapped(filtered_planes(specimen, Stream.FIXED_PIXELS, fixed.taps, size), fixed.table)
        if parameters.strength is not None:
            for image, (y, x) in zip(noise, self._places(parameters.strength.size, rng), strict=True):
                image *= parameters.strength.at((y, x), size).to(image.device)
        band += noise
        for part in parameters.shading:
            band += part.at(rng.origin, size).to(band.device)

    def _places(self, sensor: tuple[int, int], rng: Rng) -> list[tuple[int, int]]:
        """Return where on the sensor each image begins: for no particular specimen, anywhere.

        Unless there is shading, which is where it is: glow and its noise belong together.
        """
        if self.options.unit is not None or self.options.shading:
            return [rng.origin] * len(rng.indices)
        shares = rng.uniform(Stream.SENSOR_PLACE, (2,)).tolist()
        return [(rng.origin[0] + int(y * sensor[0]), rng.origin[1] + int(x * sensor[1])) for y, x in shares]

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return S x + the variance in the dark per plane, [B, C, H, W]; the latter alone below black."""
        parts = (
            *(parameters.pixels, parameters.rows, parameters.columns, parameters.modes),
            *(parameters.waves, parameters.hot),
            *(parameters.fixed_pixels, parameters.fixed_rows, parameters.fixed_columns),
        )
        dark = sum(torch.from_numpy(part.variance) for part in parts if part is not None)
        dark = torch.as_tensor(dark).view(-1, 1, 1).to(clean)
        return clean.clamp(min=0) * parameters.shot.to(clean.device) + dark

    def _shot(self, profile: CameraProfile, noise: IsoNoise) -> Tensor:
        if self.options.gain is not None:
            shot = (self.options.gain / profile.scale).tolist()
        else:
            shot = [noise.shot[colour] for colour in profile.colours]
        values = torch.tensor(shot, dtype=torch.float32).view(-1, 1, 1)
        if not bool(torch.isfinite(values).all()):
            raise UsageError(
                "the profile has no shot noise: its gain was not measured", hint="its option gain=K"
            )
        return values

    def _specimen(self, rng: Rng) -> Rng:
        """Return the random numbers of what stays from frame to frame."""
        if self.options.unit is None:
            return rng
        indices = torch.full_like(rng.indices, self.options.unit)
        return Rng(seed=0, indices=indices, device=rng.device, origin=rng.origin)
