"""Colours of the pixels that are seen: of a band of rows at a time, one leaf after the other.

All of s_RGB in [0, 1]. A leaf's runs in the band are gathered and coloured together: the loops are long
enough for vector lanes, and what is known of the leaf is fetched once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.approximations import logistic
from synthnoise.images.vibrant_leaves.coefficients import COLOUR_1, COLOUR_2, MATRIX_A, MATRIX_B
from synthnoise.images.vibrant_leaves.fields import colour_between, colour_upright, copy_words, read_corners
from synthnoise.images.vibrant_leaves.lab import lab_of, rgb_of
from synthnoise.images.vibrant_leaves.maps import fill_map
from synthnoise.images.vibrant_leaves.table import FLAT, GRADIENT, MIX, NOISE, WAVES
from synthnoise.kernels import vectorised

BAND = 16
"""Rows that are coloured together."""

_BATCH = 1024
"""Most pixels of a leaf that are coloured together."""

_ROW, _FIRST, _COUNT, _NEXT = range(4)
_NONE = -1
_U, _V, _PART = range(3)
_SPARE, _RGB, _SECOND = slice(3, 7), slice(7, 10), slice(10, 13)
_ONE = np.float32(1)


@vectorised
def new_desk(leaves: Any, width: Any) -> Any:
    """Return room to work in for :func:`shade`: for pixels of one leaf, their words, runs and leaves."""
    pixels = np.empty((13, _BATCH), dtype=np.float32)
    words = np.empty((4, _BATCH), dtype=np.int32)
    runs = np.empty((BAND * width, 4), dtype=np.int32)
    heads = np.full(leaves, _NONE, dtype=np.int32)
    found = np.empty(leaves, dtype=np.int32)
    return pixels, words, runs, heads, found


@vectorised
def shade_layer(labels: Any, looks: Any, bare: Any, rows: Any) -> None:
    """Colour a whole layer: labels int32 [H, W], ``rows`` float32 [H, 3, W]; see :func:`shade`."""
    height, width = labels.shape
    desk = new_desk(len(looks[0]), width)
    for top in range(0, height, BAND):
        shade(labels[top : top + BAND], top, looks, bare, desk, rows[top : top + BAND])


@vectorised
def shade(labels: Any, top: Any, looks: Any, bare: Any, desk: Any, rows: Any) -> None:
    """Colour at most ``BAND`` rows of labels int32 [n, W], the first of them row ``top`` of the canvas.

    Where there is no leaf all channels are ``bare``. ``looks`` holds the slots and starts of
    ``coefficients.prepare``, the atlas and the warp of ``textures``, and whether waves are those of
    2025; ``desk`` comes from :func:`new_desk`; the first three channels of ``rows``, float32
    [n, 3 or 4, W], are written.
    """
    slots, starts, atlas, warp, classic = looks
    pixels, words, runs, heads, found = desk
    count = _find_runs(labels, bare, runs, heads, found, rows)
    for i in range(count):
        k = found[i]
        slot = slots[k]
        run = heads[k]
        heads[k] = _NONE
        while run >= 0:
            if slot[c.FILL] == FLAT:
                run = _fill_flat(slot, runs, run, rows)
                continue
            end, total = _next_batch(runs, run)
            _shade_batch(slot, starts[k], atlas, warp, classic, runs, run, total, top, pixels, words)
            run = _hand_out(pixels[_RGB], runs, run, end, rows)


@vectorised
def _find_runs(labels: Any, bare: Any, runs: Any, heads: Any, found: Any, rows: Any) -> Any:
    """Chain up the runs of each leaf, shorter than a batch; return how many leaves there are.

    ``heads`` holds each leaf's last run, ``found`` the leaves.
    """
    height, width = labels.shape
    count, leaves = 0, 0
    for row in range(height):
        line = labels[row]
        first = 0
        while first < width:
            k = line[first]
            last, end = first + 1, min(first + _BATCH, width)
            while last < end and line[last] == k:
                last += 1
            if k < 0:
                for i in range(3):
                    rows[row, i, first:last] = bare
            else:
                if heads[k] < 0:
                    found[leaves] = k
                    leaves += 1
                runs[count, _ROW], runs[count, _FIRST] = row, first
                runs[count, _COUNT], runs[count, _NEXT] = last - first, heads[k]
                heads[k] = count
                count += 1
            first = last
    return leaves


@vectorised
def _next_batch(runs: Any, run: Any) -> Any:
    """Return the first run that no longer fits into a batch from ``run`` on, and the batch's pixels."""
    total = 0
    while run >= 0 and total + runs[run, _COUNT] <= _BATCH:
        total += runs[run, _COUNT]
        run = runs[run, _NEXT]
    return run, total


@vectorised
def _fill_flat(slot: Any, runs: Any, run: Any, rows: Any) -> Any:
    row, first, count = runs[run, _ROW], runs[run, _FIRST], runs[run, _COUNT]
    for i in range(3):
        rows[row, i, first : first + count] = slot[COLOUR_1 + i]
    return runs[run, _NEXT]


@vectorised
def _hand_out(rgb: Any, runs: Any, run: Any, end: Any, rows: Any) -> Any:
    """Write the colours of a batch, [3, n], where its runs are; return ``end``."""
    place = 0
    while run != end:
        row, first, count = runs[run, _ROW], runs[run, _FIRST], runs[run, _COUNT]
        for i in range(3):
            line, part = rows[row, i, first : first + count], rgb[i, place : place + count]
            for x in range(count):
                line[x] = part[x]
        place += count
        run = runs[run, _NEXT]
    return end


@vectorised
def _shade_batch(
    slot: Any,
    starts: Any,
    atlas: Any,
    warp: Any,
    classic: Any,
    runs: Any,
    run: Any,
    total: Any,
    top: Any,
    pixels: Any,
    words: Any,
) -> None:
    """Colour the ``total`` pixels of a batch that starts with a run."""
    fill = slot[c.FILL]
    u, v, part = pixels[_U, :total], pixels[_V, :total], pixels[_PART, :total]
    spare, rgb, second = pixels[_SPARE], pixels[_RGB], pixels[_SECOND]
    if fill == GRADIENT:
        _fill_ramp(slot, runs, run, top, part)
        _mix_colours(slot, part, rgb)
        return
    fields = atlas[int(slot[c.SIDE])]
    tilted = slot[c.TILT] > 0
    if fill != NOISE or tilted:
        _fill_places(slot, runs, run, top, u, v)
    for noise in range(0 if fill == WAVES else 2 if fill == MIX else 1):
        place, colour, matrix, target = c.PLACE_AY, COLOUR_1, MATRIX_A, rgb
        field, textured = fields[int(slot[c.SLOPE_A])], fill == NOISE or slot[c.TEXTURED_A] > 0
        if noise == 1:
            place, colour, matrix, target = c.PLACE_BY, COLOUR_2, MATRIX_B, second
            field, textured = fields[int(slot[c.SLOPE_B])], slot[c.TEXTURED_B] > 0
        if not textured:
            for i in range(3):
                target[i, :total] = slot[colour + i]
        elif tilted:
            _shade_tilted(slot, field, place, colour, matrix, u, v, words, spare, target)
        else:
            _copy_upright(slot, field, place, runs, run, top, words[0, :total])
            colour_upright(words[0, :total], slot, colour, matrix, target)
    if fill != NOISE:
        fill_map(slot, starts, warp, classic, u, v, words, spare, part)
    if fill == MIX:
        _mix_textures(part, second, rgb)
    elif fill == WAVES:
        _mix_colours(slot, part, rgb)


@vectorised
def _copy_upright(slot: Any, field: Any, place: Any, runs: Any, run: Any, top: Any, words: Any) -> None:
    """Fetch noise seen upright: mirrored or turned it has the same law, so it is read along its rows."""
    down, right = int(slot[place]) + top, int(slot[place + 1])
    first = 0
    while first < len(words):
        count = runs[run, _COUNT]
        copy_words(field, down + runs[run, _ROW], right + runs[run, _FIRST], words[first : first + count])
        first += count
        run = runs[run, _NEXT]


@vectorised
def _shade_tilted(
    slot: Any,
    field: Any,
    place: Any,
    colour: Any,
    matrix: Any,
    u: Any,
    v: Any,
    words: Any,
    spare: Any,
    rgb: Any,
) -> None:
    """Colour noise seen at an angle."""
    if slot[c.TURNED] > 0:
        u, v = v, u
    down, right, at_v, at_u = slot[place], slot[place + 1], spare[2, : len(u)], spare[3, : len(u)]
    for x in range(len(u)):
        at_v[x], at_u[x] = v[x] + down, u[x] + right
    read_corners(field, at_v, at_u, words, spare)
    colour_between(words, spare[0, : len(u)], spare[1, : len(u)], slot, colour, matrix, rgb)


@vectorised
def _fill_places(slot: Any, runs: Any, run: Any, top: Any, u: Any, v: Any) -> None:
    """Write where in the leaf's texture the pixels of a batch lie."""
    first = 0
    while first < len(u):
        y, x_0, count = np.float32(top + runs[run, _ROW]), runs[run, _FIRST], runs[run, _COUNT]
        u_0, v_0 = slot[c.U_0] + slot[c.U_Y] * y, slot[c.V_0] + slot[c.V_Y] * y
        for i in range(count):
            x = np.float32(x_0 + i)
            u[first + i], v[first + i] = u_0 + slot[c.U_X] * x, v_0 + slot[c.V_X] * x
        first += count
        run = runs[run, _NEXT]
    tilt = slot[c.TILT]
    if tilt > 0:
        for i in range(len(u)):
            shrink = _ONE / (_ONE + tilt * u[i])
            u[i] *= shrink
            v[i] *= shrink


@vectorised
def _fill_ramp(slot: Any, runs: Any, run: Any, top: Any, part: Any) -> None:
    """Write the share of the second colour along a part of a logistic curve."""
    first = 0
    while first < len(part):
        y, x_0, count = np.float32(top + runs[run, _ROW]), runs[run, _FIRST], runs[run, _COUNT]
        start = slot[c.RAMP_0] + slot[c.RAMP_Y] * y
        for i in range(count):
            part[first + i] = start + slot[c.RAMP_X] * np.float32(x_0 + i)
        first += count
        run = runs[run, _NEXT]
    gain, low, scale = slot[c.RAMP_GAIN], slot[c.RAMP_LOW], _ONE / slot[c.RAMP_HEIGHT]
    for i in range(len(part)):
        part[i] = (logistic(gain * (np.float32(12.1) * part[i] - np.float32(6))) - low) * scale


@vectorised
def _mix_colours(slot: Any, part: Any, rgb: Any) -> None:
    """Write s_RGB of places between the leaf's two colours in Lab."""
    light, a, b = slot[c.LAB_1], slot[c.LAB_1 + 1], slot[c.LAB_1 + 2]
    d_light, d_a, d_b = slot[c.LAB_2] - light, slot[c.LAB_2 + 1] - a, slot[c.LAB_2 + 2] - b
    red, green, blue = rgb[0], rgb[1], rgb[2]
    for x in range(len(part)):
        share = part[x]
        red[x], green[x], blue[x] = rgb_of(light + share * d_light, a + share * d_a, b + share * d_b)


@vectorised
def _mix_textures(part: Any, second: Any, rgb: Any) -> None:
    """Mix ``rgb`` and ``second``, both s_RGB [3, n], in Lab; ``part`` is the share of the second."""
    red, green, blue = rgb[0], rgb[1], rgb[2]
    red_2, green_2, blue_2 = second[0], second[1], second[2]
    for x in range(len(part)):
        share = part[x]
        light_1, a_1, b_1 = lab_of(red[x], green[x], blue[x])
        light_2, a_2, b_2 = lab_of(red_2[x], green_2[x], blue_2[x])
        red[x], green[x], blue[x] = rgb_of(
            light_1 + share * (light_2 - light_1), a_1 + share * (a_2 - a_1), b_1 + share * (b_2 - b_1)
        )
