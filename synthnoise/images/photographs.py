"""A folder of photographs, decoded when asked for, and as an image model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from synthnoise.errors import InputError, UsageError
from synthnoise.files import CONTACT_SHEET
from synthnoise.images.colours import decode_srgb
from synthnoise.raw.images import read_image
from synthnoise.rng import Rng, Stream

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class Photographs:
    """The photographs of a folder, in the order of their names; decoded when asked for.

    The contact sheet of a dataset is not one of them.

    Attributes
    ----------
    paths
        The files, sorted by name.
    sizes
        Their (height, width).

    Raises
    ------
    InputError
        There is no such folder, or no image in it, or a file is not the image it claims to be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = photograph_paths(folder)
        self.sizes = [_size(path) for path in self.paths]

    def read(self, number: int) -> Tensor:
        """Return one photograph, float32 [3, H, W] in sRGB of [0, 1]."""
        pixels = read_image(self.paths[number])
        if pixels.dtype.kind == "f":
            raise InputError(
                f"{self.paths[number]}: holds floating-point numbers, not sRGB", hint="use 8 or 16 bits"
            )
        scale = np.float32(1 / np.iinfo(pixels.dtype).max)
        return torch.from_numpy(pixels.astype(np.float32) * scale).permute(2, 0, 1)


def photograph_paths(folder: Path) -> list[Path]:
    """Return the photographs of a folder, sorted by name; the contact sheet of a dataset is not one.

    Raises
    ------
    InputError
        There is no such folder, or no photograph in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photographs")
    files = (path for path in folder.iterdir() if path.name != CONTACT_SHEET)
    paths = sorted(path for path in files if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(
            f"{folder}: holds no photographs", hint=f"known endings: {', '.join(sorted(SUFFIXES))}"
        )
    return paths


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which photographs, and how they are cut."""

    path: str = field(default="", metadata={"help": "folder of photographs"})
    reduction: int = field(
        default=1,
        metadata={
            "help": "photograph pixels averaged into one, each way: fewer traces of JPEG",
            "range": (1, 16),
        },
    )


class PhotographCrops:
    """The image model ``folder``: a crop at a random place of a random photograph.

    The photographs are taken to be sRGB; what comes out is linear light. Photographs smaller than
    what is asked for are passed over.

    Raises
    ------
    UsageError
        No folder is given.
    InputError
        See :class:`Photographs`; also, on drawing, if every photograph is too small.
    """

    def __init__(self, options: Options) -> None:
        if not options.path:
            raise UsageError("the image model folder needs a folder", hint="its option path=DIR")
        self.options = options
        self._photographs = Photographs(Path(options.path))

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        """Return float32 [B, 3, H, W], linear light in [0, 1], on ``rng.device``.

        Image i depends on the folder's photographs and (options, seed, i, size) alone.
        """
        source, reduction = self._photographs, self.options.reduction
        height, width = size[0] * reduction, size[1] * reduction
        fitting = [i for i, (h, w) in enumerate(source.sizes) if h >= height and w >= width]
        if not fitting:
            raise InputError(
                f"{source.folder}: no photograph has {height}x{width} pixels",
                hint=f"ask for a smaller size; the first has {source.sizes[0][0]}x{source.sizes[0][1]}",
            )
        images = torch.empty((len(rng.indices), 3, *size))
        for place, row in enumerate(rng.uniform(Stream.CROP, (1, 4)).double().cpu()):
            photograph = source.read(fitting[int(row[0, 0] * len(fitting))])
            top = int(row[0, 1] * (photograph.shape[1] - height + 1))
            left = int(row[0, 2] * (photograph.shape[2] - width + 1))
            crop = decode_srgb(photograph[:, top : top + height, left : left + width])
            images[place] = functional.avg_pool2d(crop, reduction)
        return images.to(rng.device)

    def facts(self) -> dict[str, str]:
        """Return what a manifest says beside the options: a hash of the files' names and sizes."""
        listing = "".join(f"{path.name}\0{path.stat().st_size}\0" for path in self._photographs.paths)
        return {"files_sha256": hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()}


def _size(path: Path) -> tuple[int, int]:
    """Return (height, width) from the header."""
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not an image: {error}") from error
