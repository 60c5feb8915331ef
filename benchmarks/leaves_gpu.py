"""Time vibrant leaves on a GPU, end to end and stage by stage.

    python benchmarks/leaves_gpu.py [--engine torch triton] [--batch 32] [--batches 8] [--size 500]

Prints images per second of device memory, nothing copied back, for each engine; milliseconds per image of
each stage, the device waited for after each; and how many bytes per second the largest tensors that a stage
must read and write would make of that time: a lower bound of what the memory moved, not a measurement. With
``--verify``, how far the images are from those of the compiled engine. Without an accelerator it says so.
``--device cpu`` runs the torch engine on the processor, to see that the script works: those times mean
nothing.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from datetime import date
from typing import TypeVar

import torch

from synthnoise.images.vibrant_leaves.coefficients import SLOTS
from synthnoise.images.vibrant_leaves.leaf_law import leaf_law
from synthnoise.images.vibrant_leaves.model import VibrantLeaves
from synthnoise.images.vibrant_leaves.settings import Options, Settings
from synthnoise.images.vibrant_leaves.table import NAMES
from synthnoise.images.vibrant_leaves.tensor_leaves import draw_tensors
from synthnoise.images.vibrant_leaves.torch_engine.depth import fused_images
from synthnoise.images.vibrant_leaves.torch_engine.engine import shading_of
from synthnoise.images.vibrant_leaves.torch_engine.visibility import visible_leaves
from synthnoise.rng import Rng

T = TypeVar("T")

Stages = dict[str, tuple[float, float]]
"""Seconds and bytes of each stage."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--engine", nargs="+", default=["torch", "triton"], choices=["torch", "triton"])
    parser.add_argument("--preset", default="vl")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--size", type=int, default=500)
    parser.add_argument("--verify", action="store_true")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no accelerator: nothing measured (--device cpu shows that the script works)")
        return
    print(f"{machine(device)}, torch {torch.__version__}, {date.today()}")
    print(f"preset {chosen.preset}, {chosen.size}x{chosen.size}, batches of {chosen.batch}\n")
    engines = [name for name in chosen.engine if name == "torch" or device.type == "cuda"]
    for name in engines:
        model = VibrantLeaves(Options(preset=chosen.preset, engine=name))
        rate, memory = throughput(model, chosen.size, chosen.batch, chosen.batches, device)
        print(f"{name}: {rate:.0f} images/s, at most {memory / 2**30:.1f} GiB")
        stages = {"torch": torch_stages, "triton": triton_stages}[name]
        stages(model.settings, chosen.size, Rng(0, torch.arange(chosen.batch), device))
        show(stages(model.settings, chosen.size, Rng(1, torch.arange(chosen.batch), device)), chosen.batch)
        if chosen.verify:
            verify(model, chosen.preset, chosen.size, device)
        print()


def machine(device: torch.device) -> str:
    """Return the name of what runs."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.processor() or platform.machine()} (CPU: a smoke check)"


def wait(device: torch.device) -> None:
    """Return when the device has done all that it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def throughput(
    model: VibrantLeaves, side: int, batch: int, batches: int, device: torch.device
) -> tuple[float, int]:
    """Return images per second over whole batches after two to warm up, and peak bytes."""
    for number in range(2):
        model.generate((side, side), Rng(number, torch.arange(batch), device))
    wait(device)
    start = time.perf_counter()
    for number in range(batches):
        model.generate((side, side), Rng(2, torch.arange(batch) + number * batch, device))
    wait(device)
    seconds = time.perf_counter() - start
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return batch * batches / seconds, memory


class Clock:
    """Adds up what stages take; every stage ends with the device waited for."""

    def __init__(self, device: torch.device) -> None:
        self.stages: Stages = {}
        self._device = device

    def time(self, name: str, action: Callable[[], T], moved: Callable[[T], float]) -> T:
        """Run one stage; ``moved`` says how many bytes it had to read and write at the least."""
        wait(self._device)
        start = time.perf_counter()
        result = action()
        wait(self._device)
        self.stages[name] = time.perf_counter() - start, moved(result)
        return result


def bytes_of(*tensors: torch.Tensor) -> float:
    """Return the bytes of tensors."""
    return float(sum(tensor.numel() * tensor.element_size() for tensor in tensors))


def torch_stages(settings: Settings, side: int, rng: Rng) -> Stages:
    """Return the stages of the torch engine for one batch."""
    canvas = side * settings.reduction, side * settings.reduction
    clock = Clock(torch.device(rng.device))
    law = leaf_law(settings, canvas)
    table = clock.time("leaf table", lambda: draw_tensors(settings, law, rng), lambda t: bytes_of(t.leaves))
    labels, boxes = clock.time("visibility", lambda: visible_leaves(table), lambda v: 2 * bytes_of(v[0]))
    shading = clock.time(
        "coefficients", lambda: shading_of(settings, table, boxes), lambda s: bytes_of(table.leaves, s.slots)
    )
    layers = 10 * 4 * float(len(rng.indices)) * canvas[0] * canvas[1]
    clock.time(
        "shading and fusion",
        lambda: fused_images(labels, shading, settings.blur, table.blur, settings.reduction),
        lambda images: bytes_of(labels, images) + 2 * layers,
    )
    return clock.stages


def triton_stages(settings: Settings, side: int, rng: Rng) -> Stages:
    """Return the stages of the Triton engine for one batch."""
    from synthnoise.images.vibrant_leaves.triton_engine.engine import fuse_layers, paint_layers

    canvas = side * settings.reduction, side * settings.reduction
    clock = Clock(torch.device(rng.device))
    law = leaf_law(settings, canvas)
    table = clock.time("leaf table", lambda: draw_tensors(settings, law, rng), lambda t: bytes_of(t.leaves))
    slots = 4 * float(SLOTS) * table.leaves.numel() / len(NAMES)
    light, _ = clock.time(
        "boxes, coefficients, tiles, visibility and shading",
        lambda: paint_layers(settings, table),
        lambda painted: bytes_of(painted[0], table.leaves) + 2 * slots,
    )
    blurred = 7 * 4 * float(len(rng.indices)) * canvas[0] * canvas[1]
    clock.time(
        "blur, fusion and reduction",
        lambda: fuse_layers(settings, table.blur, light),
        lambda images: bytes_of(light, images) + 2 * blurred,
    )
    return clock.stages


def show(stages: Stages, batch: int) -> None:
    """Print a table of stages."""
    for name, (seconds, moved) in stages.items():
        each, rate = 1000 * seconds / batch, moved / seconds / 1e9
        print(f"  {name:52}{each:8.3f} ms per image, at least {rate:6.1f} GB/s")


def verify(model: VibrantLeaves, preset: str, side: int, device: torch.device) -> None:
    """Print how far four images are from the compiled engine's."""
    indices = torch.arange(4)
    expected = VibrantLeaves(Options(preset=preset, engine="compiled")).generate(
        (side, side), Rng(7, indices)
    )
    images = model.generate((side, side), Rng(7, indices, device)).cpu()
    share = ((images - expected).abs().amax(1) > 1 / 255).double().mean()
    print(f"  beside the compiled engine: {share:.2e} of pixels differ by more than 1/255")


if __name__ == "__main__":
    main()
