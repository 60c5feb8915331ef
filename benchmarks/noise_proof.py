"""Does a better noise model make a better denoiser? One small network per model, judged on the camera itself.

For each virtual camera: one dark and one photograph calibrate a profile, as a user would. Dead leaves are
shot 100 to 300 times too dark by every noise model, and as the oracle by the camera itself. The same small
network, which all models take over from one training on Poisson-Gaussian noise, goes on learning from each
(same clean images, ratios, order and schedule) and then denoises fresh frames of the camera at ratios 100
and 300. As published, the low-frequency shading of the one dark is taken out of what the camera shot, and
what lies above white after the digital gain is cut off. Models that know dark shading put it where it is on
the sensor, and it is taken out of their frames in the same way: what a blur of 50 pixels leaves of an
amplifier's glow is in the camera's frames, and has to be in theirs. PSNR is over the four packed planes,
white = 1, both images clipped to [0, 1]; differences to the oracle are paired, frame by frame, and their
standard errors are over frames and seeds.

Every finished cell is a file in --state, so a run that was stopped goes on; several may share the folder. The
files know the schedule, not the code: after a change of models, take a new folder.

    OMP_NUM_THREADS=1 python benchmarks/noise_proof.py
    OMP_NUM_THREADS=1 python benchmarks/noise_proof.py --sensors hard --models spectral camera --seeds 2

The model `camera-without-remainder` is an ablation: the camera, less what that blur leaves of its shading.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import functools
import hashlib
import json
import math
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.calibration import calibrate
from synthnoise.evaluation.noise import as_the_camera
from synthnoise.files import atomic_write
from synthnoise.images.dead_leaves import DeadLeaves, Options
from synthnoise.noise import gaussian
from synthnoise.noise.dark_synthesis import dark_shading
from synthnoise.plugins import default_plugins
from synthnoise.profiles.schema import CameraProfile
from synthnoise.raw.cfa import linear_planes
from synthnoise.rng import Rng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera
from synthnoise.stream.pairs import mosaic_planes, pair_camera

ORACLE = "camera"
ABLATION = "camera-without-remainder"
GAUSSIAN = "gaussian"
MODELS = (GAUSSIAN, "poisson-gaussian", "eld", "two-shots", "spectral", ORACLE)
RATIOS = (100.0, 300.0)
TEST_SEED, TRAIN_SEED = 2, 1
SMALLEST_LEAF = 48.0
"""Canvas pixels, four to a pixel. Finer texture is lost in this noise whatever the model: with leaves down to
a quarter of a pixel what blur costs hides what rows and hot pixels cost."""
START = 5
"""Added to the seed of the frames that the common start is trained on."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How much is trained and tested; part of a cell's identity."""

    train_frames: int = 64
    test_frames: int = 12
    start_epochs: int = 3
    epochs: int = 3
    patch: int = 64
    batch: int = 8
    rate: float = 2e-3
    averaging: float = 0.99
    widths: tuple[int, int, int] = (16, 32, 64)


class SmallUNet(nn.Module):
    """Three scales on packed planes unshuffled by two.

    It paints the clean planes: so few features cannot carry the noise through to be subtracted.
    """

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = widths
        self.enter = _block(17, first)
        self.down = _block(first, second)
        self.bottom = _block(second, third)
        self.up = _block(third + second, second)
        self.leave = nn.Sequential(_block(second + first, first), nn.Conv2d(first, 16, 3, padding=1))

    def forward(self, noisy: Tensor, level: Tensor) -> Tensor:
        """Return clean planes float32 [B, 4, H, W] of noisy ones; ``level`` [B] is the read noise in them."""
        planes = functional.pixel_unshuffle(noisy, 2)
        known = level.view(-1, 1, 1, 1).expand(-1, 1, *planes.shape[2:])
        fine = self.enter(torch.cat((planes, known), 1))
        middle = self.down(functional.avg_pool2d(fine, 2))
        coarse = self.bottom(functional.avg_pool2d(middle, 2))
        middle = self.up(torch.cat((functional.interpolate(coarse, scale_factor=2), middle), 1))
        fine = self.leave(torch.cat((functional.interpolate(middle, scale_factor=2), fine), 1))
        return functional.pixel_shuffle(fine, 2)


def _block(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(0.1),
    )


@dataclass(frozen=True, eq=False)
class Studio:
    """A virtual camera with its profile, and the clean frames it is shown."""

    camera: VirtualCamera
    profile: CameraProfile
    shading: Tensor
    """float32 [4, H, W], of the dark that calibrated."""
    remainder: Tensor
    """float32 [4, H, W], what it leaves of the true one, black bias included."""

    @classmethod
    def open(cls, sensor: str, folder: Path) -> Studio:
        """Return the studio of a sensor; its profile is written to ``folder``."""
        camera = VirtualCamera(SENSORS[sensor])
        scene = camera.sensor.camera_rgb(dead_leaves(camera.sensor.size, 0))
        dark = camera.dark(0)
        profile = calibrate([dark], [camera.shoot(scene, ratio=20)], output=folder / sensor).profile
        planes = linear_planes(dark)
        shading = [low + (plane - low).mean() for plane in planes for low in [dark_shading(plane)]]
        smooth = dataclasses.replace(camera.sensor, hot_fraction=0, dsnu=0, column_pattern=0)
        level = VirtualCamera(smooth).clean(0 * scene, fixed_pattern=True)
        mean = linear_planes(dataclasses.replace(dark, mosaic=level.astype(np.float32)))
        return cls(
            camera, profile, *(torch.from_numpy(np.stack(planes)) for planes in (shading, mean - shading))
        )

    def scene(self, seed: int, number: int) -> Tensor:
        """Return camera RGB float32 [3, H, W] of dead leaves, 1 = saturation at ratio 1."""
        leaves = _leaves(self.camera.sensor.size, seed, number)
        return torch.from_numpy(self.camera.sensor.camera_rgb(leaves.astype(np.float32)))

    def planes(self, scene: Tensor) -> Tensor:
        """Return the clean planes [1, 4, H, W] of a scene."""
        colours = tuple(tuple(int(c) for c in row) for row in self.camera.sensor.colours)
        return mosaic_planes(scene[None], colours)

    def shoot(self, scene: Tensor, ratio: float, index: int, shading: Tensor) -> Tensor:
        """Return what the camera makes of a scene, [1, 4, H, W], the shading taken out, times the ratio."""
        frame = self.camera.shoot(scene.numpy(), ratio=ratio, index=index)
        planes = torch.from_numpy(linear_planes(frame)) - shading
        return (planes * ratio).clamp(max=1)[None]

    def level(self, ratio: float) -> float:
        """Return the read noise of a frame times its ratio, white = 1."""
        noise = next(iter(self.profile.isos.values()))
        return math.sqrt(sum(noise.read) / 3) * ratio


@functools.lru_cache(maxsize=256)
def _leaves(size: tuple[int, int], seed: int, number: int) -> NDArray[np.float16]:
    """Return an image of dead leaves [3, H, W], linear sRGB; all cells are shown the same."""
    leaves = DeadLeaves(Options(r_min=(SMALLEST_LEAF,))).generate(size, Rng(seed, torch.tensor([number])))
    return leaves[0].numpy().astype(np.float16)


def training_frames(
    studio: Studio, model: str, seed: int, count: int
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Yield clean and noisy planes [4, H, W], and the level, of frames shot by a model."""
    shares = np.random.default_rng(seed).random(count)
    ratios = RATIOS[0] * (RATIOS[1] / RATIOS[0]) ** shares
    plain = "poisson-gaussian" if model in (GAUSSIAN, ORACLE, ABLATION) else model
    options = as_the_camera(default_plugins(), plain)
    shading = studio.shading if options.get("shading") else torch.zeros(())
    shutter = pair_camera(
        plain, options, profile=studio.profile, isos=tuple(studio.profile.isos), rounded=True
    )
    for number, ratio in enumerate(ratios):
        scene = studio.scene(TRAIN_SEED + 10 * seed, number)
        clean = studio.planes(scene)
        rng = Rng(seed, torch.tensor([number]))
        if model in (ORACLE, ABLATION):
            shading = studio.shading + (studio.remainder if model == ABLATION else 0)
            noisy = studio.shoot(scene, float(ratio), 1000 + 1000 * seed + number, shading)
        elif model == GAUSSIAN:
            # The variance of Poisson-Gaussian noise, mean over the frame.
            spread = float(shutter.noise.variance(clean / ratio, shutter.parameters[0]).mean().sqrt())
            even = gaussian.Parameters(low=spread, high=spread)
            light = gaussian.Gaussian().sample(clean / ratio, even, rng)
            noisy = shutter.converters[0](light) * ratio
        else:
            exposure = dataclasses.replace(shutter, ratio=(float(ratio), float(ratio)))
            noisy = exposure.expose(clean, rng).noisy - shading * ratio
        yield clean[0], noisy[0].clamp(max=1), studio.level(float(ratio))


def train(studio: Studio, model: str, seed: int, schedule: Schedule, start: SmallUNet | None) -> SmallUNet:
    """Return the network that learnt from a noise model, its weights averaged over the last steps.

    Without a network to ``start`` from, one with random weights learns for as many epochs as all share.
    """
    first = start is None
    frames = list(training_frames(studio, model, seed + (START if first else 0), schedule.train_frames))
    size = schedule.patch
    rows, columns = (n // size for n in frames[0][0].shape[1:])
    places = [(f, y, x) for f in range(len(frames)) for y in range(rows) for x in range(columns)]
    torch.manual_seed(seed)
    network = SmallUNet(schedule.widths)
    if start is not None:
        network.load_state_dict(start.state_dict())
    averaged = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(schedule.averaging),  # type: ignore[no-untyped-call]
    )
    optimiser = torch.optim.Adam(network.parameters(), schedule.rate)
    epochs = schedule.start_epochs if first else schedule.epochs
    steps = epochs * (len(places) // schedule.batch)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, schedule.rate, total_steps=steps, pct_start=0.1)
    random = np.random.default_rng(seed)
    for _ in range(epochs):
        order = random.permutation(len(places))
        for begin in range(0, len(places) - schedule.batch + 1, schedule.batch):
            chosen = [places[n] for n in order[begin : begin + schedule.batch]]
            clean, noisy, level = _batch(frames, chosen, size)
            loss = (network(noisy, level) - clean).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            plan.step()
            averaged.update_parameters(network)
    network.load_state_dict(averaged.module.state_dict())
    return network.eval()


def _batch(
    frames: Sequence[tuple[Tensor, Tensor, float]], places: Sequence[tuple[int, int, int]], size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return clean and noisy patches [B, 4, size, size] of frames, and their levels [B]."""
    cuts = [
        (frames[f], slice(y * size, (y + 1) * size), slice(x * size, (x + 1) * size)) for f, y, x in places
    ]
    clean = torch.stack([frame[0][:, rows, columns] for frame, rows, columns in cuts])
    noisy = torch.stack([frame[1][:, rows, columns] for frame, rows, columns in cuts])
    return clean, noisy, torch.tensor([frame[2] for frame, _, _ in cuts])


def starting_network(studio: Studio, sensor: str, seed: int, schedule: Schedule, state: Path) -> SmallUNet:
    """Return the network that every model of a sensor starts from: trained on Poisson-Gaussian noise.

    From random weights, the step at which training gets off its first plateau is chance, and chance is
    larger than what noise models differ by.
    """
    path = cell_path(sensor, "start", seed, schedule, state).with_suffix(".pt")
    network = SmallUNet(schedule.widths)
    if path.exists():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network
    network = train(studio, "poisson-gaussian", seed, schedule, None)
    with atomic_write(path, overwrite=True) as part:
        torch.save(network.state_dict(), part)
    return network


@torch.inference_mode()
def judge(studio: Studio, network: SmallUNet, schedule: Schedule) -> dict[str, list[float]]:
    """Return the PSNR in dB of each fresh frame of the camera, by ratio."""
    results: dict[str, list[float]] = {}
    for ratio in RATIOS:
        values = results.setdefault(f"{ratio:g}", [])
        for number in range(schedule.test_frames):
            scene = studio.scene(TEST_SEED, number)
            clean = studio.planes(scene).clamp(0, 1)
            noisy = studio.shoot(scene, ratio, number, studio.shading)
            found = network(noisy, torch.tensor([studio.level(ratio)])).clamp(0, 1)
            values.append(-10 * float((found - clean).square().mean().log10()))
    return results


def run_cell(sensor: str, model: str, seed: int, schedule: Schedule, state: Path) -> None:
    """Train and judge one network, unless its file is there."""
    path = cell_path(sensor, model, seed, schedule, state)
    if path.exists():
        return
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio.open(sensor, Path(folder))
        start = starting_network(studio, sensor, seed, schedule, state)
        network = train(studio, model, seed, schedule, start)
        results = judge(studio, network, schedule)
    seconds = time.process_time() - begun
    with atomic_write(path, overwrite=True) as part:
        part.write(json.dumps({"psnr": results, "cpu_seconds": seconds}).encode())
    means = ", ".join(f"x{ratio} {np.mean(values):.2f} dB" for ratio, values in results.items())
    print(f"{sensor} {model} seed {seed}: {means}, {seconds:.0f} CPU-s", flush=True)


def cell_path(sensor: str, model: str, seed: int, schedule: Schedule, state: Path) -> Path:
    """Return the file of a cell; another schedule has other files."""
    mark = hashlib.sha256(repr(schedule).encode()).hexdigest()[:8]
    return state / f"{sensor}.{model}.{seed}.{mark}.json"


def print_table(
    sensors: Sequence[str], models: Sequence[str], seeds: int, schedule: Schedule, state: Path
) -> None:
    """Print a Markdown table of PSNR, and of paired differences to the oracle with standard errors."""
    print(f"\n| noise model | {' | '.join(f'{s} x{r:g}' for s in sensors for r in RATIOS)} |")
    print("|---|" + "---:|" * len(sensors) * len(RATIOS))
    for model in models:
        cells = []
        for sensor in sensors:
            for ratio in RATIOS:
                own, oracle = (_psnr(sensor, name, ratio, seeds, schedule, state) for name in (model, ORACLE))
                if own is None or (oracle is None):
                    cells.append("")
                elif model == ORACLE:
                    cells.append(f"{own.mean():.2f}")
                else:
                    apart = own - oracle
                    error = apart.std(ddof=1) / apart.size**0.5
                    cells.append(f"{own.mean():.2f} ({apart.mean():+.2f} ± {error:.2f})")
        print(f"| `{model}` | {' | '.join(cells)} |")


def _psnr(
    sensor: str, model: str, ratio: float, seeds: int, schedule: Schedule, state: Path
) -> np.ndarray | None:
    """Return the PSNR of all frames and seeds of a cell, or None while some are missing."""
    values: list[float] = []
    for seed in range(seeds):
        path = cell_path(sensor, model, seed, schedule, state)
        if not path.exists():
            return None
        values += json.loads(path.read_text())["psnr"][f"{ratio:g}"]
    return np.array(values)


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--sensors", nargs="+", default=["hard", "banked", "mild", "low-noise"], choices=list(SENSORS)
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--seeds", type=int, default=1, help="starts of the network, 1 or more")
    parser.add_argument("--frames", type=int, default=Schedule.train_frames, help="frames to train on")
    parser.add_argument("--epochs", type=int, default=Schedule.epochs)
    parser.add_argument("--state", type=Path, default=Path("noise-proof"), help="folder of finished cells")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    schedule = Schedule(train_frames=chosen.frames, epochs=chosen.epochs)
    print(f"{datetime.date.today()}, {platform.machine()}, {platform.system()}, torch {torch.__version__}")
    print(f"one thread; {schedule}")
    known = {record.name for record in default_plugins().records("noise_models")}
    known |= {ORACLE, ABLATION}
    chosen.state.mkdir(parents=True, exist_ok=True)
    for seed in range(chosen.seeds):
        for sensor in chosen.sensors:
            for model in chosen.models:
                if model in known:
                    run_cell(sensor, model, seed, schedule, chosen.state)
    print_table(chosen.sensors, chosen.models, chosen.seeds, schedule, chosen.state)


if __name__ == "__main__":
    main()
