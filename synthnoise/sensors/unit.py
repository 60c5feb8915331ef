"""One specimen of a sensor: the fixed pattern that its seed gives it, row band by row band."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthnoise.sensors.randomness import generator
from synthnoise.sensors.sensor import Sensor

BAND_ROWS = 256
"""Rows simulated at a time. Fixed, since each band has its own random numbers."""


class Defects(NamedTuple):
    """Pixels out of the ordinary, by rising row.

    Attributes
    ----------
    rows, columns
        int64 [n], in the mosaic.
    values
        float64 [n]: e-/s of hot pixels, DN of telegraph pixels.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]

    def within(self, band: slice) -> Defects:
        """Return those of a band, their rows counted from its first."""
        first, last = np.searchsorted(self.rows, (band.start, band.stop))
        return Defects(self.rows[first:last] - band.start, self.columns[first:last], self.values[first:last])


@dataclass(frozen=True)
class SensorUnit:
    """A sensor with a serial number: all of it is a function of (sensor, seed)."""

    sensor: Sensor
    seed: int = 0

    def bands(self) -> Iterator[slice]:
        """Yield the rows of the mosaic, at most ``BAND_ROWS`` at a time."""
        height = self.sensor.mosaic_size[0]
        for start in range(0, height, BAND_ROWS):
            yield slice(start, min(start + BAND_ROWS, height))

    def photo_response(self, band: slice) -> NDArray[np.float64]:
        """Return the relative sensitivity of each pixel of a band, float64 [h, W], mean 1."""
        response: NDArray[np.float64] = 1 + self.sensor.prnu * self._normal("photo response", band)
        return response

    def dark_rate(self, band: slice) -> NDArray[np.float64]:
        """Return what each pixel of a band collects in the dark, e-/s, float64 [h, W]."""
        sensor = self.sensor
        height, width = sensor.mosaic_size
        rate = np.full((band.stop - band.start, width), float(sensor.dark_current))
        if sensor.amp_glow:
            rows = np.exp((np.arange(band.start, band.stop) + 1 - height) * 8 / height)
            columns = np.exp((np.arange(width) + 1 - width) * 8 / width)
            rate += sensor.amp_glow * rows[:, None] * columns
        hot = self.hot_pixels.within(band)
        rate[hot.rows, hot.columns] += hot.values
        return rate

    def offset(self, band: slice) -> NDArray[np.float64]:
        """Return the level of each pixel of a band without any electron, DN, float64 [h, W]."""
        sensor = self.sensor
        height, width = sensor.mosaic_size
        rows, columns = np.arange(band.start, band.stop), np.arange(width)
        h, w = sensor.colours.shape
        bias = np.reshape(sensor.black_bias or np.zeros(h * w), (h, w))
        level: NDArray[np.float64] = sensor.black + bias[rows[:, None] % h, columns % w]
        level += sensor.shading * ((rows / height)[:, None] + columns / width - 1) / 2
        level += sensor.column_pattern * self.column_pattern
        if sensor.dsnu:
            level += sensor.dsnu * self._normal("dark signal", band)
        return level

    @cached_property
    def column_pattern(self) -> NDArray[np.float64]:
        """Fixed column pattern of unit variance, float64 [W]."""
        return generator("column pattern", self.seed).standard_normal(self.sensor.mosaic_size[1])

    @cached_property
    def bank(self) -> NDArray[np.intp]:
        """Number of the bank of each column, [W]."""
        width = self.sensor.mosaic_size[1]
        return np.arange(width) * self.sensor.banks // width

    @cached_property
    def bank_gain(self) -> NDArray[np.float64]:
        """Relative gain of each column's converter, float64 [W], mean 1."""
        gains = generator("bank gain", self.seed).standard_normal(self.sensor.banks)
        return np.asarray((1 + self.sensor.bank_gain * gains)[self.bank])

    @cached_property
    def bank_noise(self) -> NDArray[np.float64]:
        """Relative pixel noise of each column's bank, float64 [W], mean square 1."""
        logarithms = generator("bank noise", self.seed).standard_normal(self.sensor.banks)
        factors = np.exp(self.sensor.bank_spread * logarithms)[self.bank]
        return np.asarray(factors / np.sqrt(np.mean(factors**2)))

    @cached_property
    def hot_pixels(self) -> Defects:
        """The pixels that leak: log-normal dark currents in e-/s."""
        sensor = self.sensor
        random = generator("hot pixels", self.seed)
        rows, columns = self._places(random, sensor.hot_fraction)
        currents = sensor.hot_current * np.exp(sensor.hot_spread * random.standard_normal(rows.size))
        return Defects(rows, columns, currents)

    @cached_property
    def telegraph_pixels(self) -> Defects:
        """The pixels with random telegraph noise: the DN of their jumps, exponentially distributed."""
        random = generator("telegraph pixels", self.seed)
        rows, columns = self._places(random, self.sensor.rts_fraction)
        return Defects(rows, columns, self.sensor.rts_step * random.standard_exponential(rows.size))

    def _places(
        self, random: np.random.Generator, fraction: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows and columns of a random share of the pixels, in readout order."""
        height, width = self.sensor.mosaic_size
        count = random.binomial(height * width, fraction)
        places = np.sort(random.choice(height * width, count, replace=False, shuffle=False))
        return places // width, places % width

    def _normal(self, part: str, band: slice) -> NDArray[np.float64]:
        random = generator(part, self.seed, band.start)
        return random.standard_normal((band.stop - band.start, self.sensor.mosaic_size[1]))
