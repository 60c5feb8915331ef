"""``synthnoise evaluate``: metrics with error bars, for images, noise and denoisers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthnoise.cli.parameters import (
    Device,
    GeometryText,
    Json,
    Overwrite,
    Seed,
    complete_runnable,
    frames_of,
    parse_geometry,
    parse_size,
)
from synthnoise.errors import UsageError
from synthnoise.options import parse_pairs
from synthnoise.output import Output

app = typer.Typer(
    help="Measure image models, noise models and denoisers.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
ModelOption = Annotated[
    list[str] | None,
    typer.Option("-o", "--option", metavar="KEY=VALUE", help="An option of the model; repeatable."),
]


@app.command()
def images(
    models: Annotated[list[str] | None, typer.Argument(help="Image models, or folders of images.")] = None,
    reference: Annotated[Path | None, typer.Option("--reference", help="Folder of natural images.")] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=2, help="Images of each.")] = 16,
    size: Annotated[str, typer.Option("--size", help="HEIGHTxWIDTH in pixels.")] = "500x500",
    option: ModelOption = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="PNG to draw gradients, spectra and colour spread in.")
    ] = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Statistics of images against natural ones: gradient KL, spectral slope, chroma spread."""
    from synthnoise.evaluation.image_plot import check_plot, plot_images
    from synthnoise.evaluation.images import compare_images, image_table

    out = Output(json_mode=json)
    if plot is not None:
        check_plot(plot, overwrite=overwrite)
    with out.progress() as progress:
        sets = compare_images(
            models or ["dead-leaves"],
            n=number,
            size=parse_size(size),
            reference=reference,
            options=parse_pairs(option or []),
            seed=seed,
            progress=progress,
        )
    if plot is not None:
        plot_images(sets, plot, overwrite=overwrite)
    out.result({"images": [one.as_dict() for one in sets]}, image_table(sets))


@app.command()
def noise(
    models: Annotated[list[str] | None, typer.Argument(help="Noise models; default: all for RAW.")] = None,
    sensor: Annotated[str, typer.Option("--sensor", help="Virtual camera to judge on.")] = "mild",
    dark: Annotated[
        list[Path] | None,
        typer.Option("--dark", help="Real dark frames instead: the first calibrates; repeatable."),
    ] = None,
    noisy: Annotated[
        list[Path] | None,
        typer.Option("--noisy", help="A photograph at their ISO, which gives the gain."),
    ] = None,
    iso: Annotated[float | None, typer.Option("--iso", help="ISO of the frames, if they do not say.")] = None,
    geometry: GeometryText = None,
    frames: Annotated[int, typer.Option("--frames", min=2, help="Frames to judge on.")] = 3,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Compare the darks that noise models make with real ones: KL, KS, spectrum, rows, columns, spread."""
    from synthnoise.evaluation.noise import evaluate_noise

    layout = parse_geometry(geometry)
    out = Output(json_mode=json)
    with out.progress() as progress:
        table = evaluate_noise(
            models,
            sensor=sensor,
            darks=frames_of(dark, layout) if dark else None,
            noisy=frames_of(noisy, layout),
            iso=iso,
            frames=frames,
            seed=seed,
            progress=progress,
        )
    shown = table.with_errors() if json else table.as_text()
    out.table(shown.title, shown.columns, shown.rows, key="noise")


@app.command()
def denoiser(
    denoisers: Annotated[
        list[str] | None,
        typer.Argument(
            help="Denoisers or bundled weights by name, .safetensors or .onnx files; default: patch-dct.",
            autocompletion=complete_runnable,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Folder of clean images, which get Gaussian noise in sRGB."),
    ] = None,
    sigma: Annotated[
        list[str] | None,
        typer.Option("--sigma", help="Noise levels for --folder, of 255; default: 25,50; repeatable."),
    ] = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Every Nth image of --folder by name.")] = 1,
    per_image: Annotated[bool, typer.Option("--per-image", help="A row for each image, too.")] = False,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Metrics, of plugins too; default: psnr,ssim; repeatable."),
    ] = None,
    sensor: Annotated[
        list[str] | None,
        typer.Option("--sensor", "--camera", help="Virtual cameras: mild,hard; default: mild; repeatable."),
    ] = None,
    ratio: Annotated[
        list[str] | None,
        typer.Option("--ratio", "--ratios", help="Their underexposures; default: 1,10,100; repeatable."),
    ] = None,
    invariance: Annotated[
        bool,
        typer.Option("--invariance", help="Differences from the first denoiser on turned and scaled images."),
    ] = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="PNG to draw --invariance in.")] = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """PSNR and SSIM of denoisers side by side, with CPU seconds per megapixel.

    With --folder on pictures, otherwise on RAW frames of virtual cameras.
    """
    names, sigmas = denoisers or ["patch-dct"], _numbers("--sigma", _listed(sigma))
    out = Output(json_mode=json)
    if invariance:
        if folder is None:
            raise UsageError("--invariance needs images to turn", hint="--folder DIR")
        if len(sigmas or []) > 1 or metric or sensor or ratio or per_image:
            raise UsageError(
                "--invariance compares the PSNR of images at one noise level",
                hint="leave out --metric, --camera, --ratios and --per-image, and give one --sigma",
            )
        _invariance(out, names, folder, (sigmas or [25.0])[0], every, seed, device, plot, overwrite)
        return
    if plot is not None:
        raise UsageError("--plot draws --invariance", hint="give both")
    from synthnoise.evaluation.denoiser import DEFAULT_METRICS, evaluate_denoisers

    with out.progress() as progress:
        table = evaluate_denoisers(
            names,
            folder=folder,
            sigmas=sigmas,
            every=every,
            per_image=per_image,
            metrics=_listed(metric) or DEFAULT_METRICS,
            sensors=_listed(sensor),
            ratios=_numbers("--ratio", _listed(ratio)),
            seed=seed,
            device=device,
            progress=progress,
        )
    out.table(table.title, table.columns, table.rows, key="denoisers")


def _invariance(
    out: Output,
    names: list[str],
    folder: Path,
    sigma: float,
    every: int,
    seed: int,
    device: str,
    plot: Path | None,
    overwrite: bool,
) -> None:
    from synthnoise.evaluation.image_plot import check_plot
    from synthnoise.evaluation.invariance import evaluate_invariance, plot_invariance

    if plot is not None:
        check_plot(plot, overwrite=overwrite)
    with out.progress() as progress:
        table = evaluate_invariance(
            names, folder, sigma=sigma, every=every, seed=seed, device=device, progress=progress
        )
    if plot is not None:
        plot_invariance(table, plot, overwrite=overwrite)
    shown = table.with_errors() if out.json_mode else table.as_text()
    out.table(shown.title, shown.columns, shown.rows, key="invariance")


def _listed(values: list[str] | None) -> list[str] | None:
    """Return the parts of comma-separated values."""
    return [part for value in values for part in value.split(",")] if values else None


def _numbers(option: str, values: list[str] | None) -> list[float] | None:
    try:
        return None if values is None else [float(value) for value in values]
    except ValueError as error:
        raise UsageError(f"{option} {','.join(values or [])}: not numbers", hint="such as 25,50") from error
