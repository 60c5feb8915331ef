"""The variance-stabilising transform of a batch whose every sample has noise of its own.

The same transform as :mod:`synthnoise.noise.stabilise`, with the expected value that its unbiased inverse
undoes, for shot and read noise per sample and plane.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from synthnoise.noise.stabilise import WHITE, inverse_table

TABLE_RATIO = 1.02
"""Between the read noises that have a table of the inverse's bias of their own: a hundredth off changes it by
less than 0.003 electrons, and a table takes longer to make than a step of the training."""

LEAST = 1e-2
"""Electrons of read noise below which tables are alike."""

_ROUNDS = 4
"""Of the fixed-point iteration for the expected transform: each takes two digits."""


class BatchStabiliser:
    """Transforms planes [B, C, H, W] with variance ``S x + O`` to planes of variance 1.

    Parameters
    ----------
    shot, read
        S and O, float32 [B, C]; O above zero.
    """

    def __init__(self, shot: Tensor, read: Tensor) -> None:
        # White noise needs no root, only a scale.
        self._white = (shot < WHITE * read)[..., None, None]
        deviation = read.sqrt()[..., None, None]
        self._shot = torch.where(self._white, deviation, shot[..., None, None])
        electrons = deviation / self._shot
        self._join = electrons
        self._offset = 0.375 + electrons.square()
        self._steepness = (electrons + self._offset).sqrt()
        flat = electrons.clamp_min(LEAST).flatten().tolist()
        names = [TABLE_RATIO ** round(math.log(value, TABLE_RATIO)) for value in flat]
        kinds = sorted(set(names))
        tables = [inverse_table(name) for name in kinds]
        number = torch.tensor([kinds.index(name) for name in names], device=shot.device)
        self._number = number.view(electrons.shape)
        first, step = (torch.tensor([t[i] for t in tables], device=shot.device) for i in (0, 1))
        # The table of a read noise that is a hundredth off is read as far from its black as from ours.
        ends = [math.sqrt(name + 0.375 + name**2) for name in kinds]
        blacks = torch.tensor([2 * s - n / s for n, s in zip(kinds, ends, strict=True)], device=shot.device)
        apart = self._root(torch.zeros_like(electrons)) - blacks[self._number]
        self._first, self._step = (first[self._number] + apart).float(), step[self._number].float()
        self._bias = torch.stack([torch.as_tensor(t[2], dtype=torch.float32) for t in tables]).to(shot.device)

    def forward(self, planes: Tensor) -> Tensor:
        """Return the transform of noisy pixels."""
        y = planes / self._shot
        return torch.where(self._white, y, self._root(y))

    def inverse(self, stabilised: Tensor) -> Tensor:
        """Return the means whose noisy pixels have ``stabilised`` as their expected transform."""
        mean = self._unroot(stabilised) + self._bias_at(stabilised)
        return torch.where(self._white, stabilised, mean) * self._shot

    def expected(self, clean: Tensor) -> Tensor:
        """Return the expected transform of noisy pixels with these means: what :meth:`inverse` undoes.

        The transform of the mean itself would teach a network a bias in the shadows.
        """
        mean = clean / self._shot
        stabilised = self._root(mean)
        for _ in range(_ROUNDS):
            stabilised = self._root(mean - self._bias_at(stabilised))
        return torch.where(self._white, mean, stabilised)

    def _root(self, y: Tensor) -> Tensor:
        """Return the root of electrons, continued by its tangent."""
        root = 2 * (y.maximum(self._join) + self._offset).sqrt()
        return root + (y - self._join).clamp_max(0) / self._steepness

    def _unroot(self, z: Tensor) -> Tensor:
        top = 2 * self._steepness
        return z.maximum(top).square() / 4 - self._offset + (z - top).clamp_max(0) * self._steepness

    def _bias_at(self, z: Tensor) -> Tensor:
        size = self._bias.shape[1]
        place = ((z - self._first) / self._step).clamp(0, size - 1.001)
        low = place.floor().long()
        at = low + self._number * size
        flat = self._bias.flatten()
        return torch.lerp(flat[at], flat[at + 1], place - low)
