"""Denoising batches on their way through a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import torch

from synthnoise.denoising.denoise import Denoiser, Settings
from synthnoise.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def denoise_stream(
    batches: Iterable[tuple[list[int], dict[str, Tensor]]], settings: Settings
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Yield batches with a field ``denoised``, from fields ``noisy``, ``shot`` and ``read``.

    ``noisy`` is [B, C, H, W]; ``shot`` and ``read`` are [B, C], its variance being shot x + read.

    Raises
    ------
    InputError
        A batch has no such fields: noise has to be added before it can be taken away.
    """
    denoiser = Denoiser(settings)
    for indices, fields in batches:
        missing = [name for name in ("noisy", "shot", "read") if name not in fields]
        if missing:
            raise InputError(
                f"the stream has no {' and '.join(missing)}",
                hint="let it pass through synthnoise noise first",
            )
        restored = [
            denoiser(noisy[None], tuple(shot.tolist()), tuple(read.tolist()))[0]
            for noisy, shot, read in zip(fields["noisy"], fields["shot"], fields["read"], strict=True)
        ]
        yield indices, {**fields, "denoised": torch.stack(restored)}
