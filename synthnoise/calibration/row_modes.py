"""Row noise that differs along the row, as banks of converters make it: shapes along the row, few of them.

The covariance of segment means over all rows, less what whole rows share, is split into its principal
components (K. Pearson 1901). Each segment is averaged twice, over alternate blocks of its pixels, and only
products of different halves count: pixel noise has no part in them.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.line_noise import BLOCK, half_means

Array = NDArray[np.float64]

LARGEST = 32
"""Segments of a row."""

NARROWEST = 2 * BLOCK
"""Packed pixels of a segment."""

SIGNIFICANT = 1.5
"""Times the largest eigenvalue that chance gives (E. Wigner's semicircle), from which a shape counts."""

MOST_STRENGTHS = 8
"""Shapes times row phases, all of whose cross-spectra a profile keeps."""


def row_modes(planes: NDArray[np.float32], phases: int) -> NDArray[np.float32]:
    """Return shapes [J, S] of mean 0 and mean square 1 over the S segments of a row, the strongest first.

    Parameters
    ----------
    planes
        [C, H, W] residuals in DN; the first C / ``phases`` planes lie on one row of the sensor, and so on.
    """
    width = planes.shape[2]
    segments = min(LARGEST, width // NARROWEST)
    if segments < 2:
        return np.zeros((0, max(segments, 1)), np.float32)
    halves = _halves(planes, phases, segments)
    first, second = halves[:, 0], halves[:, 1]
    rows = first.shape[0] * first.shape[2]
    centring = np.eye(segments) - 1 / segments
    covariance = centring @ (np.einsum("psy,pty->st", first, second) / rows) @ centring
    covariance = (covariance + covariance.T) / 2
    values, vectors = np.linalg.eigh(covariance)
    spread = np.sqrt(np.prod([np.var(half, axis=1).mean() for half in (first, second)]))
    chance = 2 * float(spread) * np.sqrt(segments / (2 * rows))
    found = np.flatnonzero(values > SIGNIFICANT * chance)[::-1][: MOST_STRENGTHS // phases]
    return np.asarray(vectors[:, found].T * np.sqrt(segments), np.float32)


def take_row_modes(planes: NDArray[np.float32], modes: NDArray[np.float32], phases: int) -> Array:
    """Take what rows have of each shape out of residuals [C, H, W], in place, and return it in two halves.

    Returns
    -------
    ndarray
        float64 [phases J, 2, H] in DN, phase by phase, as ``line_spectra.cross_spectrum`` takes it.
    """
    count, segments = modes.shape
    halves = _halves(planes, phases, segments)
    strength = np.einsum("js,phsy->pjhy", modes.astype(np.float64), halves) / segments
    along = modes[:, segment_of_column(planes.shape[2], segments)]
    each = len(planes) // phases
    for c, plane in enumerate(planes):
        plane -= strength[c // each].mean(1).astype(np.float32).T @ along
    return np.asarray(strength.reshape(phases * count, 2, planes.shape[1]))


def segment_of_column(width: int, segments: int) -> NDArray[np.intp]:
    """Return which segment each of ``width`` columns lies in."""
    return np.arange(width) * segments // width


def _halves(planes: NDArray[np.float32], phases: int, segments: int) -> Array:
    """Return two means [phases, 2, S, H] of each segment of each row, over the planes of a phase."""
    height, width = planes.shape[1:]
    edges = np.searchsorted(segment_of_column(width, segments), np.arange(segments + 1))
    halves = np.empty((phases, 2, segments, height))
    for s, (left, right) in enumerate(itertools.pairwise(edges)):
        means = np.stack([half_means(plane[:, left:right]) for plane in planes])
        halves[:, :, s] = means.reshape(phases, -1, 2, height).mean(1)
    return halves
