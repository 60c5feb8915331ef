"""Three layers of a batch become images: blur, fusion, reduction; see ``vibrant_leaves.depth``."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor
from torch.nn import functional

from synthnoise.images.colours import decode_srgb
from synthnoise.images.vibrant_leaves.depth import BARE, GAUSSIAN_REACH, NEGLIGIBLE
from synthnoise.images.vibrant_leaves.leaf_law import LONGEST_BLUR
from synthnoise.images.vibrant_leaves.settings import Blur
from synthnoise.images.vibrant_leaves.table import BACKGROUND, FOREGROUND, MIDDLE
from synthnoise.images.vibrant_leaves.torch_engine.shading import Shading

LENS_REACH = math.ceil(LONGEST_BLUR["lens"])
"""Half the side of the largest disc."""


def fused_images(labels: Tensor, shading: Shading, blur: Blur, amount: Tensor, reduction: int) -> Tensor:
    """Return images float32 [B, 3, h, w], linear light.

    Parameters
    ----------
    labels
        int32 [B, 3, H, W] of foreground, middle and background; -1: no leaf.
    amount
        float32 [B]: sigma of a Gaussian, or radius of a disc, canvas pixels.
    """
    reach = {"off": 0, "gaussian": GAUSSIAN_REACH, "lens": LENS_REACH}[blur]
    front, middle, back = labels[:, FOREGROUND], labels[:, MIDDLE], labels[:, BACKGROUND]
    needed = _reached(middle < 0, reach)
    far = _light(torch.where(needed, back, -1), shading, float(BARE), 3)
    near = _light(front, shading, 0.0, 4)
    near[..., 3] = (front >= 0).float()
    sharp = _light(middle, shading, 0.0, 3)
    return fused_lights(far, sharp, near, middle >= 0, blur, amount, reduction)


def fused_lights(
    far: Tensor, middle: Tensor, near: Tensor, covers: Tensor, blur: Blur, amount: Tensor, reduction: int
) -> Tensor:
    """Return images float32 [B, 3, h, w], linear light, of layers in sRGB.

    Parameters
    ----------
    far, middle
        float32 [B, H, W, 3].
    near
        float32 [B, H, W, 4], colour times mask, and mask.
    covers
        bool [B, H, W], where the middle is.
    amount
        As for :func:`fused_images`.
    """
    if blur == "lens":
        behind, before = _disc(far, amount, masked=False), _disc(near, amount, masked=True)
    else:
        weights = gaussian_weights(amount, GAUSSIAN_REACH)
        behind, before = _gaussian(far, weights), _gaussian(near, weights)
    fused = torch.where(covers.unsqueeze(-1), middle, behind)
    fused = fused * (1 - before[..., 3:]) + before[..., :3]
    # Term by term, not a mean over axes: so rounding knows no batch.
    steps = range(reduction)
    total = torch.zeros_like(fused[:, ::reduction, ::reduction])
    for row, column in itertools.product(steps, steps):
        total += fused[:, row::reduction, column::reduction]
    mean = (total / reduction**2).clamp(0, 1)
    return decode_srgb(mean).permute(0, 3, 1, 2).contiguous()


def _reached(mask: Tensor, reach: int) -> Tensor:
    """Return which pixels of [B, H, W] a blur takes to pixels of the mask."""
    grown = functional.max_pool2d(mask.float()[:, None], 2 * reach + 1, stride=1, padding=reach)
    return grown[:, 0] > 0


def _light(labels: Tensor, shading: Shading, bare: float, channels: int) -> Tensor:
    """Return sRGB float32 [B, H, W, channels] of labels; ``bare`` where there is no leaf."""
    batch, height, width = labels.shape
    light = torch.full((batch * height * width, channels), bare, device=labels.device)
    for part in torch.split((labels.flatten() >= 0).nonzero()[:, 0], 1 << 23):
        image, within = part // (height * width), part % (height * width)
        leaf = labels.flatten()[part] + image * (len(shading.slots) // batch)
        light[part, :3] = shading.colours(leaf, within // width, within % width)
    return light.view(batch, height, width, channels)


def gaussian_weights(sigma: Tensor, reach: int) -> Tensor:
    """Return float32 [B, 2 reach + 1]; those of ``depth.kernel``, zero beyond its ends."""
    offsets = torch.arange(-reach, reach + 1, device=sigma.device).double()
    wide = sigma.double()[:, None]
    weights = torch.exp(-0.5 * (offsets / wide.clamp(min=0.1)) ** 2)
    weights = torch.where(weights > NEGLIGIBLE, weights, 0.0)
    weights = torch.where(wide < 0.1, (offsets == 0).double(), weights)
    return (weights / weights.sum(-1, keepdim=True)).float()


def mirrored(length: int, reach: int, device: torch.device) -> Tensor:
    """Return the places -reach .. length + reach - 1 mirrored about the outermost pixels, int64."""
    place = torch.arange(-reach, length + reach, device=device).abs() % max(2 * length - 2, 1)
    return torch.minimum(place, 2 * length - 2 - place) if length > 1 else torch.zeros_like(place)


def _gaussian(light: Tensor, weights: Tensor) -> Tensor:
    """Blur [B, H, W, C] by the images' own weights [B, k]."""
    reach = weights.shape[1] // 2
    for axis in (1, 2):
        length = light.shape[axis]
        padded = light.index_select(axis, mirrored(length, reach, light.device))
        light = torch.zeros_like(light)
        for place in range(2 * reach + 1):
            light.addcmul_(padded.narrow(axis, place, length), weights[:, place].view(-1, 1, 1, 1))
    return light


def _disc(light: Tensor, radius: Tensor, *, masked: bool) -> Tensor:
    """Return the root of the mean square over a disc; under a mask, as much of it as that lets through."""
    batch, height, width, channels = light.shape
    squares = light.clone()
    squares[..., :3] *= light[..., :3]
    for axis, length in ((1, height), (2, width)):
        squares = squares.index_select(axis, mirrored(length, LENS_REACH, light.device))
    planes = squares.permute(0, 3, 1, 2).reshape(1, batch * channels, *squares.shape[1:3])
    discs = disc_weights(radius).repeat_interleave(channels, 0)[:, None]
    # Not the vendor's convolution: it may compute in fewer bits.
    with torch.backends.cudnn.flags(enabled=False):
        means = functional.conv2d(planes, discs, groups=batch * channels)
    means = means.view(batch, channels, height, width).permute(0, 2, 3, 1)
    colour = means[..., :3].clamp(min=0)
    if not masked:
        return colour.sqrt()
    return torch.cat([(colour * means[..., 3:]).sqrt(), means[..., 3:]], -1)


def disc_weights(radius: Tensor) -> Tensor:
    """Return float32 [B, k, k], sums 1: discs whose chords end between pixels, as ``depth`` blurs by."""
    offsets = torch.arange(-LENS_REACH, LENS_REACH + 1, device=radius.device).double()
    wide = radius.double().clamp(min=0.5)[:, None]
    reach = wide.ceil() - 1
    chords = (wide**2 - offsets**2).clamp(min=0).sqrt()
    chords = torch.where(offsets.abs() <= reach, chords, 0.0)[..., None]
    weights = torch.minimum((chords + 0.5 - offsets.abs()).clamp(0, 1), 2 * chords)
    # A disc of one row is no blur.
    sharp = ((offsets[:, None] == 0) & (offsets == 0)).double()
    weights = torch.where((reach == 0)[..., None] | (radius == 0)[:, None, None], sharp, weights)
    return (weights / weights.sum((1, 2), keepdim=True)).float()
