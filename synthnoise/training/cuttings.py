"""Many small scenes cut from few large images, which cost less to draw than as many small ones.

Also the law differs: an image model that knows large and small things shows few large ones on an image
as small as a pair.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.protocols import ImageModel
from synthnoise.rng import Rng, Stream

RESERVOIR = 32
"""Images that a cut is taken from, one of them at random: what makes a batch varied."""

TOGETHER = 8
"""Images drawn at a time."""


@dataclass(kw_only=True, eq=False)
class Cuttings:
    """Cut i is of image ``floor(i / cuts) + k``, k below ``RESERVOIR``, k and place drawn from (seed, i).

    So a cut depends on (images, options, seed, i) alone, whichever was drawn before; images that later cuts
    may need are kept.

    Attributes
    ----------
    images
        The image model.
    scene
        Height and width of its images; None draws each cut as an image of its own.
    size
        Height and width of a cut.
    cuts
        Taken from each image, in the mean.
    seed, device
        Of the random numbers.

    Raises
    ------
    UsageError
        The images are smaller than a cut.
    """

    images: ImageModel
    scene: int | None
    size: tuple[int, int]
    cuts: int
    seed: int
    device: torch.device
    _drawn: dict[int, Tensor] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.scene is not None and self.scene < max(self.size):
            raise UsageError(
                f"images of {self.scene} pixels are smaller than pairs of {max(self.size)}",
                hint="larger images, or smaller crops",
            )

    def draw(self, first: int, count: int) -> Tensor:
        """Return cuts ``first`` to ``first + count - 1``, [count, 3, H, W], linear light in [0, 1]."""
        return self.numbered(torch.arange(first, first + count))

    def numbered(self, numbers: Tensor) -> Tensor:
        """Return the cuts of these numbers, ascending int64 [B]: [B, 3, H, W]."""
        rng = Rng(self.seed, numbers, self.device)
        if self.scene is None:
            return self.images.generate(self.size, rng)
        height, width = self.size
        reservoir = RESERVOIR if self.cuts > 1 else 1
        chosen = (rng.indices // self.cuts + rng.integers(Stream.ORDER, (1,), 0, reservoir)[:, 0]).tolist()
        places = rng.uniform(Stream.CUT, (2,))
        room = places.new_tensor([self.scene - height + 1, self.scene - width + 1])
        corners = (places * room).floor().long().tolist()
        for number in [n for n in self._drawn if n < int(numbers[0]) // self.cuts]:
            del self._drawn[number]
        self._draw_images(sorted(set(chosen) - self._drawn.keys()), self.scene)
        return torch.stack(
            [
                self._drawn[number][:, top : top + height, left : left + width]
                for number, (top, left) in zip(chosen, corners, strict=True)
            ]
        )

    def _draw_images(self, missing: list[int], edge: int) -> None:
        """Draw images, float32 [3, edge, edge], and keep them: as many at a time as a GPU has work for."""
        for first in range(0, len(missing), TOGETHER):
            group = missing[first : first + TOGETHER]
            images = self.images.generate((edge, edge), Rng(self.seed, torch.tensor(group), self.device))
            # Each by itself: a part of a batch would keep all of it.
            self._drawn |= {number: image.clone() for number, image in zip(group, images, strict=True)}
