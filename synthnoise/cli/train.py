"""``synthnoise train``: a denoiser fitted to a camera, on images that never existed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from synthnoise.cli.parameters import (
    Device,
    Iso,
    Json,
    Overwrite,
    Seed,
    complete_denoisers,
    complete_image_models,
    complete_noise_models,
    parse_range,
    split_output,
    was_given,
)
from synthnoise.errors import SynthnoiseError, UsageError
from synthnoise.output import Output


def train(
    context: typer.Context,
    images: Annotated[
        str | None,
        typer.Option(
            "--images",
            help="Image model (synthnoise models); default: dead-leaves, or that of --start.",
            autocompletion=complete_image_models,
        ),
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            "--noise",
            help="Noise model (synthnoise models); default: what suits the profile, or that of --start.",
            autocompletion=complete_noise_models,
        ),
    ] = None,
    denoiser: Annotated[
        str | None,
        typer.Option(
            "--denoiser",
            "-d",
            help="Network to train (synthnoise models); default: that of --start, or raw-dru for RAW,"
            " x-trans-dru for X-Trans, u-dru for pictures.",
            autocompletion=complete_denoisers,
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT|KEY=VALUE",
            help="Weights to write (.safetensors), or an option of the network; repeatable.",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="Take the arguments from a .toml file, or those that made raw, raw-x-trans or rgb; what is"
            " given here goes before them. Parts that it begins from are trained first.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            metavar="WEIGHTS",
            help="Weights to begin from: bundled ones by name, a .safetensors file, or random for none;"
            " default: with --profile and no --denoiser raw or raw-x-trans, else random.",
        ),
    ] = None,
    noise_option: Annotated[
        list[str] | None,
        typer.Option("--noise-option", metavar="KEY=VALUE", help="An option of the noise model."),
    ] = None,
    image_option: Annotated[
        list[str] | None,
        typer.Option("--image-option", metavar="KEY=VALUE", help="An option of the image model."),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", "-p", help="Camera profile: its name or its folder; of several, pairs draw one."
        ),
    ] = None,
    iso: Iso = None,
    cfa: Annotated[
        str | None,
        typer.Option(
            "--cfa", help="Without a profile: bayer or x-trans; default: that of --start, or bayer."
        ),
    ] = None,
    ratio: Annotated[
        str, typer.Option("--ratio", help="Underexposure, or LEAST,MOST to draw it from.")
    ] = "1,100",
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="How many steps; these or minutes.")
    ] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, help="For how long.")] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Pairs per step.")] = 8,
    crop: Annotated[
        int | None,
        typer.Option("--crop", min=16, help="Edge of a pair in (packed) pixels; default: 64, on X-Trans 32."),
    ] = None,
    scene: Annotated[
        int | None,
        typer.Option("--scene", min=16, help="Edge of images to cut pairs from; default: no cuts."),
    ] = None,
    cuts: Annotated[int, typer.Option("--cuts", min=1, help="Pairs cut from each --scene.")] = 1,
    loss: Annotated[
        str,
        typer.Option(
            "--loss", help="mse (in noise variances), psnr (the same in dB), l1, ssim or noise-residual."
        ),
    ] = "mse",
    rate: Annotated[
        float | None,
        typer.Option("--lr", help="Highest learning rate; default: 0.001, or 0.0002 from --start."),
    ] = None,
    optimiser: Annotated[str, typer.Option("--optimiser", help="adamw, or muon: more in a step.")] = "adamw",
    average: Annotated[
        float, typer.Option("--average", help="Decay of the average of the weights; 0: none.")
    ] = 0.999,
    precision: Annotated[
        str, typer.Option("--precision", help="32, or half: bf16-mixed or 16-mixed.")
    ] = "32",
    devices: Annotated[
        int, typer.Option("--devices", min=1, help="How many, each with a process of its own.")
    ] = 1,
    validate: Annotated[
        Path | None, typer.Option("--validate", help="Folder of pictures or RAW to judge on, too.")
    ] = None,
    sheets: Annotated[bool, typer.Option("--sheets", help="Keep sheets of samples as PNG.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Log for TensorBoard, too.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the state beside the output.")] = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train a denoiser on synthetic pairs drawn as it goes; Ctrl-C saves the state, --resume goes on.

    For your camera: synthnoise train --profile my-camera --minutes 30 -o my-camera.safetensors
    """
    from synthnoise.options import parse_pairs

    place, options = split_output(output)
    if place is None:
        raise UsageError("where should the weights go?", hint="-o weights.safetensors")
    # Parameter of the command, argument of the run, and its value.
    settings: dict[str, tuple[str, Any]] = {
        "images": ("images", images),
        "image_option": ("image_options", parse_pairs(image_option or [])),
        "noise": ("noise", noise),
        "noise_option": ("noise_options", parse_pairs(noise_option or [])),
        "denoiser": ("denoiser", denoiser),
        "profile": ("profile", profile),
        "iso": ("iso", iso),
        "cfa": ("cfa", cfa),
        "ratio": ("ratio", parse_range(ratio)),
        "steps": ("steps", steps),
        "minutes": ("minutes", minutes),
        "batch": ("batch", batch),
        "crop": ("crop", crop),
        "scene": ("scene", scene),
        "cuts": ("cuts", cuts),
        "loss": ("loss", loss),
        "rate": ("lr", rate),
        "optimiser": ("optimiser", optimiser),
        "average": ("average", average),
        "precision": ("precision", precision),
        "seed": ("seed", seed),
        "start": ("start", start),
    }
    plan = dict(settings.values()) | {"denoiser_options": options}
    if recipe is not None:
        plan = dict(settings[name] for name in settings if was_given(context, name))
        plan |= {"recipe": recipe} | ({"denoiser_options": options} if options else {})
    # What the command line alone can refuse has been refused: torch is loaded only now.
    from synthnoise.training import train as run
    from synthnoise.training import train_recipe
    from synthnoise.training.ranks import is_first_process

    out = Output(json_mode=json, quiet=context.obj["quiet"])
    with out.progress() as progress, _said_once():
        summary = (run if recipe is None else train_recipe)(
            **plan,
            output=Path(place),
            device=device,
            devices=devices,
            validate=validate,
            sheets=sheets,
            tensorboard=tensorboard,
            resume=resume,
            overwrite=overwrite,
            progress=progress,
        )
    if is_first_process():
        out.result(summary.as_dict(), summary.lines())


@contextlib.contextmanager
def _said_once() -> Iterator[None]:
    """Have the first process say for all what they all find; it needs the others to end in peace."""
    from synthnoise.devices import DeviceMemoryError
    from synthnoise.training.ranks import is_first_process

    try:
        yield
    except SynthnoiseError as error:
        # Memory may run out on one device alone: its process has to fail, or the others wait for it.
        if is_first_process() or isinstance(error, DeviceMemoryError):
            raise
        raise typer.Exit from None
