"""Never-ending training data: synthetic images or pairs by number, shared out over ranks and workers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed
from torch.utils.data import IterableDataset, get_worker_info

from synthnoise.devices import pick_device
from synthnoise.errors import UsageError
from synthnoise.noise.default_model import default_noise_model
from synthnoise.plugins import default_plugins
from synthnoise.profiles.store import load_profile
from synthnoise.protocols import ImageModel
from synthnoise.rng import Rng
from synthnoise.stream.pairs import PairCamera, PairSource, pair_camera

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile

Fields = dict[str, Tensor]


class SyntheticDataset(IterableDataset[Fields]):
    """An infinite ``torch.utils.data.IterableDataset`` of synthetic images or clean/noisy pairs.

    Sample i depends on (seed, i) and the arguments that describe samples, not on batch size, workers,
    ranks or device. Numbered from ``start``, samples are dealt out in runs of ``batch_size`` (1 where
    that is None) to the ranks in turn, and within a rank to its workers in turn: the order in which a
    ``DataLoader`` asks them. So no sample comes twice and none is left out, and where the dataset makes
    the batches, a rank gets the same ones in the same order with any number of workers. After k batches
    on each rank the numbers used are ``start`` to ``start + k * batch_size * world_size - 1``: to go on
    from there, make the dataset with the next number as ``start``, or set the attribute. Every new
    iteration begins at ``start``.

    Each item is a dictionary: ``index`` int64; ``clean`` float32 [3, H, W], linear light in [0, 1]. With
    noise, ``clean`` and ``noisy`` as in :class:`synthnoise.stream.pairs.Pair`: CFA planes [C, H/h, W/w]
    with white 1, or RGB in sRGB for noise of rendered images; ``noise_profile`` [C, 2], S and O with
    variance(noisy) = S clean + O; ``ratio``, the digital gain in ``noisy``. With a ``batch_size`` they
    have B in front.

    Parameters
    ----------
    model
        Image model by name, or an object with its ``generate``.
    options
        Of the image model, by name.
    size
        (height, width) of the scenes in pixels.
    seed
        Same seed, same samples.
    start
        Number of the first sample.
    batch_size
        Whole batches are made, for ``DataLoader(dataset, batch_size=None)``; None gives single samples.
    noise, noise_options
        Noise model by name, and its options; None: clean images only. With a ``profile`` and no noise
        model it is that of :func:`synthnoise.noise.default_model.default_noise_model`.
    profile
        Camera: a profile, or its name or folder. Readouts are then rounded and clipped as it does.
    isos
        ISOs of the profile; every sample takes one of them by chance. None takes the only one.
    ratio
        Underexposure: the light is divided by it and the noisy result multiplied. Of (least, most)
        every sample takes one between, log-uniform.
    rank, world_size
        This process among those that train together. Left out: what ``torch.distributed`` says when it
        is initialised, else alone. Give 0 and 1 where something else shares out the samples.
    device
        Where samples are drawn: ``auto``, ``cpu``, ``cuda`` or ``mps``. Workers can use the CPU; on an
        accelerator draw without workers.

    Raises
    ------
    UsageError
        The arguments make no sense, or do not fit together.
    PluginError
        There is no such model.
    InputError
        The profile is damaged.
    """

    def __init__(
        self,
        model: str | ImageModel = "vibrant-leaves",
        *,
        options: Mapping[str, Any] | None = None,
        size: tuple[int, int] = (256, 256),
        seed: int = 0,
        start: int = 0,
        batch_size: int | None = None,
        noise: str | None = None,
        noise_options: Mapping[str, Any] | None = None,
        profile: CameraProfile | str | Path | None = None,
        isos: Sequence[float] = (),
        ratio: float | tuple[float, float] = 1.0,
        rank: int | None = None,
        world_size: int | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        if min(size) < 1 or start < 0 or (batch_size is not None and batch_size < 1):
            raise UsageError(
                f"size {size[0]}x{size[1]}, start {start}, batch_size {batch_size}: there are no samples"
            )
        if (rank is None) != (world_size is None):
            raise UsageError("rank and world_size mean nothing without each other", hint="give both or none")
        if rank is not None and world_size is not None and not 0 <= rank < world_size:
            raise UsageError(f"rank {rank} of {world_size}", hint="ranks count from 0 to world_size - 1")
        if noise is None and profile is None and (noise_options or isos or ratio != 1.0):
            raise UsageError("isos, ratio and noise_options mean nothing without noise", hint="give noise=")
        if not isinstance(model, str) and options:
            raise UsageError("options are for models by name", hint="build the model with them")
        self.model, self.options = model, dict(options or {})
        self.size, self.seed, self.start, self.batch_size = size, seed, start, batch_size
        self.noise = noise or (default_noise_model(profile) if profile is not None else None)
        self.noise_options, self.profile = dict(noise_options or {}), profile
        self.isos, self.ratio, self.device = tuple(isos), ratio, device
        self.rank, self.world_size = rank, world_size
        Rng(seed=seed, indices=torch.tensor([start]))  # so that what is out of range shows at once
        self._models: tuple[ImageModel, PairCamera | None] | None = None
        self._ready()

    def __iter__(self) -> Iterator[Fields]:
        """Yield the items of this rank and worker, for ever."""
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        rank, ranks = self._place()
        count = self.batch_size or 1
        for run in itertools.count(rank + ranks * worker, ranks * workers):
            fields = self.draw(range(self.start + run * count, self.start + (run + 1) * count))
            yield fields if self.batch_size else {name: value[0] for name, value in fields.items()}

    def draw(self, numbers: Sequence[int]) -> Fields:
        """Return the samples of these numbers as one batch, [B, ...] per field, on ``device``."""
        images, camera = self._ready()
        indices = torch.tensor(list(numbers), dtype=torch.int64)
        rng = Rng(seed=self.seed, indices=indices, device=pick_device(self.device, double=True))
        if camera is None:
            return {"index": indices, "clean": images.generate(self.size, rng)}
        pair = PairSource(images, camera, self.size).draw(rng)
        return {
            "index": indices,
            "clean": pair.clean,
            "noisy": pair.noisy,
            "noise_profile": pair.noise_profile,
            "ratio": pair.ratio,
        }

    def _ready(self) -> tuple[ImageModel, PairCamera | None]:
        """Return the models, built once per process."""
        if self._models is None:
            registry = default_plugins()
            model = self.model
            images = registry.create("image_models", model, self.options) if isinstance(model, str) else model
            self._models = images, self._pair_camera() if self.noise else None
        return self._models

    def _pair_camera(self) -> PairCamera:
        assert self.noise is not None
        registry = default_plugins()
        profile = load_profile(self.profile) if isinstance(self.profile, str | Path) else self.profile
        rendered = registry.find("noise_models", self.noise).domain == "srgb"
        return pair_camera(
            self.noise,
            self.noise_options,
            profile=profile,
            isos=self.isos,
            ratio=self.ratio,
            rounded=profile is not None and not rendered,
            plugins=registry,
        )

    def _place(self) -> tuple[int, int]:
        """Return rank and number of ranks."""
        if self.rank is not None and self.world_size is not None:
            return self.rank, self.world_size
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1

    def __getstate__(self) -> dict[str, Any]:
        """Return what a worker needs: it builds the models itself, and cannot ask for the rank."""
        state = self.__dict__ | {"_models": None}
        if self.rank is None and distributed.is_available() and distributed.is_initialized():
            state["rank"], state["world_size"] = self._place()
        return state
