"""How much noise a denoiser leaves, measured by asking it.

What it has restored is taken for the truth, and noise as strong as there was is drawn onto it, twice. What
is restored of the two differs by the noise that was left, by nothing that the image has: a parametric
bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 6.5). In fine texture most
of the noise is left, where it is not seen, next to none in flat places, where it is: what a file says of
itself is measured over its flat blocks. It holds for any denoiser, also one that is not linear or leaves
noise of another colour than white.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from synthnoise.philox import normals
from synthnoise.random_streams import Stream

BLOCK = 16
FLAT = 1.0
"""Variance of a restored block, in that of the noise, up to which it counts as flat."""
FEWEST = 0.1
"""Share of the blocks that count at least: the flattest."""
EDGE = 128
"""Pixels of a plane along the edge of a probed square."""

Array = NDArray[np.float32]
Denoise = Callable[[Array], Array]
Draw = Callable[[int, tuple[int, int, int]], Array]


def squares(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Return up to four places (top, left, bottom, right) to probe, around the middle of each quarter.

    All of them are inside: of small planes there are fewer.
    """
    tops, lefts = (
        sorted({min(max(int(n * part) - min(EDGE, n) // 2, 0), n - min(EDGE, n)) for part in (0.25, 0.75)})
        for n in size
    )
    height, width = (min(EDGE, n) for n in size)
    return [(top, left, top + height, left + width) for top in tops for left in lefts]


def white(number: int, shape: tuple[int, int, int]) -> Array:
    """Return white noise [C, H, W] of variance 1."""
    return normals(number, Stream.PROBE, shape)


def transmitted(
    restored: Array,
    denoise: Denoise,
    shot: tuple[float, ...],
    read: tuple[float, ...],
    draw: Draw = white,
) -> NDArray[np.float32]:
    """Return the ratio of noise out to noise in, variances, per flat block and plane [n, C].

    A block is flat where the restored planes vary less than the noise did; where there are few, the
    flattest count.

    Parameters
    ----------
    restored
        Planes [1, C, H, W] from which all noise was taken that the denoiser takes, [0, 1].
    denoise
        What is asked, planes of that shape to such, with all its settings.
    shot, read
        Variance of the noise per plane, ``shot x + read``.
    draw
        What noise of variance 1 looks like, planes [C, H, W] of a number and that shape.
    """
    s, o = (np.array(values, np.float32)[:, None, None] for values in (shot, read))
    deviation = np.sqrt(s * np.maximum(restored, 0) + o)
    _, channels, height, width = restored.shape
    once, again = (denoise(restored + deviation * draw(n, (channels, height, width))) for n in range(2))
    edge = min(BLOCK, *restored.shape[-2:])
    mean, square, noise, left = (
        _block_means(values, edge)
        for values in (restored, restored**2, deviation**2, np.square(once - again) / 2)
    )
    noise = np.maximum(noise, 1e-20)
    roughness = (np.maximum(square - mean**2, 0) / noise).mean(1).ravel()
    limit = max(FLAT, float(np.quantile(roughness, FEWEST)))
    share = (left / noise)[0].reshape(channels, -1).T
    return np.asarray(share[roughness <= limit])


def noise_left(parts: Sequence[Array], colours: tuple[int, ...]) -> tuple[float, tuple[float, ...]]:
    """Return the ratio of standard deviations in the median block, over all planes and for R, G, B.

    Parameters
    ----------
    parts
        Of :func:`transmitted`, at several places.
    colours
        Colour of each plane. What none has gets the ratio of all.
    """
    variances = np.concatenate(parts)

    def median(planes: list[int]) -> float:
        return min(float(np.median(np.sqrt(variances[:, planes].mean(1)))), 1.0)

    every = list(range(len(colours)))
    own = ([plane for plane in every if colours[plane] == colour] for colour in range(3))
    return median(every), tuple(median(planes or every) for planes in own)


def _block_means(values: Array, edge: int) -> NDArray[np.float32]:
    """Return means over squares, [B, C, rows, columns]; what lacks to a whole square is left out."""
    batch, channels, height, width = values.shape
    rows, columns = height // edge, width // edge
    whole = values[..., : rows * edge, : columns * edge].reshape(batch, channels, rows, edge, columns, edge)
    means: NDArray[np.float32] = whole.mean((3, 5))
    return means
