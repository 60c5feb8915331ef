"""Three layers of leaves become one image: the middle is sharp, what is before and behind is blurred.

Everything streams: of each layer only the rows that the blur reaches exist at a time, in sRGB. What the
layers before hide for certain is not coloured.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.images.vibrant_leaves.lab import decode
from synthnoise.images.vibrant_leaves.settings import Blur
from synthnoise.images.vibrant_leaves.shading import BAND, new_desk, shade
from synthnoise.images.vibrant_leaves.table import BACKGROUND, FOREGROUND, MIDDLE
from synthnoise.kernels import compiled, vectorised

GAUSSIAN_REACH = 5
"""Half the side of the Gaussian's kernel, whatever its sigma: 11 pixels, as in the reference."""

BARE = np.float32(1 / 255)
"""Light where no leaf of the background is: the reference's canvas starts at 1 of 255."""

NEGLIGIBLE = 1e-4
_NO_LEAF = np.int32(-1)
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


@vectorised
def render(labels: Any, looks: Any, weights: Any, lens: Any, reduction: Any, image: Any) -> None:
    """Write the image float32 [3, H, W], linear light, of labels int32 [3, H reduction, W reduction].

    The foreground counts with its blurred coverage M: result = (1 - M) middle-over-background + blur
    of the masked foreground. A ``lens`` weighs light by its square, so bright spots stay bright.
    ``looks`` is that of :func:`~synthnoise.images.vibrant_leaves.shading.shade`.
    """
    _, height, width = labels.shape
    reach = len(weights) // 2
    turns = BAND * -(-(BAND + 2 * reach) // BAND)
    far = np.zeros((turns, 3, width), dtype=np.float32)
    near = np.zeros((turns, 4, width), dtype=np.float32)
    sharp = np.zeros((turns, 3, width), dtype=np.float32)
    extents = np.zeros((turns, 2), dtype=np.int64)
    seen = np.empty((BAND, width), dtype=np.int32)
    hidden = hidden_pixels(labels, reach)
    desk = new_desk(len(looks[0]), width)
    work = np.empty((5, width + 2 * reach), dtype=np.float32)
    share = np.float32(1 / reduction**2)
    image[:] = 0
    done = 0
    for top in range(0, height, BAND):
        end = min(top + BAND, height)
        here = slice(top % turns, top % turns + end - top)
        _look(labels[BACKGROUND, top:end], hidden[1, top:end], seen)
        shade(seen[: end - top], top, looks, BARE, desk, far[here])
        _look(labels[MIDDLE, top:end], hidden[0, top:end], seen)
        shade(seen[: end - top], top, looks, _ZERO, desk, sharp[here])
        if _find_extents(labels[FOREGROUND, top:end], extents[here], near[here]):
            shade(labels[FOREGROUND, top:end], top, looks, _ZERO, desk, near[here])
        if lens:
            _square(far[here])
            _square(near[here])
        ready = height if end == height else max(end - reach, done)
        for y in range(done, ready):
            line = sharp[y % turns]
            _fuse_row(labels[MIDDLE, y], far, near, extents, y, height, weights, lens, work, line)
            for i in range(3):
                _reduce(line[i], reduction, share, image[i, y // reduction])
        done = ready
    for i in range(3):
        for y in range(image.shape[1]):
            _decode_line(image[i, y])


@vectorised
def hidden_pixels(labels: Any, reach: Any) -> Any:
    """Return uint8 [2, H, W], 1 where a pixel of the middle or of the background does not matter.

    The middle does not where the foreground is opaque as far as the blur reaches, nor does the
    background where all that the blur takes it to is hidden by either.
    """
    _, height, width = labels.shape
    hidden = np.empty((2, height, width), dtype=np.uint8)
    covered = np.empty((height, width), dtype=np.uint8)
    for y in range(height):
        _mark(labels[FOREGROUND, y], covered[y])
    _erode(covered, reach, hidden[0])
    for y in range(height):
        _mark(labels[MIDDLE, y], covered[y])
        line, other = covered[y], hidden[0, y]
        for x in range(width):
            line[x] |= other[x]
    _erode(covered, reach, hidden[1])
    return hidden


@vectorised
def _mark(labels: Any, line: Any) -> None:
    for x in range(len(line)):
        line[x] = np.uint8(labels[x] >= 0)


@vectorised
def _erode(mask: Any, reach: Any, result: Any) -> None:
    """Write which pixels of a mask have none outside it within ``reach`` rows and columns."""
    height, width = mask.shape
    padded = np.ones(width + 2 * reach, dtype=np.uint8)
    for y in range(height):
        line, middle = result[y], padded[reach : reach + width]
        middle[:] = mask[y]
        for other in range(max(y - reach, 0), min(y + reach + 1, height)):
            _intersect(middle, mask[other])
        line[:] = middle
        for k in range(2 * reach + 1):
            _intersect(line, padded[k : k + width])


@vectorised
def _intersect(line: Any, other: Any) -> None:
    for x in range(len(line)):
        line[x] &= other[x]


@vectorised
def _look(labels: Any, hidden: Any, seen: Any) -> None:
    """Write the labels, none where they are hidden."""
    for y in range(len(labels)):
        line, mask, result = labels[y], hidden[y], seen[y]
        for x in range(len(line)):
            result[x] = _NO_LEAF if mask[x] else line[x]


@vectorised
def _find_extents(labels: Any, extents: Any, near: Any) -> Any:
    """Write the mask of leaves, and the columns from the first to behind the last; return if there are any.

    Without any, ``near`` becomes zero.
    """
    width = labels.shape[1]
    found = False
    for y in range(len(labels)):
        line, mask = labels[y], near[y, 3]
        first, last = 0, width
        while first < width and line[first] < 0:
            first += 1
        while last > first and line[last - 1] < 0:
            last -= 1
        extents[y, 0], extents[y, 1] = first, last
        found |= first < last
        for x in range(width):
            mask[x] = _ONE if line[x] >= 0 else _ZERO
    if not found:
        near[:] = _ZERO
    return found


@vectorised
def _square(rows: Any) -> None:
    for y in range(len(rows)):
        for i in range(3):
            line = rows[y, i]
            for x in range(len(line)):
                line[x] *= line[x]


@vectorised
def _fuse_row(
    labels: Any,
    far: Any,
    near: Any,
    extents: Any,
    y: Any,
    height: Any,
    weights: Any,
    lens: Any,
    work: Any,
    sharp: Any,
) -> None:
    """Put what is behind and before into a row of the middle, float32 [3, W]."""
    width = len(labels)
    turns, reach = len(far), len(weights) // 2
    blurred, padded = work[:4], work[4]
    _blur_rows(far, y, height, weights, lens, 0, width, padded, blurred)
    _put_behind(labels, blurred, sharp)
    first, last = width, 0
    for k in range(-reach, reach + 1):
        turn = _mirrored(y + k, height) % turns
        if extents[turn, 0] < extents[turn, 1]:
            first, last = min(first, extents[turn, 0]), max(last, extents[turn, 1])
    if first < last:
        first, last = max(first - reach, 0), min(last + reach, width)
        _blur_rows(near, y, height, weights, lens, first, last, padded, blurred)
        _put_before(blurred, first, last, sharp)


@vectorised
def _put_behind(labels: Any, behind: Any, sharp: Any) -> None:
    for i in range(3):
        line, other = sharp[i], behind[i]
        for x in range(len(line)):
            line[x] = line[x] if labels[x] >= 0 else other[x]


@vectorised
def _put_before(front: Any, first: Any, last: Any, sharp: Any) -> None:
    mask = front[3, first:last]
    for i in range(3):
        line, other = sharp[i, first:last], front[i, first:last]
        for x in range(len(line)):
            line[x] += other[x] - mask[x] * line[x]


@vectorised
def _reduce(line: Any, reduction: Any, share: Any, result: Any) -> None:
    if reduction == 2:
        for x in range(len(result)):
            result[x] += share * (line[2 * x] + line[2 * x + 1])
        return
    for k in range(reduction):
        for x in range(len(result)):
            result[x] += share * line[reduction * x + k]


@vectorised
def _decode_line(line: Any) -> None:
    for x in range(len(line)):
        line[x] = decode(min(max(line[x], _ZERO), _ONE))


@vectorised
def _blur_rows(
    rows: Any,
    y: Any,
    height: Any,
    weights: Any,
    lens: Any,
    first: Any,
    last: Any,
    padded: Any,
    result: Any,
) -> None:
    """Blur about row y, of which ``rows`` [turns, channels, W] holds the neighbours by number modulo turns.

    Columns ``first`` to ``last`` are written. Beyond the edge the image is mirrored about its outermost
    pixels; ``padded`` is float32 [W + 2 reach], to work in.
    """
    if lens:
        _blur_disc(rows, y, height, weights, result)
    else:
        _blur_gaussian(rows, y, height, weights, first, last, padded, result)


@vectorised
def _mirrored(place: Any, length: Any) -> Any:
    if length == 1:
        return 0
    place = abs(place) % (2 * length - 2)
    return place if place < length else 2 * length - 2 - place


@vectorised
def _blur_gaussian(
    rows: Any, y: Any, height: Any, weights: Any, first: Any, last: Any, padded: Any, result: Any
) -> None:
    turns, channels, width = rows.shape
    reach = len(weights) // 2
    left, right = max(first - reach, 0), min(last + reach, width)
    for i in range(channels):
        middle = padded[reach + left : reach + right]
        _set(middle, weights[reach], rows[y % turns, i, left:right])
        for k in range(1, reach + 1):
            above, below = _mirrored(y - k, height) % turns, _mirrored(y + k, height) % turns
            _add(middle, weights[reach + k], rows[above, i, left:right], rows[below, i, left:right])
        if first < reach or last > width - reach:
            for k in range(1, reach + 1):
                padded[reach - k] = padded[reach + _mirrored(-k, width)]
                padded[reach + width - 1 + k] = padded[reach + _mirrored(width - 1 + k, width)]
        line = result[i, first:last]
        _set(line, weights[reach], padded[reach + first : reach + last])
        for k in range(1, reach + 1):
            before = padded[reach + first - k : reach + last - k]
            _add(line, weights[reach + k], before, padded[reach + first + k : reach + last + k])


@vectorised
def _set(total: Any, weight: Any, line: Any) -> None:
    for x in range(len(total)):
        total[x] = weight * line[x]


@vectorised
def _add(total: Any, weight: Any, line: Any, other: Any) -> None:
    for x in range(len(total)):
        total[x] += weight * (line[x] + other[x])


@compiled
def _blur_disc(rows: Any, y: Any, height: Any, chords: Any, result: Any) -> None:
    """Mean over a disc, from running sums along each row it touches; then the square root of the light."""
    turns, channels, width = rows.shape
    reach = len(chords) // 2
    pad = reach + 2
    sums = np.empty(width + 2 * pad + 1, dtype=np.float64)
    total = np.empty(width, dtype=np.float64)
    area = 0.0
    for k in range(len(chords)):
        area += 2 * chords[k]
    for i in range(channels):
        total[:] = 0
        for k in range(len(chords)):
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
    _unsquare(result, channels == 4)


@compiled
def _unsquare(result: Any, masked: Any) -> None:
    """Take the root of blurred squares; of those under a mask, as much of it as the mask lets through."""
    for i in range(3):
        for x in range(result.shape[1]):
            value = max(result[i, x], _ZERO)
            result[i, x] = math.sqrt(value * result[3, x]) if masked else math.sqrt(value)
