"""What the profile of a camera says of its dark noise, ready for the filters of the model ``spectral``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor

from synthnoise.noise.spectral_design import (
    LINE_FREQUENCIES,
    Z_GRID,
    before_map,
    line_filter,
    plane_filter,
    standardised,
)
from synthnoise.noise.spectral_fields import filtered_lines, mapped
from synthnoise.rng import Rng

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile, IsoNoise

Arrays = Mapping[str, NDArray[Any]]
Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelNoise:
    """Noise that pixels have beyond rows and columns: a map of filtered white noise.

    Attributes
    ----------
    taps
        float32 [C, C, k, k], filter of unit gain (``spectral_design.plane_filter``).
    table
        float32 [C, 193], the map at multiples of 1 / 16 from -6 to 6, white = 1.
    """

    taps: Tensor
    table: Tensor

    @property
    def variance(self) -> Array:
        """Variance [C], white = 1."""
        return standardised(self.table.numpy().astype(np.float64))[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class LineNoise:
    """Noise that the pixels of rows, or of columns, share.

    Attributes
    ----------
    taps
        float32 [K, K, n], white = 1 (``spectral_design.line_filter``).
    channel
        For each of C planes the channel, 0 to K - 1, that its lines take.
    table
        float32 [1, 193], map of a standard normal to their law of unit variance; None for normal lines.
    """

    taps: Tensor
    channel: tuple[int, ...]
    table: Tensor | None = None

    def draw(self, rng: Rng, stream: int, count: int, *, start: int) -> Tensor:
        """Return what ``count`` lines from ``start`` on add to each plane, float32 [B, C, count]."""
        values = filtered_lines(rng, stream, self.taps, count, start=start)
        if self.table is not None:
            deviation = self.taps.square().sum((1, 2)).sqrt().clamp(min=1e-30).view(-1, 1).to(values)
            channels = self.table.expand(len(self.taps), -1).contiguous()
            values = mapped((values / deviation).unsqueeze(-1), channels)[..., 0] * deviation
        return values[:, list(self.channel)]

    @property
    def variance(self) -> Array:
        """Variance [C], white = 1."""
        per_channel = (self.taps.numpy().astype(np.float64) ** 2).sum((1, 2))
        return np.asarray(per_channel[list(self.channel)])


@dataclass(frozen=True, kw_only=True, eq=False)
class SensorMap:
    """What changes slowly across the sensor: the mean of the darks, or the strength of pixel noise.

    Attributes
    ----------
    grid
        float32 [C, gh, gw] at the centres of the cells of the sensor; a mean in units of white = 1.
    size
        Packed rows and columns of the sensor.
    """

    grid: Tensor
    size: tuple[int, int]

    def at(self, origin: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """Return the values float32 [C, H, W] of a tile; beyond the sensor it begins anew."""
        rows, columns = (
            _between_cells(torch.arange(n) + first, cells, whole)
            for n, first, cells, whole in zip(size, origin, self.grid.shape[1:], self.size, strict=True)
        )
        lower, upper, share = columns
        across = self.grid[:, :, lower] * (1 - share) + self.grid[:, :, upper] * share
        lower, upper, share = rows
        return across[:, lower] * (1 - share[:, None]) + across[:, upper] * share[:, None]


def _between_cells(pixels: Tensor, cells: int, whole: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cells before and behind each pixel, and how far it is on the way between their centres."""
    place = (pixels.remainder(whole).double() + 0.5) * cells / whole - 0.5
    lower = place.floor().long().clamp(0, max(cells - 2, 0))
    return lower, (lower + 1).clamp(max=cells - 1), (place - lower).float()


def dark_shading(noise: IsoNoise, profile: CameraProfile) -> tuple[SensorMap, ...]:
    """Return maps whose sum is black bias and, where it was measured, shading at an ISO."""
    grids = [np.reshape(noise.offset, (-1, 1, 1))]
    grids += [noise.arrays[name] for name in ("shading", "shading_detail") if name in noise.arrays]
    scale = profile.scale[:, None, None]
    return tuple(
        SensorMap(grid=torch.from_numpy(grid / scale).float(), size=_packed(profile)) for grid in grids
    )


def _packed(profile: CameraProfile) -> tuple[int, int]:
    """Return the packed rows and columns of the sensor, at least 1."""
    h, w = len(profile.cfa), len(profile.cfa[0])
    height, width = profile.size or (h, w)
    return max(height // h, 1), max(width // w, 1)


def local_deviation(noise: IsoNoise, profile: CameraProfile) -> SensorMap | None:
    """Return the relative strength of pixel noise over the sensor; None where it is even or unknown."""
    grid = noise.arrays.get("local_deviation")
    if grid is None or profile.size is None:
        return None
    return SensorMap(grid=torch.from_numpy(grid).float()[None], size=_packed(profile))


def pixel_noise(noise: IsoNoise, profile: CameraProfile, *, rounded: bool) -> PixelNoise:
    """Return the noise of pixels at an ISO; ``rounded`` adds the camera's rounding to codes."""
    scale, planes = profile.scale, len(profile.colours)
    arrays = noise.arrays
    if "pixel_quantiles" in arrays:
        quantiles = arrays["pixel_quantiles"].astype(np.float64)
        covariance = arrays["pixel_covariance"].astype(np.float64)
    else:
        lines = noise.row_noise**2 + noise.column_noise**2
        variance = np.square(noise.read_noise) - lines - noise.quantisation_step**2 / 12
        deviation = np.sqrt(np.maximum(variance, 1e-4 * np.square(noise.read_noise)))
        quantiles = deviation[:, None] * Z_GRID
        covariance = np.diag(deviation**2)[..., None, None]
    if rounded:
        step = noise.quantisation_step
        quantiles = np.stack([_with_rounding(q, step) for q in quantiles])
        radius = covariance.shape[2] // 2
        covariance = covariance.copy()
        covariance[np.arange(planes), np.arange(planes), radius, radius] += step**2 / 12
    variance, coefficients = standardised(quantiles)
    deviation = np.sqrt(np.maximum(variance, 1e-30))
    correlation = covariance / (deviation[:, None] * deviation)[..., None, None]
    radius = correlation.shape[2] // 2
    wanted = before_map(correlation, coefficients)
    wanted[np.arange(planes), np.arange(planes), radius, radius] = 1
    return PixelNoise(
        taps=torch.from_numpy(plane_filter(wanted)).float(),
        table=torch.from_numpy(quantiles / scale[:, None]).float(),
    )


def fixed_pixels(noise: IsoNoise, profile: CameraProfile) -> PixelNoise | None:
    """Return what pixels keep from frame to frame at an ISO, taken as normal; None where it is unknown."""
    if "fixed_covariance" not in noise.arrays:
        return None
    covariance = noise.arrays["fixed_covariance"].astype(np.float64)
    radius, planes = covariance.shape[2] // 2, np.arange(len(covariance))
    deviation = np.sqrt(covariance[planes, planes, radius, radius].clip(min=0))
    if not deviation.any():
        return None
    product = (deviation[:, None] * deviation)[..., None, None]
    correlation = np.divide(covariance, product, out=np.zeros_like(covariance), where=product > 0)
    correlation[planes, planes, radius, radius] = 1
    return PixelNoise(
        taps=torch.from_numpy(plane_filter(correlation)).float(),
        table=torch.from_numpy((deviation / profile.scale)[:, None] * Z_GRID).float(),
    )


def _with_rounding(quantiles: Array, step: float) -> Array:
    """Return the quantiles of a law plus uniform noise as wide as a code."""
    low, high = quantiles[0] - step, quantiles[-1] + step
    x = np.linspace(low, high, 16384)
    increasing = quantiles + np.linspace(0, 1e-9 * (high - low), quantiles.size)
    below = np.interp(x, increasing, ndtr(Z_GRID), left=0, right=1)
    integral = np.concatenate([[0], np.cumsum((below[1:] + below[:-1]) / 2)]) * (x[1] - x[0])
    upper, lower = (np.interp(x + shift, x, integral) for shift in (step / 2, -step / 2))
    upper += np.maximum(x + step / 2 - high, 0)
    share = (upper - lower) / step + np.linspace(0, 1e-12, x.size)
    return np.interp(ndtr(Z_GRID), share, x)


def line_noise(
    noise: IsoNoise, profile: CameraProfile, *, rows: bool, fixed: bool = False
) -> LineNoise | None:
    """Return the noise of rows or columns at an ISO, or None where there is none.

    ``fixed`` takes what stays from frame to frame, which two darks tell apart.
    """
    h, w = len(profile.cfa), len(profile.cfa[0])
    phase = [p // w if rows else p % w for p in range(h * w)]
    name = "row" if rows else "column"
    key = f"fixed_{name}_cross_spectrum" if fixed else f"{name}_cross_spectrum"
    if fixed and key not in noise.arrays:
        return None
    if key in noise.arrays:
        real, imaginary = noise.arrays[key].astype(np.float64)
        spectrum = real + 1j * imaginary
    else:
        deviation = noise.row_noise if rows else noise.column_noise
        channels = h if rows else w
        spectrum = np.broadcast_to(
            deviation**2 * np.eye(channels, dtype=complex), (LINE_FREQUENCIES.size, channels, channels)
        )
    channels = spectrum.shape[1]
    channel = tuple(range(h * w)) if channels == h * w else tuple(phase)
    scale = np.array([profile.scale[[c == k for c in channel]].mean() for k in range(channels)])
    taps = line_filter(spectrum) / scale[:, None, None]
    if not np.any(taps):
        return None
    table = noise.arrays.get(f"{name}_quantiles") if not fixed else None
    return LineNoise(
        taps=torch.from_numpy(taps).float(),
        channel=channel,
        table=None if table is None else torch.from_numpy(table).float().view(1, -1),
    )


SCALED = {
    **dict.fromkeys(("pixel_quantiles", "hot_quantiles"), 1),
    **dict.fromkeys(("pixel_covariance", "fixed_covariance"), 2),
    **dict.fromkeys(("row_cross_spectrum", "column_cross_spectrum", "row_mode_cross_spectrum"), 2),
    **dict.fromkeys(("fixed_row_cross_spectrum", "fixed_column_cross_spectrum"), 2),
}
"""Arrays that grow with a power of the noise. The others have no unit, as ``row_quantiles`` of unit variance
and the shapes of ``row_modes``, or are of the sensor's mean."""


def scaled_arrays(near: IsoNoise, noise: IsoNoise) -> dict[str, NDArray[Any]]:
    """Return the arrays of a calibrated ISO with all deviations multiplied to suit a neighbouring one."""
    factor = math.sqrt(float(np.mean(np.square(noise.read_noise)) / np.mean(np.square(near.read_noise))))
    arrays = {
        name: (array * factor ** SCALED[name]).astype(array.dtype) if name in SCALED else array
        for name, array in near.arrays.items()
    }
    if "waves" in arrays:
        arrays["waves"] = (arrays["waves"] * np.array([1, 1, factor**2, 1])).astype(np.float32)
    return arrays
