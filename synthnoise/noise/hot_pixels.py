"""Pixels that leak: those of one specimen where they are, or others like them at random places."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile, IsoNoise

CELL = 64
"""Packed pixels each way of the cells that hot pixels are dealt to."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HotPixels:
    """The hot pixels of a camera. What they leak in the mean is taken out of all pixels.

    Attributes
    ----------
    rate
        float32 [C], expected number per pixel of those at random places.
    quantiles
        float32 [n], their amplitudes at equal steps of probability, white = 1.
    places
        int64 [m, 3], plane, row and column of those that are known, by rising row.
    amplitudes
        float32 [m], white = 1.
    share
        float32 [C], known ones per pixel of the sensor.
    """

    rate: Tensor
    quantiles: Tensor
    places: Tensor
    amplitudes: Tensor
    share: Tensor

    @property
    def mean(self) -> Tensor:
        """Mean [C] over all pixels, white = 1."""
        return self._moment(1)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance [C], white = 1."""
        return np.asarray((self._moment(2) - self._moment(1) ** 2).numpy())

    def _moment(self, order: int) -> Tensor:
        """Return the mean power [C] over all pixels; quantiles are joined by straight lines."""
        q = self.quantiles.double()
        low, high = q[:-1], q[1:]
        drawn = ((low + high) / 2 if order == 1 else (low * low + low * high + high * high) / 3).mean()
        known = torch.zeros(len(self.rate), dtype=torch.float64)
        count = torch.zeros_like(known)
        known.index_add_(0, self.places[:, 0], self.amplitudes.double() ** order)
        count.index_add_(0, self.places[:, 0], torch.ones_like(self.amplitudes, dtype=torch.float64))
        return self.rate.double() * drawn + self.share.double() * known / count.clamp(min=1)

    def add_to(self, noisy: Tensor, shot: Tensor, specimen: Rng, frame: Rng) -> None:
        """Add them to planes [B, C, H, W], in place.

        Parameters
        ----------
        shot
            S [C, 1, 1], white = 1: what leaks is electrons, and has their shot noise.
        specimen, frame
            Random numbers of places and amplitudes, and of what differs from frame to frame.
        """
        noisy -= self.mean.to(noisy).view(-1, 1, 1)
        shot = shot.flatten().to(noisy)
        self._add_known(noisy, shot, frame)
        if bool((self.rate > 0).any()):
            self._add_drawn(noisy, shot, specimen, frame)

    def _add_known(self, noisy: Tensor, shot: Tensor, frame: Rng) -> None:
        if not len(self.places):
            return
        (top, left), (height, width) = frame.origin, noisy.shape[2:]
        plane, y, x = self.places.to(noisy.device).T
        y, x = y - top, x - left
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        amplitude = self.amplitudes.to(noisy)
        scatter = frame.normal(Stream.HOT_PIXELS, (len(amplitude),))
        values = amplitude + scatter * (shot[plane] * amplitude.clamp(min=0)).sqrt()
        noisy[:, plane[inside], y[inside], x[inside]] += values[:, inside]

    def _add_drawn(self, noisy: Tensor, shot: Tensor, specimen: Rng, frame: Rng) -> None:
        """Deal them to cells: a Poisson number each, at even places; two may fall on one pixel."""
        planes, height, width = noisy.shape[1:]
        (top, left) = frame.origin
        first = top // CELL, left // CELL
        cells = (top + height - 1) // CELL + 1 - first[0], (left + width - 1) // CELL + 1 - first[1]
        placed = dataclasses.replace(specimen, origin=first)
        expected = (self.rate.to(noisy) * (CELL * CELL)).view(1, -1, 1, 1)
        counts = placed.poisson(Stream.HOT_PIXELS, expected.expand(len(noisy), planes, *cells))
        most = int(counts.max())
        if not most:
            return
        shape = (planes * most, *cells)
        draws = placed.uniform(Stream.HOT_PLACES, (4 * shape[0], *cells)).view(-1, most, planes, 4, *cells)
        scatter = dataclasses.replace(frame, origin=first).normal(Stream.HOT_FLICKER, shape)
        scatter = scatter.view(-1, most, planes, *cells)
        corner_y, corner_x = (
            (torch.arange(n, device=noisy.device) + start) * CELL - origin
            for n, start, origin in zip(cells, first, (top, left), strict=True)
        )
        steps, table = len(self.quantiles) - 1, self.quantiles.to(noisy)
        for number in range(most):
            u = draws[:, number]
            y = (u[:, :, 0] * CELL).long() + corner_y.view(-1, 1)
            x = (u[:, :, 1] * CELL).long() + corner_x
            inside = (counts > number) & (y >= 0) & (y < height) & (x >= 0) & (x < width)
            image, plane, _, _ = inside.nonzero(as_tuple=True)
            place = u[:, :, 2][inside] * steps
            lower = place.long().clamp_(max=steps - 1)
            amplitude = table[lower] + (place - lower) * (table[lower + 1] - table[lower])
            amplitude += scatter[:, number][inside] * (shot[plane] * amplitude.clamp(min=0)).sqrt()
            noisy.index_put_((image, plane, y[inside], x[inside]), amplitude, accumulate=True)


def hot_pixels(noise: IsoNoise, profile: CameraProfile, *, known: bool) -> HotPixels | None:
    """Return the hot pixels at an ISO, or None where none were found.

    ``known`` puts those that the profile lists where they are; only what the list leaves out is drawn.
    """
    if "hot_quantiles" not in noise.arrays or not np.any(noise.arrays["hot_rate"]):
        return None
    rate = noise.arrays["hot_rate"].astype(np.float64)
    quantiles = noise.arrays["hot_quantiles"] / profile.scale.mean()
    h, w = len(profile.cfa), len(profile.cfa[0])
    share = np.zeros_like(rate)
    plane, y, x, amplitude = np.zeros((4, 0), np.int64)
    if known and "hot_pixels" in noise.arrays and profile.size:
        row, column, amplitude = noise.arrays["hot_pixels"].astype(np.int64).T
        plane, y, x = row % h * w + column % w, row // h, column // w
        pixels = (profile.size[0] // h) * (profile.size[1] // w)
        share = np.minimum(np.bincount(plane, minlength=len(rate)) / pixels, rate)
        # The list begins with the hottest: the rest lies below the corresponding quantile.
        rest = 1 - share.sum() / rate.sum()
        quantiles = np.interp(
            np.linspace(0, rest, quantiles.size), np.linspace(0, 1, quantiles.size), quantiles
        )
        rate = np.where(rate - share > 1e-9, rate - share, 0)
    order = np.argsort(y, kind="stable")
    scale = profile.scale[plane]
    return HotPixels(
        rate=torch.from_numpy(rate).float(),
        quantiles=torch.from_numpy(quantiles).float(),
        places=torch.from_numpy(np.stack([plane, y, x], axis=1)[order]),
        amplitudes=torch.from_numpy((amplitude / scale)[order]).float(),
        share=torch.from_numpy(share).float(),
    )
