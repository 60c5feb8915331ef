"""Random fields by filtering white noise that has addresses, so that any tile is a part of the whole.

On the CPU compiled loops add the same products in the same order whatever the tile, so that tiles agree
to the last bit; on other devices convolutions of torch do, to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthnoise.kernels import compiled
from synthnoise.noise.spectral_design import Z_LIMIT, Z_STEPS
from synthnoise.rng import Rng


def filtered_planes(rng: Rng, stream: int, taps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return normal noise float32 [B, C, H, W]: white planes through a filter [C, C, k, k]."""
    planes, reach = taps.shape[0], taps.shape[2] // 2
    height, width = size
    padded = (planes, height + 2 * reach, width + 2 * reach)
    white = rng.cropped(-reach, -reach).normal(stream, padded)
    if not reach and torch.equal(taps[..., 0, 0], torch.eye(planes)):
        return white
    if white.device.type != "cpu":
        return torch.nn.functional.conv2d(white, taps.to(white))
    result = torch.empty((len(white), planes, *size))
    place = torch.nonzero(taps)
    _filter_planes(
        result.numpy(), white.numpy(), place.numpy().astype(np.int64), taps[tuple(place.T)].numpy()
    )
    return result


def filtered_lines(rng: Rng, stream: int, taps: Tensor, count: int, *, start: int) -> Tensor:
    """Return normal noise float32 [B, K, count] of lines from ``start`` on: white through [K, K, taps]."""
    channels, reach = taps.shape[0], taps.shape[2] // 2
    placed = Rng(rng.seed, rng.indices, rng.device, (start - reach, 0))
    white = placed.normal(stream, (channels, count + 2 * reach, 1))[..., 0].contiguous()
    if white.device.type != "cpu":
        return torch.nn.functional.conv1d(white, taps.to(white))
    result = torch.zeros((len(white), channels, count))
    _filter_lines(result.numpy(), white.numpy(), taps.numpy())
    return result


def mapped(noise: Tensor, table: Tensor) -> Tensor:
    """Return maps [C, 193] of standard normal noise [B, C, H, W], linear between their points; in place."""
    if noise.device.type == "cpu":
        _map(noise.numpy(), table.numpy())
        return noise
    place = ((noise + Z_LIMIT) * Z_STEPS).clamp_(0, table.shape[1] - 1)
    lower = place.long().clamp_(max=table.shape[1] - 2)
    planes = table.to(noise.device)
    first = torch.arange(len(planes), device=noise.device).view(-1, 1, 1) * table.shape[1]
    low, high = (planes.flatten()[lower + first + step] for step in (0, 1))
    return low + (place - lower) * (high - low)


@compiled
def _filter_planes(result: Any, white: Any, places: Any, weights: Any) -> None:
    """Fill ``result`` [B, C, H, W]: sums of taps at (plane, input plane, row, column) over ``white``."""
    batch, planes, height, width = result.shape
    for b in range(batch):
        for y in range(height):
            for c in range(planes):
                line = result[b, c, y]
                line[:] = 0
                for t in range(len(weights)):
                    if places[t, 0] == c:
                        left, weight = places[t, 3], weights[t]
                        source = white[b, places[t, 1], y + places[t, 2]]
                        for x in range(width):
                            line[x] += weight * source[x + left]


@compiled
def _filter_lines(result: Any, white: Any, taps: Any) -> None:
    """Add to ``result`` [B, K, n] the sums of taps [K, K, m] over ``white`` [B, K, n + m - 1]."""
    batch, channels, count = result.shape
    for b in range(batch):
        for k in range(channels):
            for source in range(channels):
                for i in range(taps.shape[2]):
                    weight = taps[k, source, i]
                    if weight != 0:
                        for y in range(count):
                            result[b, k, y] += weight * white[b, source, y + i]


@compiled
def _map(noise: Any, table: Any) -> None:
    """Replace ``noise`` [B, C, H, W] by its map."""
    batch, planes, height, width = noise.shape
    last = table.shape[1] - 1
    steps, limit = np.float32(Z_STEPS), np.float32(Z_LIMIT)
    for b in range(batch):
        for c in range(planes):
            points = table[c]
            for y in range(height):
                line = noise[b, c, y]
                for x in range(width):
                    place = (line[x] + limit) * steps
                    place = min(max(place, np.float32(0)), np.float32(last))
                    lower = min(int(place), last - 1)
                    low = points[lower]
                    line[x] = low + (place - np.float32(lower)) * (points[lower + 1] - low)
