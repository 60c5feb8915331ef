"""What to train on what: all that decides the outcome of a run, and nothing else."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from synthnoise.errors import UsageError
from synthnoise.training.budget import Budget

SMALLEST_CROP = 8


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """The arguments of a run; same plan and same kind of device, same weights.

    Attributes
    ----------
    images, noise, denoiser
        Names of the models.
    image_options, noise_options, denoiser_options
        Theirs, as text or values.
    profile, iso
        Camera profile (name or folder) and ISO for the noise model, or None.
    budget
        Steps or minutes.
    ratio
        Least and greatest underexposure of RAW pairs, drawn log-uniformly.
    batch
        Pairs per step.
    crop
        Height and width of a pair in pixels of the network's input.
    lr
        Highest learning rate.
    seed
        Of pairs and of the network's first values.

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
    profile: str | None = None
    iso: float | None = None
    ratio: tuple[float, float] = (1.0, 100.0)
    batch: int = 8
    crop: int = 64
    lr: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UsageError(f"a batch of {self.batch} pairs", hint="use 1 or more")
        if self.crop < SMALLEST_CROP:
            raise UsageError(f"crops of {self.crop} pixels", hint=f"use {SMALLEST_CROP} or more")
        if not 0 < self.lr < 1:
            raise UsageError(
                f"a learning rate of {self.lr:g}", hint="use a number between 0 and 1, such as 1e-3"
            )

    def recipe(self) -> dict[str, Any]:
        """Return the plan as JSON values; of a profile's folder only the name, which is all that travels."""
        values: dict[str, Any] = dataclasses.asdict(self)
        if self.profile is not None:
            values["profile"] = PurePath(self.profile).name
        values |= values.pop("budget")
        values["ratio"] = list(self.ratio)
        return values
