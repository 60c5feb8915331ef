"""Denoising batches on their way through a pipe."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from synthnoise.colour_filter_arrays import NAMED, CfaName, shape
from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

ARRAYS: dict[int, CfaName] = {math.prod(shape(cfa)): name for name, cfa in NAMED.items()}
"""Colour filter arrays by their number of planes, of which a stream says no more."""


def denoise_stream(
    batches: Iterable[tuple[list[int], dict[str, Tensor]]], settings: Settings
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Yield batches with a field ``denoised``, from fields ``noisy`` and ``noise_profile``.

    ``noisy`` is [B, C, H, W]; ``noise_profile`` is [B, C, 2], S and O of each plane, its variance
    being S x + O.

    Raises
    ------
    InputError
        A batch has no such fields: noise has to be added before it can be taken away.
    """
    import torch

    denoiser: Denoiser | None = None
    for indices, fields in batches:
        missing = [name for name in ("noisy", "noise_profile") if name not in fields]
        if missing:
            raise InputError(
                f"the stream has no {' and '.join(missing)}",
                hint="let it pass through synthnoise noise first",
            )
        if denoiser is None:
            denoiser = _denoiser(settings, fields["noisy"].shape[1])
        restored = []
        for noisy, profile in zip(fields["noisy"], fields["noise_profile"], strict=True):
            shot, read = profile.T.tolist()
            restored.append(denoiser(noisy[None], tuple(shot), tuple(read))[0])
        yield indices, {**fields, "denoised": torch.stack(restored)}


def _denoiser(settings: Settings, planes: int) -> Denoiser:
    """Return what denoises so many planes, as it would a frame of them."""
    if planes not in ARRAYS:
        return Denoiser(settings)
    name = ARRAYS[planes]
    cfa = NAMED[name]
    colours = None if name == "bayer" else tuple(itertools.chain(*cfa))
    return Denoiser(settings, colours=colours, period=shape(cfa), domain=name)
