"""Noise models beside the camera they imitate: dark frames that they make, and ones that were shot.

The first dark calibrates. Of the others, one half is the reference; the other half is "another real
frame", whose distance from the reference is the least that a model can be asked for.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from synthnoise.calibration import calibrate
from synthnoise.errors import UsageError
from synthnoise.evaluation.dark_statistics import DarkStatistics, compare, distance_errors, measure
from synthnoise.evaluation.table import Cell, Table, value_and_error
from synthnoise.plugins import Plugins, default_plugins
from synthnoise.profiles.schema import CameraProfile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.cfa import linear_planes
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_frame
from synthnoise.rng import Rng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera
from synthnoise.stream.pairs import PairCamera, pair_camera

DarkSource = Callable[[int], NDArray[np.float32]]
"""Frame number n to planes float32 [C, H, W] in DN above black, rounded as the camera rounds."""

REAL = "another real frame"
COLUMNS = (
    "model",
    "KL",
    "KS",
    "PSD dB",
    "row var ratio",
    "column var ratio",
    "var ratio",
    "plane corr error",
    "lag corr error",
    "kurtosis",
    "frame corr",
    "spread dB",
)
LARGEST_CROP = 1024
"""Packed pixels each way of the middle of a frame that is judged: bounds memory, leaves out borders."""

_SHADING_SIGMA = 50.0
_SHADING_TRUNCATE = 3.0
_NOISY_RATIO = 20.0


def evaluate_noise(
    models: Sequence[str] | None = None,
    *,
    sensor: str = "mild",
    darks: Sequence[Path | str | Frame] | None = None,
    noisy: Sequence[Path | str | Frame] = (),
    iso: float | None = None,
    frames: int = 3,
    seed: int = 0,
    plugins: Plugins | None = None,
    progress: Progress = SILENT,
) -> Table:
    """Return how far the darks of noise models are from those of a camera, one row per model.

    Parameters
    ----------
    models
        Names; None takes every noise model for RAW that follows a camera.
    sensor
        Virtual camera to judge on, unless ``darks`` are given.
    darks
        Real dark frames of one ISO and exposure, two or more; the first calibrates.
    noisy
        An ordinary shot at the same ISO, which gives the gain; real darks need one.
    iso
        ISO speed of the real frames, if they do not say.
    frames
        Reference frames of the virtual camera; each model draws as many. Beside real darks, of which there
        are as many as there are, models draw at least so many.
    seed
        Of the virtual camera and of the models' darks.

    Returns
    -------
    Table
        Columns as in :mod:`synthnoise.evaluation.dark_statistics`, each with its standard error. The first
        row is another real frame; its last three values, and the models', stand beside those of the
        reference in the title.

    Raises
    ------
    UsageError
        Fewer than two darks, or darks of different shape.
    """
    registry = plugins or default_plugins()
    records = registry.records("noise_models")
    names = list(models or [r.name for r in records if r.domain == "raw" and r.of_camera])
    if darks is None:
        real, shots = _virtual_shots(sensor, frames, seed)
    else:
        real, shots = [_frame(dark) for dark in darks], [_frame(shot) for shot in noisy]
    if len(real) < 2:
        raise UsageError(
            f"{len(real)} dark frame is not enough", hint="one calibrates, another is the reference"
        )
    progress.start("noise models", total=len(names) + 1)
    with tempfile.TemporaryDirectory() as folder:
        profile = calibrate(real[:1], shots, iso=iso, output=Path(folder) / "profile").profile
        cameras = {
            name: pair_camera(
                name,
                as_the_camera(registry, name),
                profile=profile,
                isos=_isos(profile),
                rounded=True,
                plugins=registry,
            )
            for name in names
        }
        size = linear_planes(real[0]).shape[1:]
        sources = {
            name: _dark_source(camera, profile, (size[0], size[1]), seed) for name, camera in cameras.items()
        }
        title = f"darks of {real[0].camera or 'the camera'}, ISO {real[0].iso or 0:g}"
        planes = [_planes(dark) for dark in real]
        return judge_darks(sources, planes, drawn=frames, title=title, progress=progress)


def judge_darks(
    models: Mapping[str, DarkSource],
    real: Sequence[NDArray[np.float32]],
    *,
    drawn: int = 1,
    title: str = "darks",
    progress: Progress = SILENT,
) -> Table:
    """Return the rows of :func:`evaluate_noise` for sources of darks and real darks, each [C, H, W] in DN.

    Each source draws as many frames as there are reference frames, or ``drawn`` if those are more: a model
    whose frames differ, as a camera's do, is judged by the mean of several.

    Raises
    ------
    UsageError
        Fewer than two real darks, or darks of different shape.
    """
    if len(real) < 2 or len({dark.shape for dark in real}) > 1:
        raise UsageError("needs two or more dark frames of the same size")
    half = max(1, (len(real) - 1) // 2)
    drawn = max(half, drawn)
    shading = _shading(real[0])
    reference = measure(_stack(real[1 : 1 + half], shading))
    others = real[1 + half : 1 + 2 * half]
    found = [_row(REAL, measure(_stack(others, shading)) if others else None, reference)]
    progress.advance()
    for name, source in models.items():
        # Models that add dark shading are treated like the camera: the first frame's is taken out.
        own = _shading(source(0))
        found.append(_row(name, measure(_stack([source(1 + n) for n in range(drawn)], own)), reference))
        progress.advance()
    own_values = (
        value_and_error(value, error)
        for value, error in zip(_of_stack(reference), reference.errors(), strict=True)
    )
    context = "{}: {} of each model against {}; real kurtosis {}, frame correlation {}, spread {} dB".format(
        title, _frames(drawn), half, *own_values
    )
    rows, errors = zip(*found, strict=True)
    return Table(title=context, columns=COLUMNS, rows=rows, errors=errors)


def _row(
    name: str, statistics: DarkStatistics | None, reference: DarkStatistics
) -> tuple[tuple[Cell, ...], tuple[float, ...]]:
    """Return a row of the table, and the standard errors of its numbers."""
    if statistics is None:
        unknown = (math.nan,) * (len(COLUMNS) - 1)
        return (name, *unknown), unknown
    distance = compare(statistics, reference)
    errors = distance_errors(statistics, reference)
    return (
        (name, *dataclasses.astuple(distance), *_of_stack(statistics)),
        (*dataclasses.astuple(errors), *statistics.errors()),
    )


def _frames(count: int) -> str:
    return f"{count} frame{'s' if count > 1 else ''}"


def _of_stack(statistics: DarkStatistics) -> tuple[float, float, float]:
    """Return what has a value without a reference."""
    return statistics.kurtosis, statistics.frame_correlation, statistics.spread


def as_the_camera(plugins: Plugins, model: str) -> dict[str, object]:
    """Return the options that make a model draw frames of one specimen, shading included, if it can.

    Shading and black bias decide where between two codes a value lies, and are taken out afterwards.
    """
    options = plugins.find("noise_models", model).load_options()
    known = {field.name for field in dataclasses.fields(options)} if options else set()
    return {name: value for name, value in (("unit", 0), ("shading", True)) if name in known}


def _virtual_shots(sensor: str, frames: int, seed: int) -> tuple[list[Frame], list[Frame]]:
    """Return one dark to calibrate on, ``frames`` for the reference and as many others, and a noisy shot."""
    if sensor not in SENSORS:
        raise UsageError(f"there is no virtual camera called {sensor!r}", hint=f"one of {', '.join(SENSORS)}")
    camera = VirtualCamera(SENSORS[sensor], seed=seed)
    scene = camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, seed))
    darks = [camera.dark(index) for index in range(1 + 2 * frames)]
    return darks, [camera.shoot(scene, ratio=_NOISY_RATIO)]


def _frame(source: Path | str | Frame) -> Frame:
    return source if isinstance(source, Frame) else read_frame(Path(source))


def _isos(profile: CameraProfile) -> tuple[float, ...]:
    return tuple(profile.isos)[:1]


def _planes(frame: Frame) -> NDArray[np.float32]:
    """Return the planes of the middle of a frame in DN above black."""
    active = frame.active()
    scale = (active.white - active.black).reshape(-1, 1, 1).astype(np.float32)
    return _middle(linear_planes(frame) * scale)


def _middle(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = (min(n, LARGEST_CROP) for n in planes.shape[1:])
    top, left = (planes.shape[1] - height) // 2, (planes.shape[2] - width) // 2
    return planes[:, top : top + height, left : left + width]


def _dark_source(camera: PairCamera, profile: CameraProfile, size: tuple[int, int], seed: int) -> DarkSource:
    """Return the darks [C, H, W] in DN that a model shoots without light; ``size`` in packed pixels."""
    rows, columns = len(profile.cfa), len(profile.cfa[0])
    unlit = torch.zeros(1, 3, size[0] * rows, size[1] * columns)
    scale = profile.scale.reshape(-1, 1, 1).astype(np.float32)

    def dark(number: int) -> NDArray[np.float32]:
        rng = Rng(seed=seed, indices=torch.tensor([number]))
        return _middle(camera.shoot(unlit, rng).noisy[0].numpy() * scale)

    return dark


def _shading(dark: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the low frequencies of a dark per plane (raw_noise: Gaussian of 50 packed pixels)."""
    widths = (0, _SHADING_SIGMA, _SHADING_SIGMA)
    blurred: NDArray[np.float32] = gaussian_filter(dark, widths, truncate=_SHADING_TRUNCATE)
    return blurred


def _stack(darks: Sequence[NDArray[np.float32]], shading: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([dark - shading for dark in darks])
