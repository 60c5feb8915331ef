"""Pairs of several cameras: which one shoots a sample, its number says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from synthnoise.colour_filter_arrays import Cfa
from synthnoise.errors import UsageError
from synthnoise.rng import Rng, Stream
from synthnoise.stream.pairs import Pair, PairCamera


@dataclass(frozen=True, kw_only=True, eq=False)
class SeveralCameras:
    """Shoots as :class:`PairCamera`, every sample with one camera of several, all of them equally likely.

    Sample i depends on (seed, i) and its scene alone. With a single camera the samples are that camera's own.

    Raises
    ------
    UsageError
        There is none, or their colour filter arrays differ: their planes would not be of one kind.
    """

    cameras: tuple[PairCamera, ...]

    def __post_init__(self) -> None:
        if len(found := {camera.cfa for camera in self.cameras}) != 1:
            raise UsageError(
                f"{len(self.cameras)} cameras of {len(found)} different colour filter arrays",
                hint="one network for each kind of mosaic",
            )

    @property
    def cfa(self) -> Cfa | None:
        """Colour filter array of all of them; None for rendered images."""
        return self.cameras[0].cfa

    def shoot(self, scenes: Tensor, rng: Rng) -> Pair:
        """Return the pairs of scenes float32 [B, 3, H, W], linear light, named by ``rng.indices``."""
        return self._each(scenes, rng, PairCamera.shoot)

    def expose(self, clean: Tensor, rng: Rng) -> Pair:
        """Return the pairs of noise-free samples [B, C, H, W], named by ``rng.indices``."""
        return self._each(clean, rng, PairCamera.expose)

    def _each(self, images: Tensor, rng: Rng, shoot: Callable[[PairCamera, Tensor, Rng], Pair]) -> Pair:
        """Return the pairs of images [B, ...], each shot by the camera that is drawn for it."""
        if len(self.cameras) == 1:
            return shoot(self.cameras[0], images, rng)
        places, pairs = zip(
            *((at, shoot(camera, images[at], rng.at(rng.indices[at]))) for camera, at in self._drawn(rng)),
            strict=True,
        )
        order = torch.cat(places).argsort()
        fields = (field.name for field in dataclasses.fields(Pair))
        return Pair(**{name: torch.cat([getattr(pair, name) for pair in pairs])[order] for name in fields})

    def _drawn(self, rng: Rng) -> Iterator[tuple[PairCamera, Tensor]]:
        """Yield the cameras of a batch, and which samples each shoots, int64 [n]."""
        chosen = rng.integers(Stream.CAMERA, (1,), 0, len(self.cameras)).flatten()
        for number in sorted(set(chosen.tolist())):
            yield self.cameras[number], (chosen == number).nonzero().flatten()
