"""Random numbers by address: image, stream and pixel name each one, so it depends on no other draw.

Batch size, tile, order, worker and resume do not change a sample, and no global state is touched.
On one kind of device the numbers are the same bytes; between kinds the random words are the same
and what is computed from them agrees to rounding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.philox import rectangle
from synthnoise.poisson import poisson_counts, uniform_double
from synthnoise.random_streams import Stream as Stream

Shape = tuple[int, ...]

_INDEX_BITS, _GROUP_BITS, _STREAM_BITS = 44, 12, 8


@dataclass(frozen=True, eq=False)
class Rng:
    """The random numbers of a batch of images.

    Every method takes a stream and the shape of one image's numbers and returns ``[B, *shape]``
    on ``device``. Shapes are

    - ``(C, H, W)``, planes of pixels: a number belongs to a plane and a position counted from
      ``origin``, so what is drawn for a crop is the crop of what is drawn for the whole, and
      three planes are the first three of four;
    - ``(n,)`` or ``(n, k)``, tables: ``origin`` plays no part, and the first rows of a longer
      table are the shorter one.

    Attributes
    ----------
    seed
        Key of the generator, 0 to 2**64 - 1.
    indices
        int64 [B], number of each image, 0 to 2**44 - 1.
    device
        Where the numbers are made; ``indices`` are moved there.
    origin
        (row, column) of the first pixel in its image.

    Raises
    ------
    UsageError
        The seed or an index is out of range.
    """

    seed: int
    indices: Tensor
    device: torch.device | str = "cpu"
    origin: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 64:
            raise UsageError(
                f"seed {self.seed} is out of range", hint="use a whole number from 0 to 2**64 - 1"
            )
        indices = self.indices.to(torch.int64).reshape(-1)
        # Those on a GPU came through here before, and to ask for them is to wait for it.
        if (
            indices.device.type == "cpu"
            and indices.numel()
            and not 0 <= int(indices.min()) <= int(indices.max()) < 1 << _INDEX_BITS
        ):
            raise UsageError(
                "an image number is out of range", hint=f"use whole numbers from 0 to 2**{_INDEX_BITS} - 1"
            )
        object.__setattr__(self, "device", torch.device(self.device))
        object.__setattr__(self, "indices", indices.to(self.device))

    def at(self, indices: Tensor) -> Rng:
        """Return the generator of other images."""
        return dataclasses.replace(self, indices=indices)

    def cropped(self, y: int, x: int) -> Rng:
        """Return the generator of the crop whose first pixel is (y, x) of this one."""
        return dataclasses.replace(self, origin=(self.origin[0] + y, self.origin[1] + x))

    def bits(self, stream: int, shape: Shape) -> Tensor:
        """Return random words: int64 in [0, 2**32)."""
        return self._draw(stream, shape, torch.int64, lambda words: words)

    def uniform(self, stream: int, shape: Shape, *, double: bool = False) -> Tensor:
        """Return uniform numbers in the open interval (0, 1).

        float32 on the centres of 2**23 cells, or with ``double`` float64 on the centres of 2**52
        cells, from two words each.
        """
        if double:
            return self._draw(stream, shape, torch.float64, uniform_double, words_each=2)
        return self._draw(stream, shape, torch.float32, lambda words: ((words >> 9).float() + 0.5) * 2.0**-23)

    def normal(self, stream: int, shape: Shape) -> Tensor:
        """Return standard normal float32, up to 6.8 standard deviations, by the Box-Muller transform."""
        return self._draw(stream, shape, torch.float32, _box_muller)

    def integers(self, stream: int, shape: Shape, low: int, high: int) -> Tensor:
        """Return whole numbers int64 in [low, high), high - low at most 2**31.

        Each is equally likely to within (high - low) / 2**32.
        """
        if not 0 < high - low <= 1 << 31:
            raise ValueError(f"no numbers between {low} and {high}, or too many")
        return low + (self.bits(stream, shape) * (high - low) >> 32)

    def poisson(self, stream: int, rate: Tensor) -> Tensor:
        """Return Poisson counts with the rates [B, C, H, W], in their dtype (float32 or float64).

        One 52-bit uniform per pixel goes through the inverse of the distribution function, so a
        change of one rate changes one count. Rates below zero count as zero. See
        :func:`synthnoise.poisson.poisson_quantile`.
        """
        counts = torch.empty_like(rate)
        batch, channels, height, width = rate.shape
        words = self._words(stream, 2 * channels)
        for top, rows in self._bands(batch * channels, height, width):
            part = slice(top, top + rows)
            counts[:, :, part] = poisson_counts(words(top, (rows, width)), rate[:, :, part])
        return counts

    def _draw(
        self,
        stream: int,
        shape: Shape,
        dtype: torch.dtype,
        number: Callable[[Tensor], Tensor],
        words_each: int = 1,
    ) -> Tensor:
        """Return numbers made from planes of words, in bands so that the words never need much memory."""
        if len(shape) != 3:
            return self._draw_table(stream, shape, dtype, number, words_each)
        channels, height, width = shape
        numbers = torch.empty((len(self.indices), *shape), dtype=dtype, device=self.device)
        # Whole groups of four words, so that a pair of planes always shares its pair of words.
        needed = -(-channels * words_each // 4) * 4
        words = self._words(stream, needed)
        for top, rows in self._bands(len(self.indices) * needed, height, width):
            numbers[:, :, top : top + rows] = number(words(top, (rows, width)))[:, :channels]
        return numbers

    def _draw_table(
        self,
        stream: int,
        shape: Shape,
        dtype: torch.dtype,
        number: Callable[[Tensor], Tensor],
        words_each: int,
    ) -> Tensor:
        """Return a table: entries of a row are planes of one pixel, four entries of a list likewise."""
        if len(shape) not in (1, 2):
            raise ValueError(f"shape must be (C, H, W), (n,) or (n, k), not {shape}")
        count, width = (-(-shape[0] // 4), 4) if len(shape) == 1 else shape
        placed = dataclasses.replace(self, origin=(0, 0))
        planes = placed._draw(stream, (width, 1, count), dtype, number, words_each)
        table = planes[:, :, 0].transpose(1, 2)
        return table.flatten(1)[:, : shape[0]].clone() if len(shape) == 1 else table.contiguous()

    def _words(self, stream: int, planes: int) -> Callable[[int, tuple[int, int]], Tensor]:
        """Return the function from first row and size (H, W) to words int64 [B, planes, H, W]."""
        groups = -(-planes // 4)
        if not (0 <= stream < 1 << _STREAM_BITS and groups <= 1 << _GROUP_BITS):
            raise ValueError(f"stream {stream} or number of planes {planes} is out of range")
        group = torch.arange(groups, device=self.device) << _STREAM_BITS
        high = self.indices >> 32 << (_STREAM_BITS + _GROUP_BITS)
        tags, low = high[:, None] | group | int(stream), self.indices & 0xFFFFFFFF

        def words(top: int, size: tuple[int, int]) -> Tensor:
            corner = self.origin[0] + top, self.origin[1]
            return rectangle(self.seed, low, tags, corner, size)[:, :planes]

        return words

    def _bands(self, planes: int, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Yield (top, rows) of bands that fit the processor's cache, or are large enough for a GPU."""
        budget = 1 << (16 if torch.device(self.device).type == "cpu" else 25)
        rows = max(1, budget // max(1, planes * width))
        for top in range(0, height, rows):
            yield top, min(rows, height - top)


def _box_muller(words: Tensor) -> Tensor:
    """Return standard normals from pairs of planes of words: radius from the first, angle from the second."""
    radius = ((words[:, 0::2].float() + 0.5) * 2.0**-32).log_().mul_(-2).clamp_(min=0).sqrt_()
    angle = words[:, 1::2].float() * (2 * torch.pi * 2.0**-32)
    pair = torch.stack((angle.cos().mul_(radius), angle.sin().mul_(radius)), 2)
    return pair.flatten(1, 2)
