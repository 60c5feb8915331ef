"""What dark frames say of a camera: offset, read noise, rows and columns, shading, hot pixels, codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.codes import CodeStatistics, code_statistics
from synthnoise.calibration.line_noise import LineNoise, fixed_lines, half_means, interleave, line_noise
from synthnoise.calibration.residual import (
    Split,
    histograms,
    mean_error,
    neighbours_and_marginal,
    robust_deviation,
    split_variance,
    variance_of,
)
from synthnoise.calibration.shading import coarse_grid, full_shading
from synthnoise.errors import InputError
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.frame import Frame

Plane = NDArray[np.float32]

HOT = 9.0
"""Robust standard deviations from the local level beyond which a pixel is hot (or dead)."""

MOST_HOT = 200_000
"""Hot pixels that a profile lists; the hottest come first."""

SMALLEST = 16
"""Packed rows and columns that a dark must at least have."""


@dataclass(frozen=True, kw_only=True)
class PlaneNoise:
    """The noise of one CFA position, mean over the darks.

    Attributes
    ----------
    offset, offset_se
        DN above the nominal black level, and its standard error within these frames.
    frame_offsets
        The same of each dark.
    variance, variance_se
        DN^2 within a frame, shading and hot pixels apart.
    split
        What of the variance all darks share, rows and columns included, and what changes; NaN with a
        single dark.
    correlation
        Of horizontal and vertical neighbours in the plane, rows and columns taken out.
    grid
        float32 [gh, gw] DN, the shading about the offset.
    hot
        int32 [n, 3]: row and column in the plane, and DN above the local level.
    marginal
        float32 [257] DN, quantiles at the probabilities of ``residual.PROBITS``, rows and columns out.
    codes
        What the codes of the first dark say.
    histograms
        float64 [2, m], counts per whole DN of two samples: two darks, or the halves of one.
    """

    offset: float
    offset_se: float
    frame_offsets: tuple[float, ...]
    variance: float
    variance_se: float
    split: Split
    correlation: tuple[float, float]
    grid: NDArray[np.float32]
    hot: NDArray[np.int32]
    marginal: NDArray[np.float32]
    codes: CodeStatistics
    histograms: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DarkNoise:
    """The noise of a camera without light at one ISO and exposure.

    Attributes
    ----------
    planes
        One per CFA position, row-major, at the corner of the active area.
    rows, columns
        Noise of whole sensor rows and columns.
    fixed_rows, fixed_columns
        The part of it that all darks share; None with a single dark.
    frames
        Number of darks.
    rows_apart, columns_apart
        Line noise of two samples, for the hold-out check: two darks, or the halves of one.
    pixels
        Pixels per plane.
    """

    planes: tuple[PlaneNoise, ...]
    rows: LineNoise
    columns: LineNoise
    fixed_rows: LineNoise | None
    fixed_columns: LineNoise | None
    frames: int
    rows_apart: tuple[float, float]
    columns_apart: tuple[float, float]
    pixels: int

    @property
    def offset_drift(self) -> float:
        """Standard deviation in DN of the mean of a plane from dark to dark; 0 with a single dark."""
        if self.frames < 2:
            return 0.0
        offsets = np.array([plane.frame_offsets for plane in self.planes])
        return float(np.sqrt(offsets.var(1, ddof=1).mean()))

    @property
    def hot_pixels(self) -> int:
        """Number of hot pixels of all planes."""
        return sum(len(plane.hot) for plane in self.planes)


def measure_darks(darks: Sequence[Frame], *, curved: bool = False, progress: Progress = SILENT) -> DarkNoise:
    """Return the noise of one or more darks of one camera, ISO and exposure.

    One plane of all darks is in memory at a time. ``curved`` takes the curvature of the shading out too, as
    the fall-off of a lens in a flat needs and slow row noise in a dark does not bear.

    Raises
    ------
    InputError
        There is none, sizes differ, or the frames are too small.
    """
    if not darks:
        raise InputError("there is no dark frame to measure")
    frames = [dark.active() for dark in darks]
    h, w = frames[0].cfa.shape
    if any(frame.mosaic.shape != frames[0].mosaic.shape for frame in frames):
        raise InputError("the dark frames differ in size", hint="they must come from one camera and mode")
    if min(frames[0].mosaic.shape[0] // h, frames[0].mosaic.shape[1] // w) < SMALLEST:
        raise InputError(f"{darks[0].path or 'the dark'}: too small to measure noise in")
    planes: list[PlaneNoise] = []
    row_means: list[list[list[NDArray[np.float64]]]] = [[[] for _ in range(h)] for _ in frames]
    column_means: list[list[list[NDArray[np.float64]]]] = [[[] for _ in range(w)] for _ in frames]
    progress.start("measuring the dark", h * w)
    for position in range(h * w):
        row, column = divmod(position, w)
        plane, residuals = _measure_plane(frames, row, column, curved=curved)
        for index, residual in enumerate(residuals):
            row_means[index][row].append(half_means(residual))
            column_means[index][column].append(half_means(residual.T))
        planes.append(plane)
        progress.advance()
    rows = [interleave(means) for means in row_means]
    columns = [interleave(means) for means in column_means]
    return DarkNoise(
        planes=tuple(planes),
        rows=line_noise(rows),
        columns=line_noise(columns),
        fixed_rows=fixed_lines(rows),
        fixed_columns=fixed_lines(columns),
        frames=len(frames),
        rows_apart=_apart(rows),
        columns_apart=_apart(columns),
        pixels=residuals[0].size,
    )


def _apart(lines: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Return the line noise of the first two frames, or of the two halves of the only one."""
    first, second = lines[:2] if len(lines) > 1 else np.array_split(lines[0], 2, axis=1)
    return line_noise([first]).deviation, line_noise([second]).deviation


def _measure_plane(
    frames: Sequence[Frame], row: int, column: int, *, curved: bool
) -> tuple[PlaneNoise, list[Plane]]:
    """Return the noise of one position, and its residuals: shading taken out, outliers set to 0."""
    h, w = frames[0].cfa.shape
    codes = code_statistics(frames[0].mosaic[row::h, column::w], frames[0].white)
    shape = frames[0].mosaic.shape[0] // h, frames[0].mosaic.shape[1] // w
    planes = [above_black(frame, row, column)[: shape[0], : shape[1]] for frame in frames]
    mean: Plane = planes[0] if len(planes) == 1 else np.asarray(np.mean(planes, 0, np.float32))
    shading = full_shading(_grid(_without_tails(mean), curved=curved), shape)
    outlier, hot = _outliers(planes, mean, shading)
    mean = np.where(outlier, shading, mean)
    offset, grid = float(mean.mean(dtype=np.float64)), _grid(mean, curved=curved)
    del mean
    shading = full_shading(grid, shape)
    frame_offsets = []
    for plane in planes:
        plane -= shading
        plane[outlier] = 0
        drift = plane.mean(dtype=np.float64)
        frame_offsets.append(offset + float(drift))
        plane -= np.float32(drift)
        plane[outlier] = 0
    del shading
    variance, error = variance_of(planes)
    correlation, marginal = neighbours_and_marginal(planes[0])
    return PlaneNoise(
        offset=offset,
        offset_se=mean_error(planes),
        frame_offsets=tuple(frame_offsets),
        variance=variance,
        variance_se=error,
        split=split_variance(planes),
        correlation=correlation,
        grid=grid - np.float32(offset),
        hot=hot,
        marginal=marginal,
        codes=codes,
        histograms=histograms(planes),
    ), planes


def _grid(plane: Plane, *, curved: bool) -> Plane:
    """Return the shading on the coarse grid; ``curved`` puts back what smoothing took (Tukey's twicing)."""
    grid = coarse_grid(plane)
    return grid + coarse_grid(plane - full_shading(grid, plane.shape)) if curved else grid


def _outliers(
    planes: Sequence[Plane], mean: Plane, shading: Plane
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Return which pixels stand out in any dark, and the list of those that do in all: hot ones.

    One that stands out in a single dark blinks, or was hit by a particle.
    """
    limit = HOT * robust_deviation(planes[0] - shading)
    some, always = np.zeros(shading.shape, dtype=bool), np.ones(shading.shape, dtype=bool)
    for plane in planes:
        apart = np.abs(plane - shading)
        some |= apart > limit
        always &= apart > limit / 2
    rows, columns = np.nonzero(some & always)
    amplitudes = mean[rows, columns] - shading[rows, columns]
    order = np.argsort(-np.abs(amplitudes), kind="stable")[:MOST_HOT]
    return some, np.stack([rows, columns, np.rint(amplitudes)], axis=1)[order].astype(np.int32)


def above_black(frame: Frame, row: int, column: int) -> Plane:
    """Return the plane of a CFA position in DN above the black level of the file, float32 [H, W]."""
    h, w = frame.cfa.shape
    plane = frame.mosaic[row::h, column::w].astype(np.float32)
    plane -= np.float32(frame.black[row, column])
    if frame.black_rows is not None:
        plane -= frame.black_rows[row::h, None].astype(np.float32)
    if frame.black_columns is not None:
        plane -= frame.black_columns[column::w].astype(np.float32)
    return plane


def _without_tails(plane: Plane) -> Plane:
    """Return a plane whose outliers are drawn in, so that hot pixels hardly move a mean."""
    sample = plane[::3, ::3]
    middle, bound = np.median(sample), 20 * robust_deviation(sample)
    return np.clip(plane, middle - bound, middle + bound)
