"""What an optimiser does to weights: Muon's steps against linear algebra, AdamW's against torch."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from pretended_gpu import pretended_gpu
from torch import Tensor, nn

from synthnoise.errors import UsageError
from synthnoise.training.budget import Budget
from synthnoise.training.optimisers import (
    BETAS,
    ITERATIONS,
    MOMENTUM,
    NEWTON_SCHULZ,
    STEP,
    WEIGHT_DECAY,
    _all_orthogonalised,
    build_optimiser,
    orthogonalised,
)
from synthnoise.training.plan import TrainingPlan

RATE = 1e-2


def balanced(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix with the quintic applied to each of its singular values, by NumPy's decomposition."""
    left, values, right = np.linalg.svd(matrix / np.linalg.norm(matrix), full_matrices=False)
    a, b, c = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        values = a * values + b * values**3 + c * values**5
    return (left * values) @ right


@pytest.mark.parametrize("shape", [(16, 144), (64, 64), (72, 16)])
def test_orthogonalised_keeps_directions_and_levels_lengths(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(3).standard_normal(shape) * np.geomspace(1, 0.05, shape[1])
    found = orthogonalised(torch.from_numpy(matrix).float()).double().numpy()
    np.testing.assert_allclose(found, balanced(matrix), atol=1e-4)
    values = np.linalg.svd(found, compute_uv=False)
    # Those below a hundredth of the norm, which square matrices have, are not there yet.
    large = values[np.linalg.svd(matrix / np.linalg.norm(matrix), compute_uv=False) > 0.01]
    assert 0.6 < large.min() <= large.max() < 1.25
    assert not orthogonalised(torch.zeros(12, 12)).any()


def test_on_a_gpu_matrices_of_one_shape_go_together() -> None:
    generator = torch.Generator().manual_seed(2)
    shapes = [(16, 144), (32, 16), (16, 144), (32, 32), (32, 16), (16, 144)]
    matrices = [torch.randn(shape, generator=generator) for shape in shapes]
    with pretended_gpu():
        found = _all_orthogonalised([matrix.to("cuda") for matrix in matrices])
        for one, matrix in zip(found, matrices, strict=True):
            torch.testing.assert_close(one.cpu(), orthogonalised(matrix), rtol=0, atol=1e-5)


def test_groups_of_parameters_move_once_at_their_own_rates() -> None:
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    groups = [
        {"params": [*layer.parameters()], "lr": RATE * n} for n, layer in ((1, model[2]), (2, model[4]))
    ]
    (gradients,) = learn(model, build_optimiser("muon", groups, RATE), 1)
    twin = before[4].clone().requires_grad_()
    twin.grad = gradients[4]
    torch.optim.AdamW([twin], lr=2 * RATE, betas=BETAS, weight_decay=WEIGHT_DECAY).step()
    torch.testing.assert_close(model[4].weight.detach(), twin.detach(), rtol=0, atol=0)
    moved = (model[2].weight.detach() - before[2]).square().mean().sqrt()
    assert 0.6 < float(moved) / (STEP * RATE) < 1.25


def network() -> nn.Sequential:
    torch.manual_seed(1)
    layers = nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Conv2d(16, 4, 3)
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def learn(model: nn.Module, optimiser: torch.optim.Optimizer, steps: int) -> list[list[Tensor]]:
    """Return the gradients of some steps, [step][parameter]."""
    gradients = []
    for step in range(steps):
        images = torch.randn(2, 4, 12, 12, generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        model(images).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        optimiser.step()
    return gradients


def test_kernels_go_along_their_balanced_momentum_and_all_else_as_by_adamw() -> None:
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    (gradients,) = learn(model, build_optimiser("muon", model.parameters(), RATE), 1)
    after = [p.detach() for p in model.parameters()]
    # The kernel in the middle has 16 channels in and out; momentum begins at zero.
    ahead = (gradients[2] * (MOMENTUM * (1 - MOMENTUM) + 1 - MOMENTUM)).flatten(1).double().numpy()
    moved = after[2] - before[2] * (1 - RATE * WEIGHT_DECAY)
    expected = -RATE * STEP * 144**0.5 * balanced(ahead)
    np.testing.assert_allclose(moved.flatten(1).numpy(), expected, rtol=1e-3, atol=1e-5)
    # Its root mean square is that of a step of AdamW, about 0.2 of the rate.
    assert 0.6 < float(moved.square().mean().sqrt()) / (STEP * RATE) < 1.25
    assert model[2].weight.grad is not None

    others = [n for n in range(len(before)) if n != 2]
    twins = [before[n].clone().requires_grad_() for n in others]
    adamw = torch.optim.AdamW(twins, lr=RATE, betas=BETAS, weight_decay=WEIGHT_DECAY)
    for twin, n in zip(twins, others, strict=True):
        twin.grad = gradients[n]
    adamw.step()
    for twin, n in zip(twins, others, strict=True):
        torch.testing.assert_close(after[n], twin.detach(), rtol=0, atol=0)


def test_momentum_is_the_running_mean_of_gradients_and_the_state_can_be_saved() -> None:
    model = network()
    optimiser = build_optimiser("muon", model.parameters(), RATE)
    gradients = [step[2] for step in learn(model, optimiser, 3)]
    state = optimiser.state[model[2].weight]
    mean = sum((1 - MOMENTUM) * MOMENTUM ** (2 - n) * g for n, g in enumerate(gradients))
    torch.testing.assert_close(state["momentum"], mean)
    assert float(state["step"]) == 3

    twin = copy.deepcopy(model)
    resumed = build_optimiser("muon", twin.parameters(), RATE)
    resumed.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    for at, which in ((model, optimiser), (twin, resumed)):
        learn(at, which, 2)
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_unknown_optimiser_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="an optimiser called 'sgd'") as refusal:
        TrainingPlan(images="", noise="", denoiser="", budget=Budget(steps=1), optimiser="sgd")  # type: ignore[arg-type]
    assert "adamw, muon" in str(refusal.value.hint)
