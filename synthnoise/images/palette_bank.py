"""Palettes of the user's photographs: some pixels of each, sampled once and kept in the cache.

The bank replaces decoding a photograph per image. Building it holds one photograph at a time; it takes
6 kB for each.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.errors import InputError
from synthnoise.images import colours
from synthnoise.images.photographs import photograph_paths
from synthnoise.images.vibrant_leaves.cache import cached
from synthnoise.raw.images import read_image
from synthnoise.rng import Rng, Stream

PIXELS = 2048
"""Pixels kept of each photograph."""

_SEED = 0xBA27
_LAWS = {
    "natural": colours.natural_palette,
    "uniform": colours.uniform_palette,
    "grey": colours.grey_palette,
}


class PaletteBank:
    """Pixels of the photographs of a folder, in the order of their names.

    Attributes
    ----------
    pixels
        uint8 [n, PIXELS, 3] in sRGB, at places drawn uniformly in each photograph; mapped from the cache.

    Raises
    ------
    InputError
        There is no such folder, no photograph in it, or one is damaged or holds floating-point numbers.
    """

    def __init__(self, folder: Path) -> None:
        paths = photograph_paths(folder)
        self.pixels: NDArray[np.uint8] = np.asarray(
            cached(f"palettes-{_listing(paths)}", lambda: _sampled(paths)), dtype=np.uint8
        )

    def palette(self, rng: Rng, count: int) -> Tensor:
        """Return float32 [B, count, 3], linear light: pixels of one photograph per image."""
        uniform = rng.uniform(Stream.PALETTE, (count + 1, 4)).double()
        chosen = (uniform[:, 0, 0] * len(self.pixels)).long().cpu().numpy()
        pixels = torch.from_numpy(self.pixels[chosen]).to(rng.device)
        entry = (uniform[:, 1:, :1] * PIXELS).long().expand(-1, -1, 3)
        return colours.decode_srgb(pixels.gather(1, entry).float() / 255)

    def fingerprint(self) -> str:
        """Return the SHA-256 of what palettes are drawn from."""
        return hashlib.sha256(np.ascontiguousarray(self.pixels).data).hexdigest()


def palette(source: str, rng: Rng, count: int) -> Tensor:
    """Return float32 [B, count, 3], linear light: the colours of a law, or of a folder of photographs.

    Parameters
    ----------
    source
        ``natural``, ``uniform``, ``grey`` (see :mod:`synthnoise.images.colours`), or a folder, of which
        each image takes one photograph.

    Raises
    ------
    InputError
        See :class:`PaletteBank`.
    """
    law = _LAWS.get(source)
    return law(rng, count) if law else bank_of(source).palette(rng, count)


def source_facts(source: str) -> dict[str, str]:
    """Return what a manifest says of a source of colours beside its name: the hash of a folder's bank.

    Raises
    ------
    InputError
        See :class:`PaletteBank`.
    """
    return {} if source in _LAWS else {"palettes_sha256": bank_of(source).fingerprint()}


@functools.lru_cache(maxsize=8)
def bank_of(folder: str) -> PaletteBank:
    """Return the bank of a folder, made once per process."""
    path = Path(folder)
    if not path.is_dir():
        raise InputError(
            f"colours={folder}: no such folder of photographs", hint=f"or one of {', '.join(_LAWS)}"
        )
    return PaletteBank(path)


def _listing(paths: list[Path]) -> str:
    """Return a hash of names, sizes and times of files: it changes when one of them does."""
    digest = hashlib.sha256()
    for path in paths:
        facts = path.stat()
        digest.update(os.fsencode(path.name) + f"\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:32]


def _sampled(paths: list[Path]) -> NDArray[np.uint8]:
    return np.stack([_pixels(number, path) for number, path in enumerate(paths)])


def _pixels(number: int, path: Path) -> NDArray[np.uint8]:
    """Return uint8 [PIXELS, 3] of a photograph."""
    image = read_image(path)
    if image.dtype.kind == "f":
        raise InputError(f"{path}: holds floating-point numbers, not sRGB", hint="use 8 or 16 bits")
    place = Rng(_SEED, torch.tensor([number])).uniform(Stream.PALETTE, (PIXELS, 2), double=True)[0].numpy()
    chosen = image[tuple((place * image.shape[:2]).astype(np.int64).T)]
    return np.asarray(np.rint(chosen * (255 / np.iinfo(image.dtype).max)), dtype=np.uint8)
