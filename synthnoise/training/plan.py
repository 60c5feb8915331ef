"""What to train on what: all that decides the outcome of a run, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import MISSING, dataclass, field
from pathlib import PurePath, PureWindowsPath
from typing import Any, Literal, get_args

from synthnoise.colour_filter_arrays import CfaName
from synthnoise.errors import UsageError
from synthnoise.training.budget import Budget

SMALLEST_CROP = 8

PrecisionName = Literal["32", "bf16-mixed", "16-mixed"]
LossName = Literal["mse", "psnr", "l1", "ssim", "noise-residual"]
OptimiserName = Literal["adamw", "muon"]

_OTHERS = {"profile_sha256": "another profile of that name", "start_sha256": "other weights of that name"}
"""What to say of hashes that differ."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """The arguments of a run; same plan and same kind of device, same weights.

    Attributes
    ----------
    images, noise, denoiser
        Names of the models.
    image_options, noise_options, denoiser_options
        Theirs, those that were given.
    profile, iso
        Camera profile (name or folder), or several of which every pair has one, and ISO for the noise model,
        or None; no ISO is all of the profile.
    profile_sha256
        Of the profile's document, or of each: a resumed run goes on with the same, whatever their names.
    cfa
        Colour filter array of RAW pairs, or None: the profile's, and without one Bayer's.
    budget
        Steps or minutes.
    ratio
        Least and greatest underexposure of RAW pairs, drawn log-uniformly.
    batch
        Pairs per step.
    crop
        Height and width of a pair in pixels of the network's input.
    scene
        Height and width of the images that pairs are cut from, in pixels; None draws each of its own size.
    cuts
        Pairs cut from each image, in the mean.
    loss
        Name of what a step makes smaller (:mod:`synthnoise.training.losses`).
    lr
        Highest learning rate.
    optimiser
        What moves the weights (:mod:`synthnoise.training.optimisers`).
    average
        Share of the former weights in each new exponential average of them, which is what is kept.
    precision
        Of the convolutions: ``32``, or ``bf16-mixed`` or ``16-mixed`` beside weights of 32 bits.
    seed
        Of pairs and of the network's first values.
    start, start_sha256
        Name of the weights that it begins from, and hash of their values; None begins with random ones.

    Raises
    ------
    UsageError
        A number is out of range.
    """

    images: str
    noise: str
    denoiser: str
    budget: Budget
    image_options: dict[str, Any] = field(default_factory=dict)
    noise_options: dict[str, Any] = field(default_factory=dict)
    denoiser_options: dict[str, Any] = field(default_factory=dict)
    profile: str | tuple[str, ...] | None = None
    iso: float | None = None
    cfa: CfaName | None = None
    ratio: tuple[float, float] = (1.0, 100.0)
    batch: int = 8
    crop: int = 64
    scene: int | None = None
    cuts: int = 1
    loss: LossName = "mse"
    lr: float = 1e-3
    optimiser: OptimiserName = "adamw"
    average: float = 0.999
    precision: PrecisionName = "32"
    seed: int = 0
    start: str | None = None
    start_sha256: str | None = None
    profile_sha256: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.cfa not in (None, *get_args(CfaName)):
            known = ", ".join(get_args(CfaName))
            raise UsageError(f"a colour filter array called {self.cfa!r}", hint=f"one of {known}")
        if self.cfa is not None and self.profile is not None:
            raise UsageError(
                f"the colour filter array {self.cfa} beside a profile, which has its own",
                hint="leave out --cfa",
            )
        if not 0 <= self.seed < 1 << 64:
            raise UsageError(
                f"seed {self.seed} is out of range", hint="use a whole number from 0 to 2**64 - 1"
            )
        if self.batch < 1:
            raise UsageError(f"a batch of {self.batch} pairs", hint="use 1 or more")
        if self.crop < SMALLEST_CROP:
            raise UsageError(f"crops of {self.crop} pixels", hint=f"use {SMALLEST_CROP} or more")
        if self.cuts < 1 or (self.scene is None and self.cuts > 1):
            raise UsageError(f"{self.cuts} cuts from each image", hint="several need a scene to cut from")
        if self.loss not in get_args(LossName):
            raise UsageError(f"a loss called {self.loss!r}", hint=f"one of {', '.join(get_args(LossName))}")
        if self.optimiser not in get_args(OptimiserName):
            known = ", ".join(get_args(OptimiserName))
            raise UsageError(f"an optimiser called {self.optimiser!r}", hint=f"one of {known}")
        if self.precision not in get_args(PrecisionName):
            known = ", ".join(get_args(PrecisionName))
            raise UsageError(f"a precision called {self.precision!r}", hint=f"one of {known}")
        if not 0 <= self.average < 1:
            raise UsageError(f"an average of {self.average:g}", hint="use 0 (none) to below 1, such as 0.999")
        if not 0 < self.lr < 1:
            raise UsageError(
                f"a learning rate of {self.lr:g}", hint="use a number between 0 and 1, such as 1e-3"
            )

    @property
    def profiles(self) -> tuple[str, ...]:
        """All camera profiles, names or folders."""
        if self.profile is None:
            return ()
        return (self.profile,) if isinstance(self.profile, str) else self.profile

    @property
    def profile_names(self) -> tuple[str, ...]:
        """Names of the profiles, without the folders they lie in, which do not travel."""
        return tuple(PurePath(profile).name for profile in self.profiles)

    def recipe(self) -> dict[str, Any]:
        """Return the plan as JSON values; of files and folders only the names, which are all that travels."""
        names = self.profile_names
        values: dict[str, Any] = dataclasses.asdict(self)
        values["profile"] = names if len(names) > 1 else next(iter(names), None)
        values |= values.pop("budget")
        for key in ("image_options", "noise_options", "denoiser_options"):
            values[key] = {name: _without_folders(value) for name, value in values[key].items()}
        # As it comes back from a file: lists for tuples.
        recipe: dict[str, Any] = json.loads(json.dumps(values))
        return recipe


def difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Return in words the first thing that two plans differ in, as :meth:`TrainingPlan.recipe` has them.

    Arguments that training has learnt since the first of them had their defaults. None if nothing differs.
    """
    fields = dataclasses.fields(TrainingPlan)
    before = {field.name: field.default for field in fields if field.default is not MISSING} | before
    for key in sorted(now.keys() | before.keys()):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            inner = next(one for one in sorted(old.keys() | new.keys()) if old.get(one) != new.get(one))
            key, old, new = f"{key} {inner}", old.get(inner), new.get(inner)
        return _OTHERS.get(key, f"{key} {old}, not {new}")
    return None


def _without_folders(value: Any) -> Any:
    """Return an option's value with the names of files for their paths, several of them between commas."""
    if isinstance(value, PurePath) or (isinstance(value, str) and ("/" in value or "\\" in value)):
        paths = [PureWindowsPath(part) if "\\" in part else PurePath(part) for part in str(value).split(",")]
        return ",".join(path.name for path in paths)
    if isinstance(value, list | tuple):
        return [_without_folders(part) for part in value]
    return value
