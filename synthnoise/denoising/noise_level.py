"""The noise level of a single frame of anything: S and O of variance = S x + O, without calibration.

Every 8 x 8 block of a CFA plane is transformed by the DCT. The sixteen coefficients that are high in
both directions carry the least texture and give the variance. Which blocks are flat is judged by the
other AC coefficients of the *other* planes: their noise is independent, so the choice does not bias the
variance (choosing by the variance itself would; Foi et al., "Practical Poissonian-Gaussian noise
modeling and fitting for single-image raw-data", IEEE TIP 17(10), 2008, segment the frame for the same
reason). White noise is as strong at middle as at high frequencies, and texture is not: what the chosen
blocks have more at middle ones tells how much texture is left in them, and is taken off. The blocks
of every brightness give one point each on the line.

Where nothing is flat, that line is one of texture. Noise is independent from plane to plane and texture is
not: how much the planes of a mosaic share in the flattest blocks, relative to rough ones, is the share of
texture in them, of which what is sure is taken off the whole line. Some cameras compress their planes
together, so that these share noise, too: where the flattest of the flat blocks are as strong as the others,
it is noise that all of them show.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.colour_filter_arrays import X_TRANS, X_TRANS_BLOCKS, as_cfa, place_in
from synthnoise.raw.cfa import pack, x_trans_blocks
from synthnoise.raw.frame import BLUE, GREEN, RED, Frame

Real = NDArray[np.float64]

EDGE = 8
HIGH = 4
"""Coefficients from this frequency on, in both directions, measure the noise."""
FREEDOM = (EDGE - HIGH) ** 2
MIDDLE_FREEDOM = EDGE**2 - 1 - FREEDOM
MOST_BLOCKS = 40_000
"""Blocks per plane: more would not make the line better known than the texture lets it be."""
LEVELS = 24
FLATTEST = 0.1
"""Share of the blocks of a brightness that counts as flat."""
ROUGHEST = 0.5
"""Share of all blocks in which the texture's fall from middle to high frequencies is measured."""
EDGES = 0.1
"""Share of all blocks, the roughest, that are left out where it is measured how alike the planes are in
texture: single edges would rule it."""
CLIPPED = 0.05
"""Share of a block's pixels that may be black or white without much changing its variance."""
FEWEST_FLAT = 12
"""Flat blocks below which a brightness gives no point."""
MEDIAN_OVER_MEAN = (1 - 2 / (9 * FREEDOM)) ** 3
"""Of chi-square with ``FREEDOM`` degrees (Wilson and Hilferty 1931)."""
PASSES = 2
"""Flatness is in units of the noise, so the line is drawn once without and then with it."""
ROUNDS = 20
DOUBT = 2.0
"""Standard errors above the line at which half of a point is taken for texture."""
BELOW = 2.0
"""Times its variance above which a line no longer widens a point's standard error: scaled with the line,
the errors of points far below a steep one would excuse it."""
OWN_LINE = 0.1
"""Relative standard error of S up to which a colour is given its own line, not that of all colours."""
UNSURE = 0.3
"""Relative standard error of S from which the user is warned."""
SURE = 2.0
"""Standard errors by which the planes have to be alike before that counts as texture."""
LEAST_ALIKE = 0.05
"""Correlation of the planes in rough blocks, at least."""
FLATTEST_OF_ALL, LESS_FLAT = 0.02, 0.05
"""Share of the blocks that is flattest of all, and from which on they are less flat, up to ``FLATTEST``."""
UNEVEN = 1.1, 1.3
"""Energy of less flat blocks over that of the flattest of all: from which they may, and surely do, hold
texture."""
MOST_TEXTURE = 0.96
"""Share of the variance that is taken for texture at most: the rest is not known to a tenth."""
TEXTURED = 4.0
"""Scatter about the line, in that of pure noise, from which the user is warned."""


@dataclass(frozen=True)
class NoiseLevel:
    """What a frame says of its own noise.

    Attributes
    ----------
    pairs
        (S, O) for R, G, B on black-subtracted signal over (white - black).
    errors
        Their standard errors, in the same order.
    texture
        Share of the variance in flat places that was taken off as texture, as the planes share it.
    scatter
        Root mean square distance of the points from the line, in standard errors of pure noise: near
        1 where the frame has flat places, above where texture passes for noise.
    points
        float64 [n, 4]: colour, level, variance and its standard error, all normalised, ``texture`` included.
    """

    pairs: tuple[tuple[float, float], ...]
    errors: tuple[tuple[float, float], ...]
    texture: float
    scatter: float
    points: Real

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know before relying on it."""
        if len(self.points) < 2:
            return ("the frame is too small or too clipped to show its noise: a guess is used",)
        found = []
        if any(error > UNSURE * s for (s, _), (error, _) in zip(self.pairs, self.errors, strict=True)):
            found.append("the noise estimate is uncertain: the frame has few flat places")
        if self.scatter > TEXTURED:
            found.append("texture may pass for noise in the estimate")
        return tuple(found)


@dataclass(frozen=True)
class _Blocks:
    """Per block [planes, blocks]: mean level, mean energy of the middle and of the high coefficients, whether
    nearly all of its pixels lie between black and white, and the mean product of its high coefficients with
    those of the other planes.
    """

    mean: Real
    middle: Real
    high: Real
    usable: NDArray[np.bool_]
    shared: Real


def estimate_noise(frame: Frame) -> NoiseLevel:
    """Return the noise level of a frame, from its flattest places.

    Any frame gives a result; ``warnings`` and ``errors`` tell how far to trust it. Costs well under a
    CPU-second for any frame.
    """
    active = frame.active()
    place = place_in(as_cfa(active.cfa), X_TRANS)
    if place is not None:
        active = active.crop((*place, *active.mosaic.shape))
    colours = np.array([int(c) for c in active.cfa.reshape(-1)])
    if place is not None:
        colours = colours[list(X_TRANS_BLOCKS[:: len(colours) // 9])]
    blocks = _blocks(active, len(colours))
    floor = float(1 / 12 / np.max(active.white - active.black) ** 2)
    shared, shared_error, scatter = (0.0, 1.0), (np.inf, np.inf), 0.0
    for _ in range(PASSES):
        noise = np.maximum(shared[0] * blocks.mean + shared[1], floor)
        points = [point for plane in range(len(colours)) for point in _points(blocks, noise, plane)]
        table = np.array(points, dtype=np.float64).reshape(-1, 4)
        shared, shared_error, scatter = _line(table[:, 1:], floor)
    table[:, 0] = colours[table[:, 0].astype(int)]
    noise = np.maximum(shared[0] * blocks.mean + shared[1], floor)
    # What a camera has made RGB of shares its noise, too.
    texture, doubt = (0.0, 0.0) if frame.is_linear else _texture(blocks, noise)
    pairs, errors = [], []
    for colour in (RED, GREEN, BLUE):
        own, own_error, _ = _line(table[table[:, 0] == colour, 1:], floor)
        sure = own_error[0] < OWN_LINE * own[0] and own_error[1] < max(OWN_LINE * own[1], shared_error[1])
        (s, o), (s_error, o_error) = (own, own_error) if sure else (shared, shared_error)
        left = 1 - texture
        pairs.append((s * left, max(o * left, floor)))
        errors.append(
            (float(np.hypot(s_error * left, s * doubt)), float(np.hypot(o_error * left, o * doubt)))
        )
    return NoiseLevel(tuple(pairs), tuple(errors), texture, scatter, table)


def _blocks(active: Frame, planes: int) -> _Blocks:
    """Return the statistics of blocks all over the frame, which is of so many planes."""
    cosines = np.cos((2 * np.arange(EDGE) + 1) * np.arange(EDGE)[:, None] * np.pi / (2 * EDGE)) / 2
    cosines[0] /= np.sqrt(2)
    nothing = np.zeros((planes, 0))
    parts: list[tuple[NDArray[Any], ...]] = [(nothing, nothing, nothing, nothing.astype(bool), nothing)]
    for values, usable in _bands(active):
        rows, columns = values.shape[1:]
        cut = values.reshape(planes, rows // EDGE, EDGE, columns // EDGE, EDGE).swapaxes(2, 3)
        cut = cut.reshape(planes, -1, EDGE, EDGE)
        coefficients = cosines @ cut @ cosines.T
        energy = coefficients**2
        energy[..., 0, 0] = 0
        high = energy[..., HIGH:, HIGH:].sum((-2, -1))
        middle = energy.sum((-2, -1)) - high
        fine = usable.reshape(planes, rows // EDGE, EDGE, columns // EDGE, EDGE).mean((2, 4)) >= 1 - CLIPPED
        finest = coefficients[..., HIGH:, HIGH:]
        others = (finest.sum(0) - finest) / max(planes - 1, 1)
        energies = cut.mean((-2, -1)), middle / MIDDLE_FREEDOM, high / FREEDOM
        parts.append((*energies, fine.reshape(planes, -1), (finest * others).mean((-2, -1))))
    return _Blocks(*(np.concatenate(values, axis=1) for values in zip(*parts, strict=True)))


def _texture(blocks: _Blocks, noise: Real) -> tuple[float, float]:
    """Return the share of texture in the variance of the flattest blocks, and its standard error if there is.

    ``noise`` is the variance expected of each block.
    """
    usable = blocks.usable.all(0)
    planes = len(noise)
    if planes == 1 or usable.sum() < FEWEST_FLAT:
        return 0.0, 0.0
    rough, high, shared = ((part / noise)[:, usable] for part in (blocks.middle, blocks.high, blocks.shared))
    order = np.argsort(rough.sum(0))
    count = len(order)

    def part(first: float, last: float) -> NDArray[np.intp]:
        return order[int(first * count) : int(last * count) + 1]

    flat, rougher = part(0, FLATTEST), part(ROUGHEST, 1 - EDGES)
    core, rest = part(0, FLATTEST_OF_ALL), part(LESS_FLAT, FLATTEST)
    alike, own = (float(shared[:, at].sum() / high[:, at].sum()) for at in (flat, rougher))
    rise = float(high[:, rest].mean() / max(high[:, core].mean(), 1e-30))
    uneven = float(np.clip((rise - UNEVEN[0]) / (UNEVEN[1] - UNEVEN[0]), 0, 1))
    # Each pair of planes counts once, though it enters for both.
    error = (2 / (planes * (planes - 1)) / (FREEDOM * len(flat))) ** 0.5
    own = max(own, LEAST_ALIKE)
    texture = uneven * min((alike - SURE * error) / own, MOST_TEXTURE)
    return (texture, error / own) if texture > 0 else (0.0, 0.0)


def _bands(active: Frame) -> Iterator[tuple[Real, NDArray[np.bool_]]]:
    """Yield bands of whole blocks, normalised [planes, 8, columns], and where they are not clipped."""
    h, w = period = active.cfa.shape
    separate: Callable[[NDArray[Any]], NDArray[Any]] = functools.partial(pack, period=period)
    if active.cfa_name == "x-trans":
        # The pixels of its blocks are half as far from each other as those of its repeat.
        h, w = h // 2, w // 2
        separate = _blocks_of_x_trans
    rows, columns = (active.mosaic.shape[0] // h // EDGE, active.mosaic.shape[1] // w // EDGE * EDGE)
    step = max(1, -(-rows * (columns // EDGE) // MOST_BLOCKS))
    for row in range(0, rows if columns else 0, step):
        area = (row * EDGE * h, 0, (row + 1) * EDGE * h, columns * w)
        source = active.mosaic[area[0] : area[2], : area[3]]
        black = active.black_map(area)
        usable = (source < active.white) & (source > 0)
        yield separate((source - black) / (active.white - black)), separate(usable)


def _blocks_of_x_trans(mosaic: NDArray[Any]) -> NDArray[Any]:
    """Return the planes of one colour each of a mosaic of whole repeats."""
    return x_trans_blocks(pack(mosaic, (6, 6)))


def _points(blocks: _Blocks, noise: Real, plane: int) -> list[tuple[float, ...]]:
    """Return (plane, level, variance, standard error) of the flattest blocks of every brightness.

    ``noise`` is the variance expected of each block.
    """
    others = np.arange(len(noise)) != plane if len(noise) > 1 else np.array([True])
    usable = blocks.usable.all(0)
    rough = (blocks.middle / noise)[others][:, usable].sum(0)
    mean, middle, high = (values[plane, usable] for values in (blocks.mean, blocks.middle, blocks.high))
    if len(mean) < FEWEST_FLAT:
        return []
    fall = _texture_fall(middle / noise[plane, usable], high / noise[plane, usable])
    levels = int(np.clip(len(mean) // (4 * FEWEST_FLAT), 1, LEVELS))
    edges = np.linspace(0, 1, levels + 1) ** 2 * max(float(mean.max()), 1e-6)
    level = np.searchsorted(edges[1:-1], mean, side="right")
    found: list[tuple[float, ...]] = []
    for number in range(levels):
        inside = np.flatnonzero(level == number)
        count = min(max(int(FLATTEST * len(inside)), FEWEST_FLAT), len(inside))
        if count < FEWEST_FLAT:
            continue
        flat = inside[np.argpartition(rough[inside], count - 1)[:count]]
        # The median costs pi / 2 in efficiency; a mean square of n normal values varies by 2 / n.
        variance = float(np.median(high[flat])) / MEDIAN_OVER_MEAN
        error = variance * np.sqrt(np.pi / 2 * 2 / FREEDOM / count)
        texture = max(float(np.median(middle[flat])) - variance, 0.0) * fall
        if texture < variance:
            found.append((float(plane), float(np.mean(mean[flat])), variance - texture, error + texture))
    return found


def _texture_fall(middle: Real, high: Real) -> float:
    """Return by what factor texture at high frequencies is weaker than at middle ones, from rough blocks."""
    rough = middle >= np.quantile(middle, 1 - ROUGHEST)
    excess = float(np.median(middle[rough])) - 1
    return float(np.clip((np.median(high[rough]) - 1) / excess, 0, 1)) if excess > 1 else 0.0


def _line(points: Real, floor: float) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Return (S, O), their standard errors and the scatter about the line, from [n, 3] points.

    Texture only ever adds: points above the line are doubted (Cauchy), points below it are not
    (normal), however few: one even place tells the noise of a frame that is rough everywhere else. Starts
    from the likeliest of the lines through two points; S >= 0 and O >= ``floor``.
    """
    unknown = (np.inf, np.inf)
    if len(points) < 2:
        guess = float(points[0, 1]) if len(points) else 1e-6
        return (guess, max(guess * 0.01, floor)), unknown, 0.0
    level, variance, error = points.T
    relative = error / variance
    s, o = _likeliest(level, variance, relative, floor)
    for _ in range(ROUNDS):
        deviation = np.minimum(np.maximum(s * level + o, floor), BELOW * variance) * relative
        residual = (variance - s * level - o) / deviation
        trust = 1 / (1 + (np.maximum(residual, 0) / DOUBT) ** 2)
        s, o = _least_squares(level, variance, trust / deviation**2, floor)
    scatter = float(np.sqrt(np.average(residual**2, weights=trust)))
    design = np.stack([level, np.ones(len(level))]) * np.sqrt(trust) / deviation
    covariance = np.linalg.pinv(design @ design.T) * max(scatter, 1.0) ** 2
    s_error, o_error = np.sqrt(np.maximum(np.diag(covariance), 0))
    return (s, o), (float(s_error), float(o_error)), scatter


def _likeliest(level: Real, variance: Real, relative: Real, floor: float) -> tuple[float, float]:
    """Return the best rising line through two of the points.

    How far a point lies below a line is counted in logarithms, as its difference never exceeds the line.
    """
    first, second = np.triu_indices(len(level), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = (variance[second] - variance[first]) / (level[second] - level[first])
    s = np.maximum(np.where(np.isfinite(s), s, 0), 0)
    o = np.maximum(variance[first] - s * level[first], floor)
    expected = np.maximum(np.outer(s, level) + o[:, None], floor)
    residual = np.where(variance > expected, variance / expected - 1, np.log(variance / expected)) / relative
    loss = np.where(residual > 0, np.log1p((residual / DOUBT) ** 2) * DOUBT**2, residual**2)
    best = int(np.argmin((loss + 2 * np.log(expected)).sum(1)))
    return float(s[best]), float(o[best])


def _least_squares(level: Real, variance: Real, weight: Real, floor: float) -> tuple[float, float]:
    """Return the weighted line with S >= 0 and O >= ``floor``."""
    total, mean_level = weight.sum(), (weight * level).sum() / weight.sum()
    mean_variance = (weight * variance).sum() / total
    spread = (weight * (level - mean_level) ** 2).sum()
    s = (weight * (level - mean_level) * (variance - mean_variance)).sum() / spread if spread > 0 else 0.0
    o = mean_variance - s * mean_level
    if o < floor:
        o, square = floor, (weight * level**2).sum()
        s = (weight * level * (variance - o)).sum() / square if square > 0 else 0.0
    if s <= 0:
        s, o = 1e-9, max(mean_variance, floor)
    return float(s), float(o)
