"""The fine detail of a noisy frame and of its darks, tabulated by brightness and flatness in one pass.

Detail is the response of one CFA plane to the outer product of two second differences,
(1, -2, 1) x (1, -2, 1) / 6, on the lattice of that plane. Its taps sum to zero along every row and every
column, so row noise, column noise and linear shading are gone; its squares sum to one, so white noise
keeps its variance. At equal selection it passes a third to a half of the texture that (1, -2, 1) passes.
Coarse detail is the same with (1, 0, -2, 0, 1): equal for white noise, but texture weighs more in it.
Noise is independent from plane to plane and texture is not, so the product of the coarse details of two
planes is texture alone, in the mean.

How bright and how flat a place is, is judged on the *other* planes, whose noise is independent of the
detail. A choice made that way cannot bias the detail, in whichever direction its noise went.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.detail_table import FLATNESS_EDGES, DetailTable
from synthnoise.errors import UsageError
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.frame import GREEN, Frame

Planes = NDArray[np.float32]
Real = np.float32
Mosaic = NDArray[np.uint16] | NDArray[np.float32]

HALO = 5
"""Lattice pixels that an entry of the table looks beyond its own place."""

BAND_ROWS = 64
TILE_ROWS, TILE_COLUMNS = 8, 12
LEVELS = 40
GUARD = 9.0
"""Standard deviations from its neighbours beyond which a pixel is hot, blinking or hit by a cosmic ray.

The guard is the same for noisy frame and dark and far out: cutting the tails of one of them at five
standard deviations already moves a low-light gain by a quarter (raw_noise.md 4.3)."""

SATURATION = 0.8
"""Share of the range above which the sensor may no longer be linear."""

QUIET_BLOCK, QUIETEST = 20, 0.02
"""Side of the blocks, and the share of them, from which noise at black is guessed where no dark shows it."""

APART = 9 / 8
"""Variance of a white pixel minus the mean of its eight neighbours, per variance of a pixel."""

UNEVEN = 2 * 3 * 10
"""Mean of :func:`_unevenness` for white noise of variance 1: two directions, three rows or columns each of
(1, 1, 1) * (1, 0, -2, 0, 1), whose squares sum to 10."""


@dataclass(frozen=True)
class Lattice:
    """The same-colour lattices of a CFA on which detail is taken: a repeat and the positions in it.

    Each position is a plane. Planes guide one another, so there are at least three.
    """

    period: tuple[int, int]
    positions: tuple[tuple[int, int], ...]

    def planes(self, mosaic: Mosaic, start: int, stop: int) -> Planes:
        """Return float32 [P, stop - start, columns], the rows ``start`` to ``stop`` of every lattice."""
        h, w = self.period
        columns = mosaic.shape[1] // w
        return np.stack(
            [mosaic[start * h + r : stop * h : h, c::w][:, :columns] for r, c in self.positions]
        ).astype(np.float32)

    def size(self, mosaic: Mosaic) -> tuple[int, int]:
        """Return the rows and columns of one lattice of a mosaic."""
        return mosaic.shape[0] // self.period[0], mosaic.shape[1] // self.period[1]


def lattice_of(cfa: NDArray[np.uint8]) -> Lattice:
    """Return the lattices of a CFA repeat [h, w].

    A monochrome sensor is split into its 2x2 phases. On X-Trans, the lattice of one of the 36 positions
    would be too coarse to tell texture from noise; its greens alone repeat every third pixel.

    Raises
    ------
    UsageError
        The repeat offers fewer than three positions to compare.
    """
    if cfa.shape == (1, 1):
        return Lattice((2, 2), ((0, 0), (0, 1), (1, 0), (1, 1)))
    greens = cfa == GREEN
    period = _shortest_period(greens)
    if period != cfa.shape and greens[: period[0], : period[1]].sum() >= 3:
        return Lattice(period, _positions(greens[: period[0], : period[1]]))
    if cfa.size < 3:
        raise UsageError(f"the gain cannot be measured on a colour repeat of {cfa.shape[0]}x{cfa.shape[1]}")
    return Lattice((cfa.shape[0], cfa.shape[1]), _positions(np.ones(cfa.shape, dtype=bool)))


def _positions(chosen: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    return tuple((int(row), int(column)) for row, column in np.argwhere(chosen))


def _shortest_period(pattern: NDArray[np.bool_]) -> tuple[int, int]:
    def shortest(axis: int) -> int:
        n = pattern.shape[axis]
        return next(
            p for p in range(1, n + 1) if n % p == 0 and np.array_equal(np.roll(pattern, p, axis), pattern)
        )

    return shortest(0), shortest(1)


@dataclass(frozen=True)
class Zero:
    """What the sensor gives without light, per plane.

    Attributes
    ----------
    offset
        [P] mean in DN as stored, black level included.
    variance
        [P] variance in DN^2 of a pixel, rows, columns and outliers aside.
    unevenness
        [P] what :func:`_unevenness` gives, in DN^2, where the other planes guide: row noise included.
    detail, coarse
        [P] variance in DN^2 of detail and of coarse detail, outliers aside.
    """

    offset: Planes
    variance: Planes
    unevenness: Planes
    detail: Planes
    coarse: Planes


def zero_of(mosaics: Sequence[Mosaic], lattice: Lattice) -> Zero:
    """Return the zero of dark mosaics [H, W], from bands spread over them (2 million places are plenty).

    Raises
    ------
    UsageError
        They are too small to say anything.
    """
    if min(min(lattice.size(mosaic)) for mosaic in mosaics) <= 2 * HALO:
        raise UsageError("the dark area is too small to measure", hint="it needs 12 pixels of each colour")
    bands = [band for mosaic in mosaics for band in _sample_bands(mosaic, lattice)]
    offset = np.mean([band.mean(axis=(1, 2)) for band in bands], axis=0)
    apart = np.concatenate([_apart(band, _box(band))[:, ::4].reshape(len(band), -1) for band in bands], 1)
    low, high = np.quantile(apart, (0.1587, 0.8413), axis=1)
    # Half a code is what rounding alone leaves of a noise that never leaves its code.
    variance = (np.maximum((high - low) / 2, 0.3) ** 2 / APART).astype(np.float32)
    uneven, fine, coarse, count = np.zeros((4, len(offset)))
    for band in bands:
        sums = _box(band)
        use = _quiet(band, sums, variance[:, None, None])
        count += use.sum((1, 2))
        fine += (use * _detail(band, 1) ** 2).sum((1, 2))
        coarse += (use * _detail(band, 2) ** 2).sum((1, 2))
        calm = use.all(0)
        uneven += (_unevenness(sums.sum(0) - sums) * calm).sum((1, 2)) / max(calm.sum(), 1) / len(bands)
    single = (
        values.astype(np.float32) for values in (offset, variance, uneven, fine / count, coarse / count)
    )
    return Zero(*single)


def assumed_zero(noisy: Mosaic, lattice: Lattice, offset: NDArray[np.float64]) -> Zero:
    """Return a guess of the zero from a noisy mosaic [H, W] alone: white noise as in its quietest spots.

    ``offset`` [P] is the black level in DN that the file states.

    Raises
    ------
    UsageError
        It is too small to say anything.
    """
    if min(lattice.size(noisy)) <= 2 * HALO + QUIET_BLOCK:
        raise UsageError("the frame is too small to measure", hint="it needs 30 pixels of each colour")
    blocks = np.concatenate([_block_means(_detail(band, 1) ** 2) for band in _sample_bands(noisy, lattice)])
    return white_zero(offset, max(float(np.quantile(blocks, QUIETEST)), 1 / 12))


def white_zero(offset: NDArray[np.float64], variance: float) -> Zero:
    """Return the zero of white noise of one variance in DN^2 in all planes, ``offset`` [P] in DN."""
    planes, ones = len(offset), np.ones(len(offset), Real)
    return Zero(
        offset=offset.astype(Real),
        variance=ones * Real(variance),
        unevenness=ones * Real(variance * UNEVEN * (planes - 1)),
        detail=ones * Real(variance),
        coarse=ones * Real(variance),
    )


def _block_means(planes: Planes) -> NDArray[np.float32]:
    """Return the means of blocks of ``QUIET_BLOCK`` pixels, flat, of [P, r, c]."""
    _, r, c = (n // QUIET_BLOCK for n in planes.shape)
    whole = planes[:, : r * QUIET_BLOCK, : c * QUIET_BLOCK]
    means: Planes = whole.reshape(-1, r, QUIET_BLOCK, c, QUIET_BLOCK).mean((2, 4)).ravel()
    return means


def _sample_bands(mosaic: Mosaic, lattice: Lattice) -> Iterator[Planes]:
    rows, columns = lattice.size(mosaic)
    height = min(rows, 32)
    enough = 2_000_000 // (height * columns * len(lattice.positions)) + 4
    bands = min(enough, -(-rows // max(height - 2 * HALO, 1)))
    for start in np.unique(np.linspace(0, rows - height, bands).astype(int)):
        yield lattice.planes(mosaic, int(start), int(start) + height)


def tabulate(
    noisy: Frame,
    darks: Sequence[Frame],
    lattice: Lattice,
    zero: Zero,
    *,
    gain: float | None,
    shift: float = 0.0,
    step: int = 1,
    progress: Progress = SILENT,
) -> DetailTable:
    """Return the table of one noisy frame against its darks.

    Parameters
    ----------
    noisy, darks
        Frames of one size, cropped alike. Without darks, ``zero`` stands for them.
    gain
        Gain in DN per electron that guards and flatness reckon with; None where nothing is known yet: then
        outliers of the noisy frame stay in, and flatness is in units of the dark alone.
    shift
        DN by which the zero of the noisy frame lies above that of the darks.
    step
        Take every ``step``-th band of rows.
    """
    rows, columns = lattice.size(noisy.mosaic)
    shape = (TILE_ROWS * TILE_COLUMNS, len(lattice.positions), LEVELS, len(FLATNESS_EDGES) + 1)
    sums = np.zeros((6, int(np.prod(shape))))
    colour = _mean_light(noisy.mosaic, lattice, zero)
    starts = range(HALO, rows - HALO, BAND_ROWS)[::step]
    tile_columns = np.arange(HALO, columns - HALO) * TILE_COLUMNS // columns
    progress.start(f"measuring detail of {noisy.path.name if noisy.path else 'a frame'}", len(starts))
    for start in starts:
        stop = min(start + BAND_ROWS, rows - HALO)
        light = lattice.planes(noisy.mosaic, start - HALO, stop + HALO)
        light -= zero.offset[:, None, None] + Real(shift)
        black = [lattice.planes(dark.mosaic, start - HALO, stop + HALO) for dark in darks]
        black = [planes - zero.offset[:, None, None] for planes in black]
        tiles = (np.arange(start, stop) * TILE_ROWS // rows * TILE_COLUMNS)[:, None] + tile_columns
        limit = Real(SATURATION) * (Real(noisy.white) - zero.offset)
        first, band = _band_sums(light, black, tiles, zero, gain, limit, colour, shape)
        sums[:, first : first + band.shape[1]] += band
        progress.advance()
    return DetailTable(*sums.reshape(6, *shape))


def _band_sums(
    light: Planes,
    black: Sequence[Planes],
    tiles: NDArray[np.int64],
    zero: Zero,
    gain: float | None,
    limit: Planes,
    colour: Planes,
    shape: tuple[int, ...],
) -> tuple[int, NDArray[np.float64]]:
    """Return the first entry that a band fills, of T P L F, and its sums from there on, [6, n].

    Planes are DN above zero, [P, rows, columns].
    """
    sums = _box(light)
    near, wide = sums[:, 4:-4, 4:-4] * Real(1 / 9), _box(sums)[:, 3:-3, 3:-3] * Real(1 / 81)
    use = np.broadcast_to((wide < limit[:, None, None]).all(0), near.shape)
    if gain is not None:
        expected = np.maximum(sums, 0) * (gain / 9) + zero.variance[:, None, None]
        use = use & _quiet(light, sums, expected.astype(np.float32))
    dark_level, dark_fine = (np.zeros_like(near) for _ in range(2))
    details = _detail(light, 2)
    coarse, shared = details**2, _shared(details, colour)
    for planes in black:
        dark_sums = _box(planes)
        use = use & _quiet(planes, dark_sums, zero.variance[:, None, None])
        dark_fine += _detail(planes, 1) ** 2 / len(black)
        details = _detail(planes, 2)
        coarse -= details**2 / Real(len(black))
        shared -= _shared(details, colour) / Real(len(black))
        dark_level += dark_sums[:, 4:-4, 4:-4] / (9 * len(black))
    if not black:
        dark_fine += zero.detail[:, None, None]
        coarse -= zero.coarse[:, None, None]
    chosen = np.flatnonzero(use)
    values = (near - dark_level, _detail(light, 1) ** 2, dark_fine, coarse, shared)
    keys = _keys(sums, wide, zero, gain or 0.0, shape) + tiles * (shape[1] * shape[2] * shape[3])
    key = keys.ravel()[chosen]
    first = int(key.min(initial=int(np.prod(shape))))
    key -= first
    return first, np.stack([np.bincount(key), *(np.bincount(key, v.ravel()[chosen]) for v in values)])


def _mean_light(noisy: Mosaic, lattice: Lattice, zero: Zero) -> Planes:
    """Return the mean of each plane of a noisy mosaic, [P] DN above the dark, at least 0."""
    means = np.mean([band.mean((1, 2)) for band in _sample_bands(noisy, lattice)], axis=0)
    return np.asarray(np.maximum(means - zero.offset, 0), dtype=Real)


def _shared(details: Planes, colour: Planes) -> Planes:
    """Return the product of each plane's detail with what the others foretell of it, all [P, r, c].

    They foretell it as if texture were of the mean ``colour`` [P] of the picture.
    """
    weighted = details * colour[:, None, None]
    strength = np.maximum((colour**2).sum() - colour**2, Real(1e-12))
    others: Planes = (weighted.sum(0) - weighted) * (colour / strength)[:, None, None]
    return details * others


def _keys(sums: Planes, wide: Planes, zero: Zero, gain: float, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the flat (plane, level, flatness) index of each place of the core [P, rows, columns]."""
    others = np.maximum(wide.sum(0) - wide, Real(0))
    expected = zero.unevenness[:, None, None] + Real(gain * UNEVEN) * others
    flatness = _bins(
        _unevenness(sums.sum(0) - sums) / expected, float(FLATNESS_EDGES[0]), len(FLATNESS_EDGES) + 1
    )
    level = _bins(others, float(np.sqrt(zero.variance.sum())) / 8, LEVELS)
    keys: NDArray[np.int64] = (np.arange(shape[1])[:, None, None] * shape[2] + level) * shape[3] + flatness
    return keys


def _bins(values: Planes, first: float, count: int) -> NDArray[np.int64]:
    """Return the half-octave bin of each value: bin 0 ends at ``first``, the last is open."""
    octaves = np.log2(np.maximum(values, Real(first / 2)) * Real(1 / first))
    bins: NDArray[np.int64] = np.clip(np.ceil(2 * octaves), 0, count - 1).astype(np.int64)
    return bins


def _box(planes: Planes) -> Planes:
    """Return sums over 3x3, [P, r, c] to [P, r - 2, c - 2]."""
    rows = planes[:, :-2] + planes[:, 1:-1] + planes[:, 2:]
    sums: Planes = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    return sums


def _detail(planes: Planes, step: int) -> Planes:
    """Return detail (step 1) or coarse detail (step 2) of the core, [P, r, c] to [P, r - 10, c - 10]."""
    inner = slice(HALO - step, -HALO + step)
    planes = planes[:, inner, inner]
    rows = planes[:, : -2 * step] - 2 * planes[:, step:-step] + planes[:, 2 * step :]
    detail = rows[..., : -2 * step] - 2 * rows[..., step:-step] + rows[..., 2 * step :]
    return np.asarray(detail * Real(1 / 6), dtype=Real)


def _unevenness(guide: Planes) -> Planes:
    """Return the mean energy of second differences of boxed guides, [P, r, c] to [P, r - 8, c - 8].

    Their step of two spans an edge that the box has smeared. The mean over 5x5 makes an edge felt on it
    too, where a second difference crosses zero.
    """
    centre = 2 * guide[:, 2:-2, 2:-2]
    down = guide[:, 4:, 2:-2] - centre + guide[:, :-4, 2:-2]
    across = guide[:, 2:-2, 4:] - centre + guide[:, 2:-2, :-4]
    return _box(_box(down**2 + across**2)) * Real(1 / 81)


def _apart(planes: Planes, sums: Planes) -> Planes:
    """Return pixels minus the mean of their eight neighbours, [P, r, c] to [P, r - 2, c - 2]."""
    return (9 * planes[:, 1:-1, 1:-1] - sums) * Real(1 / 8)


def _quiet(planes: Planes, sums: Planes, variance: Planes) -> NDArray[np.bool_]:
    """Return where no pixel of the 5x5 stands out from its neighbours, [P, r, c] to [P, r - 10, c - 10]."""
    loud = _apart(planes, sums) ** 2 > Real(GUARD**2 * APART) * variance
    _, rows, columns = loud.shape
    near: NDArray[np.bool_] = np.logical_or.reduce([loud[:, i : rows - 8 + i] for i in range(2, 7)])
    wide: NDArray[np.bool_] = np.logical_or.reduce([near[..., i : columns - 8 + i] for i in range(2, 7)])
    return ~wide
