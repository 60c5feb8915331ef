"""The two-shot story, end to end, with a camera whose truth is known: shoot, calibrate, synthesise, denoise.

Nothing here is canned: each figure is measured in the files just written and held against the virtual
camera's parameters, so the demonstration is at the same time a test of an installation.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
import torch
from numpy.typing import NDArray
from PIL import Image

from synthnoise.calibration import calibrate
from synthnoise.contact_sheet import GAP, Panel, Row, contact_sheet
from synthnoise.denoising import Settings, denoise_files
from synthnoise.errors import OutputExistsError, SynthnoiseError
from synthnoise.files import CONTACT_SHEET, write_bytes
from synthnoise.output import jsonable, layout
from synthnoise.plugins import default_plugins
from synthnoise.profiles.schema import CameraProfile
from synthnoise.profiles.store import load_profile
from synthnoise.progress import SILENT, Progress
from synthnoise.raw.cfa import pack, unpack
from synthnoise.raw.develop import develop
from synthnoise.raw.dng import write_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import write_png
from synthnoise.raw.reading import read_frame
from synthnoise.rng import Rng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

PRESET = "hard"
SIZE = (768, 1152)
DUSK, NIGHT = 24.0, 48.0
"""How many times less light than saturates the sensor, for the photograph and for the night shot."""

NOISE_MODELS = ("spectral", "two-shots")
REPORT, PROFILE = "report.json", "profile"
CROP = 280
"""Edge in pixels of the pictures that are shown one to one."""

OUTLIER = 6.0
"""Standard deviations beyond which a pixel is hot or telegraph, and out of a comparison of variances."""


@dataclass(frozen=True)
class Check:
    """One claim, held against the truth.

    Attributes
    ----------
    name, unit
        What was measured, and in what.
    measured, truth
        The two values; ``truth`` is None where the claim is a bound alone.
    interval
        95 % interval of the measurement, where it states one.
    rule
        What it takes to pass.
    passed
        Whether it did.
    """

    name: str
    unit: str
    measured: float
    truth: float | None
    rule: str
    passed: bool
    interval: tuple[float, float] | None = None

    @property
    def line(self) -> str:
        """One line for a person."""
        measured = f"{self.measured:.4g} {self.unit}".rstrip()
        return f"{self.name}: {measured}" + ("" if self.truth is None else f" (truth: {self.truth:.4g})")


@dataclass(frozen=True)
class DemoReport:
    """What the demonstration made, measured and found."""

    folder: Path
    files: tuple[str, ...]
    checks: tuple[Check, ...]
    cpu_seconds: float

    @property
    def passed(self) -> bool:
        """Whether every claim held."""
        return all(check.passed for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain types, for JSON."""
        return {
            "passed": self.passed,
            "checks": [dataclasses.asdict(check) for check in self.checks],
            "files": list(self.files),
            "folder": str(self.folder),
            "cpu_seconds": round(self.cpu_seconds, 1),
        }

    def lines(self) -> list[str]:
        """Return it as lines for a person: a table of claims, and where to look."""
        rows = [
            (c.name, _number(c.measured), _number(c.truth), c.unit, "ok" if c.passed else "FAILED", c.rule)
            for c in self.checks
        ]
        table = layout(("claim", "measured", "truth", "unit", "", "passes if"), rows)
        return [*table, "", f"look at {self.folder / CONTACT_SHEET}"]

    def raise_on_failure(self) -> None:
        """Raise SynthnoiseError naming the claims that failed, if any did."""
        failed = [f"{check.line} (passes if {check.rule})" for check in self.checks if not check.passed]
        if failed:
            raise SynthnoiseError(
                f"the demonstration failed: {'; '.join(failed)}", hint=f"see {self.folder / REPORT}"
            )


@dataclass(frozen=True)
class Shots:
    """What was photographed: the frames as read back from their files, and the truth of the night shot."""

    camera: VirtualCamera
    dark: Frame
    photograph: Frame
    night: Frame
    clean: Frame


def run_demo(
    folder: Path | str, *, seed: int = 0, progress: Progress | None = None, overwrite: bool = False
) -> DemoReport:
    """Run the whole story in ``folder`` and return what was claimed and found; ``report.json`` says the same.

    Raises
    ------
    OutputExistsError
        The folder holds a report already and ``overwrite`` is false.
    SynthnoiseError
        A step could not be done. A claim that fails does not raise: see :meth:`DemoReport.raise_on_failure`.
    """
    folder, progress, started = Path(folder), progress or SILENT, time.process_time()
    if (folder / REPORT).exists() and not overwrite:
        raise OutputExistsError(folder / REPORT)
    progress.start("shooting")
    shots = _shoot(folder, seed, overwrite=overwrite)
    two_shots = [folder / "dark.dng"], [folder / "photograph.dng"]
    calibrate(*two_shots, output=folder / PROFILE, overwrite=overwrite, progress=progress)
    profile = load_profile(folder / PROFILE)
    progress.start("adding noise", len(NOISE_MODELS))
    synthetic = {}
    for name in NOISE_MODELS:
        synthetic[name] = _add_noise(name, shots, profile, seed)
        progress.advance()
    denoised = _denoise(folder, progress, overwrite=overwrite)
    progress.start("checking")
    checks = (
        *calibration_checks(shots, profile),
        *(check for name in NOISE_MODELS for check in noise_checks(name, synthetic[name], shots)),
        *denoising_checks(folder, denoised, shots),
    )
    write_png(folder / CONTACT_SHEET, _sheet(shots, synthetic, denoised, checks), overwrite)
    files = tuple(sorted({*(path.name for path in folder.iterdir()), REPORT}))
    report = DemoReport(folder, files, checks, time.process_time() - started)
    document = json.dumps(jsonable(report.as_dict()), indent=2, ensure_ascii=False)
    write_bytes(folder / REPORT, (document + "\n").encode(), overwrite=overwrite)
    return report


def _shoot(folder: Path, seed: int, *, overwrite: bool) -> Shots:
    """Take the two shots and a third that calibration never sees, write them, read them back."""
    sensor = dataclasses.replace(SENSORS[PRESET], size=SIZE)
    camera = VirtualCamera(sensor, unit_seed=seed, seed=seed)
    leaves = default_plugins().create(
        "image_models", "dead-leaves", {"r_min": "40", "r_max": "1200", "shading": "0.6"}
    )
    drawn = leaves.generate(SIZE, Rng(seed, torch.tensor([0])))[0].numpy()
    dusk, night = sensor.camera_rgb(dead_leaves(SIZE, seed)), sensor.camera_rgb(drawn)
    taken = {
        "dark": camera.dark(),
        "photograph": camera.shoot(dusk, ratio=DUSK, index=1),
        "night": camera.shoot(night, ratio=NIGHT, index=2),
    }
    for name, frame in taken.items():
        write_dng(folder / f"{name}.dng", frame, overwrite=overwrite)
    read = {name: read_frame(folder / f"{name}.dng") for name in taken}
    return Shots(camera, **read, clean=camera.shoot(night, ratio=NIGHT, clean=True))


def _add_noise(name: str, shots: Shots, profile: CameraProfile, seed: int) -> dict[str, Frame]:
    """Return the clean picture ("night") and blackness ("dark") with the noise of a calibrated model."""
    model = default_plugins().create("noise_models", name)
    parameters = model.parameters(profile, shots.clean.iso)
    scale = shots.clean.white - float(shots.clean.black[0, 0])
    clean = pack(_signal(shots.clean) / scale).astype(np.float32)
    made = {}
    for index, (kind, planes) in enumerate({"night": clean, "dark": np.zeros_like(clean)}.items()):
        noisy = model.sample(torch.from_numpy(planes)[None], parameters, Rng(seed, torch.tensor([index])))
        mosaic = unpack(noisy[0].numpy()) * scale + shots.clean.black_map()
        made[kind] = dataclasses.replace(shots.clean, mosaic=mosaic.astype(np.float32))
    return made


def _denoise(folder: Path, progress: Progress, *, overwrite: bool) -> Frame:
    """Denoise the night shot to a DNG, with the profile that was just made, and return it as read back."""
    target = folder / "night-denoised.dng"
    policy = "overwrite" if overwrite else "error"
    settings = Settings(profile=folder / PROFILE, device="cpu")
    (outcome,) = denoise_files(
        [folder / "night.dng"], target, settings, on_existing=policy, progress=progress
    )
    if outcome.error is not None:
        raise outcome.error
    return read_frame(target)


def _signal(frame: Frame) -> NDArray[np.float64]:
    """Return DN above black, float64 [H, W]."""
    return frame.mosaic.astype(np.float64) - frame.black_map()


def calibration_checks(shots: Shots, profile: CameraProfile) -> Iterator[Check]:
    """Yield what the profile claims of the sensor."""
    sensor, noise = shots.camera.sensor, profile.isos[float(shots.camera.sensor.iso)]
    low, high = noise.gain_interval
    good = low <= sensor.gain <= high or abs(noise.gain / sensor.gain - 1) <= 0.1
    rule = "in the interval, or within 10 %"
    yield Check("gain", "DN/e-", noise.gain, sensor.gain, rule, good, noise.gain_interval)
    yield _near("read noise", "DN", float(np.mean(noise.read_noise)), sensor.dark_noise(), 0.05)
    yield _near("row noise", "DN", noise.row_noise, sensor.row_total, 0.3)
    yield _near("column noise", "DN", noise.column_noise, sensor.column_total, 0.2)
    defects = sensor.hot_fraction + sensor.rts_fraction
    yield _near("hot and telegraph pixels", "", noise.hot_pixel_fraction, defects, 0.3)


def noise_checks(name: str, made: dict[str, Frame], shots: Shots) -> Iterator[Check]:
    """Yield how a model's noise compares with that of the camera, on the same picture."""
    truth = _signal(shots.clean)
    real, synthetic = _signal(shots.night) - truth, _signal(made["night"]) - truth
    sensor = shots.camera.sensor
    limit = OUTLIER * np.sqrt(sensor.gain * truth + sensor.dark_noise() ** 2)
    ordinary = (np.abs(real) < limit) & (np.abs(synthetic) < limit)
    ratio = synthetic[ordinary].var() / real[ordinary].var()
    yield _near(f"{name}: variance", "of the camera's", ratio, 1.0, 0.08)
    shift = synthetic[ordinary].mean() / truth.mean()
    yield Check(f"{name}: mean level", "of the truth", 1 + shift, 1.0, "within 2 %", abs(shift) <= 0.02)
    banding = _banding(made["dark"]) / _banding(shots.camera.dark(index=1))
    yield _near(f"{name}: banding", "of the camera's", banding, 1.0, 0.2)


def denoising_checks(folder: Path, denoised: Frame, shots: Shots) -> Iterator[Check]:
    """Yield what denoising did, seen through our reader and through LibRaw."""
    truth, noisy, result = _signal(shots.clean), _signal(shots.night), _signal(denoised)
    peak = (shots.clean.white - shots.clean.black.min()) / NIGHT
    before, after = (_psnr(picture, truth, peak) for picture in (noisy, result))
    yield Check("PSNR that denoising adds", "dB", after - before, None, "at least 5 dB", after - before >= 5)
    yield _near("denoised mean level", "of the noisy", result.mean() / noisy.mean(), 1.0, 0.01)
    with rawpy.imread(str(folder / "night-denoised.dng")) as raw:
        different = float(np.count_nonzero(raw.raw_image_visible != denoised.active().mosaic))
    yield Check("read otherwise by LibRaw", "pixels", different, 0.0, "none", different == 0)


def _banding(dark: Frame) -> float:
    """Return the standard deviation in DN between the means of rows of like colours, outliers left out."""
    signal = _signal(dark)
    signal = np.where(np.abs(signal) < OUTLIER * signal.std(), signal, np.nan)
    means = np.nanmean(signal, axis=1)
    return float((means[2:] - means[:-2]).std())


def _near(name: str, unit: str, measured: float, truth: float, tolerance: float) -> Check:
    passed = bool(abs(measured - truth) <= tolerance * abs(truth))
    return Check(name, unit, measured, truth, f"within {tolerance:.0%}".replace("%", " %"), passed)


def _psnr(picture: NDArray[np.float64], truth: NDArray[np.float64], peak: float) -> float:
    return float(10 * np.log10(peak**2 / np.mean(np.square(picture - truth))))


def _sheet(
    shots: Shots, synthetic: dict[str, dict[str, Frame]], denoised: Frame, checks: tuple[Check, ...]
) -> NDArray[np.uint8]:
    """Return the contact sheet: the whole picture, its noise one to one, the noise in the dark."""
    top, left = ((side - CROP) // 4 * 2 for side in SIZE)
    window = (slice(top, top + CROP), slice(left, left + CROP))
    frames = {"clean": shots.clean, "camera": shots.night, "denoised": denoised}
    frames |= {name: made["night"] for name, made in synthetic.items()}
    pictures = {name: _picture(frame) for name, frame in frames.items()}
    darks = {"camera": shots.dark} | {name: made["dark"] for name, made in synthetic.items()}
    contrast = 6 * shots.camera.sensor.dark_noise()
    whole = [
        Panel(_reduced(pictures["camera"]), "the camera's picture", f"1/{NIGHT:g} of the light it wants"),
        Panel(_reduced(pictures["denoised"]), "denoised", "read back from its DNG"),
        Panel(_reduced(pictures["clean"]), "the truth", "what a camera without noise would record"),
    ]
    labels = {
        "clean": ("the truth", "no noise"),
        "camera": ("camera", "a frame that calibration never saw"),
        "spectral": ("synthetic: spectral", "the truth, and calibrated noise"),
        "two-shots": ("synthetic: two-shots", "the truth, and calibrated noise"),
        "denoised": ("denoised", "the camera's frame"),
    }
    details = [Panel(pictures[name][window], *label) for name, label in labels.items()]
    blacks = [Panel(_grey(frame, window, contrast), *_dark_label(name)) for name, frame in darks.items()]
    lines = [(check.line, check.passed) for check in checks]
    subtitle = (
        f"{shots.night.camera}, ISO {shots.night.iso:g}: a simulated camera, so that the truth is known"
    )
    return contact_sheet(
        "synthnoise: two shots of a camera become a denoiser for it",
        subtitle,
        [
            Row("The night shot", whole),
            Row("Its centre, pixel by pixel", details),
            Row("In the dark, contrast raised", blacks, lines),
        ],
    )


def _dark_label(name: str) -> tuple[str, str]:
    return (
        ("camera", "a dark frame")
        if name == "camera"
        else (f"synthetic: {name}", "a dark that was never shot")
    )


def _picture(frame: Frame) -> NDArray[np.uint8]:
    """Return the developed picture, exposed for the light that there was."""
    white = float(frame.black.min() + (frame.white - frame.black.min()) / NIGHT)
    return develop(dataclasses.replace(frame, white=white))


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture scaled so that three fill the width of five crops."""
    width = (5 * CROP + 4 * GAP - 2 * GAP) // 3
    size = (width, round(width * picture.shape[0] / picture.shape[1]))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _grey(frame: Frame, window: tuple[slice, slice], contrast: float) -> NDArray[np.uint8]:
    """Return the mosaic itself, mid-grey at black, ``contrast`` DN from there to white."""
    return np.asarray(np.clip(127.5 * (1 + _signal(frame)[window] / contrast), 0, 255), dtype=np.uint8)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
