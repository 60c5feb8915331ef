"""How well the gain is measured from one noisy image: ours and the published estimator, on known cameras.

    OMP_NUM_THREADS=1 python benchmarks/gain.py [--photos FOLDER] [--scenes 3] [--cells 20]
                                                [--only leaves|grain|enlarged|native|pairs] [--cost]

Each cell shoots scenes with a virtual camera of known gain K and measures K from one noisy frame and one
dark frame. "ratio" is how many times less light there is than saturates. Read noise follows the gain as in
the published table of a Sony A7S II (Feng et al., PMN, 2022); row, column, fixed-pattern and hot-pixel
noise and 0.8 % PRNU are on. Leaf scenes have no grain. Photographs have: at low ratio the grain of the
scan, the noise of the camera and JPEG are real noise, which no estimator can tell from that of the virtual
camera, so errors of photographs as they are, "native", are not only the estimator's fault; "enlarged" to
twice the size, grain and finest texture are softened. "covered" counts how often the stated 95 % interval
holds the truth, of the frames that calibrate would not refuse: as unmeasurable, or as smoother than shot
noise.
--cells N takes each scene in N cells drawn by lot instead of all 20: more photographs in the same time.
"grain" gives leaf scenes white grain of 1 and 3 % at middle grey: even to the eye, stronger in blue, a little
soft, or with the density of a negative or of a slide; each in 4 cells at most.
"pairs" measures K from two frames of each leaf scene and two darks, by photon transfer.
--cost times 24 megapixels.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthnoise.calibration.agreement import SMOOTH
from synthnoise.calibration.dark import measure_darks
from synthnoise.calibration.flats import measure_flats, measure_pair
from synthnoise.calibration.gain import GainEstimate, estimate_gain
from synthnoise.calibration.photon_transfer import transfer_points
from synthnoise.calibration.published_gain import published_gain
from synthnoise.output import layout
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import read_image
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.sensor import Sensor
from synthnoise.sensors.virtual_camera import VirtualCamera

READ_NOISE = {0.1: 1.0, 0.5: 2.4, 2.0: 2.7, 8.0: 9.2, 25.0: 26.0}
"""DN by gain in DN per electron."""

TOLERABLE_ERROR = 0.1
RATIOS = (10, 30, 100, 300)
TABLES = ("leaves", "grain", "pairs", "enlarged", "native")
GRAINS = ("even", "blue", "soft", "negative", "slide")
CONTRASTS = (0.01, 0.03)
GREY = 0.18
SIZE = (768, 1152)
CROP = (512, 768)

Scene = NDArray[np.float32]


def sensor(gain: float, size: tuple[int, int]) -> Sensor:
    """Return the camera of one row of the table."""
    noise = READ_NOISE[gain]
    return Sensor(
        size=size,
        gain=gain,
        read_noise=noise,
        tail=-0.075,
        row_noise=0.1 * noise,
        column_noise=0.05 * noise,
        column_pattern=0.05 * noise,
        dsnu=0.1 * noise,
        prnu=0.008,
        full_well=1e9,
        hot_fraction=1e-4,
        hot_current=60 * noise / gain * 10,
        black_bias=(0.04 * noise, -0.02 * noise, 0.01 * noise, -0.04 * noise),
    )


def photographs(folder: Path, count: int, enlarged: bool) -> Iterator[Scene]:
    """Yield linear photographs [3, H, W] from 8-bit sRGB files; enlarged twice, which softens them."""
    from scipy.ndimage import zoom

    paths = sorted(folder.glob("*.png"))
    for path in paths[:: max(1, len(paths) // count)][:count]:
        value = read_image(path).astype(np.float32).transpose(2, 0, 1) / 255
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        if light.shape[1] > light.shape[2]:
            light = light.swapaxes(1, 2)
        light = light[:, : CROP[0], : CROP[1]]
        yield np.clip(zoom(light, (1, 2, 2), order=3), 0, 1) if enlarged else light


def grainy(scene: Scene, kind: str, contrast: float, seed: int) -> Scene:
    """Return a scene [3, H, W] with grain of a contrast at middle grey."""
    from scipy.ndimage import gaussian_filter

    white = np.random.default_rng(seed).standard_normal(scene.shape)
    light = np.maximum(scene, 1e-3)
    if kind in ("negative", "slide"):
        # density over the logarithm of light, a tenth of it base; its variance grows with it
        slope, zero = (0.6, 2.0) if kind == "negative" else (-1.0, 0.0)
        density, grey = (0.1 + slope * np.log10(v) + 0.6 * zero for v in (light, GREY))
        grained = scene * np.exp(contrast * np.sqrt(np.maximum(density, 0.05) / grey) * white)
    else:
        if kind == "soft":
            white = gaussian_filter(white, (0, 0.5, 0.5))
            white /= white.std()
        if kind == "blue":
            white *= np.array([1.0, 0.8, 1.6])[:, None, None]
        strength = contrast * GREY ** (1 / 2.4) / 2.4
        grained = np.maximum(scene ** (1 / 2.4) + strength * white, 0) ** 2.4
    return np.clip(grained, 0, 1).astype(np.float32)


def grainy_leaves(count: int) -> Iterator[Scene]:
    """Yield leaf scenes with every kind of grain."""
    for seed in range(100, 100 + count):
        scene = dead_leaves(SIZE, seed)
        for number, (kind, contrast) in enumerate((k, c) for k in GRAINS for c in CONTRASTS):
            yield grainy(scene, kind, contrast, 10 * seed + number)


@dataclass(frozen=True)
class Case:
    """One scene in one cell: the published and our estimate of its gain."""

    gain: float
    ratio: float
    published: float
    ours: GainEstimate

    @property
    def error(self) -> float:
        """Relative error of ours."""
        return self.ours.gain / self.gain - 1

    @property
    def covered(self) -> bool:
        """Whether our interval holds the truth."""
        low, high = self.ours.interval
        return low <= self.gain <= high

    @property
    def refused(self) -> bool:
        """Whether ``synthnoise calibrate`` would refuse the frame."""
        ours = self.ours
        return ours.regime == "unmeasured" or ours.smoothness - 3 * ours.smoothness_se > SMOOTH


def measure(scene: Scene, gain: float, ratio: float, index: int) -> Case:
    """Return one case of a dark and a noisy frame."""
    design = sensor(gain, (scene.shape[1], scene.shape[2]))
    camera = VirtualCamera(design, unit_seed=index)
    dark, noisy = camera.dark(0), camera.shoot(scene, ratio=ratio, index=1)
    rows = measure_darks([dark]).rows.deviation
    ours = estimate_gain([noisy], [dark], row_noise=rows)
    return Case(gain, ratio, published_gain(noisy, dark), ours)


def cases(scenes: Iterator[Scene], cells: int) -> list[Case]:
    """Return the cases of scenes, each in so many cells."""
    grid = [(gain, ratio) for gain in READ_NOISE for ratio in RATIOS]
    lot = np.random.default_rng(0)
    return [
        measure(scene, *grid[cell], index)
        for index, scene in enumerate(scenes)
        for cell in lot.permutation(len(grid))[:cells]
    ]


def table(found: Sequence[Case]) -> None:
    """Print the cases by cell, and what they come to."""
    rows = []
    for gain, ratio in [(gain, ratio) for gain in READ_NOISE for ratio in RATIOS]:
        here = [case for case in found if (case.gain, case.ratio) == (gain, ratio)]
        kept = [case for case in here if not case.refused]
        if here and not kept:
            rows.append((f"{gain:g}", f"{ratio}", "", "", "", "", "", "0/0", "refused"))
        if not kept:
            continue
        errors = np.array([case.error for case in kept])
        low, high = np.mean([np.array(case.ours.interval) / gain - 1 for case in kept], 0)
        rows.append(
            (
                f"{gain:g}",
                f"{ratio}",
                f"{np.median([case.ours.snr for case in kept]):.1f}",
                f"{np.median([case.published / gain - 1 for case in here]):+.0%}",
                f"{np.median(errors):+.1%}",
                f"{errors[np.abs(errors).argmax()]:+.1%}",
                f"{low:+.1%} {high:+.1%}",
                f"{sum(case.covered for case in kept)}/{len(kept)}",
                " ".join(sorted({case.ours.regime for case in kept})),
            )
        )
    columns = ("K", "ratio", "SNR", "published", "ours", "worst", "interval", "covered", "regime")
    print("\n".join(layout(columns, rows)))
    summary([case for case in found if not case.refused], len(found))


def summary(kept: Sequence[Case], count: int) -> None:
    """Print coverage and errors of the cases that were not refused."""
    errors = np.abs([case.error for case in kept])
    covered = np.array([case.covered for case in kept])
    widths = np.array([np.diff(case.ours.interval)[0] / case.ours.gain for case in kept])
    fair = covered | (errors <= TOLERABLE_ERROR)
    print(
        f"covered {covered.sum()} of {len(kept)} ({covered.mean():.1%}), {count - len(kept)} refused;"
        f" error within 10 % or covered {fair.sum()} ({fair.mean():.1%}),"
        f" within 10 % {(errors <= TOLERABLE_ERROR).mean():.0%}"
    )
    print(
        f"error: median {np.median(errors):.1%}, 90 % below {np.quantile(errors, 0.9):.1%}, largest"
        f" {errors.max():.1%}; interval: median width {np.median(widths):.1%}\n"
    )


def pairs(scenes: Iterator[Scene]) -> None:
    """Print the gain from two frames of each scene, by photon transfer, and two darks."""
    rows, errors = [], []
    drawn = list(scenes)
    for gain, ratio in [(gain, ratio) for gain in READ_NOISE for ratio in RATIOS]:
        found = []
        for index, scene in enumerate(drawn):
            camera = VirtualCamera(sensor(gain, (scene.shape[1], scene.shape[2])), unit_seed=index)
            both = measure_pair(*camera.burst(scene, 2, ratio=ratio, start=1))
            darks = [camera.dark(0), camera.dark(1)]
            anchor = transfer_points(*darks)
            found.append(measure_flats([both], measure_darks(darks), anchor).gain)
        here = np.array([estimate.gain / gain - 1 for estimate in found])
        error = np.mean([estimate.standard_error / gain for estimate in found])
        held = sum(low <= gain <= high for low, high in (estimate.interval for estimate in found))
        worst = here[np.abs(here).argmax()]
        rows.append((f"{gain:g}", f"{ratio}", f"{worst:+.2%}", f"{error:.2%}", f"{held}/{len(found)}"))
        errors += here.tolist()
    print("\n".join(layout(("K", "ratio", "worst", "standard error", "covered"), rows)))
    print(f"largest error {np.abs(errors).max():.2%}, median {np.median(np.abs(errors)):.2%}\n")


def cost() -> None:
    """Print what 24 megapixels cost: dark statistics and gain, from one dark and one noisy frame."""
    random = np.random.default_rng(0)
    height, width = 4000, 6000
    light = np.kron(random.uniform(20, 2000, (40, 60)), np.ones((100, 100))).astype(np.float32)
    white = random.standard_normal((2, height, width), dtype=np.float32)
    mosaics = [np.rint(512 + light + white[0] * np.sqrt(2 * light + 9)), np.rint(512 + 3 * white[1])]
    cfa, black = np.array([[0, 1], [1, 2]], np.uint8), np.full((2, 2), 512.0)
    noisy, dark = (Frame(mosaic=m.astype(np.uint16), cfa=cfa, black=black, white=16383) for m in mosaics)
    del light, white, mosaics
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = measure_darks([dark]).rows.deviation
    middle = time.process_time()
    gain = estimate_gain([noisy], [dark], row_noise=rows)
    after, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"24 megapixels: dark {middle - before:.1f} CPU s, gain {after - middle:.1f} CPU s,")
    print(f"peak {peak / 1e6:.2f} GB ({memory / 1e6:.2f} GB before); K = {gain.gain:.4f}, true 2\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of 8-bit PNG photographs")
    parser.add_argument("--scenes", type=int, default=3, help="scenes or photographs")
    parser.add_argument("--cells", type=int, default=20, help="cells that each of them is taken in")
    parser.add_argument("--only", choices=TABLES, help="one of the tables, not all")
    parser.add_argument("--cost", action="store_true", help="time 24 megapixels")
    options = parser.parse_args(arguments)
    print(f"{datetime.date.today()}, {platform.processor() or platform.machine()}, numpy {np.__version__}\n")
    if options.cost:
        cost()
    chosen = TABLES if options.only is None else (options.only,)
    leaves = f"{options.scenes} leaf scenes of {SIZE[1]} x {SIZE[0]} pixels"
    if "leaves" in chosen:
        print(leaves)
        table(cases((dead_leaves(SIZE, seed) for seed in range(options.scenes)), options.cells))
    if "grain" in chosen:
        print(f"{leaves}, each with {len(GRAINS)} kinds of grain of {len(CONTRASTS)} strengths")
        table(cases(grainy_leaves(options.scenes), min(options.cells, 4)))
    if "pairs" in chosen:
        print(f"two frames of {leaves}")
        pairs(dead_leaves(SIZE, seed) for seed in range(options.scenes))
    for kind, title in (("enlarged", "enlarged twice"), ("native", "as they are")):
        if options.photos and kind in chosen:
            print(f"{options.scenes} photographs of {options.photos.name}, {title}")
            table(cases(photographs(options.photos, options.scenes, kind == "enlarged"), options.cells))


if __name__ == "__main__":
    main()
