"""What is asked for, and the models that draw it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synthnoise import options
from synthnoise.devices import enough_memory
from synthnoise.errors import UsageError
from synthnoise.files import sha256
from synthnoise.noise.default_model import default_noise_model
from synthnoise.output import jsonable
from synthnoise.plugins import Kind, Plugins
from synthnoise.profiles.arrangement import in_named_order
from synthnoise.profiles.schema import CameraProfile
from synthnoise.profiles.store import load_profile, noise_at
from synthnoise.protocols import ImageModel
from synthnoise.rng import Rng
from synthnoise.stream.pairs import PairCamera, PairSource, pair_camera
from synthnoise.stream.plan import Camera, Plan


@dataclass(frozen=True, kw_only=True)
class Request:
    """Synthetic samples: which model, how many, how large, with which noise.

    Attributes
    ----------
    model, options
        Image model by name, and its options.
    n, start
        How many, and the number of the first.
    size
        (height, width) in pixels.
    seed
        Sample i depends on the seed and i, not on n and start.
    noise, noise_options
        Noise model by name and its options; None: clean images only. With a ``profile`` and no noise
        model it is that of :func:`synthnoise.noise.default_model.default_noise_model`.
    profile
        Camera: a profile, or its name or folder. Readouts are then rounded and clipped as it does.
    iso
        ISO of the profile; None where it has one only.
    ratio
        Underexposure: the light is divided by it and the noisy result multiplied.

    Raises
    ------
    UsageError
        Nothing is asked for, or it is out of range.
    """

    model: str = "dead-leaves"
    n: int = 16
    size: tuple[int, int] = (512, 512)
    seed: int = 0
    start: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    noise: str | None = None
    noise_options: Mapping[str, Any] = field(default_factory=dict)
    profile: CameraProfile | str | Path | None = None
    iso: float | None = None
    ratio: float = 1.0

    def __post_init__(self) -> None:
        if self.n < 1 or self.start < 0:
            raise UsageError(f"{self.n} samples from number {self.start}: there are none")
        if min(self.size) < 1:
            raise UsageError(f"images of {self.size[0]}x{self.size[1]} pixels: there are none")
        if self.noise is None and self.profile is not None:
            object.__setattr__(self, "noise", default_noise_model(self.profile))
        if self.noise is None and (self.iso is not None or self.ratio != 1 or self.noise_options):
            raise UsageError(
                "iso, ratio and noise options mean nothing without noise", hint="add --noise MODEL"
            )

    def streamed(self) -> Request:
        """Return the request for a stream: planes as networks want them, red first on Bayer."""
        if self.profile is None:
            return self
        profile = load_profile(self.profile) if isinstance(self.profile, str | Path) else self.profile
        return dataclasses.replace(self, profile=in_named_order(profile))

    def as_dict(self) -> dict[str, Any]:
        """Return the request as JSON types."""
        facts = {name.name: getattr(self, name.name) for name in dataclasses.fields(self)}
        if isinstance(self.profile, CameraProfile):
            facts["profile"] = self.profile.name
        converted: dict[str, Any] = jsonable(facts)
        return converted


class Source:
    """The models of a request, ready to draw.

    Attributes
    ----------
    request
        What was asked for.
    plan
        What the samples are.

    Raises
    ------
    UsageError
        The parts of the request do not fit together.
    PluginError
        There is no such model.
    InputError
        The profile is damaged.
    """

    def __init__(self, request: Request, plugins: Plugins) -> None:
        self.request = request
        self._plugins = plugins
        self._images: ImageModel = plugins.create("image_models", request.model, request.options)
        self._profile = (
            load_profile(request.profile) if isinstance(request.profile, str | Path) else request.profile
        )
        self._camera = self._pair_camera()
        self.plan = self._plan()

    def _pair_camera(self) -> PairCamera | None:
        request, profile = self.request, self._profile
        if request.noise is None:
            return None
        rendered = self._plugins.find("noise_models", request.noise).domain == "srgb"
        return pair_camera(
            request.noise,
            request.noise_options,
            profile=profile,
            isos=() if request.iso is None else (request.iso,),
            ratio=request.ratio,
            rounded=profile is not None and not rendered,
            plugins=self._plugins,
        )

    def _plan(self) -> Plan:
        size = self.request.size
        if self._camera is None:
            return Plan(content="scene", pictures=("clean",), size=size)
        pictures = ("clean", "noisy")
        if self._camera.cfa is None:
            return Plan(content="srgb", pictures=pictures, size=size)
        return Plan(
            content="mosaic", pictures=pictures, size=size, camera=self._tags(), ratio=self.request.ratio
        )

    def _tags(self) -> Camera:
        """Return what files say of the camera."""
        profile = self._profile
        if profile is None:
            return Camera()
        noise = noise_at(
            profile, self.request.iso if self.request.iso is not None else next(iter(profile.isos))
        )
        return Camera(
            cfa=profile.cfa,
            black=profile.black,
            white=profile.white,
            make=profile.make,
            model=profile.model,
            iso=noise.iso,
            as_shot_neutral=profile.as_shot_neutral,
            colour_matrix=profile.colour_matrix,
        )

    def draw(self, indices: Sequence[int], device: torch.device) -> dict[str, Tensor]:
        """Return the samples of these numbers, [B, ...] per field, on ``device``."""
        rng = Rng(
            seed=self.request.seed, indices=torch.tensor(list(indices), dtype=torch.int64), device=device
        )
        with enough_memory("a smaller --batch or --size, or --device cpu"):
            if self._camera is None:
                return {"clean": self._images.generate(self.request.size, rng)}
            pair = PairSource(self._images, self._camera, self.request.size).draw(rng)
        return {"clean": pair.clean, "noisy": pair.noisy, "noise_profile": pair.noise_profile}

    def facts(self) -> dict[str, Any]:
        """Return all that a sample depends on but its number, as JSON types."""
        request = self.request
        facts: dict[str, Any] = {
            "model": self._described("image_models", request.model, request.options),
            "seed": request.seed,
            "size": list(request.size),
        }
        files: dict[str, Any] = getattr(self._images, "facts", dict)()
        if files:
            facts["model"] |= {"files": files}
        if request.noise is not None:
            facts["noise"] = self._described("noise_models", request.noise, request.noise_options)
            facts["noise"] |= {"iso": self.plan.camera.iso, "ratio": request.ratio}
        if self._profile is not None:
            facts["profile"] = {"camera": self._profile.name, "sha256": _fingerprint(self._profile)}
        return facts

    def _described(self, kind: Kind, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a model's name, plugin and options, defaults included."""
        record = self._plugins.find(kind, name)
        chosen = options.build(record.load_options(), values, owner=record.name)
        every = {} if chosen is None else dataclasses.asdict(chosen)
        return {"name": record.name, "plugin": record.source, "options": jsonable(every)}


def _fingerprint(profile: CameraProfile) -> str:
    """Return a hash over the files of a profile, or over what it says where it has none."""
    digest = hashlib.sha256()
    if not profile.folder:
        digest.update(repr(dataclasses.replace(profile, created="")).encode())
        return digest.hexdigest()
    for path in sorted(Path(profile.folder).rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(profile.folder)} {sha256(path)}\n".encode())
    return digest.hexdigest()
