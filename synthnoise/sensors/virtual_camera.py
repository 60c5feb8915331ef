"""A camera that exists only as equations: light to electrons to DN, with every parameter known.

Order of events (EMVA 1288 release 4.0, section 2; Konnik and Welsh 2014): light times photo response,
plus dark current, becomes Poisson electrons, which a full well clips; gain turns them into DN; the
circuit adds pixel, row, column and telegraph noise to the fixed pattern; the converter rounds and clips.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthnoise.errors import UsageError
from synthnoise.raw.frame import Frame, Rectangle
from synthnoise.sensors.randomness import flicker, generator, streaks, tukey_lambda
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.unit import SensorUnit

Key = tuple[str | float, ...]
"""What names an exposure, and with it all of its temporal noise."""

Light = Callable[[slice], NDArray[np.float64]]
"""Mean electrons [h, W] that light brings to a band of the mosaic, before photo response."""


class VirtualCamera:
    """A sensor unit behind a lens cap, a flat field or a scene.

    Parameters
    ----------
    sensor
        The design, at the ISO that is set (``sensor.at_iso``).
    unit_seed
        Which specimen: decides DSNU, PRNU, column pattern, hot and telegraph pixels, and nothing else.
    seed
        Decides, with the kind of shot and ``index``, all that is temporal. Frames of the same index
        and of the same light are equal; a dark and a flat, two scenes or two exposures share no noise.
    """

    def __init__(self, sensor: Sensor, unit_seed: int = 0, *, seed: int = 0) -> None:
        self.sensor = sensor
        self.unit_seed = unit_seed
        self.seed = seed
        self.unit = SensorUnit(sensor, unit_seed)

    def dark(self, index: int = 0, *, exposure_time: float | None = None) -> Frame:
        """Return a frame with the lens cap on, uint16; ``exposure_time`` in seconds."""
        return self._expose("dark", index, None, exposure_time)

    def flat(self, electrons: float, index: int = 0, *, exposure_time: float | None = None) -> Frame:
        """Return an even field of ``electrons`` per pixel in the mean, uint16."""
        if not electrons >= 0:
            raise UsageError(f"a flat field of {electrons:g} electrons", hint="a level of 0 or more")
        level = np.full(self.sensor.size, electrons / self.sensor.saturation, dtype=np.float32)
        return self._expose("flat", index, self._light(level, 1.0), exposure_time, electrons)

    def shoot(
        self,
        scene: ArrayLike,
        *,
        ratio: float = 1.0,
        index: int = 0,
        clean: bool = False,
        exposure_time: float | None = None,
    ) -> Frame:
        """Return a frame of a scene, uint16, or the float32 :meth:`clean` of it.

        Parameters
        ----------
        scene
            Linear camera RGB [3, H, W] or a mosaic [H, W] of the active area, in [0, 1]; 1 saturates
            at ratio 1. ``sensor.camera_rgb`` turns linear sRGB into it.
        ratio
            How many times less light there is. The exposure time is not touched: dark current stays.
        index
            Number of the exposure.
        """
        if clean:
            return self._frame(
                self.clean(scene, ratio).astype(np.float32), index, self._seconds(exposure_time)
            )
        light = self._light(scene, ratio)
        fingerprint = zlib.crc32(np.ascontiguousarray(scene, dtype=np.float32).data)
        return self._expose("scene", index, light, exposure_time, ratio, fingerprint)

    def burst(self, scene: ArrayLike, count: int, *, ratio: float = 1.0, start: int = 0) -> list[Frame]:
        """Return ``count`` frames of a scene that stands still, numbered from ``start``."""
        return [self.shoot(scene, ratio=ratio, index=start + number) for number in range(count)]

    def clean(
        self,
        scene: ArrayLike,
        ratio: float = 1.0,
        *,
        fixed_pattern: bool = False,
        exposure_time: float | None = None,
    ) -> NDArray[np.float64]:
        """Return what a perfect sensor of this gain would read, in DN, float64, the whole mosaic.

        Nominal black plus gain times light, up to saturation; not rounded. With ``fixed_pattern`` the
        mean of infinitely many frames of this unit instead: photo response, black bias, DSNU, shading
        and mean dark current included (clipping of the noise itself is not).
        """
        sensor, seconds, light = self.sensor, self._seconds(exposure_time), self._light(scene, ratio)
        level = np.empty(sensor.mosaic_size)
        for band in self.unit.bands():
            electrons = light(band)
            offset: NDArray[np.float64] | float = sensor.black
            gain: NDArray[np.float64] | float = sensor.gain
            if fixed_pattern:
                electrons = electrons * self.unit.photo_response(band) + seconds * self.unit.dark_rate(band)
                offset = self.unit.offset(band)
                gain = sensor.gain * self.unit.bank_gain
            level[band] = np.clip(offset + gain * np.minimum(electrons, sensor.full_well), 0, sensor.white)
        return level

    def _seconds(self, exposure_time: float | None) -> float:
        seconds = self.sensor.exposure_time if exposure_time is None else exposure_time
        if not seconds >= 0:
            raise UsageError(f"an exposure of {seconds:g} s", hint="0 or more")
        return seconds

    def _light(self, scene: ArrayLike, ratio: float) -> Light:
        """Return the electrons of a scene, band by band, so that no second copy of it is made."""
        sensor, pixels = self.sensor, np.asarray(scene, dtype=np.float32)
        if pixels.shape not in {sensor.size, (3, *sensor.size)}:
            raise UsageError(f"a scene of shape {pixels.shape} does not fit a sensor of {sensor.size} pixels")
        if not ratio > 0:
            raise UsageError(f"ratio {ratio:g} is no exposure ratio", hint="a positive number")
        top, left = sensor.masked_rows, sensor.masked_columns
        colours, electrons_at_one = sensor.colours, sensor.saturation / ratio
        h, w = colours.shape

        def electrons(band: slice) -> NDArray[np.float64]:
            level = np.zeros((band.stop - band.start, sensor.mosaic_size[1]))
            lit = slice(max(band.start, top), band.stop)
            if lit.start >= lit.stop:
                return level
            seen = pixels[..., lit.start - top : lit.stop - top, :]
            if pixels.ndim == 3:
                rows, columns = np.arange(lit.start, lit.stop), np.arange(left, sensor.mosaic_size[1])
                seen = np.choose(colours[rows[:, None] % h, columns % w], seen)
            if not (seen >= 0).all():
                raise UsageError("a scene holds negative light or values that are not numbers")
            level[lit.start - band.start :, left:] = seen
            return level * electrons_at_one

        return electrons

    def _expose(
        self, kind: str, index: int, light: Light | None, exposure_time: float | None, *level: float
    ) -> Frame:
        """Return the frame of one exposure; its temporal noise comes from these arguments and the seeds."""
        seconds = self._seconds(exposure_time)
        key: Key = (kind, self.seed, self.unit_seed, index, self.sensor.iso, seconds, *level)
        return self._frame(self._read_out(key, light, seconds), index, seconds)

    def _read_out(self, key: Key, light: Light | None, seconds: float) -> NDArray[np.uint16]:
        """Return the mosaic, its temporal noise drawn from the key."""
        sensor, unit = self.sensor, self.unit
        height, width = sensor.mosaic_size
        random = generator("rows and columns", *key)
        rows = sensor.row_noise * random.standard_normal(height)
        rows += sensor.row_flicker * flicker(random, height)
        columns = sensor.column_noise * random.standard_normal(width)
        if sensor.row_spike_fraction:
            rows += self._spikes(key)
        bank_rows = self._bank_rows(key) if sensor.bank_noise else None
        jumps = random.integers(0, 2, unit.telegraph_pixels.values.size) - 0.5
        telegraph = unit.telegraph_pixels._replace(values=unit.telegraph_pixels.values * jumps)

        mosaic = np.empty((height, width), dtype=np.uint16)
        for band in unit.bands():
            random = generator("pixels", *key, band.start)
            electrons = seconds * unit.dark_rate(band)
            if light is not None:
                electrons += light(band) * np.maximum(unit.photo_response(band), 0)
            level = sensor.gain * unit.bank_gain * np.minimum(random.poisson(electrons), sensor.full_well)
            level += unit.offset(band) + rows[band, None] + columns
            if bank_rows is not None:
                level += bank_rows[band][:, unit.bank]
            level += unit.bank_noise * self._pixel_noise(random, level.shape)
            struck = telegraph.within(band)
            level[struck.rows, struck.columns] += struck.values
            mosaic[band] = np.clip(np.rint(level), 0, sensor.white)
        return mosaic

    def _spikes(self, key: Key) -> NDArray[np.float64]:
        """Return the shifts in DN of the rows that interference strikes, float64 [H]."""
        random, height = generator("row spikes", *key), self.sensor.mosaic_size[0]
        struck = random.random(height) < self.sensor.row_spike_fraction
        return np.asarray(struck * random.laplace(0, 1, height) * self.sensor.row_spike)

    def _bank_rows(self, key: Key) -> NDArray[np.float64]:
        """Return what each row of each bank adds, float64 [H, banks] in DN."""
        random, height = generator("bank rows", *key), self.sensor.mosaic_size[0]
        banks = [
            flicker(random, height) if number % 2 else random.standard_normal(height)
            for number in range(self.sensor.banks)
        ]
        return self.sensor.bank_noise * np.stack(banks, axis=1)

    def _pixel_noise(self, random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the circuit's noise per pixel in DN: heavy-tailed white, and streaks along the row."""
        sensor = self.sensor
        noise = tukey_lambda(random, shape, sensor.tail)
        noise *= np.hypot(sensor.read_noise, sensor.converter_noise)
        if sensor.correlated_noise:
            noise += sensor.correlated_noise * streaks(random, shape, sensor.correlation_length)
        return noise

    def _frame(self, mosaic: NDArray[np.uint16] | NDArray[np.float32], index: int, seconds: float) -> Frame:
        """Return the mosaic with what a camera's file says of it."""
        sensor = self.sensor
        height, width = sensor.mosaic_size
        top, left = sensor.masked_rows, sensor.masked_columns
        borders: list[Rectangle] = [(0, 0, top, width), (top, 0, height, left)]
        taken = datetime(2025, 1, 1, 12) + timedelta(seconds=index)
        return Frame(
            mosaic=mosaic,
            cfa=sensor.colours,
            black=np.full(sensor.colours.shape, sensor.black),
            white=sensor.white,
            active_area=(top, left, height, width) if top or left else None,
            masked_areas=tuple(b for b in borders if b[2] > b[0] and b[3] > b[1]),
            bits=sensor.bits,
            make="Virtual",
            model=sensor.model,
            iso=sensor.iso,
            exposure_time=seconds,
            aperture=4.0,
            focal_length=50.0,
            date=taken.strftime("%Y:%m:%d %H:%M:%S"),
            as_shot_neutral=sensor.neutral,
            colour_matrix=sensor.colour_matrix,
            noise_profile=sensor.noise_profile if sensor.states_noise else None,
        )
