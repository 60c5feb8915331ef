"""X-Trans-DRU: a small DRUNet for X-Trans mosaics, whose noise has been made white.

The pixels of each of the 36 planes of a 6x6 repeat are six pixels apart, too far for fine detail. But the
repeat is four blocks of 3x3 pixels, two of which look like the others mirrored at their diagonal. Mirrored
back, all blocks are alike, and the mosaic becomes nine planes of one colour each with pixels three apart:
five of green on an even lattice, two of red and two of blue, whose places alternate like the fields of a
chessboard. A plane of that chessboard tells which; it is as strong as the noise, so that the network scales
with its input.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from synthnoise.colour_filter_arrays import X_TRANS_BLOCKS
from synthnoise.denoisers import drunet
from synthnoise.denoisers.convolutions import one_level

PLANES = 36
"""Of the 6x6 repeat, row by row."""
_BLOCKS = 2
"""Along the edge of the repeat."""
_BACK = tuple(X_TRANS_BLOCKS.index(plane) for plane in range(PLANES))


@dataclass(frozen=True, kw_only=True)
class Options(drunet.Options):
    """The shape of the network; the defaults have 0.63 million parameters."""

    channels: int = field(default=PLANES, metadata={"help": "image planes in and out", "range": (36, 36)})
    widths: tuple[int, ...] = field(
        default=(32, 48, 96), metadata={"help": "feature planes of each scale, finest first"}
    )
    blocks: int = field(
        default=2, metadata={"help": "residual blocks per scale and direction", "range": (1, 16)}
    )
    unshuffle: int = field(
        default=1, metadata={"help": "the blocks are those of the mosaic", "range": (1, 1)}
    )
    residual: bool = field(default=True, metadata={"help": "predict the noise instead of the image"})
    centred: bool = field(
        default=True, metadata={"help": "first kernels sum to zero: output shifts with input"}
    )


class XTransDRU(drunet.DRUNet):
    """A DRUNet on the nine planes of the blocks; see the module.

    Attributes are those of :class:`synthnoise.denoisers.drunet.DRUNet`, in pixels of the 36 planes.
    """

    def __init__(self, options: Options | None = None) -> None:
        whole = options or Options()
        super().__init__(dataclasses.replace(whole, channels=PLANES // _BLOCKS**2), maps=2)
        self.options, self.channels = whole, whole.channels
        self.multiple_of = max(self.multiple_of // _BLOCKS, 1)
        self.halo = -(-self.halo // _BLOCKS)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised planes, [B, 36, H, W] in the unit of ``noisy``.

        Parameters
        ----------
        noisy
            float32 [B, 36, H, W], height and width multiples of ``multiple_of``: the positions of
            :data:`synthnoise.colour_filter_arrays.X_TRANS`.
        sigma
            Standard deviation of the noise per pixel in the unit of ``noisy``, [B, 1 or 36, H, W].
        """
        level = one_level(sigma)
        maps = (torch.cat((level, level, level, level), 1), torch.cat((level, -level, -level, level), 1))
        found = self.found(
            functional.pixel_shuffle(_picked(noisy, X_TRANS_BLOCKS), _BLOCKS),
            functional.pixel_shuffle(torch.cat(maps, 1), _BLOCKS),
        )
        found = _picked(functional.pixel_unshuffle(found, _BLOCKS), _BACK)
        return noisy - found if self.options.residual else found


def _picked(planes: Tensor, order: Sequence[int]) -> Tensor:
    """Return planes [B, C, H, W] in another order."""
    each = torch.split(planes, 1, 1)
    return torch.cat([each[plane] for plane in order], 1)


def build(options: Options | None = None) -> XTransDRU:
    """Return the network."""
    return XTransDRU(options)
