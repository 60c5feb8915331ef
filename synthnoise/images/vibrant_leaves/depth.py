"""Three layers of leaves become one image: the middle is sharp, what is before and behind is blurred.

Everything streams: of each layer only the rows that the blur reaches exist at a time, in sRGB.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.images.vibrant_leaves.lab import decode
from synthnoise.images.vibrant_leaves.settings import Blur
from synthnoise.images.vibrant_leaves.shading import SCRATCH, shade_row
from synthnoise.images.vibrant_leaves.table import BACKGROUND, FOREGROUND, MIDDLE
from synthnoise.kernels import compiled

GAUSSIAN_REACH = 5
"""Half the side of the Gaussian's kernel, whatever its sigma: 11 pixels, as in the reference."""

BARE = np.float32(1 / 255)
"""Light where no leaf of the background is: the reference's canvas starts at 1 of 255."""

NEGLIGIBLE = 1e-4
_ZERO, _ONE = np.float32(0), np.float32(1)


def kernel(blur: Blur, amount: float) -> NDArray[np.float32]:
    """Return the weights of a blur, float32 [2 reach + 1].

    Of a Gaussian of sigma ``amount``, its samples; of a lens whose circle of confusion has this
    radius, half the disc's chord in each row, in pixels.
    """
    if blur == "off" or amount == 0 or (blur == "gaussian" and amount < 0.1):
        return np.ones(1, dtype=np.float32)
    if blur == "gaussian":
        offsets = np.arange(-GAUSSIAN_REACH, GAUSSIAN_REACH + 1)
        weights = np.exp(-0.5 * (offsets / amount) ** 2)
        weights = weights[weights > NEGLIGIBLE]
        return np.asarray(weights / weights.sum(), dtype=np.float32)
    radius = max(amount, 0.5)
    reach = math.ceil(radius) - 1
    if reach == 0:
        return np.ones(1, dtype=np.float32)
    return np.asarray(np.sqrt(radius**2 - np.arange(-reach, reach + 1.0) ** 2), dtype=np.float32)


@compiled
def render(
    labels: Any,
    slots: Any,
    starts: Any,
    atlas: Any,
    warp: Any,
    classic: Any,
    weights: Any,
    lens: Any,
    reduction: Any,
    image: Any,
) -> None:
    """Write the image float32 [3, H, W], linear light, of labels int32 [3, H reduction, W reduction].

    The foreground counts with its blurred coverage M: result = (1 - M) middle-over-background + blur
    of the masked foreground. A ``lens`` weighs light by its square, so bright spots stay bright.
    """
    _, height, width = labels.shape
    reach = len(weights) // 2
    turns = 2 * reach + 1
    far = np.empty((turns, 3, width), dtype=np.float32)
    near = np.empty((turns, 4, width), dtype=np.float32)
    occupied = np.zeros(turns, dtype=np.bool_)
    behind = np.empty((3, width), dtype=np.float32)
    front = np.empty((4, width), dtype=np.float32)
    sharp = np.empty((3, width), dtype=np.float32)
    scratch = np.empty((SCRATCH, width), dtype=np.float32)
    seen = np.empty(width, dtype=labels.dtype)
    covers = np.zeros(width, dtype=np.int32)
    share = np.float32(1 / reduction**2)
    image[:] = 0
    for ahead in range(-reach, height):
        row = ahead + reach
        if row < height:
            slot = row % turns
            _hide(labels[MIDDLE], labels[BACKGROUND, row], row, reach, covers, seen)
            shade_row(seen, row, slots, starts, atlas, warp, classic, BARE, scratch, far[slot])
            occupied[slot] = _any_leaf(labels[FOREGROUND, row])
            if occupied[slot]:
                shade_row(
                    labels[FOREGROUND, row],
                    row,
                    slots,
                    starts,
                    atlas,
                    warp,
                    classic,
                    _ZERO,
                    scratch,
                    near[slot],
                )
                _add_mask(labels[FOREGROUND, row], near[slot])
            if lens:
                _square(far[slot])
                _square(near[slot, :3])
        if ahead < 0:
            continue
        y = ahead
        _blur_rows(far, y, height, weights, lens, behind)
        shade_row(labels[MIDDLE, y], y, slots, starts, atlas, warp, classic, _ZERO, scratch, sharp)
        _put_behind(labels[MIDDLE, y], behind, sharp)
        if occupied.any():
            for k in range(turns):
                if not occupied[k]:
                    near[k] = 0
            _blur_rows(near, y, height, weights, lens, front)
            _put_before(front, sharp)
        for i in range(3):
            _reduce(sharp[i], reduction, share, image[i, y // reduction])
    for i in range(3):
        for y in range(image.shape[1]):
            line = image[i, y]
            for x in range(len(line)):
                line[x] = decode(line[x])


@compiled
def _hide(middle: Any, labels: Any, row: Any, reach: Any, covers: Any, seen: Any) -> None:
    """Write labels of a row of the background, none where the middle hides all that the blur takes them to.

    ``covers`` counts the rows from ``row - reach`` to ``row + reach`` in which the middle covers a
    column; rows come in order.
    """
    height, width = middle.shape
    for new in range(0 if row == 0 else row + reach, min(row + reach, height - 1) + 1):
        _count(middle[new], 1, covers)
    if row > reach:
        _count(middle[row - reach - 1], -1, covers)
    rows = min(row + reach, height - 1) - max(row - reach, 0) + 1
    run = reach
    for x in range(width + reach):
        run = run + 1 if x >= width or covers[x] == rows else 0
        if x >= reach:
            seen[x - reach] = -1 if run > 2 * reach else labels[x - reach]


@compiled
def _count(labels: Any, step: Any, covers: Any) -> None:
    for x in range(len(labels)):
        covers[x] += step if labels[x] >= 0 else 0


@compiled
def _any_leaf(labels: Any) -> Any:
    found = False
    for x in range(len(labels)):
        found |= labels[x] >= 0
    return found


@compiled
def _add_mask(labels: Any, row: Any) -> None:
    mask = row[3]
    for x in range(len(labels)):
        mask[x] = _ONE if labels[x] >= 0 else _ZERO


@compiled
def _square(row: Any) -> None:
    for i in range(len(row)):
        line = row[i]
        for x in range(len(line)):
            line[x] *= line[x]


@compiled
def _put_behind(labels: Any, behind: Any, sharp: Any) -> None:
    for i in range(3):
        line, other = sharp[i], behind[i]
        for x in range(len(line)):
            line[x] = line[x] if labels[x] >= 0 else other[x]


@compiled
def _put_before(front: Any, sharp: Any) -> None:
    mask = front[3]
    for i in range(3):
        line, other = sharp[i], front[i]
        for x in range(len(line)):
            line[x] += other[x] - mask[x] * line[x]


@compiled
def _reduce(line: Any, reduction: Any, share: Any, result: Any) -> None:
    for k in range(reduction):
        for x in range(len(result)):
            result[x] += share * line[reduction * x + k]


@compiled
def _blur_rows(rows: Any, y: Any, height: Any, weights: Any, lens: Any, result: Any) -> None:
    """Blur about row y, of which ``rows`` [turns, channels, W] holds the neighbours by number modulo turns.

    Beyond the edge the image is mirrored about its outermost pixels.
    """
    if lens:
        _blur_disc(rows, y, height, weights, result)
    else:
        _blur_gaussian(rows, y, height, weights, result)


@compiled
def _mirrored(place: Any, length: Any) -> Any:
    if length == 1:
        return 0
    place = abs(place) % (2 * length - 2)
    return place if place < length else 2 * length - 2 - place


@compiled
def _blur_gaussian(rows: Any, y: Any, height: Any, weights: Any, result: Any) -> None:
    turns, channels, width = rows.shape
    reach = turns // 2
    padded = np.empty(width + 2 * reach, dtype=np.float32)
    for i in range(channels):
        middle = padded[reach : reach + width]
        middle[:] = _ZERO
        for k in range(turns):
            _add(middle, weights[k], rows[_mirrored(y + k - reach, height) % turns, i])
        for k in range(reach):
            padded[k] = middle[_mirrored(k - reach, width)]
            padded[reach + width + k] = middle[_mirrored(width + k, width)]
        line = result[i]
        line[:] = _ZERO
        for k in range(turns):
            _add(line, weights[k], padded[k : k + width])


@compiled
def _add(total: Any, weight: Any, line: Any) -> None:
    for x in range(len(total)):
        total[x] += weight * line[x]


@compiled
def _blur_disc(rows: Any, y: Any, height: Any, chords: Any, result: Any) -> None:
    """Mean over a disc, from running sums along each row it touches; then the square root of the light."""
    turns, channels, width = rows.shape
    reach = turns // 2
    pad = reach + 2
    sums = np.empty(width + 2 * pad + 1, dtype=np.float64)
    total = np.empty(width, dtype=np.float64)
    area = 0.0
    for k in range(turns):
        area += 2 * chords[k]
    for i in range(channels):
        total[:] = 0
        for k in range(turns):
            line = rows[_mirrored(y + k - reach, height) % turns, i]
            sums[0] = 0
            for x in range(width + 2 * pad):
                sums[x + 1] = sums[x] + line[_mirrored(x - pad, width)]
            whole = math.floor(chords[k] + 0.5)
            rest = chords[k] + 0.5 - whole
            for x in range(width):
                right, left = x + pad + whole, x + pad + 1 - whole
                high = sums[right] + rest * (sums[right + 1] - sums[right])
                low = sums[left] - rest * (sums[left] - sums[left - 1])
                total[x] += high - low
        line = result[i]
        for x in range(width):
            line[x] = total[x] / area
    _unsquare(result)


@compiled
def _unsquare(result: Any) -> None:
    """Take the root of blurred squares; of those under a mask, as much of it as the mask lets through."""
    masked = len(result) == 4
    for i in range(3):
        for x in range(result.shape[1]):
            value = max(result[i, x], _ZERO)
            result[i, x] = math.sqrt(value * result[3, x]) if masked else math.sqrt(value)
