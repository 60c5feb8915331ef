"""Several processes train as one does, precision may be lower, and a run that overflows ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from synthnoise.cli.main import app
from synthnoise.denoisers.dncnn import DnCNN, Options
from synthnoise.denoisers.weights import load_weights
from synthnoise.devices import DeviceMemoryError
from synthnoise.errors import SynthnoiseError, UsageError
from synthnoise.plugins import default_plugins
from synthnoise.training import TrainingInterrupted, train
from synthnoise.training.budget import Budget
from synthnoise.training.examples import Example, Examples
from synthnoise.training.learner import Learner
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.ranks import Ranks

CPU = torch.device("cpu")
RAW: dict[str, Any] = {
    "noise": "poisson-gaussian",
    "noise_options": {"shot": 4e-3, "read": 1e-5},
    "denoiser": "dncnn",
    "denoiser_options": {"depth": 4, "width": 8},
    "ratio": (5.0, 20.0),
    "batch": 4,
    "crop": 16,
    "lr": 5e-3,
}
NOISE = ["--noise", "poisson-gaussian", "--noise-option", "shot=0.004", "--noise-option", "read=1e-5"]
NETWORK = ["-d", "dncnn", "-o", "depth=4", "-o", "width=8", "--ratio", "5,20", "--batch", "4", "--crop", "16"]
COMMAND = ["train", *NOISE, *NETWORK, "--lr", "0.005", "--steps", "6", "--device", "cpu"]


def test_the_parts_of_a_batch_are_the_batch() -> None:
    ranks = Ranks(CPU)
    assert (ranks.rank, ranks.count, ranks.share(24, 8)) == (0, 1, (24, 8))
    plan = TrainingPlan(images="dead-leaves", budget=Budget(steps=1), scene=48, cuts=8, **RAW)
    whole = Examples(plan, CPU, default_plugins()).draw(8, 4)
    parts = []
    ranks.count = 2
    for ranks.rank in (0, 1):
        parts.append(Examples(plan, CPU, default_plugins()).draw(*ranks.share(8, 4)))
    for name in ("noisy", "clean"):
        torch.testing.assert_close(torch.cat([getattr(p, name) for p in parts]), getattr(whole, name))
    with pytest.raises(UsageError, match="a batch of 3 pairs cannot be shared by 2 devices"):
        ranks.share(0, 3)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["own", "torchrun"])
def test_two_processes_end_where_one_does(tmp_path: Path, launcher: str) -> None:
    """The same batches in two halves: weights differ by rounding, and one log is written."""
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    train(output=one, steps=6, device="cpu", **RAW)
    start = ["-m", "synthnoise"]
    if launcher == "torchrun":
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *start]
    devices = ["--devices", "2"] if launcher == "own" else []
    done = subprocess.run(
        [sys.executable, *start, *COMMAND, *devices, "-o", str(two)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("parameters, 6 steps") == 1, done.stdout
    (first, record), (second, other) = load_weights(one), load_weights(two)
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value, rtol=1e-3, atol=1e-5)
    assert record.recipe["denoiser_options"].keys() == other.recipe["denoiser_options"].keys()
    assert record.noise_range == pytest.approx(other.noise_range)
    assert record.figures["psnr"] == pytest.approx(other.figures["psnr"], abs=1e-3)
    logs = [Path(f"{path}.csv").read_text().splitlines() for path in (one, two)]
    assert [line.split(",")[0] for line in logs[0]] == [line.split(",")[0] for line in logs[1]]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [one.name, two.name, f"{one.name}.csv", f"{two.name}.csv"]
    )


def test_a_process_without_memory_fails_though_it_is_not_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What all processes find, the first one says for all, and the others end in peace."""

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setenv("RANK", "1")
    command = [*COMMAND, "-o", str(tmp_path / "net")]
    assert app([*command, "--average", "2"], standalone_mode=False) == 0
    monkeypatch.setattr(Learner, "look", fail)
    with pytest.raises(DeviceMemoryError, match="out of memory"):
        app(command, standalone_mode=False)


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "synthnoise", *COMMAND, "--devices", "2", "--batch", "3"]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "net")], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == UsageError.exit_code
    assert done.stderr.count("cannot be shared by 2 devices") == 1
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_sees_noise_on_a_high_level(precision: Any) -> None:
    """A level of 600 has steps of 4 in bfloat16 and of 0.5 in float16, which would hide noise of 1."""
    generator = torch.Generator().manual_seed(0)
    network = DnCNN(Options(depth=3, width=8))
    torch.nn.init.normal_(network.layers[-1].weight, std=0.1, generator=generator)
    noisy = 600 + torch.randn(2, 4, 16, 16, generator=generator)
    sigma = torch.ones(2, 1, 16, 16)
    with torch.no_grad():
        expected = network(noisy, sigma) - noisy
    module, _ = Ranks(CPU, precision=precision).setup(network, torch.optim.SGD(network.parameters(), lr=0.1))
    found = (module(noisy, sigma) - noisy).detach()
    assert float((found - expected).std() / expected.std()) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_learns_nearly_the_same(tmp_path: Path, precision: Any) -> None:
    settings = RAW | {"steps": 40, "device": "cpu"}
    single = train(output=tmp_path / "single", **settings)
    mixed = train(output=tmp_path / "mixed", precision=precision, **settings)
    gain = single.psnr - single.noisy_psnr
    assert gain > 0.3
    assert mixed.psnr == pytest.approx(single.psnr, abs=0.1 * gain)
    network, record = load_weights(mixed.output)
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert record.recipe["precision"] == precision


class Stop:
    """Progress that interrupts at the first report."""

    reports = 0

    def start(self, title: str, total: float | None = None) -> None: ...
    def advance(self, steps: float = 1) -> None: ...
    def note(self, text: str) -> None:
        self.reports += 1
        if self.reports == 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_the_scale_of_float16_is_part_of_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient that overflows early halves the scale; a run resumed without that would go another way."""
    draw = Examples.draw

    def glaring(self: Examples, first: int, count: int) -> Example:
        example = draw(self, first, count)
        if first == 0:
            example.clean.add_(1e4)
        return example

    monkeypatch.setattr(Examples, "draw", glaring)
    settings = RAW | {"steps": 8, "device": "cpu", "precision": "16-mixed", "batch": 2}
    with pytest.raises(TrainingInterrupted):
        train(output=tmp_path / "parts", progress=Stop(), **settings)
    train(output=tmp_path / "parts", resume=True, **settings)
    train(output=tmp_path / "whole", **settings)
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


def test_gradients_that_overflow_for_ever_end_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is finite, and float16 skips step after step: not for as long as the budget lasts."""
    draw = Examples.draw

    def blinding(self: Examples, first: int, count: int) -> Example:
        example = draw(self, first, count)
        if first >= 3 * count:
            example.clean.fill_(1e17)
        return example

    monkeypatch.setattr(Examples, "draw", blinding)
    settings = RAW | {"device": "cpu", "precision": "16-mixed", "batch": 1, "steps": 100}
    with pytest.raises(SynthnoiseError, match="diverged: the gradients of the last 31 steps are not finite"):
        train(output=tmp_path / "net", **settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "8"}, "a precision called '8'"),
        ({"devices": 10_000}, "10000 devices of the kind cpu"),
        (
            {"precision": "bf16-mixed", "denoiser": "unet", "denoiser_options": {"widths": (4, 8)}},
            "would round the noise of RAW away",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(output=tmp_path / "net", **RAW | {"steps": 1, "device": "cpu"} | changes)
    assert not list(tmp_path.iterdir())
