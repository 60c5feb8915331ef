"""Samples to files: one file per picture, or tar shards.

A file appears under its name when it is whole, is never replaced, and depends on its sample alone (a
shard on the run of samples that its name states). So a killed run goes on where it was.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import os
import re
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from synthnoise.errors import OutputExistsError, UsageError
from synthnoise.files import atomic_write, write_bytes
from synthnoise.images.colours import encode_srgb
from synthnoise.raw.cfa import unpack
from synthnoise.raw.dng import NoisePairs, write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import write_tiff
from synthnoise.stream.plan import Plan
from synthnoise.stream.sample_numbers import SampleNumbers

DIGITS = 8
FILE_DATE = "2000:01:01 00:00:00"
"""Date that every DNG states, so that the same sample makes the same bytes."""

SHARD_BYTES = 1 << 26
"""Size of a tar shard, before the sample that exceeds it."""


class FolderSink(ABC):
    """One file per picture: ``NUMBER.suffix``, or ``PICTURE/NUMBER.suffix`` where a sample has several.

    Implements :class:`synthnoise.protocols.Sink`. A sample is there when all its files are.

    Parameters
    ----------
    folder
        Where to; made as needed.
    plan
        What is written.

    Raises
    ------
    UsageError
        The format cannot hold what is planned.
    """

    suffix: str

    block = 0
    """Any process and thread may write any sample."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan = plan
        several = len(plan.pictures) > 1
        self._folders = {picture: folder / picture if several else folder for picture in plan.pictures}

    @property
    @abstractmethod
    def encoding(self) -> str:
        """What a file holds, in words."""

    @abstractmethod
    def _save(self, path: Path, picture: str, sample: Mapping[str, NDArray[np.float32]]) -> None:
        """Write one picture [C, H, W] of a sample, whose fields are without the batch."""

    def done(self) -> SampleNumbers:
        """Return the numbers of the samples that are whole on the disk."""
        first, *others = map(self._numbers, self._folders.values())
        for other in others:
            first = SampleNumbers(number for number in first if number in other)
        return first

    def _numbers(self, folder: Path) -> SampleNumbers:
        if not folder.is_dir():
            return SampleNumbers()
        with os.scandir(folder) as entries:
            files = (entry.name for entry in entries if entry.name.endswith(self.suffix))
            names = (name.removesuffix(self.suffix) for name in files)
            return SampleNumbers(int(name) for name in names if name.isdecimal())

    def write(self, indices: Sequence[int], batch: dict[str, Tensor]) -> None:
        """File a batch of pictures; those that are there already stay as they are."""
        fields = {name: values.cpu().numpy() for name, values in batch.items()}
        for place, index in enumerate(indices):
            sample = {name: values[place] for name, values in fields.items()}
            for picture, folder in self._folders.items():
                path = folder / f"{index:0{DIGITS}d}{self.suffix}"
                if not path.exists():
                    with contextlib.suppress(OutputExistsError):  # a run that is ending was faster
                        self._save(path, picture, sample)

    def close(self) -> None:
        """Do nothing: nothing is pending."""
        return


class PngSink(FolderSink):
    """PNG: 8-bit sRGB, or 16-bit mosaics in DN as the camera would shoot them."""

    suffix = ".png"

    @property
    def encoding(self) -> str:
        """What a file holds, in words."""
        return _shot(self.plan) if self.plan.content == "mosaic" else "uint8 [H, W, 3], sRGB"

    def _save(self, path: Path, picture: str, sample: Mapping[str, NDArray[np.float32]]) -> None:
        values = sample[picture]
        pixels: NDArray[Any]
        if self.plan.content == "mosaic":
            pixels = mosaic_codes(values, self.plan, picture)
        else:
            pixels = srgb_codes(values, linear=self.plan.content == "scene")
        with atomic_write(path) as file:  # noise hardly compresses, so little is tried
            Image.fromarray(pixels).save(file, "PNG", compress_level=1)


class TiffSink(FolderSink):
    """TIFF of float32: linear light, or mosaics with black 0 and white 1."""

    suffix = ".tif"

    @property
    def encoding(self) -> str:
        """What a file holds, in words."""
        return {
            "scene": "float32 [H, W, 3], linear light in [0, 1]",
            "srgb": "float32 [H, W, 3], sRGB, 1 is white, not clipped",
            "mosaic": "float32 [H, W] mosaic, black 0, white 1, not clipped, digital gain applied",
        }[self.plan.content]

    def _save(self, path: Path, picture: str, sample: Mapping[str, NDArray[np.float32]]) -> None:
        values, mosaic = sample[picture], self.plan.content == "mosaic"
        pixels = unpack(values, self.plan.camera.period) if mosaic else values.transpose(1, 2, 0)
        write_tiff(path, np.ascontiguousarray(pixels))


class NpySink(FolderSink):
    """NumPy files of float32, as the models make them."""

    suffix = ".npy"

    @property
    def encoding(self) -> str:
        """What a file holds, in words."""
        return _planes(self.plan)

    def _save(self, path: Path, picture: str, sample: Mapping[str, NDArray[np.float32]]) -> None:
        write_bytes(path, npy_bytes(sample[picture]))


class DngSink(FolderSink):
    """DNG mosaics as the camera would shoot them, with its levels, colours and noise profile."""

    suffix = ".dng"

    def __init__(self, folder: Path, plan: Plan) -> None:
        if plan.content != "mosaic":
            raise UsageError(
                "a DNG holds what a camera shoots, and no camera shoots this",
                hint="add --profile or a noise model for RAW, or choose png, tiff or npy",
            )
        super().__init__(folder, plan)

    @property
    def encoding(self) -> str:
        """What a file holds, in words."""
        return _shot(self.plan)

    def _save(self, path: Path, picture: str, sample: Mapping[str, NDArray[np.float32]]) -> None:
        camera, values = self.plan.camera, sample[picture]
        black = np.broadcast_to(np.array(camera.black), (len(values),)).reshape(camera.period)
        frame = Frame(
            mosaic=mosaic_codes(values, self.plan, picture),
            cfa=np.array(camera.cfa, dtype=np.uint8),
            black=np.array(black, dtype=np.float64),
            white=camera.white,
            make=camera.make,
            model=camera.model,
            iso=camera.iso,
            as_shot_neutral=camera.as_shot_neutral,
            colour_matrix=None if camera.colour_matrix is None else np.array(camera.colour_matrix),
        )
        stated = sample.get("noise_profile") if picture == "noisy" else None
        noise = None if stated is None else self._shot_noise(stated)
        write_dng(path, frame, noise_profile=noise, date=FILE_DATE)

    def _shot_noise(self, stated: NDArray[np.float32]) -> NoisePairs:
        """Return (S, O) of red, green and blue, gain taken back, of those of the planes [C, 2] at their gain.

        They are the sample's own: options of the noise model go before the camera's profile, and some
        models draw a camera for every sample.
        """
        gain = self.plan.gain("noisy")
        colours = np.array(self.plan.camera.cfa).reshape(-1)
        pairs = []
        for colour in range(3):
            chosen = colours == colour if (colours == colour).any() else np.ones(len(colours), np.bool_)
            shot, read = stated[chosen].astype(np.float64).mean(0)
            pairs.append((float(shot) / gain, float(read) / gain**2))
        return tuple(pairs)


class ShardSink:
    """Tar shards in the layout of WebDataset: ``NUMBER.PICTURE.npy`` of float32, samples in order.

    Implements :class:`synthnoise.protocols.Sink`. A shard, named after its first and last sample, is
    kept in memory until it is whole; shards begin at multiples of a number that the sample's size
    fixes, and where a run begins.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan = plan
        self._folder = folder
        # The size of a sample is not known before it is seen; this is an upper bound for planes.
        bytes_each = 4 * 3 * plan.size[0] * plan.size[1] * len(plan.pictures)
        self.per_shard = max(1, SHARD_BYTES // bytes_each)
        self._pending: dict[int, list[tuple[str, bytes]]] = {}

    @property
    def encoding(self) -> str:
        """What a member holds, in words."""
        return f"tar of NUMBER.PICTURE.npy, {_planes(self.plan)}"

    @property
    def block(self) -> int:
        """How many samples share a shard."""
        return self.per_shard

    def done(self) -> SampleNumbers:
        """Return the numbers of the samples in whole shards."""
        matches = (_SHARD_NAME.fullmatch(path.name) for path in self._folder.glob("*.tar"))
        ranges = (range(int(match[1]), int(match[2]) + 1) for match in matches if match)
        return SampleNumbers(itertools.chain.from_iterable(ranges))

    def write(self, indices: Sequence[int], batch: dict[str, Tensor]) -> None:
        """Take a batch, whose numbers follow those before; write what shards it completes."""
        for place, index in enumerate(indices):
            if self._pending and (index % self.per_shard == 0 or index - 1 not in self._pending):
                self.close()
            self._pending[index] = [
                (f"{index:0{DIGITS}d}.{name}.npy", npy_bytes(values[place].cpu().numpy()))
                for name, values in batch.items()
            ]

    def close(self) -> None:
        """Write the shard that is pending."""
        if not self._pending:
            return
        name = f"samples-{min(self._pending):0{DIGITS}d}-{max(self._pending):0{DIGITS}d}.tar"
        with (
            contextlib.suppress(OutputExistsError),  # a run that is ending was faster
            atomic_write(self._folder / name) as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for members in self._pending.values():
                for member, data in members:
                    entry = tarfile.TarInfo(member)
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
        self._pending.clear()


_SHARD_NAME = re.compile(r"samples-(\d+)-(\d+)\.tar")


def mosaic_codes(planes: NDArray[np.float32], plan: Plan, picture: str) -> NDArray[np.uint16]:
    """Return the mosaic uint16 [H, W] in DN of planes [C, h, w]: clipped at 0 and white, gain taken back."""
    camera = plan.camera
    black = np.broadcast_to(np.array(camera.black, dtype=np.float32), (len(planes),))[:, None, None]
    codes = planes / np.float32(plan.gain(picture)) * (np.float32(camera.white) - black) + black
    return unpack(np.clip(np.rint(codes), 0, camera.white), camera.period).astype(np.uint16)


def srgb_codes(values: NDArray[np.float32], *, linear: bool) -> NDArray[np.uint8]:
    """Return uint8 [H, W, 3] in sRGB of [3, H, W], linear light or sRGB."""
    clipped = np.clip(values, 0, 1)
    if linear:
        codes = _srgb_of_16_bits()[np.rint(clipped * np.float32(65535)).astype(np.uint16)]
    else:
        codes = np.rint(clipped * np.float32(255)).astype(np.uint8)
    return np.ascontiguousarray(codes.transpose(1, 2, 0))


@functools.cache
def _srgb_of_16_bits() -> NDArray[np.uint8]:
    """Return the 8-bit sRGB code of every 16-bit code of linear light."""
    light = torch.linspace(0, 1, 65536, dtype=torch.float64)
    codes: NDArray[np.uint8] = (encode_srgb(light) * 255).round().to(torch.uint8).numpy()
    return codes


def npy_bytes(values: NDArray[Any]) -> bytes:
    """Return an array as the bytes of an ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(values), allow_pickle=False)
    return buffer.getvalue()


def _shot(plan: Plan) -> str:
    words = "uint16 [H, W] mosaic in DN, as shot"
    return words if plan.ratio == 1 else f"{words}: (DN - black) of noisy is to be multiplied by the ratio"


def _planes(plan: Plan) -> str:
    return {
        "scene": "float32 [3, H, W], linear light in [0, 1]",
        "srgb": "float32 [3, H, W], sRGB, 1 is white, not clipped",
        "mosaic": "float32 [C, H/h, W/w] CFA planes, black 0, white 1, not clipped, digital gain applied",
    }[plan.content]
