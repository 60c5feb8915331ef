"""Joint laws of gain and noise over the ISOs of camera bodies, as published with ELD and LED.

K. Wei, Y. Fu, Y. Zheng, J. Yang, "Physics-based noise modeling for extreme low-light photography", TPAMI
2021, section 4.3; the Sony A7M4 is from X. Jin et al., "Lighting every darkness in two
pairs" (LED), ICCV 2023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from synthnoise.noise import tukey_lambda


@dataclass(frozen=True)
class LogLine:
    """log σ given log K: normal about slope·log K + intercept, natural logarithms, σ in DN, K in DN/e-."""

    slope: float
    intercept: float
    spread: float

    def mean_square(self, gains: tuple[float, float]) -> float:
        """Return the mean of σ² over gains log-uniform between two, DN²."""
        low, high = (math.log(gain) for gain in gains)
        power = 2 * self.slope
        powers = (math.exp(power * high) - math.exp(power * low)) / (power * (high - low))
        return powers * math.exp(2 * self.intercept + 2 * self.spread**2)


@dataclass(frozen=True)
class Body:
    """A camera body over its ISOs.

    Attributes
    ----------
    gains
        Least and greatest K, DN/e- at 14 bits; drawn log-uniformly between them.
    scale
        Scale of the Tukey-lambda read noise (not its standard deviation) given K.
    row
        Standard deviation of the row noise given K.
    shapes
        Least and greatest λ, drawn uniformly between them.
    """

    gains: tuple[float, float]
    scale: LogLine
    row: LogLine
    shapes: tuple[float, float]

    def mean_variance(self) -> float:
        """Return the mean variance of a dark pixel over all that the body draws, rounding apart, DN²."""
        low, high = self.shapes
        steps = [tukey_lambda.variance(low + (high - low) * (n + 0.5) / 64) for n in range(64)]
        return self.scale.mean_square(self.gains) * sum(steps) / 64 + self.row.mean_square(self.gains)


BODIES: dict[str, Body] = {
    "sony-a7s2": Body(
        (0.0939, 6.011), LogLine(0.462, 0.566, 0.263), LogLine(0.528, -0.592, 0.294), (-0.143, 0.129)
    ),
    "nikon-d850": Body(
        (0.415, 26.56), LogLine(0.477, -0.090, 0.239), LogLine(0.448, -1.798, 0.232), (-0.243, -0.100)
    ),
    "canon-5d4": Body(
        (0.218, 13.96), LogLine(0.656, 1.093, 0.286), LogLine(0.471, -0.808, 0.244), (0.014, 0.2)
    ),
    "canon-70d": Body(
        (0.407, 26.08), LogLine(0.487, 1.464, 0.382), LogLine(0.729, -0.937, 0.250), (-0.171, 0.143)
    ),
    "canon-700d": Body(
        (0.448, 28.65), LogLine(0.598, 1.537, 0.389), LogLine(0.622, -0.776, 0.248), (-0.157, 0.129)
    ),
    "sony-a7m4": Body(
        (0.518, 37.48), LogLine(0.874, -0.783, 0.244), LogLine(0.850, -2.508, 0.254), (-0.282, -0.097)
    ),
}
"""By name. The five of ELD, and the one that LED added."""
