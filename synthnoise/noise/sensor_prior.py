"""Noise of sensors that nobody has measured: one plausible sensor drawn for each image.

A network that is to serve every camera is trained on all that a camera may be: shot noise and white read
noise (A. Foi et al., IEEE TIP 17, 2008), noise that a whole row shares, and pixels that leak.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.noise.poisson_gaussian import add_shot_noise
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile

READ_LEVELS = 33
"""Read noises drawn from, in equal ratios: few, as each has a table in the stabilising transform."""

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
        metadata={"help": "standard deviation that a row shares, of the read noise's; uniform"},
    )
    hot: float = field(
        default=0.0,
        metadata={"help": "greatest share of hot pixels; log-uniform over two decades", "range": (0, 0.1)},
    )

    def __post_init__(self) -> None:
        for name, least in (("shot", 1e-9), ("read", 1e-3), ("rows", 0.0)):
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
    read, rows
        Variance of the white read noise and of what rows share, white = 1.
    hot
        Share of hot pixels.
    """

    shot: Tensor
    read: Tensor
    rows: Tensor
    hot: Tensor


class SensorPrior:
    """y = S·Poisson(x / S) + N(0, O) + a value per row of the sensor + hot pixels.

    The planes are those of a 2x2 repeat, row-major, whose first two share the sensor's even rows; of other
    numbers of planes all share a row. A crop of the whole equals the crop. The variance leaves hot pixels
    out: they are defects.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Sensors | None:
        """Return None: sensors are drawn from the options, whatever a profile says of one of them."""
        return None

    def per_image(self, parameters: Sensors | None, rng: Rng) -> Sensors:
        """Return the sensor of each image of ``rng``."""
        place = rng.uniform(Stream.SENSOR_PLACE, (1, 4)).view(-1, 4, 1, 1, 1).unbind(1)
        level = (place[1] * READ_LEVELS).floor() / (READ_LEVELS - 1)
        return self._sensors(place[0], level, place[2], place[3])

    def sample(self, clean: Tensor, parameters: Sensors | None, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1."""
        sensors = parameters or self.per_image(None, rng)
        noisy = add_shot_noise(clean, sensors.shot, rng)
        size = tuple(clean.shape[1:])
        noisy = noisy.add_(rng.normal(Stream.READ_NOISE, size).mul_(sensors.read.sqrt()))
        if self.options.rows[1] > 0:
            noisy = noisy + self._rows(clean.shape[1], clean.shape[2], rng) * sensors.rows.sqrt()
        if self.options.hot > 0:
            chance = rng.uniform(Stream.HOT_PIXELS, size) / sensors.hot
            noisy = noisy - HOT_EXCESS * sensors.read.sqrt() * chance.clamp(max=1).log()
        return noisy

    def variance(self, clean: Tensor, parameters: Sensors | None) -> Tensor:
        """Return S x + O and what rows add, [B, C, H, W]; of sensors not yet drawn, the middle one's."""
        middle = torch.full((1, 1, 1, 1), 0.5, device=clean.device)
        sensors = parameters or self._sensors(middle, middle, middle, middle)
        return clean.clamp(min=0) * sensors.shot + sensors.read + sensors.rows

    def _sensors(self, shot: Tensor, read: Tensor, rows: Tensor, hot: Tensor) -> Sensors:
        """Return the sensors at these places, 0 to 1, of the ranges."""
        options = self.options
        gain = _between(options.shot, shot)
        variance = (_between(options.read, read) * gain).square()
        share = options.rows[0] + rows * (options.rows[1] - options.rows[0])
        return Sensors(
            shot=gain,
            read=variance,
            rows=variance * share.square(),
            hot=options.hot * 10 ** (HOT_DECADES * (hot - 1)),
        )

    def _rows(self, planes: int, height: int, rng: Rng) -> Tensor:
        """Return a standard normal value per row of the sensor, [B, C, H, 1]."""
        # The column that a crop begins at does not matter to its rows.
        values = dataclasses.replace(rng, origin=(rng.origin[0], 0)).normal(Stream.ROW_NOISE, (2, height, 1))
        return values[:, [0, 0, 1, 1]] if planes == 4 else values[:, :1].expand(-1, planes, -1, -1)


def _between(bounds: Range, share: Tensor) -> Tensor:
    """Return the geometric interpolation between the bounds."""
    low, high = bounds
    return low * (high / low) ** share
