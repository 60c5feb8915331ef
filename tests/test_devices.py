"""What moves tensors to a GPU: on a pretended one it meets no tensor of the processor, and gives the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pretended_gpu import There, pretended_gpu

from synthnoise import SyntheticDataset, testing
from synthnoise.colour_filter_arrays import X_TRANS
from synthnoise.denoisers.bundled import bundled_names, bundled_weights
from synthnoise.denoisers.weights import load_weights
from synthnoise.denoisers.wiener import Wiener
from synthnoise.denoising.denoiser import Denoiser, Settings
from synthnoise.devices import full_precision, pick_device
from synthnoise.errors import SynthnoiseError, UsageError
from synthnoise.plugins import default_plugins
from synthnoise.rng import Rng
from synthnoise.training.ahead import Ahead
from synthnoise.training.budget import Budget
from synthnoise.training.checkpoint import RunState
from synthnoise.training.examples import Examples
from synthnoise.training.learner import Learner
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.ranks import Ranks
from synthnoise.training.trainer import train

PLUGINS = default_plugins()
QUICK = {
    *("dead-leaves", "vibrant-leaves", "mondrian", "spectrum", "folder"),
    *("gaussian", "sensor-prior", "spectral", "sfrn"),
    *("raw", "patch-dct"),
}
"""Those that say most in little time; the others are slow."""


def models(names: Iterable[str]) -> list[Any]:
    """Return names as parameters of a test."""
    return [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in names]


def test_a_pretended_gpu_refuses_what_a_gpu_would() -> None:
    with pretended_gpu() as waits:
        there = torch.arange(3.0, device="cuda")
        assert there.device == torch.device("cuda", 0)
        assert torch.equal((there + torch.tensor(1.0)).cpu(), torch.tensor([1.0, 2, 3]))
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="indexed tensor"):
            torch.ones(3)[there.long()]
        with pytest.raises(TypeError, match="numpy"):
            np.asarray(there)
        assert waits == {"cpu": 1}


@pytest.mark.parametrize("name", models(r.name for r in PLUGINS.records("image_models")))
def test_images_are_drawn_on_the_device(name: str, tmp_path: Path) -> None:
    if name == "folder":
        from PIL import Image

        Image.linear_gradient("L").save(tmp_path / "grey.png")
    model = testing.build(
        PLUGINS.find("image_models", name), {"path": str(tmp_path)} if name == "folder" else {}
    )
    here = model.generate((16, 24), Rng(1, torch.tensor([5])))
    with pretended_gpu():
        there = model.generate((16, 24), Rng(1, torch.tensor([5]), "cuda"))
        assert isinstance(there, There)
        torch.testing.assert_close(there.cpu(), here, rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", models(r.name for r in PLUGINS.records("noise_models")))
def test_noise_is_drawn_on_the_device(name: str, profile) -> None:  # type: ignore[no-untyped-def]
    record = PLUGINS.find("noise_models", name)
    model = testing.build(record)
    parameters = model.parameters(profile, next(iter(profile.isos)))
    per_image = getattr(model, "per_image", lambda parameters, rng: parameters)
    clean = torch.linspace(0, 1, 2 * 16 * 24).view(1, 2, 16, 24).repeat(2, 2, 1, 1)
    clean = clean[:, :3] if record.domain == "srgb" else clean
    rng = Rng(3, torch.tensor([4, 9]))
    here = model.sample(clean, per_image(parameters, rng), rng)
    with pretended_gpu():
        rng = Rng(3, torch.tensor([4, 9]), "cuda")
        there = model.sample(clean.to("cuda"), per_image(parameters, rng), rng)
        variance = model.variance(clean.to("cuda"), per_image(parameters, rng))
        assert isinstance(there, There)
        assert isinstance(variance, There)
        torch.testing.assert_close(there.cpu(), here, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", models(bundled_names()))
def test_bundled_networks_denoise_on_a_gpu_as_on_the_processor(name: str) -> None:
    of: dict[str, Any] = {"domain": "srgb"}
    planes = 3
    if name == "raw":
        of, planes = {"domain": "bayer"}, 4
    if name == "raw-x-trans":
        colours = tuple(itertools.chain(*X_TRANS))
        of, planes = {"domain": "x-trans", "colours": colours, "period": (6, 6)}, len(colours)
    noisy = np.random.default_rng(0).normal(0.5, 0.01, (1, planes, 48, 64)).astype(np.float32)
    # Stabilised, white is a level of 550.
    noise = (1e-5,) * planes, (1e-6,) * planes
    expected = Denoiser(Settings(denoiser=name, device="cpu"), **of).denoised(noisy, *noise)
    with pretended_gpu():
        denoiser = Denoiser(Settings(denoiser=name, device="cuda"), **of)
        assert denoiser.remarks == ()
        assert denoiser.device == torch.device("cuda")
        np.testing.assert_allclose(denoiser.denoised(noisy, *noise), expected, atol=1e-5)


@pytest.mark.parametrize("name", models(r.name for r in PLUGINS.records("denoisers") if not r.trainable))
def test_classical_denoisers_run_on_a_gpu(name: str) -> None:
    noisy = np.random.default_rng(0).normal(0.5, 0.01, (1, 4, 32, 64)).astype(np.float32)
    noise = (0.0,) * 4, (1e-4,) * 4
    expected = Denoiser(Settings(denoiser=name, device="cpu")).denoised(noisy, *noise)
    with pretended_gpu():
        denoiser = Denoiser(Settings(denoiser=name, device="cuda"))
        assert (denoiser.remarks, denoiser.device) == ((), torch.device("cuda"))
        found = denoiser.denoised(noisy, *noise)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_classical_denoiser_that_a_gpu_gets_wrong_runs_on_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = Wiener.forward

    def forward(self: Wiener, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return honest(self, noisy, sigma) + 0.5 * isinstance(noisy, There)

    monkeypatch.setattr(Wiener, "forward", forward)
    with pretended_gpu():
        denoiser = Denoiser(Settings(denoiser="wiener", device="cuda"))
    assert denoiser.device == torch.device("cpu")
    assert denoiser.remarks == ("on the CPU, as cuda gives something else, by 0.5",)


def test_ten_bits_of_each_number_are_too_few_for_raw() -> None:
    path = bundled_weights("raw")
    assert path is not None
    network, _ = load_weights(path)
    level = torch.full((1, 4, 32, 32), 300.0) + torch.randn(1, 4, 32, 32)
    sigma = torch.ones(1, 1, 32, 32)
    with pretended_gpu(), torch.inference_mode():
        network = network.to("cuda")
        found = {}
        for digits in ("few", "all"):
            with full_precision() if digits == "all" else torch.inference_mode():
                found[digits] = network(level.to("cuda"), sigma.to("cuda")).cpu()
    # What is left of noise of 1 is 0.06.
    assert (found["few"] - found["all"]).std() > 0.05


def test_what_is_drawn_in_double_precision_is_not_drawn_on_apples_gpus() -> None:
    rng = Rng(1, torch.tensor([5]), "cpu")
    with pretended_gpu("mps"):
        assert (pick_device().type, pick_device(double=True).type) == ("mps", "cpu")
        with pytest.raises(TypeError, match="float64"):
            rng.uniform(0, (3,), double=True).to("mps")
        options = {"shot": 1e-3, "read": 1e-5}
        dataset = SyntheticDataset(
            "dead-leaves", size=(16, 16), noise="poisson-gaussian", noise_options=options, device="auto"
        )
        assert not isinstance(next(iter(dataset))["noisy"], There)
    with pretended_gpu():
        assert pick_device(double=True).type == "cuda"


def test_a_gpu_of_a_number_has_to_be_there() -> None:
    with pretended_gpu():
        assert pick_device("cuda:0") == torch.device("cuda", 0)
        with pytest.raises(UsageError, match=r"^--device cuda:1: no such device here$") as refusal:
            pick_device("cuda:1")
    assert refusal.value.hint == "there is cuda:0"


def test_precision_is_what_it_was_after_a_block() -> None:
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    with full_precision(), full_precision():
        assert conv.fp32_precision == "ieee"
        assert not torch.backends.cudnn.allow_tf32
    assert conv.fp32_precision == before
    assert torch.backends.cudnn.allow_tf32 == (before == "tf32")


def test_a_device_without_memory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    denoiser = Denoiser(Settings(denoiser="wiener", device="cpu"))
    monkeypatch.setattr(denoiser.network, "forward", fail)
    with pytest.raises(SynthnoiseError, match="out of memory") as error:
        denoiser.denoised(np.zeros((1, 4, 8, 8), np.float32), (1e-3,) * 4, (1e-4,) * 4)
    assert "--tile" in str(error.value.hint)


CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SMALL = {
    "images": "mondrian",
    "noise": "sensor-prior",
    "denoiser": "dncnn",
    "denoiser_options": {"channels": 4, "depth": 3, "width": 8, "centred": True},
    "batch": 2,
    "crop": 16,
    "scene": 40,
    "cuts": 3,
}
PLAN = TrainingPlan(**SMALL, budget=Budget(steps=4))  # type: ignore[arg-type]


def test_steps_drawn_together_are_those_drawn_by_themselves() -> None:
    examples = Examples(PLAN, CPU, PLUGINS)
    expected = [examples.draw(2 * step, 2) for step in (0, 1, 3)]
    with pretended_gpu() as waits:
        ahead = Ahead(Examples(PLAN, torch.device("cuda", 0), PLUGINS), PLAN, Ranks(CUDA))
        assert ahead.steps == 4
        for step, example in zip((0, 1, 3), expected, strict=True):
            before = sum(waits.values())
            drawn = ahead.draw(step)
            assert (sum(waits.values()) == before) == (step > 0)
            assert isinstance(drawn.noisy, There)
            torch.testing.assert_close(drawn.noisy.cpu(), example.noisy, rtol=0, atol=1e-3)
            torch.testing.assert_close(drawn.clean.cpu(), example.clean, rtol=0, atol=1e-3)
            torch.testing.assert_close(drawn.pair.ratio.cpu(), example.pair.ratio)


def learner(device: torch.device) -> Learner:
    torch.manual_seed(0)
    network = testing.build(PLUGINS.find("denoisers", "dncnn"), SMALL["denoiser_options"])  # type: ignore[arg-type]
    return Learner(network, PLAN, Ranks(device), stabilised=True)


@pytest.mark.parametrize("begins", [CUDA, CPU])
def test_a_state_goes_on_on_the_other_device(begins: torch.device) -> None:
    goes_on = CPU if begins == CUDA else CUDA
    with pretended_gpu(), full_precision():
        first, second = learner(begins), learner(goes_on)
        examples = {kind: Examples(PLAN, torch.device(kind), PLUGINS).draw(0, 2) for kind in ("cpu", "cuda")}
        state = RunState()
        first.look(examples[begins.type], state)
        first.step(1e-3, state)
        second.restore(first.tensors())
        for parameter, kept in second._optimiser.state.items():
            assert kept["exp_avg"].stride() == parameter.stride()
        for one in (first, second):
            own = RunState(step=1, gradient=state.gradient)
            one.look(examples[begins.type if one is first else goes_on.type], own)
            one.step(1e-3, own)
        for name, value in first.tensors().items():
            assert not isinstance(value, There)
            torch.testing.assert_close(second.tensors()[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("optimiser", "kind"), [("adamw", "cuda"), ("muon", "cuda"), ("adamw", "mps")])
def test_training_on_a_gpu_gives_the_weights_of_the_processor(
    tmp_path: Path, optimiser: str, kind: str
) -> None:
    network = {"channels": 4, "depth": 3, "width": 16, "centred": True}
    settings = {**SMALL, "steps": 2, "optimiser": optimiser, "denoiser_options": network}
    train(output=tmp_path / "here.safetensors", device="cpu", **settings)  # type: ignore[arg-type]
    with pretended_gpu(kind):
        train(output=tmp_path / "there.safetensors", device=kind, **settings)  # type: ignore[arg-type]
    here, there = (
        load_weights(tmp_path / f"{name}.safetensors")[0].state_dict() for name in ("here", "there")
    )
    for name, value in here.items():
        torch.testing.assert_close(there[name], value, rtol=1e-3, atol=1e-4)
