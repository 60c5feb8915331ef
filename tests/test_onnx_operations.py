"""What torch's operations become in an ONNX graph: the same numbers at any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from networks import stir
from torch import Tensor, nn
from torch.nn import functional

from synthnoise.denoisers.onnx_graph import OPSETS, GraphOptions, onnx_model
from synthnoise.denoisers.onnx_support import UnsupportedOperationError
from synthnoise.denoising.onnx_network import OnnxNetwork, Trial, on_onnxruntime
from synthnoise.errors import SynthnoiseError

SIZES = [(1, 7, 13), (3, 22, 9)]
"""Batch, height and width, none of them that of the example which the graph is written with."""


class Around(nn.Module):
    """A convolution to six planes, something else, and a convolution back."""

    def __init__(self, middle: Callable[[Tensor], Tensor], planes: int) -> None:
        super().__init__()
        self.first, self.middle = nn.Conv2d(4, 6, 3, padding=1), middle
        self.last = nn.Conv2d(planes, 4, 3, padding=1)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return noisy - self.last(self.middle(self.first(noisy))) * sigma


def compare(network: nn.Module, opset: int = 20) -> None:
    """Hold the graph of a network to torch at sizes that it was not written at."""
    model = onnx_model(network, channels=4, sigma_planes=1, options=GraphOptions(opset=opset))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch, height, width in SIZES:
        random = torch.Generator().manual_seed(height)
        noisy = torch.randn(batch, 4, height, width, generator=random)
        sigma = torch.rand(batch, 1, height, width, generator=random)
        with torch.no_grad():
            expected = network(noisy, sigma).numpy()
        (found,) = session.run(None, {"noisy": noisy.numpy(), "sigma": sigma.numpy()})
        assert np.abs(expected - noisy.numpy()).max() > 1e-2
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max()))


def squeezed(x: Tensor) -> Tensor:
    """Attention to planes, as squeeze-and-excitation has it, with linear layers."""
    weight = torch.linspace(-1, 1, 36).view(6, 6)
    gates = functional.linear(functional.adaptive_avg_pool2d(x, 1).view(x.shape[0], 6), weight, weight[0])
    return x * gates.sigmoid().view(x.shape[0], 6, 1, 1).expand_as(x)


def attention(x: Tensor) -> Tensor:
    """Attention across planes, as Restormer has it."""
    b, c, h, w = x.shape
    q = functional.normalize(x.reshape(b, 2, c // 2, h * w), dim=-1)
    return ((q @ q.transpose(-2, -1)).softmax(dim=-1) @ x.reshape(b, 2, c // 2, h * w)).reshape(b, c, h, w)


def skipped(mode: str, **how: Any) -> Callable[[Tensor], Tensor]:
    """Return a step down and back up to the size of what was before, as U-Nets for any size have it."""
    return lambda x: x + functional.interpolate(functional.avg_pool2d(x, 2), x.shape[2:], mode=mode, **how)


def scaled(factor: float, mode: str, **how: Any) -> Callable[[Tensor], Tensor]:
    """Return an interpolation by a factor, and back to the size before."""
    return lambda x: functional.interpolate(
        functional.interpolate(x, scale_factor=factor, mode=mode, **how), x.shape[2:], mode="nearest"
    )


def learnt(layer: nn.Module) -> nn.Module:
    """Return a layer whose factors and statistics are not those that it begins with."""
    for at, value in enumerate((*layer.parameters(), *layer.buffers())):
        if value.dim():
            value.data = torch.linspace(0.5, 1.5 + at, value.numel()).view(value.shape)
    return layer.eval()


def last(layer: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a layer that is given the planes as the last axis, as transformers have them."""
    return lambda x: layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def patched(kernel: int, **how: int) -> Callable[[Tensor], Tensor]:
    """Return weighted patches of an image, summed up where they were; what is in none is interpolated."""

    def through(x: Tensor) -> Tensor:
        step = how.get("stride", 1)
        patches = functional.unfold(x, kernel, **how)
        weights = torch.linspace(0.5, 1.5, patches.shape[1])[:, None]
        covered = [edge // step * step for edge in x.shape[2:]]
        return functional.interpolate(functional.fold(patches * weights, covered, kernel, **how), x.shape[2:])

    return through


def neighbours(x: Tensor) -> Tensor:
    """Sum over the neighbours of a pixel, two pixels away, by what they have in common with it."""
    around = functional.unfold(x, 3, padding=2, dilation=2).view(x.shape[0], 6, 9, *x.shape[2:])
    return (around * (around * x[:, :, None]).sum(1, keepdim=True).softmax(2)).sum(2)


MIXING = torch.linspace(-1, 1, 36).view(6, 6)

CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "expand": lambda x: x * x.mean((2, 3), keepdim=True).expand(-1, -1, x.shape[2], x.shape[3]),
    "expand planes": lambda x: x * x[:, :1].expand(-1, 6, -1, -1),
    "repeat": lambda x: x * x.mean((1, 2, 3), keepdim=True).repeat(1, 6, x.shape[2], x.shape[3]),
    "repeat planes": lambda x: x * x[:, :3].repeat(1, 2, 1, 1),
    "chunk": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "split": lambda x: torch.cat(x.split([2, 4], 1)[::-1], 1),
    "unbind": lambda x: torch.stack(x.unbind(1)[::-1], 1),
    "stack": lambda x: torch.stack([x, x.abs()], 1).sum(1),
    "select": lambda x: x * x[:, 2][:, None],
    "slice": lambda x: functional.pad(x[:, :, 1:-1], (0, 0, 1, 1)),
    "squeeze": lambda x: x * x.amax(1, keepdim=True).squeeze(1).unsqueeze(1),
    "einsum": lambda x: torch.einsum("bchw,oc->bohw", x, MIXING),
    "einsum planes": lambda x: torch.einsum("bchw,bc->bhw", x, x.mean((2, 3)))[:, None] * x,
    "linear": squeezed,
    "attention": attention,
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "clamp one side": lambda x: x.clamp(min=0) + x.clamp_max(0.1) + torch.clamp_min(x, 0.2),
    "where": lambda x: torch.where(x > 0.1, x, 0.0) + torch.where(x <= x.mean(1, keepdim=True), -x, x),
    "masks": lambda x: x * (x.abs() < 0.5).float() + torch.maximum(x, -x) + torch.minimum(x, x * x),
    "1 - x": lambda x: 1 - x,
    "1 / x": lambda x: 1 / (1 + x.abs()) + (1 + x.square()).rsqrt(),
    "exp": lambda x: x.tanh().exp() + (1 + x * x).log() + x.sin() + x.cos() + x.erf(),
    "factors": lambda x: torch.add(x, x, alpha=0.3) + torch.addcmul(x, x, x, value=0.2),
    "in place": lambda x: x.clone().add_(1).mul_(0.5).relu_(),
    "ones": lambda x: torch.cat((x, torch.ones_like(x[:, :1])), 1)[:, 1:],
    "variance": lambda x: (
        (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    ),
    "deviation": lambda x: x / (1 + x.std(1, keepdim=True)),
    "softmax": lambda x: x.softmax(1),
    "normalize": lambda x: functional.normalize(x, dim=1),
    "GroupNorm": nn.GroupNorm(2, 6),
    "GroupNorm without factors": nn.GroupNorm(3, 6, affine=False),
    "InstanceNorm": nn.InstanceNorm2d(6),
    "InstanceNorm with factors": learnt(nn.InstanceNorm2d(6, affine=True)),
    "InstanceNorm of the training": learnt(nn.InstanceNorm2d(6, affine=True, track_running_stats=True)),
    "BatchNorm": learnt(nn.BatchNorm2d(6)),
    "BatchNorm without factors": learnt(nn.BatchNorm2d(6, affine=False)),
    "LayerNorm": last(learnt(nn.LayerNorm(6))),
    "LayerNorm without factors": last(nn.LayerNorm(6, elementwise_affine=False)),
    "LayerNorm without offsets": last(learnt(nn.LayerNorm(6, bias=False))),
    "linear of the last axis": last(lambda x: functional.linear(x, MIXING, MIXING[0])),
    "linear without offsets": last(lambda x: functional.linear(x, MIXING)),
    "product of the last axis": last(lambda x: x @ MIXING),
    "roll": lambda x: x * x.roll((3, -30), (2, 3)),
    "roll planes": lambda x: x + x.roll(1, 1).roll(-8, 1),
    "flip": lambda x: x * x.flip(3) + x.flip((1, 2)),
    "patches": patched(3, padding=1),
    "patches apart": patched(2, stride=2),
    "neighbours": neighbours,
    "GELU": nn.GELU(),
    "GELU by tanh": nn.GELU(approximate="tanh"),
    "SiLU": nn.SiLU(inplace=True),
    "Sigmoid": nn.Sigmoid(),
    "Mish": nn.Mish(),
    "Softplus": nn.Softplus(),
    "ELU": nn.ELU(0.7),
    "SELU": nn.SELU(),
    "ReLU6": nn.ReLU6(),
    "ReLU in place": nn.ReLU(inplace=True),
    "PReLU": nn.PReLU(6),
    "PReLU of one": nn.PReLU(),
    "Hardswish": nn.Hardswish(),
    "Hardsigmoid": nn.Hardsigmoid(),
    "GLU": lambda x: functional.glu(torch.cat((x, -x), 1), 1),
    "zero padding": lambda x: functional.pad(x, (1, 0, 2, 0))[:, :, 2:, 1:],
    "reflection": lambda x: functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1),
    "padded average": nn.AvgPool2d(3, 1, 1),
    "padded average of the image": nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "padded maximum": nn.MaxPool2d(3, 1, 1),
    "nearest up": scaled(2, "nearest"),
    "nearest exact": scaled(1.5, "nearest-exact"),
    "bilinear up": scaled(2, "bilinear"),
    "bilinear up, aligned": scaled(2, "bilinear", align_corners=True),
    "bilinear down": scaled(0.5, "bilinear"),
    "bicubic up": scaled(2, "bicubic"),
    "nearest to a skip": skipped("nearest"),
    "bilinear to a skip": skipped("bilinear"),
    "bilinear to a skip, aligned": skipped("bilinear", align_corners=True),
    "bicubic to a skip": skipped("bicubic"),
}


@pytest.mark.parametrize("name", CASES)
def test_operations_of_denoisers_give_what_torch_gives(name: str) -> None:
    compare(stir(Around(CASES[name], 6)))


@pytest.mark.parametrize("opset", [OPSETS[0], OPSETS[-1]])
def test_they_do_so_in_the_oldest_and_the_newest_version(opset: int) -> None:
    names = ("GELU", "GroupNorm", "attention", "deviation", "bilinear to a skip", "clamp", "stack", "einsum")
    layers = [CASES[name] for name in names]

    def through(x: Tensor) -> Tensor:
        for layer in layers:
            x = layer(x)
        return x

    compare(stir(Around(through, 6)), opset)


def test_pixels_are_unshuffled_and_shuffled() -> None:
    class Packed(nn.Module):
        multiple_of = 2

        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv2d(16, 16, 3, padding=1)

        def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
            return nn.PixelShuffle(2)(functional.gelu(self.inner(nn.PixelUnshuffle(2)(noisy)))) * sigma

    network = stir(Packed())
    model = onnx_model(network, channels=4, sigma_planes=1, options=GraphOptions(multiple_of=2))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    noisy, sigma = torch.randn(1, 4, 7, 13), torch.rand(1, 1, 7, 13)
    padded = [functional.pad(x, (0, 1, 0, 1), mode="replicate") for x in (noisy, sigma)]
    with torch.no_grad():
        expected = network(*padded)[..., :7, :13].numpy()
    (found,) = session.run(None, {"noisy": noisy.numpy(), "sigma": sigma.numpy()})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "middle",
    [
        lambda x: torch.cat((x[:, :, :20], x[:, :, 20:]), 2),
        lambda x: functional.interpolate(functional.interpolate(x, (5, 5)), x.shape[2:]),
        lambda x: functional.softplus(x, beta=3),
        lambda x: x.double().float(),
        lambda x: x + x.var((2, 3), keepdim=True),
        lambda x: functional.interpolate(functional.interpolate(x, scale_factor=0.3), x.shape[2:]),
    ],
)
def test_what_would_be_another_thing_at_other_sizes_is_not_written(
    middle: Callable[[Tensor], Tensor],
) -> None:
    with pytest.raises(UnsupportedOperationError):
        onnx_model(stir(Around(middle, 6)), channels=4, sigma_planes=1)


def local(x: Tensor) -> Tensor:
    """Local means of large images, global ones of small ones."""
    if max(x.shape[2:]) < 256:
        return x * x.mean((2, 3), keepdim=True)
    return x * functional.avg_pool2d(x, 65, 1, 32)


def corner(x: Tensor) -> Tensor:
    return x + x[:, :, :100, :100].mean((2, 3), keepdim=True)


@pytest.mark.parametrize("middle", [local, corner])
def test_a_network_that_does_something_else_to_large_images_is_not_written(
    middle: Callable[[Tensor], Tensor],
) -> None:
    network = stir(Around(middle, 6))
    with pytest.raises(SynthnoiseError, match="large images") as refused:
        onnx_model(network, channels=4, sigma_planes=1)
    # Exporters that are asked in its place for operations it lacks would write what holds for small images.
    assert not isinstance(refused.value, UnsupportedOperationError)
    onnx_model(network, channels=4, sigma_planes=1, options=GraphOptions(size=(32, 40)))


def changed_part(x: Tensor) -> Tensor:
    x[:, :3].relu_()
    return x


def changed_whole(x: Tensor) -> Tensor:
    part = x[:, :3]
    x.relu_()
    return torch.cat((part, x[:, 3:]), 1)


def shrinking(x: Tensor) -> Tensor:
    step = torch.full((1,), 1.0)
    for _ in range(2):
        x = x - step * x.tanh()
        step.mul_(0.5)
    return x


def squeezed_in_place(x: Tensor) -> Tensor:
    return x * x.mean(1, keepdim=True).clone().squeeze_(1)[:, None]


@pytest.mark.parametrize(
    "middle",
    [
        changed_part,
        changed_whole,
        shrinking,
        squeezed_in_place,
        lambda x: x * x.max(1).indices.float().mean(),
        lambda x: functional.group_norm(x, 2, x.mean((0, 2, 3)), x.amax((0, 2, 3))),
        lambda x: x / torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=torch.float64).float(),
    ],
)
def test_what_the_graph_has_no_value_of_is_not_taken_for_a_constant(
    middle: Callable[[Tensor], Tensor],
) -> None:
    with pytest.raises(UnsupportedOperationError):
        onnx_model(stir(Around(middle, 6)), channels=4, sigma_planes=1)


class Stairs(nn.Module):
    """A U-Net as plugins have it: normalised in groups, brought up to the size of what it skips."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(5, width, 3, padding=1), nn.Conv2d(width, 4, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.inner = nn.Sequential(nn.GroupNorm(4, 2 * width), nn.SiLU(), nn.Conv2d(2 * width, width, 1))

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        x = functional.gelu(self.first(torch.cat((noisy, sigma.expand(-1, 1, *noisy.shape[2:])), 1)))
        below = functional.interpolate(self.inner(self.down(x)), x.shape[2:], mode="bilinear")
        return noisy - self.last(x * below.sigmoid() + below) * sigma


class Unshuffled(nn.Module):
    """Works at half resolution; that it takes even sizes alone is said in its record, not by it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(20, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.SiLU())
        self.last = nn.Conv2d(8, 16, 3, padding=1)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        below = self.inner(functional.pixel_unshuffle(torch.cat((noisy, sigma), 1), 2))
        return noisy - sigma * functional.pixel_shuffle(self.last(below), 2)


def test_a_network_whose_record_alone_says_the_sizes_it_takes_runs_on_onnxruntime() -> None:
    found, _, remark = on_onnxruntime(stir(Unshuffled()), 1, Trial(channels=4, sigma=1.0, multiple_of=2))
    assert isinstance(found, OnnxNetwork)
    assert remark is None


def test_a_network_of_such_runs_on_onnxruntime() -> None:
    network = stir(Stairs())
    compare(network)
    found, _, remark = on_onnxruntime(network, 1, Trial(channels=4, sigma=1.0, multiple_of=1))
    assert isinstance(found, OnnxNetwork)
    assert remark is None


class HalfWayAround(nn.Module):
    """Rolls an image by half its height or width, which a graph would have as a number."""

    def __init__(self, multiple_of: int, axis: int) -> None:
        super().__init__()
        self.multiple_of, self.axis = multiple_of, axis

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return noisy - noisy.roll(noisy.shape[self.axis] // 2, self.axis) * sigma


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("multiple_of", [1, 8, 16, 22, 24, 32, 48, 64, 128])
def test_numbers_that_are_sizes_are_found_whatever_the_size_is_a_multiple_of(
    multiple_of: int, axis: int
) -> None:
    network = HalfWayAround(multiple_of, axis)
    _, graph, remark = on_onnxruntime(network, 1, Trial(channels=4, sigma=0.5, multiple_of=multiple_of))
    assert graph is None
    assert "gives something else" in str(remark)
