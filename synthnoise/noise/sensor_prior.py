"""Noise of sensors that nobody has measured: one plausible sensor drawn for each image.

A network that is to serve every camera is trained on all that a camera may be: shot noise and read noise
(A. Foi et al., IEEE TIP 17, 2008), its tails by the Tukey-lambda law of K. Wei et al., "A physics-based noise
formation model for extreme low-light raw denoising", CVPR 2020, noise that a whole row or column shares,
pixels that leak, and pixels that differ in their response to light (PRNU; EMVA 1288 release 4.0, section 8),
which in the lights of a low ISO is stronger than shot noise. Of banding and tails most sensors have
little, and what a network gives up for the few that have much it lacks on all others: their place in the
range is the square of a uniform number.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.noise import tukey_lambda
from synthnoise.noise.poisson_gaussian import add_shot_noise
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile

READ_LEVELS = 33
"""Read noises drawn from, in equal ratios: few, as each has a table in the stabilising transform."""

NORMAL_SHAPE = 0.135
"""Shape of the Tukey-lambda law nearest to a normal one."""

SHAPES = 16
"""Shapes of the law that an image's is drawn from."""

HOT_EXCESS = 30.0
"""Mean excess of a hot pixel in standard deviations of read noise; exponentially distributed."""

HOT_DECADES = 2.0
"""Decades below the greatest share of hot pixels from which an image's share is drawn."""

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Ranges that each image's sensor is drawn from: least and greatest. The defaults are one sensor.

    Raises
    ------
    UsageError
        A range is not one, or reaches what no sensor has.
    """

    shot: Range = field(
        default=(1e-3, 1e-3),
        metadata={"help": "S: variance per unit of signal; log-uniform", "unit": "white = 1"},
    )
    read: Range = field(default=(1.5, 1.5), metadata={"help": "read noise; log-uniform", "unit": "e-"})
    rows: Range = field(
        default=(0.0, 0.0),
        metadata={"help": "standard deviation that a row shares, of the read noise's; mostly near the least"},
    )
    columns: Range = field(
        default=(0.0, 0.0),
        metadata={
            "help": "standard deviation that a column shares, of the read noise's; mostly near the least"
        },
    )
    tails: float = field(
        default=0.0,
        metadata={
            "help": "how far the shape of the read noise's Tukey-lambda law may lie below a normal one's;"
            " most near 0, which is normal",
            "range": (0, 0.4),
        },
    )
    hot: float = field(
        default=0.0,
        metadata={"help": "greatest share of hot pixels; log-uniform over two decades", "range": (0, 0.1)},
    )
    prnu: float = field(
        default=0.0,
        metadata={
            "help": "greatest standard deviation of the photo response, as a share of the light; uniform",
            "range": (0, 0.1),
        },
    )

    def __post_init__(self) -> None:
        for name, least in (("shot", 1e-9), ("read", 1e-3), ("rows", 0.0), ("columns", 0.0)):
            low, high = getattr(self, name)
            if not least <= low <= high < math.inf:
                raise UsageError(
                    f"sensor-prior: {name}={low:g},{high:g}", hint=f"from {least:g} up, least first"
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class Sensors:
    """The sensor of each image, float32 [B, 1, 1, 1] each.

    Attributes
    ----------
    shot
        S.
    read, rows, columns
        Variance of the white read noise and of what rows and columns share, white = 1.
    shape
        Of the read noise's Tukey-lambda law.
    hot
        Share of hot pixels.
    prnu
        Standard deviation of the photo response, whose mean is 1.
    """

    shot: Tensor
    read: Tensor
    rows: Tensor
    columns: Tensor
    shape: Tensor
    hot: Tensor
    prnu: Tensor


class SensorPrior:
    """y = S·Poisson(response · x / S) + read noise + a value per row and per column + hot pixels.

    A square number of planes are those of a square repeat, row-major: four are of 2x2, whose first two share
    the sensor's even rows. Of other numbers of planes all share a row, and a column. A crop of the whole
    equals the crop. The variance leaves hot pixels out, which are defects, and the photo response, of which
    no noise profile S x + O tells.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Sensors | None:
        """Return None: sensors are drawn from the options, whatever a profile says of one of them."""
        return None

    def per_image(self, parameters: Sensors | None, rng: Rng) -> Sensors:
        """Return the sensor of each image of ``rng``."""
        place = rng.uniform(Stream.SENSOR_PLACE, (1, 7)).view(-1, 7, 1, 1, 1)
        place[:, 1] = (place[:, 1] * READ_LEVELS).floor() / (READ_LEVELS - 1)
        return self._sensors(place)

    def sample(self, clean: Tensor, parameters: Sensors | None, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1."""
        sensors = parameters or self.per_image(None, rng)
        size = tuple(clean.shape[1:])
        if self.options.prnu > 0:
            response = 1 + sensors.prnu * rng.normal(Stream.PHOTO_RESPONSE, size)
            clean = clean * response.clamp(min=0)
        noisy = add_shot_noise(clean, sensors.shot, rng)
        noisy = noisy.add_(self._read_noise(sensors, size, rng).mul_(sensors.read.sqrt()))
        if self.options.rows[1] > 0:
            noisy = noisy + self._rows(clean.shape[1], clean.shape[2], rng) * sensors.rows.sqrt()
        if self.options.columns[1] > 0:
            noisy = noisy + self._columns(clean.shape[1], clean.shape[3], rng) * sensors.columns.sqrt()
        if self.options.hot > 0:
            chance = rng.uniform(Stream.HOT_PIXELS, size) / sensors.hot
            noisy = noisy - HOT_EXCESS * sensors.read.sqrt() * chance.clamp(max=1).log()
        return noisy

    def variance(self, clean: Tensor, parameters: Sensors | None) -> Tensor:
        """Return S x + O and what rows and columns add, [B, C, H, W]; of sensors not yet drawn, the middle
        one's."""
        sensors = parameters or self._sensors(torch.full((1, 7, 1, 1, 1), 0.5, device=clean.device))
        return clean.clamp(min=0) * sensors.shot + sensors.read + sensors.rows + sensors.columns

    def _sensors(self, place: Tensor) -> Sensors:
        """Return the sensors at these places of the ranges, [B, 7, 1, 1, 1] from 0 to 1."""
        options = self.options
        shot, read, rows, hot, columns, tail, response = place.unbind(1)
        gain = _between(options.shot, shot)
        variance = (_between(options.read, read) * gain).square()
        return Sensors(
            shot=gain,
            read=variance,
            rows=variance * _among(options.rows, rows.square()).square(),
            columns=variance * _among(options.columns, columns.square()).square(),
            shape=NORMAL_SHAPE - options.tails * (tail.square() * SHAPES).floor() / (SHAPES - 1),
            hot=options.hot * 10 ** (HOT_DECADES * (hot - 1)),
            prnu=options.prnu * response,
        )

    def _read_noise(self, sensors: Sensors, size: tuple[int, ...], rng: Rng) -> Tensor:
        """Return white noise of variance 1, [B, C, H, W]."""
        if self.options.tails == 0:
            return rng.normal(Stream.READ_NOISE, size)
        variance = [tukey_lambda.variance(shape) for shape in sensors.shape.flatten().tolist()]
        noise = tukey_lambda.tukey_lambda(rng.uniform(Stream.READ_NOISE, size), sensors.shape)
        return noise.mul_(sensors.shape.new_tensor(variance).rsqrt().view_as(sensors.shape))

    def _rows(self, planes: int, height: int, rng: Rng) -> Tensor:
        """Return a standard normal value per row of the sensor, [B, C, H, 1]."""
        # The column that a crop begins at does not matter to its rows.
        repeat = _repeat(planes)
        lines = dataclasses.replace(rng, origin=(rng.origin[0], 0))
        values = lines.normal(Stream.ROW_NOISE, (repeat, height, 1))
        return values[:, [plane // repeat % repeat for plane in range(planes)]]

    def _columns(self, planes: int, width: int, rng: Rng) -> Tensor:
        """Return a standard normal value per column of the sensor, [B, C, 1, W]."""
        repeat = _repeat(planes)
        lines = dataclasses.replace(rng, origin=(0, rng.origin[1]))
        values = lines.normal(Stream.COLUMN_NOISE, (repeat, 1, width))
        return values[:, [plane % repeat for plane in range(planes)]]


def _repeat(planes: int) -> int:
    """Return the edge of the square repeat that a number of planes are of; 1 where it is none."""
    edge = math.isqrt(planes)
    return edge if edge**2 == planes else 1


def _among(bounds: Range, share: Tensor) -> Tensor:
    """Return the linear interpolation between the bounds."""
    return bounds[0] + share * (bounds[1] - bounds[0])


def _between(bounds: Range, share: Tensor) -> Tensor:
    """Return the geometric interpolation between the bounds."""
    low, high = bounds
    return low * (high / low) ** share
