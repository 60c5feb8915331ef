"""Contract checks for plugin authors: the same functions that the core runs over its own records.

Each check takes a record and raises ``AssertionError`` with what is wrong::

    from synthnoise.testing import check_denoiser

    def test_contract():
        check_denoiser(my_plugin.RECORD)
"""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import torch

from synthnoise import options
from synthnoise.denoising.tiles import ALIGNMENT
from synthnoise.plugins import HEAVY_MODULES
from synthnoise.rng import Rng
from synthnoise.specs import DenoiserSpec, ImageModelSpec, MetricSpec, NoiseModelSpec, Spec

SIZE = (32, 48)
Z = 6.0
"""Tolerance of statistical checks in standard errors: one false alarm in half a billion."""


def build(spec: Spec, values: Mapping[str, Any] | None = None) -> Any:
    """Return what a record's factory makes with options ``values`` (default: the defaults)."""
    chosen = options.build(spec.load_options(), values or {}, owner=spec.name)
    return spec.load()() if chosen is None else spec.load()(chosen)


def rng(*indices: int, seed: int = 7) -> Rng:
    """Return the random numbers of these images."""
    return Rng(seed=seed, indices=torch.tensor(indices, dtype=torch.int64))


def check_record(spec: Spec) -> None:
    """A record resolves, its options are a frozen dataclass with help, and defaults build."""
    assert callable(spec.load()), f"{spec.name}: factory is not callable"
    chosen = spec.load_options()
    if chosen is not None:
        parameters = getattr(chosen, "__dataclass_params__", None)
        assert getattr(parameters, "frozen", False), f"{spec.name}: options must be frozen"
        for field in dataclasses.fields(chosen):
            assert field.metadata.get("help"), f"{spec.name}: option {field.name} has no help"


def assert_light_import(module: str) -> None:
    """Importing a plugin's manifest loads none of the heavy packages."""
    code = f"import sys, {module}; print(*[m for m in {HEAVY_MODULES!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert not loaded.stdout.strip(), f"importing {module} loads {loaded.stdout.strip()}"


def check_image_model(
    spec: ImageModelSpec, values: Mapping[str, Any] | None = None, *, size: tuple[int, int] = SIZE
) -> None:
    """Image i depends on (options, seed, i, size) alone, lies in [0, 1], and no global generator is used."""
    model = build(spec, values)
    before = torch.random.get_rng_state()
    batch = model.generate(size, rng(5, 0, 3))
    assert torch.equal(before, torch.random.get_rng_state()), f"{spec.name}: touches the global generator"
    assert batch.shape == (3, 3, *size), f"{spec.name}: gives {tuple(batch.shape)}"
    assert batch.dtype == torch.float32, f"{spec.name}: gives {batch.dtype}"
    assert bool(torch.isfinite(batch).all()), f"{spec.name}: not finite"
    assert bool(((batch >= 0) & (batch <= 1)).all()), f"{spec.name}: outside [0, 1]"
    for place, index in enumerate((5, 0, 3)):
        alone = model.generate(size, rng(index))[0]
        assert torch.equal(alone, batch[place]), f"{spec.name}: image {index} changes with its batch"
    assert not torch.equal(batch[0], batch[1]), f"{spec.name}: every image is the same"
    other = model.generate(size, rng(5, seed=8))[0]
    assert not torch.equal(other, batch[0]), f"{spec.name}: the seed changes nothing"


def check_noise_model(
    spec: NoiseModelSpec,
    values: Mapping[str, Any] | None = None,
    *,
    profile: Any = None,
    iso: float | None = None,
    size: tuple[int, int] = (128, 128),
    whole_frame: bool = False,
) -> None:
    """Samples have the clean image as mean and ``variance`` as variance, within sampling error.

    ``whole_frame`` leaves out the promise that a crop of the whole equals the crop, and allows for
    noise that is correlated between pixels.
    """
    model = build(spec, values)
    parameters = model.parameters(profile, iso)
    channels = 3 if spec.domain == "srgb" else 4
    clean = torch.full((2, channels, *size), 0.2)
    noisy = model.sample(clean, parameters, rng(4, 9))
    assert noisy.shape == clean.shape, f"{spec.name}: gives {tuple(noisy.shape)} for {tuple(clean.shape)}"
    assert noisy.dtype == torch.float32, f"{spec.name}: gives {noisy.dtype}"
    for place, index in enumerate((4, 9)):
        alone = model.sample(clean[place : place + 1], parameters, rng(index))[0]
        assert torch.equal(alone, noisy[place]), f"{spec.name}: sample {index} changes with its batch"
    if whole_frame:
        return
    part = model.sample(clean[:1, :, 3:40, 8:50], parameters, rng(4).cropped(3, 8))
    assert torch.equal(part[0], noisy[0, :, 3:40, 8:50]), (
        f"{spec.name}: a crop differs from the crop of the whole"
    )
    variance = model.variance(clean, parameters).double()
    residual = noisy.double() - clean.double()
    count = residual.numel()
    standard_error = float((variance.mean() / count).sqrt())
    assert abs(float(residual.mean())) < Z * standard_error, f"{spec.name}: the mean is off"
    ratio = float((residual**2 / variance).mean())
    kurtosis = float((residual**4 / variance**2).mean())
    assert abs(ratio - 1) < Z * (max(kurtosis - 1, 0.1) / count) ** 0.5, (
        f"{spec.name}: variance off by {ratio:.3f}"
    )


def check_denoiser(spec: DenoiserSpec, values: Mapping[str, Any] | None = None) -> None:
    """Shapes are kept at sizes that are a multiple, sigma maps taken, nothing is in place, the halo is true.

    The halo of networks to be trained is not looked at: it is measured when their weights are written.
    """
    module = build(spec, values)
    assert isinstance(module, torch.nn.Module), f"{spec.name}: not an nn.Module"
    channels = spec.channels or getattr(module, "channels", 4)
    edge = -(-24 // spec.multiple_of) * spec.multiple_of
    generator = torch.Generator().manual_seed(1)
    noisy = torch.randn((2, channels, edge, edge + spec.multiple_of), generator=generator)
    before = noisy.clone()
    with torch.inference_mode():
        result = module.eval()(noisy, torch.ones(2, 1, *noisy.shape[2:]))
        single = module(noisy[1:], torch.ones(1, 1, *noisy.shape[2:]))
    assert result.shape == noisy.shape, f"{spec.name}: gives {tuple(result.shape)} for {tuple(noisy.shape)}"
    assert bool(torch.isfinite(result).all()), f"{spec.name}: not finite"
    assert torch.equal(before, noisy), f"{spec.name}: changes its input"
    assert torch.allclose(result[1], single[0], atol=1e-4), f"{spec.name}: a sample changes with its batch"
    if not spec.trainable and not spec.global_context:
        _check_halo(spec, module, spec.channels or getattr(module, "channels", 1))


def _check_halo(spec: DenoiserSpec, module: torch.nn.Module, channels: int) -> None:
    """A tile with the context that the record states equals the whole."""
    step = math.lcm(ALIGNMENT, spec.multiple_of)
    halo = -(-spec.halo // step) * step
    noisy = torch.randn((1, channels, step, 2 * halo + 3 * step), generator=torch.Generator().manual_seed(2))
    sigma = torch.ones_like(noisy[:, :1])
    start, stop = halo + step, halo + 2 * step
    tile = slice(start - halo, stop + halo)
    with torch.inference_mode():
        whole = module(noisy, sigma)[..., start:stop]
        part = module(noisy[..., tile], sigma[..., tile])[..., halo : halo + step]
    difference = float((whole - part).abs().max())
    assert difference <= 1e-3, (
        f"{spec.name}: sees farther than its halo of {spec.halo} pixels: a tile differs by {difference:.2g}"
    )


def check_metric(spec: MetricSpec) -> None:
    """One number per sample; equal images are at least as good as different ones."""
    measure = build(spec)
    generator = torch.Generator().manual_seed(2)
    target = torch.rand((2, 3, 40, 40), generator=generator)
    worse = (target + 0.1 * torch.randn(target.shape, generator=generator)).clamp(0, 1)
    same, different = measure(target, target), measure(worse, target)
    assert same.shape == (2,), f"{spec.name}: gives {tuple(same.shape)} for two images"
    better = same >= different if spec.higher_is_better else same <= different
    assert bool(better.all()), f"{spec.name}: a worse image scores better"
