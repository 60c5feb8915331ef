"""Denoising batches on their way through a pipe."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from synthnoise.colour_filter_arrays import NAMED, Cfa, CfaName, name_of, shape
from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.denoising.mosaic_planes import rows_before
from synthnoise.errors import InputError, UsageError
from synthnoise.raw.cfa import pack, unpack
from synthnoise.raw.develop import nearest_in_phase

if TYPE_CHECKING:
    from torch import Tensor

ARRAYS: dict[int, CfaName] = {math.prod(shape(cfa)): name for name, cfa in NAMED.items()}
"""Colour filter arrays by their number of planes, of which a stream says no more."""


def denoise_stream(
    batches: Iterable[tuple[list[int], dict[str, Tensor]]], settings: Settings, *, cfa: Cfa | None = None
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Yield batches with a field ``denoised``, from fields ``noisy`` and ``noise_profile``.

    ``noisy`` is [B, C, H, W]; ``noise_profile`` is [B, C, 2], S and O of each plane, its variance
    being S x + O. ``cfa`` is the colours of the planes, the repeat row by row, which a stream does not say:
    None is that of as many planes in :data:`synthnoise.colour_filter_arrays.NAMED`.

    Raises
    ------
    InputError
        A batch has no such fields: noise has to be added before it can be taken away.
    UsageError
        The planes are not as many as those of ``cfa``.
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
        planes = fields["noisy"].shape[1]
        own = cfa or (NAMED[ARRAYS[planes]] if planes in ARRAYS else None)
        if own is not None and math.prod(shape(own)) != planes:
            raise UsageError(
                f"{planes} planes are not those of a {'x'.join(map(str, shape(own)))} colour filter array",
                hint="--geometry cfa=..., a letter for each plane",
            )
        denoiser = denoiser or _denoiser(settings, own)
        restored = []
        for noisy, profile in zip(fields["noisy"], fields["noise_profile"], strict=True):
            restored.append(_denoised(denoiser, noisy, profile, own))
        yield indices, {**fields, "denoised": torch.stack(restored)}


def _denoiser(settings: Settings, cfa: Cfa | None) -> Denoiser:
    """Return what denoises planes of such colours, as it would a frame of them."""
    if cfa is None or len({*itertools.chain(*cfa)}) == 1:
        return Denoiser(settings)
    name = name_of(cfa)
    colours = tuple(itertools.chain(*(cfa if name is None else NAMED[name])))
    return Denoiser(
        settings,
        colours=None if name == "bayer" else colours,
        period=shape(cfa),
        domain=name or "mosaic",
    )


def _denoised(denoiser: Denoiser, noisy: Tensor, profile: Tensor, cfa: Cfa | None) -> Tensor:
    """Return planes [C, H, W] denoised, on the grid of the named repeat where theirs begins elsewhere."""
    name = None if cfa is None else name_of(cfa)
    if cfa is None or name is None or cfa == NAMED[name]:
        shot, read = profile.T.tolist()
        return denoiser(noisy[None], tuple(shot), tuple(read))[0]
    import torch

    (h, w), before = shape(cfa), rows_before(cfa)
    mosaic = unpack(noisy.cpu().numpy(), (h, w))
    places = [
        nearest_in_phase(np.arange(-missing, -(-(size + missing) // n) * n - missing), size, n)
        for missing, size, n in zip(before, mosaic.shape, (h, w), strict=True)
    ]
    order = np.roll(np.arange(h * w).reshape(h, w), before, (0, 1)).ravel()
    shot, read = profile[order].T.tolist()
    moved = torch.from_numpy(pack(mosaic[np.ix_(*places)], (h, w)))
    restored = unpack(denoiser(moved[None], tuple(shot), tuple(read))[0].numpy(), (h, w))
    inside = restored[before[0] :, before[1] :][: mosaic.shape[0], : mosaic.shape[1]]
    return torch.from_numpy(pack(inside, (h, w))).to(noisy.device)
