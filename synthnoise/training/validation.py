"""How well a network denoises what no run trains on: fresh synthetic pairs, and pictures of any folder."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from synthnoise.colour_filter_arrays import as_cfa, place_in
from synthnoise.errors import InputError
from synthnoise.files import expand_inputs
from synthnoise.images.colours import decode_srgb
from synthnoise.plugins import Plugins
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.frame import Rectangle
from synthnoise.raw.reading import read_frame
from synthnoise.specs import DOMAINS
from synthnoise.stream.pictures import PICTURE_SUFFIXES, read_picture
from synthnoise.training.examples import VALIDATION_INDEX, Example, Examples

PAIRS = 16
"""Synthetic pairs of a report."""

PICTURES, EDGE = 24, 192
"""Most pictures of a folder, and the largest height and width of their middles in pixels of the network's
input: a report must not cost more than the steps before it."""

MULTIPLE = 16
"""Pixels that heights and widths are multiples of: what most networks ask for."""

_FIRST_PICTURE = VALIDATION_INDEX + (1 << 20)


class Validation:
    """The examples that all reports of a run are about.

    Parameters
    ----------
    examples
        Draws pairs with the run's noise.
    folder
        Of pictures, and RAW files if the run is for RAW. They are taken to be clean and get the run's noise,
        at an exposure ratio, ISO and level drawn by their number: of the first 24 by name the middles, at
        most 192 pixels of the network's input high and wide.
    multiple
        Of how many pixels the network takes heights and widths.

    Raises
    ------
    InputError
        The folder holds nothing that can be read, or what is too small.
    """

    def __init__(
        self, examples: Examples, folder: Path | None, plugins: Plugins, *, multiple: int = 1
    ) -> None:
        self._examples = examples
        self.pictures = [] if folder is None else _read_folder(examples, folder, plugins, multiple)

    @functools.cached_property
    def synthetic(self) -> Example:
        """Fresh pairs of the run's own images and noise."""
        return self._examples.validation(PAIRS)

    @torch.no_grad()
    def figures(self, network: nn.Module) -> dict[str, float]:
        """Return PSNRs in dB, means over images: ``psnr`` denoised, ``noisy_psnr``, the same of the folder.

        Those of the folder begin with ``folder_`` and are missing without one.
        """
        psnr = self._examples.psnr
        example = self.synthetic
        figures = {
            "psnr": psnr(network(example.noisy, example.sigma), example),
            "noisy_psnr": psnr(example.noisy, example),
        }
        if self.pictures:
            denoised = [psnr(network(e.noisy, e.sigma), e) for e in self.pictures]
            figures["folder_psnr"] = math.fsum(denoised) / len(denoised)
            noisy = [psnr(e.noisy, e) for e in self.pictures]
            figures["folder_noisy_psnr"] = math.fsum(noisy) / len(noisy)
        return figures


def _read_folder(examples: Examples, folder: Path, plugins: Plugins, multiple: int) -> list[Example]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder to validate on")
    suffixes = set(PICTURE_SUFFIXES)
    if examples.cfa is not None:
        readers = plugins.records("readers")
        suffixes |= {suffix for spec in readers for suffix in getattr(spec, "suffixes", ())}
    paths = expand_inputs([folder], suffixes)[:PICTURES]
    return [_read(examples, path, _FIRST_PICTURE + number, multiple) for number, path in enumerate(paths)]


def _read(examples: Examples, path: Path, number: int, multiple: int) -> Example:
    """Return the middle of a file as an example."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return examples.of_scene(_scene(path, examples.period, multiple), number)
    return examples.of_planes(clean_planes(path, examples, multiple), number)


def _scene(path: Path, period: tuple[int, int], multiple: int) -> Tensor:
    """Return the middle of a picture as linear light in [0, 1], float32 [3, H, W]; integers are sRGB."""
    picture = read_picture(path)
    if len(picture) != 3:
        raise InputError(f"{path}: has {len(picture)} planes, not three", hint="take it out of the folder")
    top, left, bottom, right = _middle(path, picture.shape[1:], period, multiple)
    part = torch.from_numpy(picture[:, top:bottom, left:right].astype(np.float32))
    if not part.isfinite().all():
        raise InputError(f"{path}: holds NaN or infinity", hint="take it out of the folder")
    if picture.dtype.kind == "f":
        return part.clamp(0, 1)
    return decode_srgb(part / float(np.iinfo(picture.dtype).max))


def clean_planes(path: Path, examples: Examples, multiple: int) -> Tensor:
    """Return the middle of a RAW file as planes of the network's repeat, float32 [C, h, w] in [0, 1]."""
    active = read_frame(path).active()
    place = None if examples.cfa is None else place_in(as_cfa(active.cfa), examples.cfa)
    if place is None:
        raise InputError(
            f"{path}: the run is for {DOMAINS[examples.domain]}, and it is of others",
            hint="take it out of the folder",
        )
    whole = active.crop((*place, *active.mosaic.shape))
    middle = whole.crop(_middle(path, whole.mosaic.shape, examples.period, multiple))
    return torch.from_numpy(linear_planes(middle)).clamp(0, 1)


def _middle(path: Path, size: tuple[int, ...], period: tuple[int, int], multiple: int) -> Rectangle:
    """Return the middle of a picture of ``size`` pixels: as many repeats of ``period`` as ``EDGE`` allows."""
    step = math.lcm(MULTIPLE, multiple)
    ends = []
    for pixels, repeat in zip(size, period, strict=True):
        kept = min(max(EDGE // step, 1) * step, pixels // repeat // step * step)
        if not kept:
            raise InputError(
                f"{path}: {size[1]}x{size[0]} pixels are too few to validate on",
                hint="take it out of the folder",
            )
        first = (pixels // repeat - kept) // 2 * repeat
        ends.append((first, first + kept * repeat))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]
