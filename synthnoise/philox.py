"""Philox4x32-10: four random 32-bit words from a counter and a key, the same ones on every device.

J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from synthnoise.kernels import compiled

if TYPE_CHECKING:
    from torch import Tensor

WORD = 0xFFFFFFFF
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)

Counter = tuple["Tensor", "Tensor", "Tensor", "Tensor"]
_GROUP = 8
"""Bits of the fourth counter word below the number of a group of four planes: the stream."""


def philox(counter: Counter, seed: int) -> Counter:
    """Return the four output words of every counter.

    ``counter`` holds int64 tensors in [0, 2**32) that broadcast against each other; so does the
    result. The low word of the 64-bit ``seed`` is the first word of the key.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = seed & WORD, seed >> 32 & WORD
    for _ in range(ROUNDS):
        # A product of two words needs 64 bits: it wraps into the sign, which the mask after the shift undoes.
        # The low halves are only ever xored, so what stands above them may wait for the next mask.
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c2 = ((p1 >> 32) ^ c1 ^ k0) & WORD, ((p0 >> 32) ^ c3 ^ k1) & WORD
        c1, c3 = p1, p0
        k0, k1 = (k0 + KEY_STEPS[0]) & WORD, (k1 + KEY_STEPS[1]) & WORD
    return c0, c1 & WORD, c2, c3 & WORD


def rectangle(
    seed: int, indices: Tensor, tags: Tensor, corner: tuple[int, int], size: tuple[int, int]
) -> Tensor:
    """Return the words of a rectangle of pixels, int64 [B, 4 G, H, W] in [0, 2**32).

    The counter is (column, row, low word of the index, tag).

    Parameters
    ----------
    indices
        int64 [B], low 32 bits of the image index; its device is the result's.
    tags
        int64 [B, G], fourth counter word of each group of four planes.
    corner
        (row, column) of the first pixel; negative ones wrap.
    size
        (H, W).
    """
    import torch

    if indices.device.type == "cpu":
        words = torch.empty((*tags.shape, 4, *size), dtype=torch.int64)
        key = np.uint64(seed & WORD), np.uint64(seed >> 32 & WORD)
        _fill(words.numpy(), indices.numpy(), tags.numpy(), *corner, *key)
    else:
        y = (torch.arange(size[0], device=indices.device) + corner[0]).view(-1, 1) & WORD
        x = (torch.arange(size[1], device=indices.device) + corner[1]) & WORD
        index, tag = indices.view(-1, 1, 1, 1), tags.unsqueeze(-1).unsqueeze(-1)
        words = torch.stack(philox((x, y, index, tag), seed), 2)
    return words.flatten(1, 2)


def uniforms(seed: int, stream: int, corner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return what :meth:`synthnoise.rng.Rng.uniform` draws for one plane of image 0, as an array [H, W]."""
    numbers = np.empty(size, np.float32)
    _fill_uniform(numbers, stream, *corner, np.uint64(seed & WORD), np.uint64(seed >> 32 & WORD))
    return numbers


def normals(seed: int, stream: int, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return what :meth:`synthnoise.rng.Rng.normal` draws for image 0, as an array [C, H, W]."""
    channels, *size = shape
    words = np.empty((1, -(-channels // 4), 4, *size), np.int64)
    tags = (np.arange(words.shape[1]) << _GROUP | stream)[None]
    _fill(words, np.zeros(1, np.int64), tags, 0, 0, np.uint64(seed & WORD), np.uint64(seed >> 32 & WORD))
    first, second = words[0, :, 0::2].reshape(-1, *size), words[0, :, 1::2].reshape(-1, *size)
    cell = np.float32(2.0**-32)
    radius = np.sqrt(np.maximum(-2 * np.log((first.astype(np.float32) + np.float32(0.5)) * cell), 0))
    angle = second.astype(np.float32) * (np.float32(2 * np.pi) * cell)
    pairs = np.stack((np.cos(angle) * radius, np.sin(angle) * radius), 1)
    numbers: NDArray[np.float32] = pairs.reshape(-1, *size)[:channels]
    return numbers


_M0, _M1, _STEP0, _STEP1, _WORD = (uint64(v) for v in (*MULTIPLIERS, *KEY_STEPS, WORD))
_HALF, _NINE = uint64(32), uint64(9)
_HALF_CELL, _CELL = np.float32(0.5), np.float32(2.0**-23)


@functools.partial(compiled, inline=True)
def _words(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return the four words of :func:`philox` for one counter and key, all uint64 of 32 bits."""
    for _ in range(ROUNDS):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c2 = (p1 >> _HALF) ^ c1 ^ k0, (p0 >> _HALF) ^ c3 ^ k1
        c1, c3 = p1 & _WORD, p0 & _WORD
        k0, k1 = (k0 + _STEP0) & _WORD, (k1 + _STEP1) & _WORD
    return c0, c1, c2, c3


@compiled
def _fill_uniform(numbers: Any, tag: Any, top: int, left: int, key0: Any, key1: Any) -> None:
    """Fill float32 [H, W] with the first word of :func:`philox` of each pixel, as numbers between 0 and 1."""
    rows, columns = numbers.shape
    for i in range(rows):
        row, out = uint64(top + i) & _WORD, numbers[i]
        for j in range(columns):
            c0, _, _, _ = _words(uint64(left + j) & _WORD, row, uint64(0), uint64(tag), key0, key1)
            out[j] = (np.float32(np.int32(c0 >> _NINE)) + _HALF_CELL) * _CELL


@compiled
def _fill(words: Any, indices: Any, tags: Any, top: int, left: int, key0: Any, key1: Any) -> None:
    """Fill ``words`` int64 [B, G, 4, H, W]: the words of :func:`philox` in one pass over the memory."""
    batch, groups, _, rows, columns = words.shape
    for b in range(batch):
        for g in range(groups):
            index, tag = uint64(indices[b]), uint64(tags[b, g])
            for i in range(rows):
                row = uint64(top + i) & _WORD
                # One slice per word lets the compiler see that stores do not overlap, and vectorise.
                out0, out1, out2, out3 = (
                    words[b, g, 0, i],
                    words[b, g, 1, i],
                    words[b, g, 2, i],
                    words[b, g, 3, i],
                )
                for j in range(columns):
                    out0[j], out1[j], out2[j], out3[j] = _words(
                        uint64(left + j) & _WORD, row, index, tag, key0, key1
                    )
