"""Denoisers beside each other: on clean images with known noise, and on the frames of virtual cameras."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthnoise.calibration import calibrate
from synthnoise.denoising import Denoiser, Settings, denoise_frame
from synthnoise.denoising.denoise import DEFAULT_TILE
from synthnoise.errors import InputError, UsageError
from synthnoise.evaluation.metrics import Measures, load_metrics
from synthnoise.evaluation.table import Cell, Table
from synthnoise.files import CONTACT_SHEET
from synthnoise.images.colours import encode_srgb
from synthnoise.profiles.schema import CameraProfile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import read_image
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

NOISY = "noisy"
IMAGE, ALL = "image", "all"
"""The column of single images, and what stands there for the mean over them."""
COST = "CPU-s/MPix"
DEFAULT_METRICS = ("psnr", "ssim")
IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
DEFAULT_SIGMAS = (25.0, 50.0)
DEFAULT_SENSORS = ("mild",)
DEFAULT_RATIOS = (1.0, 10.0, 100.0)

_WARM_UP = 64
"""Edge in pixels of what a denoiser does before its time is taken: compiling is not its cost."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Quality of one image.

    ``values`` of the metrics, both images clipped to [0, 1]; ``seconds`` of CPU; ``megapixels`` of the image
    or the sensor.
    """

    values: tuple[float, ...]
    seconds: float
    megapixels: float


def evaluate_denoisers(
    denoisers: Sequence[str],
    *,
    folder: Path | str | None = None,
    sigmas: Sequence[float] | None = None,
    sensors: Sequence[str] | None = None,
    ratios: Sequence[float] | None = None,
    every: int = 1,
    per_image: bool = False,
    metrics: Sequence[str] = DEFAULT_METRICS,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Table:
    """Return quality and cost of denoisers, one row for each on each noise, the noisy image first.

    With ``folder``, on its clean images with white Gaussian noise in sRGB, neither clipped nor
    quantised, of generator ``seed`` begun anew for each image. Otherwise on scenes shot by virtual
    cameras and calibrated from one dark and the noisy frame itself; compared as CFA planes at
    their digital gain.

    Parameters
    ----------
    denoisers
        Names, or weights files.
    sigmas
        Noise levels for images, of 255; above 0.
    every
        Take every Nth image of the folder, sorted by name.
    per_image
        Give a row for each image, too, named in a column of its own.
    metrics
        Names of metrics, those of plugins among them, a column each.
    sensors, ratios
        Virtual cameras and their underexposures.

    Raises
    ------
    UsageError
        There is no such sensor, a level is no noise, or a denoiser does not fit what it is to denoise.
    PluginError
        There is no such denoiser or metric.
    InputError
        The folder holds no images, or one that cannot be measured.
    """
    measures = load_metrics(metrics)
    if folder is not None and (sensors or ratios):
        raise UsageError(
            "images have no sensor and no ratio", hint="give a folder and sigmas, or sensors and ratios"
        )
    if folder is None and (sigmas or every != 1 or per_image):
        raise UsageError(
            "sigma, every and per-image are for the images of a folder",
            hint="--folder DIR, or leave them out",
        )
    if folder is not None:
        levels = sigmas or DEFAULT_SIGMAS
        for level in levels:
            if not 0 < level < math.inf:
                raise UsageError(f"sigma {level:g} is no noise", hint="its standard deviation, of 255")
        paths = image_files(Path(folder))[::every]
        return _on_images(denoisers, paths, levels, per_image, measures, seed, device, progress)
    for sensor in sensors or ():
        if sensor not in SENSORS:
            raise UsageError(
                f"there is no virtual camera called {sensor!r}", hint=f"one of {', '.join(SENSORS)}"
            )
    return _on_cameras(
        denoisers, sensors or DEFAULT_SENSORS, ratios or DEFAULT_RATIOS, measures, seed, device, progress
    )


def _on_images(
    denoisers: Sequence[str],
    paths: Sequence[Path],
    sigmas: Sequence[float],
    per_image: bool,
    measures: Measures,
    seed: int,
    device: str,
    progress: Progress,
) -> Table:
    ready = {name: Denoiser(Settings(denoiser=name, device=device), domain="srgb") for name in denoisers}
    for denoiser in ready.values():
        denoise_tiled(denoiser, torch.full((1, 3, _WARM_UP, _WARM_UP), 0.5), 0.1)
    shown = headings((NOISY, *ready))
    rows = []
    progress.start("denoisers", total=len(sigmas) * (1 + len(ready)) * len(paths))
    for level in sigmas:
        scores: dict[str, list[Score]] = {NOISY: [], **{name: [] for name in ready}}
        for path in paths:
            clean = read_clean(path)
            noise = np.random.default_rng(seed).standard_normal(clean.shape) * (level / 255)
            noisy = torch.from_numpy((clean + noise).transpose(2, 0, 1)[None]).float()
            target = torch.from_numpy(clean.transpose(2, 0, 1)[None])
            try:
                scores[NOISY].append(_score(measures, noisy.clone, target))
            except UsageError as error:
                raise InputError(f"{path}: {error}", hint="take it out of the folder") from error
            for name, denoiser in ready.items():
                run = partial(denoise_tiled, denoiser, noisy, level / 255)
                scores[name].append(_score(measures, run, target))
            progress.advance(1 + len(ready))
        on = f"sigma {level:g}"
        rows += [_row(shown[name], (on, ALL) if per_image else (on,), scores[name]) for name in scores]
        if per_image:
            rows += [
                _row(shown[name], (on, path.name), [scores[name][number]])
                for number, path in enumerate(paths)
                for name in scores
            ]
    title = f"{len(paths)} images of {paths[0].parent.name}"
    return Table(title=title, columns=_columns(measures, per_image=per_image), rows=tuple(rows))


def _on_cameras(
    denoisers: Sequence[str],
    sensors: Sequence[str],
    ratios: Sequence[float],
    measures: Measures,
    seed: int,
    device: str,
    progress: Progress,
) -> Table:
    rows, shown = [], headings((NOISY, *denoisers))
    progress.start("denoisers", total=len(sensors) * len(ratios) * len(shown))
    for sensor in sensors:
        for ratio in ratios:
            shot = _shoot(sensor, ratio, seed)
            for name, heading in shown.items():
                rows.append(_row(heading, (f"{sensor} x{ratio:g}",), [shot.score(name, device, measures)]))
                progress.advance()
    return Table(title="one scene on virtual cameras", columns=_columns(measures), rows=tuple(rows))


def _columns(measures: Measures, *, per_image: bool = False) -> tuple[str, ...]:
    return ("denoiser", "on", *((IMAGE,) if per_image else ()), *measures, COST)


def headings(denoisers: Sequence[str]) -> dict[str, str]:
    """Return what each denoiser is called in a table: files without folders, where that tells them apart."""
    short = {name: Path(name).name if Path(name).suffix else name for name in denoisers}
    called = list(short.values())
    return {name: heading if called.count(heading) == 1 else name for name, heading in short.items()}


def _row(heading: str, noise: tuple[str, ...], scores: Sequence[Score]) -> tuple[Cell, ...]:
    cost = sum(s.seconds for s in scores) / sum(s.megapixels for s in scores)
    means = np.mean([s.values for s in scores], axis=0)
    return (heading, *noise, *(float(mean) for mean in means), cost)


def _score(
    measures: Measures, run: Callable[[], Tensor], clean: Tensor, *, pixels: int | None = None
) -> Score:
    """Return the score of what ``run`` returns, [1, C, H, W]; ``pixels`` are those of the plane or given."""
    before = time.process_time()
    denoised = run()
    seconds = time.process_time() - before
    denoised, clean = denoised.clamp(0, 1), clean.clamp(0, 1)
    return Score(
        values=tuple(float(measure(denoised, clean)) for measure in measures.values()),
        seconds=seconds,
        megapixels=(pixels or clean.shape[2] * clean.shape[3]) / 1e6,
    )


def denoise_tiled(denoiser: Denoiser, noisy: Tensor, sigma: float) -> Tensor:
    """Return an image [1, C, H, W] denoised of white noise, tile by tile."""
    channels = noisy.shape[1]
    denoised = torch.empty_like(noisy)
    for tile in denoiser.tiles((noisy.shape[2], noisy.shape[3]), DEFAULT_TILE):
        top, left, bottom, right = tile.outer
        part = denoiser(noisy[..., top:bottom, left:right], (0.0,) * channels, (sigma**2,) * channels)
        top, left, bottom, right = tile.inner
        denoised[..., top:bottom, left:right] = part[(..., *tile.kept)].cpu()
    return denoised


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder, sorted by name; the contact sheet of a dataset is not one.

    Raises
    ------
    InputError
        There are none.
    """
    found = (
        sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.name != CONTACT_SHEET)
        if folder.is_dir()
        else []
    )
    if not found:
        raise InputError(f"{folder}: no images there", hint=f"a folder of {', '.join(IMAGE_SUFFIXES)} files")
    return found


def read_clean(path: Path) -> NDArray[np.float64]:
    """Return an image float64 [H, W, 3] in sRGB of [0, 1]; floats in a file are linear light.

    Raises
    ------
    InputError
        It cannot be read, or holds NaN or infinity.
    """
    pixels = read_image(path)
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all():
            raise InputError(f"{path}: holds NaN or infinity", hint="take it out of the folder")
        light = torch.from_numpy(pixels.astype(np.float64)).clamp(0, 1)
        return np.asarray(encode_srgb(light).numpy())
    return pixels / np.float64(np.iinfo(pixels.dtype).max)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shot:
    """One noisy frame, the same without noise, and the profile that a user would have."""

    noisy: Frame
    clean: Frame
    profile: CameraProfile
    ratio: float

    def score(self, name: str, device: str, measures: Measures) -> Score:
        """Return the score of a denoiser on the CFA planes at the digital gain."""

        def run() -> Tensor:
            if name == NOISY:
                return self._planes(self.noisy)
            return self._planes(self._denoise(self.noisy, name, device))

        if name != NOISY:
            self._denoise(self.noisy.crop((0, 0, _WARM_UP, _WARM_UP)), name, device)
        return _score(measures, run, self._planes(self.clean), pixels=self.noisy.active().mosaic.size)

    def _denoise(self, frame: Frame, name: str, device: str) -> Frame:
        return denoise_frame(frame, denoiser=name, profile=self.profile, device=device).frame

    def _planes(self, frame: Frame) -> Tensor:
        return torch.from_numpy(linear_planes(frame)[None] * np.float32(self.ratio))


def _shoot(sensor: str, ratio: float, seed: int) -> _Shot:
    camera = VirtualCamera(SENSORS[sensor], seed=seed)
    scene = camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, seed))
    noisy = camera.shoot(scene, ratio=ratio)
    return _Shot(
        noisy=noisy,
        clean=camera.shoot(scene, ratio=ratio, clean=True),
        profile=calibrate([camera.dark()], [noisy]).profile,
        ratio=ratio,
    )
