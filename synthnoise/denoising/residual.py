"""How much noise a denoiser leaves, measured by asking it.

A little more noise is added to the noisy planes, and what of it comes out again is the share of noise
that the denoiser lets through there: all of it in fine texture, where it is not seen, next to none in
flat places, where it is. What a file says of itself is therefore measured over its flat blocks. Works for
any denoiser, also one that leaves noise of another colour than white (the probe is that of Ramani, Blu and
Unser, "Monte-Carlo SURE", IEEE TIP 17(9), 2008, with the response in place of its divergence).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from synthnoise.philox import normals
from synthnoise.random_streams import Stream

PROBE = 0.1
"""Standard deviation of the added noise, in that of the noise there is: 0.5 % more in all."""
BLOCK = 16
FLAT = 1.0
"""Variance of a restored block, in that of the noise, up to which it counts as flat."""
FEWEST = 0.1
"""Share of the blocks that count at least: the flattest."""
EDGE = 128
"""Pixels of a plane along the edge of a probed square."""

Array = NDArray[np.float32]
Restore = Callable[[Array], Array]


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


def transmitted(restore: Restore, noisy: Array, shot: tuple[float, ...], read: tuple[float, ...]) -> Array:
    """Return the ratio of noise out to noise in, variances, per flat block and plane [n, C] of [1, C, H, W].

    A block is flat where the restored planes vary less than the noise did; where there are few, the
    flattest count.
    """
    s, o = (np.array(values, np.float32)[:, None, None] for values in (shot, read))
    restored = restore(noisy)
    deviation = PROBE * np.sqrt(s * np.maximum(restored, 0) + o)
    _, *shape = noisy.shape
    unit = normals(0, Stream.PROBE, (shape[0], shape[1], shape[2]))
    response = (restore(noisy + deviation * unit) - restored) / deviation
    edge = min(BLOCK, *noisy.shape[-2:])
    mean, square, noise = (_block_means(values, edge) for values in (restored, restored**2, deviation**2))
    roughness = np.maximum(square - mean**2, 0) * PROBE**2 / np.maximum(noise, 1e-20)
    roughness = roughness.mean(1).ravel()
    limit = max(FLAT, float(np.quantile(roughness, FEWEST)))
    share = _block_means(response**2, edge)[0].reshape(shape[0], -1).T
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
