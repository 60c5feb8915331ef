"""How a gradient moves the weights: AdamW, or Muon for the kernels and AdamW for the rest.

Muon (Jordan et al., 2024) takes the momentum of a matrix of weights for a direction, not for a length: its
singular values are all set near 1, so that rare directions are learnt as fast as common ones. A kernel is
the matrix of its output channels against all that each of them sees. The rate is scaled as in Liu et al.,
"Muon is scalable for LLM training" (2025), section 2.2, so that one rate suits both kinds of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from synthnoise.training.plan import OptimiserName

BETAS = (0.9, 0.99)
"""Of AdamW: with a longer memory of squared gradients, one step in a flat place leaps; networks of sums
without normalisation have diverged of it."""

WEIGHT_DECAY = 1e-4
"""Next to nothing, as networks without biases want."""

MOMENTUM = 0.95
"""Of Muon: share of the former gradients in their running mean."""

FEWEST_CHANNELS = 16
"""In and out, from which a kernel is Muon's: what meets the planes of the image is left to AdamW, and kernels
of single channels have no directions to balance."""

STEP = 0.2
"""Root mean square of a step of Muon in units of the rate: what that of AdamW usually is."""

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the odd quintic that takes singular values of (0, 1] to about 0.7 to 1.2 (Jordan) ..."""

ITERATIONS = 5
"""... when applied so many times."""


def build_optimiser(name: OptimiserName, parameters: Iterable[Any], rate: float) -> torch.optim.Optimizer:
    """Return the optimiser of that name for a network's parameters, or groups of them, at a learning rate."""
    kind = {"adamw": torch.optim.AdamW, "muon": Muon}[name]
    return kind(parameters, lr=rate, betas=BETAS, weight_decay=WEIGHT_DECAY)


class Muon(torch.optim.AdamW):
    """Orthogonalised momentum for kernels and matrices of many channels, AdamW for all else.

    The state of the former is a tensor ``momentum`` and a count of steps. Parameters and options are those of
    AdamW.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters that have a gradient; return what ``closure`` does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        kernels = [
            (parameter, group["lr"], group["weight_decay"])
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and _is_kernel(parameter)
        ]
        gradients = [kernel.grad for kernel, _, _ in kernels]
        directions = _all_orthogonalised([self._ahead(kernel).flatten(1) for kernel, _, _ in kernels])
        for (kernel, rate, decay), direction in zip(kernels, directions, strict=True):
            length = STEP * max(direction.shape) ** 0.5
            kernel.mul_(1 - rate * decay).add_(direction.view_as(kernel), alpha=-rate * length)
            # AdamW, below, moves what has a gradient.
            kernel.grad = None
        super().step()
        for (kernel, _, _), gradient in zip(kernels, gradients, strict=True):
            kernel.grad = gradient
        return loss

    def _ahead(self, kernel: Tensor) -> Tensor:
        """Take in a kernel's gradient, and return their mean as it will be a step on (Nesterov)."""
        assert kernel.grad is not None
        state = self.state[kernel]
        if not state:
            # AdamW wants a count of steps in every state that it is to load.
            state["step"], state["momentum"] = torch.tensor(0.0), torch.zeros_like(kernel)
        state["step"] += 1
        momentum: Tensor = state["momentum"].lerp_(kernel.grad, 1 - MOMENTUM)
        return kernel.grad.lerp(momentum, MOMENTUM)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return matrices float32 [..., R, C] with their singular vectors, and values between 0.7 and 1.2.

    Values below 1/500 of the norm stay smaller, none grows by more than 500 times; zero stays zero.

    The iteration of Newton and Schulz, x <- (a + b x x' + c (x x')^2) x. As all of its factors are
    polynomials of the smaller one of x x' and x' x, they are gathered there, and x is multiplied once.
    """
    rows, columns = matrices.shape[-2:]
    wide = matrices if rows <= columns else matrices.mT
    # Frobenius' norm is no less than the largest singular value.
    norm = torch.linalg.vector_norm(wide, dim=(-2, -1), keepdim=True)
    wide = wide / norm.clamp(min=torch.finfo(wide.dtype).tiny)
    a, b, c = NEWTON_SCHULZ
    gram = wide @ wide.mT
    total = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    for _ in range(ITERATIONS):
        factor = b * gram + c * gram @ gram
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        total = factor @ total
        gram = factor @ gram @ factor
    straight: Tensor = total @ wide
    return straight if rows <= columns else straight.mT


def _all_orthogonalised(matrices: list[Tensor]) -> list[Tensor]:
    """Return matrices orthogonalised, on a GPU all of one shape at once: each is too little work for it."""
    if not matrices or matrices[0].device.type == "cpu":
        return [orthogonalised(matrix) for matrix in matrices]
    found: dict[int, Tensor] = {}
    for shape in {matrix.shape for matrix in matrices}:
        alike = [number for number, matrix in enumerate(matrices) if matrix.shape == shape]
        found |= zip(alike, orthogonalised(torch.stack([matrices[n] for n in alike])), strict=True)
    return [found[number] for number in range(len(matrices))]


def _is_kernel(parameter: Tensor) -> bool:
    return parameter.ndim >= 2 and min(parameter.shape[:2]) >= FEWEST_CHANNELS
