"""``train``: from names of models to a weights file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthnoise.colour_filter_arrays import CfaName
from synthnoise.devices import enough_memory, full_precision, pick_device
from synthnoise.errors import OutputExistsError, SynthnoiseError, UsageError
from synthnoise.files import alone, remove_parts_of
from synthnoise.noise.default_model import default_noise_model
from synthnoise.options import converted
from synthnoise.plugins import Kind, Plugins, default_plugins
from synthnoise.profiles.store import load_profile, profile_sha256
from synthnoise.progress import SILENT, Progress
from synthnoise.training.budget import Budget
from synthnoise.training.checkpoint import checkpoint_path
from synthnoise.training.log import Log, events_path, log_path
from synthnoise.training.plan import LossName, OptimiserName, PrecisionName, TrainingPlan
from synthnoise.training.ranks import Ranks
from synthnoise.training.run import Run, TrainingSummary
from synthnoise.training.sheets import sheets_path
from synthnoise.training.start import RANDOM, SUFFIX, Start, origin

DENOISERS = {"srgb": "u-dru", "x-trans": "x-trans-dru"}
"""What is trained on pictures and on X-Trans when nothing else is said ..."""
RAW_DENOISER = "raw-dru"
"""... and on other mosaics."""

CROPS = {"x-trans": 32}
"""Edge of pairs on X-Trans when nothing else is said: a repeat is six pixels wide, not two ..."""
CROP = 64
"""... and of all others."""

IMAGES = "dead-leaves"
"""What pairs are cut from when nothing else is said."""

RATE, RATE_FROM_WEIGHTS = 1e-3, 2e-4
"""Highest learning rates when nothing else is said: the first one undoes some of what weights have learnt."""


def train(
    *,
    output: Path | str,
    images: str | None = None,
    noise: str | None = None,
    denoiser: str | None = None,
    image_options: Mapping[str, Any] | None = None,
    noise_options: Mapping[str, Any] | None = None,
    denoiser_options: Mapping[str, Any] | None = None,
    profile: str | Sequence[str] | None = None,
    iso: float | None = None,
    cfa: CfaName | None = None,
    ratio: tuple[float, float] = (1.0, 100.0),
    steps: int | None = None,
    minutes: float | None = None,
    batch: int = 8,
    crop: int | None = None,
    scene: int | None = None,
    cuts: int = 1,
    loss: LossName = "mse",
    lr: float | None = None,
    optimiser: OptimiserName = "adamw",
    average: float = 0.999,
    precision: PrecisionName = "32",
    seed: int = 0,
    start: Path | str | None = None,
    start_sha256: str | None = None,
    device: str = "auto",
    devices: int = 1,
    validate: Path | str | None = None,
    sheets: bool = False,
    tensorboard: bool = False,
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
        Names of the models; ``*_options`` are theirs. No images are those of ``start``, cut as they were, or
        else dead-leaves. No noise is that which suits the profile (:mod:`synthnoise.noise.default_model`), or
        without one that of ``start``; no denoiser is that of ``start``, or else raw-dru for RAW, x-trans-dru
        for X-Trans and u-dru for pictures.
    profile, iso
        Camera profile (name or folder), or several, of which every pair draws one, and ISO for the noise
        model; without ISO every pair draws one of the profile's, without profile the options of the noise
        model say it.
    cfa
        Colour filter array of RAW pairs without a profile: ``bayer`` or ``x-trans``; None is that of
        ``start``, or Bayer's.
    ratio
        Least and greatest underexposure of RAW pairs, drawn log-uniformly: the dynamic range it is for.
    steps, minutes
        Budget; the learning rate anneals to the end of whichever comes first.
    batch
        Pairs per step, of all devices together.
    crop
        Height and width of a pair in pixels of the network's input (packed pixels for RAW); None is 64, or 32
        on X-Trans.
    scene, cuts
        Edge in pixels of the images that pairs are cut from, and how many from each in the mean; None draws
        every pair as an image of its own.
    loss
        ``mse`` in noise variances; ``l1``, the mean absolute error in the unit of the network's input;
        ``psnr``, ``ssim`` or ``noise-residual`` (:mod:`synthnoise.training.losses`).
    lr
        Highest learning rate; None is 1e-3, or 2e-4 from ``start``.
    optimiser
        ``adamw``, or ``muon``, which learns more in a step (:mod:`synthnoise.training.optimisers`).
    average
        Decay of the exponential average of the weights, which is what is written; 0 writes the last ones.
    precision
        ``32``, or ``bf16-mixed`` or ``16-mixed``: convolutions in half precision, weights in single.
    start, start_sha256
        Weights to begin from (fine-tuning): bundled ones by name, or a file; with a hash, no others.
        Network and options are theirs; optimiser, schedule and average begin anew. None: for a profile, if
        no denoiser is named, the bundled ones for its mosaic. ``random``: none in any case.
    device, devices
        What to train on, and how many: the script is started as often, unless torchrun has. Which pairs a
        step sees does not depend on it. The first process writes.
    validate
        Folder of pictures, or RAW files for RAW, that reports are about beside fresh synthetic pairs.
    sheets, tensorboard
        Keep sheets of samples (``.sheets``), and scalars and sheets for TensorBoard (``.tensorboard``).
    resume
        Go on from the state beside ``output``.

    Raises
    ------
    UsageError
        The request makes no sense, ``resume`` comes with other arguments than the run began with, or
        ``start`` is another network than asked for, or for other pairs.
    InputError
        A profile, the weights of ``start``, the pictures to validate on or the state to resume are damaged.
    MissingExtraError
        TensorBoard is not installed.
    OutputExistsError
        ``output`` exists, or the state of an unfinished run, and ``overwrite`` is false.
    TrainingInterrupted
        Ctrl-C or SIGTERM came; the state is saved.
    SynthnoiseError
        Training diverged; the last good weights are in ``output``. Or another process trains to it.
    """
    output, plugins = Path(output), plugins or default_plugins()
    check_output(output, sheets=sheets, tensorboard=tensorboard, resume=resume, overwrite=overwrite)
    begun = origin(
        {
            "start": start,
            "start_sha256": start_sha256,
            "profile": profile,
            "denoiser": denoiser,
            "denoiser_options": denoiser_options,
            "noise": noise,
        },
        plugins,
    )
    plan = plan_of(
        begun,
        plugins,
        images=images,
        noise=noise,
        denoiser=denoiser,
        image_options=image_options,
        noise_options=noise_options,
        denoiser_options=denoiser_options,
        profile=profile,
        iso=iso,
        cfa=cfa,
        ratio=ratio,
        steps=steps,
        minutes=minutes,
        batch=batch,
        crop=crop,
        scene=scene,
        cuts=cuts,
        loss=loss,
        lr=lr,
        optimiser=optimiser,
        average=average,
        precision=precision,
        seed=seed,
    )
    ranks = Ranks(pick_device(device), devices, precision)
    if begun is not None and start is None and ranks.is_first:
        progress.note(f"begins from {begun.name}, which knows cameras in general; not so: --start {RANDOM}")
    run = Run(
        plan,
        output,
        ranks=ranks,
        log=Log(output, sheets=sheets, tensorboard=tensorboard),
        folder=None if validate is None else Path(validate),
        plugins=plugins,
        start=begun,
        overwrite=overwrite,
        progress=progress if ranks.is_first else SILENT,
    )
    # What is to be computed in single precision has levels hundreds of times the noise on them.
    with _alone(output, ranks), full_precision(), enough_memory("a smaller --batch or --crop"):
        if resume:
            run.resume()
        return run.finish()


@contextlib.contextmanager
def _alone(output: Path, ranks: Ranks) -> Iterator[None]:
    """Keep other runs from the same output; all processes of this one are refused together.

    Raises
    ------
    SynthnoiseError
        There is another run, or the folder cannot be written.
    """
    refusal: SynthnoiseError | None = None
    with contextlib.ExitStack() as held:
        if ranks.is_first:
            try:
                held.enter_context(alone(output))
            except SynthnoiseError as error:
                refusal = error
        if any(refused for (refused,) in ranks.gather(float(refusal is not None))):
            raise refusal or SynthnoiseError(f"{output}: the first process may not write here")
        if ranks.is_first:
            for path in (output, checkpoint_path(output), log_path(output)):
                remove_parts_of(path)
        yield


def plan_of(
    begun: Start | None,
    plugins: Plugins,
    *,
    images: str | None,
    noise: str | None,
    denoiser: str | None,
    image_options: Mapping[str, Any] | None,
    noise_options: Mapping[str, Any] | None,
    denoiser_options: Mapping[str, Any] | None,
    profile: str | Sequence[str] | None,
    cfa: CfaName | None,
    crop: int | None,
    steps: int | None,
    minutes: float | None,
    scene: int | None,
    cuts: int,
    lr: float | None,
    **values: Any,
) -> TrainingPlan:
    """Return the plan that :func:`train` makes of its arguments and of the weights that it begins from.

    ``values`` are those that the plan takes as they are.

    Raises
    ------
    UsageError
        A number is out of range, an option is unknown, or the denoiser is not that of the weights.
    PluginError
        There is no such model.
    """
    profiles = (profile,) if isinstance(profile, str) else tuple(profile or ())
    if begun is not None:
        begun.check_denoiser(denoiser, denoiser_options or {}, plugins)
    if noise is None and not profiles and begun is not None:
        noise, own = begun.noise()
        noise_options = noise_options or own
    noise = noise or _noise_of_all(profiles)
    if cfa is None and begun is not None and not profiles:
        cfa = begun.cfa()
    kind = plugins.find("noise_models", noise).domain
    if kind == "raw":
        kind = (load_profile(profiles[0]).cfa_name if profiles else cfa) or kind
    if begun is not None:
        denoiser = begun.record.denoiser
    elif denoiser is None:
        denoiser = DENOISERS.get(kind, RAW_DENOISER)

    if images is None:
        known = begun.images(plugins) if begun and not image_options else None
        images, own_options, own_scene, own_cuts = known or (IMAGES, {}, None, 1)
        image_options = image_options or own_options
        if scene is None and cuts == 1:
            scene, cuts = own_scene, own_cuts

    def typed(kind: Kind, name: str, values: Mapping[str, Any] | None) -> dict[str, Any]:
        return converted(plugins.find(kind, name).load_options(), values or {}, owner=name)

    return TrainingPlan(
        images=images,
        noise=noise,
        denoiser=denoiser,
        # What a file says, a command line and Python are to be the same run.
        image_options=typed("image_models", images, image_options),
        noise_options=typed("noise_models", noise, noise_options),
        denoiser_options=typed("denoisers", denoiser, begun.record.options if begun else denoiser_options),
        profile=_one_or_all(profiles),
        cfa=cfa,
        crop=CROPS.get(kind, CROP) if crop is None else crop,
        budget=Budget(steps=steps, minutes=minutes),
        scene=scene,
        cuts=cuts,
        lr=lr if lr is not None else RATE_FROM_WEIGHTS if begun else RATE,
        start=begun.name if begun else None,
        start_sha256=begun.sha256 if begun else None,
        profile_sha256=_one_or_all(tuple(profile_sha256(one, plugins) for one in profiles)),
        **values,
    )


def _noise_of_all(profiles: tuple[str, ...]) -> str:
    """Return the noise model that is meant for some camera profiles: one that all of them can feed."""
    found = {default_noise_model(profile) for profile in profiles or (None,)}
    return found.pop() if len(found) == 1 else default_noise_model(None)


def _one_or_all(values: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """Return the only one, several as they are, and None for none."""
    return values if len(values) > 1 else next(iter(values), None)


def check_output(output: Path, *, sheets: bool, tensorboard: bool, resume: bool, overwrite: bool) -> None:
    """Refuse, before anything is trained, an output that could not be written at the end.

    Raises
    ------
    UsageError
        It is a folder or in a file, or called as another kind of file.
    OutputExistsError
        It or what lies beside it exists, and is not to be replaced.
    """
    if output.name == "-":
        raise UsageError("weights are not written to stdout", hint=f"-o weights{SUFFIX}")
    if output.suffix not in ("", SUFFIX):
        raise UsageError(f"{output}: weights are {SUFFIX} files", hint="export writes the other kinds")
    if output.is_dir():
        raise UsageError(f"{output}: is a folder", hint=f"-o {output / 'weights'}{SUFFIX}")
    for folder in output.parents:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: is not a folder, and {output} would lie in it")
    if overwrite:
        return
    state = checkpoint_path(output)
    if output.exists():
        if resume and not state.exists():
            raise OutputExistsError(
                output, hint="its training is finished: go on from it with --start, under another name"
            )
        raise OutputExistsError(output)
    if resume:
        return
    if state.exists():
        raise OutputExistsError(state, hint="go on with --resume, or start again with --overwrite")
    kept = {log_path(output): True, sheets_path(output): sheets, events_path(output): tensorboard}
    for path in (path for path, wanted in kept.items() if wanted and path.exists()):
        raise OutputExistsError(path)
