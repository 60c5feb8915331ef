"""Training: it learns, it resumes to the same bytes, it stops when told, and it says when it fails."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthnoise.denoisers.model_card import training_data
from synthnoise.denoisers.weights import load_weights
from synthnoise.errors import InputError, OutputExistsError, PluginError, SynthnoiseError, UsageError
from synthnoise.noise.stabilise import Stabiliser, expected_transform
from synthnoise.plugins import default_plugins
from synthnoise.profiles.arrangement import rearranged
from synthnoise.profiles.store import load_profile, profile_folders, save_profile
from synthnoise.training import TrainingInterrupted, train
from synthnoise.training.budget import LOOKING, Budget, Reports, learning_rate
from synthnoise.training.checkpoint import RunState, checkpoint_path
from synthnoise.training.examples import Example, Examples
from synthnoise.training.learner import Learner
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.stabilisation import BatchStabiliser

RAW: dict[str, Any] = {
    "noise": "poisson-gaussian",
    "noise_options": {"shot": 4e-3, "read": 1e-5},
    "denoiser": "dncnn",
    "denoiser_options": {"depth": 4, "width": 8},
    "ratio": (5.0, 20.0),
    "batch": 4,
    "crop": 16,
    "lr": 5e-3,
    "device": "cpu",
}
RGB = RAW | {"noise": "gaussian", "noise_options": {"sigma": 10, "sigma_max": 50}, "ratio": (1.0, 1.0)}


class Listener:
    """Progress that does something at a report."""

    def __init__(self, at: int, act: Any) -> None:
        self.left, self.act, self.total, self.done = at, act, 0.0, 0.0

    def start(self, title: str, total: float | None = None) -> None:
        self.total = total or 0.0

    def advance(self, steps: float = 1) -> None:
        self.done += steps

    def note(self, text: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


def rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.mark.parametrize(("domain", "settings", "margin"), [("bayer", RAW, 1.5), ("srgb", RGB, 1.5)])
def test_it_learns_to_denoise_what_it_never_saw(
    tmp_path: Path, domain: str, settings: dict[str, Any], margin: float
) -> None:
    """The loss falls well below that of doing nothing, and images of another seed gain ``margin`` dB."""
    summary = train(output=tmp_path / "net.safetensors", steps=80, seed=1, **settings)
    course = rows(summary.log)
    assert [row["step"] for row in course] == list(range(4, 81, 4))
    # Doing nothing costs 1 by definition; the first four steps have changed little.
    assert 0.6 < course[0]["loss"] < 1.15
    assert course[-1]["loss"] < 0.7
    assert summary.psnr > summary.noisy_psnr + margin

    network, record = load_weights(summary.output)
    assert (record.domain, record.stabilised) == (domain, domain == "bayer")
    assert (record.steps, record.seed) == (80, 1)
    assert 0 < record.halo <= 4
    assert record.options["centred"] is True, "defaults are written out, lest they change under the weights"
    assert record.figures == {"psnr": summary.psnr, "noisy_psnr": summary.noisy_psnr}
    plan = TrainingPlan(images="dead-leaves", budget=Budget(steps=1), **plan_of(settings))
    fresh = Examples(plan, torch.device("cpu"), default_plugins())
    example = fresh.draw(0, 16)
    assert record.noise_range[0] <= example.sigma.min() * 1.1
    assert record.noise_range[1] >= example.sigma.max() * 0.9
    with torch.no_grad():
        denoised = network(example.noisy, example.sigma)
    assert fresh.psnr(denoised, example) > fresh.psnr(example.noisy, example) + margin


def plan_of(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "device"} | {"seed": 99}


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train(output=tmp_path / name, steps=4, **RAW)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    train(output=tmp_path / "three", steps=4, **RAW, seed=1)
    assert (tmp_path / "one").read_bytes() != (tmp_path / "three").read_bytes()


@pytest.mark.parametrize(
    ("stop", "batch_norm", "optimiser"), [(signal.SIGINT, False, "muon"), (signal.SIGTERM, True, "adamw")]
)
def test_stopped_and_resumed_it_ends_with_the_same_bytes(
    tmp_path: Path, stop: signal.Signals, batch_norm: bool, optimiser: str
) -> None:
    options = RAW["denoiser_options"] | {"batch_norm": batch_norm, "bias_free": not batch_norm, "width": 16}
    settings = RAW | {"steps": 23, "denoiser_options": options, "batch": 2, "crop": 8, "optimiser": optimiser}
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    train(output=whole, **settings)
    resume = False
    for at in (3, 9):
        listener = Listener(at, lambda: os.kill(os.getpid(), stop))
        with pytest.raises(TrainingInterrupted, match="stopped after step") as interruption:
            train(output=parts, resume=resume, progress=listener, **settings)
        assert interruption.value.exit_code == 128 + stop
        assert "--resume" in str(interruption.value.hint)
        assert not parts.exists()
        resume = True
    train(output=parts, resume=True, **settings)
    assert parts.read_bytes() == whole.read_bytes()
    drop = {"seconds"}
    logs = [
        [{k: v for k, v in row.items() if k not in drop} for row in rows(tmp_path / f"{p.name}.csv")]
        for p in (whole, parts)
    ]
    assert logs[0] == logs[1]
    assert not checkpoint_path(parts).exists()
    assert signal.getsignal(stop) in (signal.default_int_handler, signal.SIG_DFL)


def test_two_runs_do_not_write_to_one_output(tmp_path: Path) -> None:
    output, settings = tmp_path / "net", RAW | {"steps": 3, "batch": 2, "crop": 8}
    refusals = []

    def begin_again() -> None:
        for resume in (False, True):
            with pytest.raises(SynthnoiseError, match="net: another process is writing here") as refusal:
                train(output=output, resume=resume, overwrite=not resume, **settings)
            refusals.append(refusal.value)

    train(output=output, progress=Listener(1, begin_again), **settings)
    assert len(refusals) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"net", "net.csv"}


def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    ours = [tmp_path / f".net{kind}.abcdefgh.part" for kind in ("", ".csv", ".checkpoint")]
    theirs = [tmp_path / f".net{kind}.abcdefgh.part" for kind in ("2", ".safetensors", "2.csv")]
    for path in (*ours, *theirs):
        path.write_bytes(b"half")
    train(output=tmp_path / "net", steps=1, **RAW)
    assert {path.name for path in tmp_path.glob(".*")} == {path.name for path in theirs}


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        listener = Listener(1, lambda: os.kill(os.getpid(), signal.SIGINT))
        train(output=tmp_path / "net", steps=2, progress=listener, **RAW)
    finally:
        signal.signal(signal.SIGINT, before)
    load_weights(tmp_path / "net")


def interrupted(output: Path, **changes: Any) -> None:
    with pytest.raises(TrainingInterrupted):
        train(
            output=output,
            steps=20,
            progress=Listener(2, lambda: os.kill(os.getpid(), signal.SIGINT)),
            **RAW | changes,
        )


def test_a_run_resumes_only_as_what_it_was(tmp_path: Path) -> None:
    output = tmp_path / "net"
    with pytest.raises(InputError, match="nothing to resume"):
        train(output=output, steps=20, resume=True, **RAW)
    interrupted(output)
    with pytest.raises(UsageError, match="was begun with batch 4, not 5"):
        train(output=output, steps=20, resume=True, **RAW | {"batch": 5})
    with pytest.raises(UsageError, match="was begun with steps 20, not 21"):
        train(output=output, steps=21, resume=True, **RAW)
    with pytest.raises(OutputExistsError) as refusal:
        train(output=output, steps=20, **RAW)
    assert "--resume" in str(refusal.value.hint)


def test_a_run_resumes_only_with_its_profile_whatever_others_are_called(tmp_path: Path) -> None:
    profiles = [tmp_path / name / "camera" for name in ("mine", "yours")]
    for profile in profiles:
        shutil.copytree(profile_folders()["virtual-mild"], profile)
    with (profiles[1] / "profile.toml").open("a") as file:
        file.write("# measured again")
    settings = RAW | {"noise": "spectral", "noise_options": {}}
    interrupted(tmp_path / "net", **settings, profile=str(profiles[0]))
    with pytest.raises(UsageError, match="was begun with another profile"):
        train(output=tmp_path / "net", steps=20, resume=True, **settings, profile=str(profiles[1]))


@pytest.mark.parametrize("harm", ["truncate", "weights", "junk", "version"])
def test_a_damaged_state_is_refused(tmp_path: Path, harm: str) -> None:
    output = tmp_path / "net"
    interrupted(output)
    state = checkpoint_path(output)
    if harm == "truncate":
        state.write_bytes(state.read_bytes()[:-100])
    elif harm == "junk":
        state.write_bytes(os.urandom(1000))
    elif harm == "version":
        written = state.read_bytes()
        assert written.count(rb"\"schema\": 2") == 1
        state.write_bytes(written.replace(rb"\"schema\": 2", rb"\"schema\": 1"))
    else:
        train(output=tmp_path / "other", steps=1, **RAW)
        state.write_bytes((tmp_path / "other").read_bytes())
    with pytest.raises(InputError):
        train(output=output, steps=20, resume=True, **RAW)


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "net").write_text("precious")
    with pytest.raises(OutputExistsError):
        train(output=tmp_path / "net", steps=1, **RAW)
    assert (tmp_path / "net").read_text() == "precious"
    train(output=tmp_path / "net", steps=1, overwrite=True, **RAW)
    load_weights(tmp_path / "net")
    with pytest.raises(OutputExistsError) as finished:
        train(output=tmp_path / "net", steps=1, resume=True, **RAW)
    assert "finished" in str(finished.value.hint)
    (tmp_path / "other.csv").write_text("precious")
    with pytest.raises(OutputExistsError, match=r"other\.csv"):
        train(output=tmp_path / "other", steps=1, **RAW)
    assert (tmp_path / "other.csv").read_text() == "precious"


@pytest.mark.parametrize("name", ["folder", "net.onnx", "net.dtmodel", "file/net.safetensors", "-"])
def test_an_output_that_cannot_be_is_refused_before_the_training(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UsageError):
        train(output=tmp_path / name, steps=1, overwrite=True, **RAW)
    assert {path.name for path in tmp_path.rglob("*")} == {"folder", "file"}


def test_no_folder_of_the_machine_travels(tmp_path: Path) -> None:
    options = {
        "noise_options": {"dark": "/home/me/a.dng,/home/me/b.dng", "gain": 2},
        "image_options": {"path": tmp_path / "photographs", "kinds": ("disks", "C:\\me\\c.txt")},
    }
    plan = TrainingPlan(images="", noise="", denoiser="", budget=Budget(steps=1), **options).recipe()  # type: ignore[arg-type]
    assert plan["noise_options"] == {"dark": "a.dng,b.dng", "gain": 2}
    assert plan["image_options"] == {"path": "photographs", "kinds": ["disks", "c.txt"]}


def poisoned(harm: Callable[[Example], Any], at: int) -> Callable[[Examples, int, int], Example]:
    """Return a source of examples that does harm to the batch of step ``at``."""
    draw = Examples.draw

    def spoilt(self: Examples, first: int, count: int) -> Example:
        example = draw(self, first, count)
        if first == (at - 1) * count:
            harm(example)
        return example

    return spoilt


def test_a_run_that_diverges_says_so_and_keeps_the_last_good_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Examples, "draw", poisoned(lambda example: example.noisy.fill_(torch.nan), 10))
    message = r"diverged: the loss of step 10 is nan; the weights of step 9 are in"
    with pytest.raises(SynthnoiseError, match=message) as end:
        train(output=tmp_path / "net", steps=20, **RAW)
    assert "--lr" in str(end.value.hint)
    _, record = load_weights(tmp_path / "net")
    assert record.steps == 9
    assert not checkpoint_path(tmp_path / "net").exists()


def test_a_run_that_collapses_ends_and_keeps_what_was_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All numbers stay finite, and the rate is so high that the network soon gives anything but images."""
    calm = Learner.step

    def leap(self: Learner, rate: float, state: RunState) -> None:
        calm(self, rate if state.step < 6 else 30.0, state)

    monkeypatch.setattr(Learner, "step", leap)
    message = r"diverged: validation has fallen from .* dB to .* dB; the weights of step 6 are in .*: (.*) dB"
    with pytest.raises(SynthnoiseError, match=message) as end:
        train(output=tmp_path / "net", steps=20, **RAW)
    kept = load_weights(tmp_path / "net")[1]
    assert kept.steps == 6
    assert f": {kept.figures['psnr']:.2f} dB, noisy {kept.figures['noisy_psnr']:.2f} dB" in str(end.value)
    assert kept.figures["psnr"] > kept.figures["noisy_psnr"] - 3


def test_weights_that_are_not_finite_are_not_kept_though_the_loss_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So large a signal that batch normalisation's running variance overflows, and the noise is none."""

    def blow_up(example: Example) -> None:
        example.noisy.mul_(1e25)
        example.clean.copy_(example.noisy)

    monkeypatch.setattr(Examples, "draw", poisoned(blow_up, 10))
    options = RAW["denoiser_options"] | {"batch_norm": True, "bias_free": False}
    message = r"the weights are not finite after step 10; the weights of step 9 are in"
    with pytest.raises(SynthnoiseError, match=message):
        train(output=tmp_path / "net", steps=20, **RAW | {"denoiser_options": options})
    load_weights(tmp_path / "net")


def test_a_run_that_diverges_at_once_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Examples, "draw", poisoned(lambda example: example.clean.fill_(torch.inf), 1))
    with pytest.raises(SynthnoiseError, match="the loss of step 1 is inf; nothing was written"):
        train(output=tmp_path / "net", steps=5, **RAW)
    assert not list(tmp_path.iterdir())


def test_minutes_end_a_run(tmp_path: Path) -> None:
    summary = train(output=tmp_path / "net", minutes=1 / 60, **RAW)
    assert summary.seconds >= 1
    assert summary.steps >= 1


@pytest.mark.parametrize("look", [0.0, 1.0, 20.0])
def test_reports_leave_minutes_to_the_steps(look: float) -> None:
    reports, seconds, steps, looks = Reports(Budget(minutes=2)), 0.0, 0, 0
    while seconds < 120:
        seconds, steps = seconds + 0.25, steps + 1
        if reports.due(steps, seconds):
            looks, seconds = looks + 1, seconds + look
    # The first and the last come whatever they take.
    assert steps >= (120 - 2 * look) * (1 - LOOKING) / 0.25 - 2
    assert looks == 20 if not look else looks >= 2
    assert Reports(Budget(minutes=2), 0.5).due(1, 67)
    assert not Reports(Budget(minutes=2), 0.5).due(1, 65)


def test_a_run_that_goes_on_looks_no_more_than_one_that_did_not_stop() -> None:
    """Each report takes 8 s, so that 72 s have to pass before the next: of the 5 twentieths one has it."""
    reports, seconds, step, looks = Reports(Budget(minutes=2), 0.5, 60), 60.0, 240, 0
    while seconds < 90:
        seconds, step = seconds + 0.25, step + 1
        if reports.due(step, seconds):
            looks, seconds = looks + 1, seconds + 8
    assert looks == 1


def test_a_budget_in_steps_has_all_its_reports() -> None:
    reports = Reports(Budget(steps=60))
    assert sum(reports.due(step, 100.0 * step * step) for step in range(1, 61)) == 20


def test_rate_anneals_to_the_end_of_whichever_budget_ends_first() -> None:
    budget = Budget(steps=100, minutes=2)
    assert budget.spent(50, 12) == pytest.approx(0.5)
    assert budget.spent(10, 108) == pytest.approx(0.9)
    rates = [learning_rate(0.1, share) for share in (0.02, 0.25, 0.51, 0.75, 1.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(0.1)
    assert rates[2] == pytest.approx(0.1 * (0.01 + 0.99 / 2))
    assert rates[-1] == pytest.approx(0.001)


def test_progress_is_told_all_of_it(tmp_path: Path) -> None:
    listener = Listener(-1, None)
    train(output=tmp_path / "net", steps=7, progress=listener, **RAW)
    assert listener.done == pytest.approx(listener.total)


def test_other_threads_can_train(tmp_path: Path) -> None:
    """Signals belong to the main thread: elsewhere training leaves them alone."""
    worker = threading.Thread(target=train, kwargs={"output": tmp_path / "net", "steps": 1, **RAW})
    worker.start()
    worker.join()
    load_weights(tmp_path / "net")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"steps": None}, UsageError),
        ({"steps": 0}, UsageError),
        ({"minutes": -1}, UsageError),
        ({"minutes": 0}, UsageError),
        ({"minutes": math.inf}, UsageError),
        ({"batch": 0}, UsageError),
        ({"crop": 4}, UsageError),
        ({"lr": 0}, UsageError),
        ({"ratio": (2.0, 1.0)}, UsageError),
        ({"seed": -1}, UsageError),
        ({"seed": 1 << 64}, UsageError),
        ({"noise_options": {}}, UsageError),
        ({"denoiser_options": {"channels": 3}}, UsageError),
        ({"denoiser_options": {"colour": "blue"}}, UsageError),
        ({"denoiser": "patch-dct"}, UsageError),
        ({"denoiser": "no-such"}, PluginError),
        ({"images": "no-such"}, PluginError),
        ({"profile": "no-such-camera"}, SynthnoiseError),
        ({"denoiser": "drunet", "denoiser_options": {"widths": (4, 4, 4)}, "crop": 30}, UsageError),
        ({"denoiser": "u-dru", "denoiser_options": {"unshuffle": 3, "widths": (4, 4)}}, UsageError),
        ({"noise_options": {"shot": 0, "read": 0}}, UsageError),
        ({"noise": "gaussian", "noise_options": {"sigma": 0}, "ratio": (1.0, 1.0)}, UsageError),
    ],
)
def test_requests_without_sense_are_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        train(output=tmp_path / "net", **{"steps": 1, **RAW, **changes})
    assert not list(tmp_path.iterdir())


def test_the_rate_warms_up_and_falls_to_a_hundredth() -> None:
    rates = [learning_rate(1.0, spent) for spent in np.linspace(0, 1, 201)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(1.0)
    assert peak == 4
    assert all(np.diff(rates[:peak]) > 0)
    assert all(np.diff(rates[peak:]) < 0)
    assert rates[-1] == pytest.approx(0.01)
    assert rates[0] > 0


def test_targets_are_what_the_unbiased_inverse_undoes() -> None:
    """The inverse of the target is the clean image: a perfect network has no colour cast in the shadows."""
    plan = TrainingPlan(
        images="dead-leaves",
        budget=Budget(steps=1),
        **plan_of(RAW | {"ratio": (1.0, 300.0)}),
    )
    examples = Examples(plan, torch.device("cpu"), default_plugins())
    example = examples.draw(0, 32)
    options = RAW["noise_options"]
    inverse = Stabiliser(shot=(options["shot"],) * 4, read=(options["read"],) * 4).inverse(example.clean)
    latent = example.pair.clean / example.pair.ratio.view(-1, 1, 1, 1)
    torch.testing.assert_close(inverse, latent, rtol=2e-3, atol=2e-3 * options["shot"])
    residual = example.noisy - example.clean
    assert abs(float(residual.mean())) < 5 * float(residual.std()) / residual.numel() ** 0.5
    assert examples.psnr(example.clean, example) > 60


@pytest.mark.parametrize("electrons", [0.05, 0.3, 3.0, 10.0, 30.0])
def test_targets_of_any_read_noise_are_expected_transforms(electrons: float) -> None:
    """They are to a thousandth of the noise, which a table of another read noise would not give."""
    shot = 1e-3
    levels = torch.tensor([[shot]]), torch.tensor([[(electrons * shot) ** 2]])
    stabiliser = BatchStabiliser(*levels)
    means = np.concatenate([np.linspace(-2 * electrons, 0, 20), np.linspace(0.1, 60 + 3 * electrons, 200)])
    exact = torch.from_numpy(expected_transform(means, electrons)).float()[None, None, None]
    clean = torch.from_numpy(means * shot).float()[None, None, None]
    torch.testing.assert_close(stabiliser.expected(clean), exact, rtol=0, atol=1e-3)
    torch.testing.assert_close(stabiliser.inverse(exact) / shot, clean / shot, rtol=0, atol=1e-3)


def test_without_an_iso_pairs_are_of_all_the_profile() -> None:
    profile = load_profile("sony-ilce-7m4")
    settings = plan_of(
        RAW | {"noise_options": {}, "ratio": (1.0, 1.0), "crop": 8, "profile": "sony-ilce-7m4"}
    )
    plan = TrainingPlan(images="dead-leaves", budget=Budget(steps=1), **settings)
    assert len(profile.isos) > 4
    kinds = []
    for iso in (None, max(profile.isos)):
        examples = Examples(dataclasses.replace(plan, iso=iso), torch.device("cpu"), default_plugins())
        kinds.append(examples.draw(0, 24).pair.noise_profile[:, 0, 1].unique().numel())
    # Twenty-four draws of five or more that show three at most have a chance below 1e-4.
    assert kinds[0] > 3
    assert kinds[1] == 1


def test_a_picture_that_is_met_exactly_has_a_psnr_that_can_be_written() -> None:
    plan = TrainingPlan(images="mondrian", budget=Budget(steps=1), **plan_of(RGB))
    examples = Examples(plan, torch.device("cpu"), default_plugins())
    white = examples.of_scene(torch.ones(3, 16, 16), 0)
    assert examples.psnr(white.clean + 1, white) == pytest.approx(120)


def test_the_light_that_a_known_camera_shoots_in_is_drawn() -> None:
    """A network that knew the white balance of the calibration alone would be lost in any other light."""
    settings = plan_of(
        RAW | {"noise": "spectral", "noise_options": {}, "ratio": (1.0, 1.0), "profile": "virtual-mild"}
    )
    plan = TrainingPlan(images="dead-leaves", budget=Budget(steps=1), **settings)
    examples = Examples(plan, torch.device("cpu"), default_plugins())
    grey = torch.full((3, 32, 32), 0.5)
    clean = torch.cat([examples.of_scene(grey, number).pair.clean for number in range(40)]).mean((2, 3))
    # Red and blue of a grey are 0.35 to 1 of its green, log-uniformly: of 40, some lie beyond either bound.
    for colour in (0, 3):
        share = clean[:, colour] / clean[:, 1]
        assert float(share.min()) < 0.45
        assert float(share.max()) > 0.8


def test_the_noise_of_an_example_has_the_sigma_it_is_given() -> None:
    plan = TrainingPlan(images="dead-leaves", budget=Budget(steps=1), **plan_of(RGB))
    example = Examples(plan, torch.device("cpu"), default_plugins()).draw(0, 32)
    assert example.sigma.unique().numel() > 20
    scaled = (example.noisy - example.clean) / example.sigma
    assert float(scaled.var()) == pytest.approx(1, abs=5 * (2 / scaled.numel()) ** 0.5)


TWO_CAMERAS = ("virtual-hard", "virtual-mild")


def test_pairs_of_several_profiles_are_of_one_of_them_each() -> None:
    common: dict[str, Any] = {
        "images": "dead-leaves",
        "noise": "spectral",
        "denoiser": "dncnn",
        "budget": Budget(steps=1),
    }
    plans = [TrainingPlan(profile=name, crop=16, **common) for name in (TWO_CAMERAS, *TWO_CAMERAS)]
    count = 24
    both, *alone = (
        Examples(plan, torch.device("cpu"), default_plugins()).draw(0, count).pair for plan in plans
    )
    same = torch.stack([(both.noisy == pair.noisy).all(dim=(1, 2, 3)) for pair in alone])
    assert same.sum(0).eq(1).all()
    # Equally likely: 5 standard errors of 24 tosses.
    assert abs(float(same[0].sum()) - count / 2) < 5 * math.sqrt(count) / 2
    for first, second, chosen in zip(alone[0].noise_profile, alone[1].noise_profile, same[0], strict=True):
        assert not torch.equal(first, second)
        found = first if chosen else second
        assert any(torch.equal(found, one) for one in both.noise_profile)


def test_weights_name_all_their_profiles(tmp_path: Path) -> None:
    folder = tmp_path / "virtual-hard"
    shutil.copytree(profile_folders()["virtual-hard"], folder)
    profiles = [str(folder), "virtual-mild"]
    settings = {key: value for key, value in RAW.items() if not key.startswith("noise")}
    summary = train(output=tmp_path / "net.safetensors", steps=2, profile=profiles, **settings)
    recipe = load_weights(summary.output)[1].recipe
    assert (recipe["noise"], recipe["profile"]) == ("spectral", ["virtual-hard", "virtual-mild"])
    assert len(set(recipe["profile_sha256"])) == 2
    assert training_data(load_weights(summary.output)[1]).endswith(
        "camera profile virtual-hard, virtual-mild)"
    )
    with pytest.raises(UsageError, match="2 cameras of 2 different colour filter arrays"):
        train(
            output=tmp_path / "x.safetensors",
            steps=2,
            profile=["virtual-mild", "virtual-x-trans"],
            **settings,
        )


def test_options_in_text_make_the_run_that_their_values_make(tmp_path: Path) -> None:
    text = {
        "noise_options": {"shot": "4e-3", "read": "1e-5"},
        "denoiser": "dncnn",
        "denoiser_options": {"depth": "4", "width": "8"},
    }
    for name, settings in (("values", RAW), ("text", RAW | text)):
        train(output=tmp_path / f"{name}.safetensors", steps=2, **settings)
    assert (tmp_path / "text.safetensors").read_bytes() == (tmp_path / "values.safetensors").read_bytes()
    with pytest.raises(UsageError, match="poisson-gaussian has no option 'shots'"):
        train(output=tmp_path / "x.safetensors", steps=2, **RAW | {"noise_options": {"shots": "1"}})


def test_a_network_that_denoise_does_not_run_yet_is_remarked_on(tmp_path: Path) -> None:
    notes: list[str] = []
    listener = Listener(-1, None)
    listener.note = notes.append  # type: ignore[method-assign]
    settings = {key: value for key, value in RAW.items() if not key.startswith("noise")}
    output = tmp_path / "net.safetensors"
    quad = ((0, 0, 1, 1), (0, 0, 1, 1), (1, 1, 2, 2), (1, 1, 2, 2))
    save_profile(rearranged(load_profile("virtual-mild"), quad), tmp_path / "quad")
    train(output=output, steps=1, profile=str(tmp_path / "quad"), progress=listener, **settings)
    assert notes[0] == "note: denoise runs no network on a 4x4 colour filter array yet, patch-dct on any"
    assert (load_weights(output)[1].domain, load_weights(output)[1].channels) == ("mosaic", 16)


@pytest.mark.parametrize(
    ("settings", "name", "parameters"),
    [
        (RAW, "raw-dru", 1.064e6),
        (RAW | {"cfa": "x-trans", "crop": None, "batch": 1}, "x-trans-dru", 6.263e5),
        (RGB, "u-dru", 1.048e6),
    ],
)
def test_the_denoiser_that_nobody_names_suits_the_noise(
    tmp_path: Path, settings: dict[str, Any], name: str, parameters: float
) -> None:
    settings = {key: value for key, value in settings.items() if not key.startswith("denoiser")}
    summary = train(output=tmp_path / "net.safetensors", steps=1, **settings)
    assert load_weights(summary.output)[1].denoiser == name
    assert summary.parameters == pytest.approx(parameters, rel=1e-3)
