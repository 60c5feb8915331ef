"""How far a network really sees: less far than its convolutions could, as hardly anything far has weight.

The reach is measured by cutting: what a network makes of the middle of an image is compared with what it
makes of the same middle with less and less around it. The border of a cut, where features end, is the
strongest impulse that a tile can get. The context that leaves the middle as it was is the halo of tiles.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.weights import FARTHEST_UNKNOWN, WeightsRecord

TOLERANCE = 1e-4
"""Largest difference between a tile and the whole, of the range from black to white ..."""
MARGIN = 4.0
"""... of which what was tried may use this part, as whole pictures hold more than what was tried."""

INNER = 64
"""Pixels along the edge of the middle, at least: it is a multiple of the network's ``multiple_of``."""
CONTRAST = 40.0
"""Range from black to white in standard deviations of stabilised noise, that of a high ISO; it is 1 where
noise is not stabilised."""


def measured(network: nn.Module, record: WeightsRecord) -> WeightsRecord:
    """Return the record with the halo that was measured, at most the one that it has.

    Where it has none, as networks of plugins need not know theirs, it is searched for up to
    ``FARTHEST_UNKNOWN``; a network that sees farther than that is taken to see the whole image.

    Parameters
    ----------
    network
        On the CPU.
    """
    if record.global_context:
        return record
    if record.halo:
        return dataclasses.replace(record, halo=measured_halo(network, record))
    tried = INNER // 4
    while tried <= FARTHEST_UNKNOWN:
        found = measured_halo(network, dataclasses.replace(record, halo=2 * tried))
        if found <= tried:
            return dataclasses.replace(record, halo=found)
        tried *= 2
    return dataclasses.replace(record, global_context=True)


@torch.inference_mode()
def measured_halo(network: nn.Module, record: WeightsRecord) -> int:
    """Return the pixels of context, a multiple of ``multiple_of``, with which tiles equal the whole.

    Tried at the least, the greatest and a middle noise level of the training; a step is added for what was
    not tried. Where that is no less than the record's halo, which is as far as the network can see at all,
    it is the record's.
    """
    step = max(record.multiple_of, 1)
    inner, most = (-(-pixels // step) * step for pixels in (INNER, record.halo))
    least, greatest = record.noise_range
    found = 0
    for number, sigma in enumerate(
        sorted({least, math.sqrt(least * greatest), greatest, *_stabilised(record)})
    ):
        image = _image(record, sigma, inner + 2 * most, number)
        level = torch.full_like(image[:, :1], sigma).expand(-1, max(record.sigma_planes, 1), -1, -1)
        whole = _run(network, image, level, most, inner)
        allowed = TOLERANCE / MARGIN * (CONTRAST if record.stabilised else 1.0)
        # The first context that is enough, by halves; all of the record's is.
        low, high = found // step, most // step
        while low < high:
            middle = (low + high) // 2
            part = _run(network, image, level, middle * step, inner)
            if float((part - whole).abs().max()) <= allowed:
                high = middle
            else:
                low = middle + 1
        found = low * step
    return min(found + step, record.halo)


def _stabilised(record: WeightsRecord) -> tuple[float, ...]:
    return (1.0,) if record.stabilised else ()


def _run(network: nn.Module, image: Tensor, level: Tensor, context: int, inner: int) -> Tensor:
    """Return the middle of the image, [1, C, inner, inner], seen with so much context."""
    start = (image.shape[-1] - inner) // 2 - context
    cut = slice(start, start + inner + 2 * context)
    denoised: Tensor = network(image[..., cut, cut].contiguous(), level[..., cut, cut].contiguous())
    kept = slice(context, context + inner)
    return denoised[..., kept, kept]


def _image(record: WeightsRecord, sigma: float, edge: int, seed: int) -> Tensor:
    """Return noisy blocks of three sizes and random levels, [1, C, edge, edge]."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, record.channels, edge, edge)
    for size in (5, 17, 61):
        cells = torch.rand(1, record.channels, -(-edge // size), -(-edge // size), generator=generator)
        image += functional.interpolate(cells, scale_factor=float(size))[..., :edge, :edge] / 3
    noise = torch.randn(image.shape, generator=generator)
    return image * (CONTRAST * sigma if record.stabilised else 1.0) + sigma * noise
