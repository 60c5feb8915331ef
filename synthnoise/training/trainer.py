"""``train``: from names of models to a weights file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthnoise.devices import pick_device
from synthnoise.errors import OutputExistsError
from synthnoise.plugins import Plugins, default_plugins
from synthnoise.progress import SILENT, Progress
from synthnoise.training.budget import Budget
from synthnoise.training.checkpoint import checkpoint_path
from synthnoise.training.plan import Loss, TrainingPlan
from synthnoise.training.run import Run, TrainingSummary


def train(
    *,
    output: Path | str,
    images: str = "dead-leaves",
    noise: str = "poisson-gaussian",
    denoiser: str = "dncnn",
    image_options: Mapping[str, Any] | None = None,
    noise_options: Mapping[str, Any] | None = None,
    denoiser_options: Mapping[str, Any] | None = None,
    profile: str | None = None,
    iso: float | None = None,
    ratio: tuple[float, float] = (1.0, 100.0),
    steps: int | None = None,
    minutes: float | None = None,
    batch: int = 8,
    crop: int = 64,
    scene: int | None = None,
    cuts: int = 1,
    loss: Loss = "mse",
    lr: float = 1e-3,
    average: float = 0.999,
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    plugins: Plugins | None = None,
    progress: Progress = SILENT,
) -> TrainingSummary:
    """Train a denoiser on synthetic pairs, drawn as it goes, and write its weights.

    Pair i depends on (models, options, seed, i) alone, so a run that was stopped and resumed ends
    with the same weights as one that was not, if its budget is in steps and the device is the same.

    Parameters
    ----------
    output
        The weights file; the log (``.csv``) and, until the run is finished, its state
        (``.checkpoint``) lie beside it under its name.
    images, noise, denoiser
        Names of the models; ``*_options`` are theirs.
    profile, iso
        Camera profile (name or folder) and ISO for the noise model; None leaves it to its options.
    ratio
        Least and greatest underexposure of RAW pairs, drawn log-uniformly: the dynamic range it is for.
    steps, minutes
        Budget; the learning rate anneals to the end of whichever comes first.
    batch
        Pairs per step.
    crop
        Height and width of a pair in pixels of the network's input (packed pixels for RAW).
    scene, cuts
        Edge in pixels of the images that pairs are cut from, and how many from each in the mean; None draws
        every pair as an image of its own.
    loss
        ``mse`` in noise variances, or ``l1``, the mean absolute error in the unit of the network's input.
    lr
        Highest learning rate.
    average
        Decay of the exponential average of the weights, which is what is written; 0 writes the last ones.
    resume
        Go on from the state beside ``output``.

    Raises
    ------
    UsageError
        The request makes no sense, or ``resume`` comes with other arguments than the run began with.
    OutputExistsError
        ``output`` exists, or the state of an unfinished run, and ``overwrite`` is false.
    TrainingInterrupted
        Ctrl-C or SIGTERM came; the state is saved.
    SynthnoiseError
        Training diverged; the last good weights are in ``output``.
    """
    plan = TrainingPlan(
        images=images,
        noise=noise,
        denoiser=denoiser,
        image_options=dict(image_options or {}),
        noise_options=dict(noise_options or {}),
        denoiser_options=dict(denoiser_options or {}),
        profile=profile,
        iso=iso,
        ratio=ratio,
        budget=Budget(steps=steps, minutes=minutes),
        batch=batch,
        crop=crop,
        scene=scene,
        cuts=cuts,
        loss=loss,
        lr=lr,
        average=average,
        seed=seed,
    )
    output = Path(output)
    _check_output(output, resume=resume, overwrite=overwrite)
    run = Run(
        plan,
        output,
        device=pick_device(device),
        plugins=plugins or default_plugins(),
        overwrite=overwrite,
        progress=progress,
    )
    if resume:
        run.resume()
    return run.finish()


def _check_output(output: Path, *, resume: bool, overwrite: bool) -> None:
    if overwrite:
        return
    if output.exists():
        raise OutputExistsError(output)
    state = checkpoint_path(output)
    if state.exists() and not resume:
        raise OutputExistsError(state, hint="go on with --resume, or start again with --overwrite")
