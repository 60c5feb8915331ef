"""The script in the documentation runs an exported file as synthnoise does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import stirred

from synthnoise.denoisers.weights import WeightsRecord, save_weights
from synthnoise.denoising import Denoiser, Settings
from synthnoise.export import export_onnx
from synthnoise.noise.stabilise import Stabiliser

PAGE = Path(__file__).parents[1] / "docs" / "export.md"
SHOT, READ = 2e-3, 1e-5


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (text,) = (block for block in found if "run_network" in block)
    assert text.count("\n") <= 60
    imports = re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)
    assert set(imports) == {"json", "sys", "numpy", "onnxruntime"}
    path = tmp_path_factory.mktemp("script") / "run_network.py"
    # Tiles as small as the network's context show whether they are laid rightly.
    suggested = 'min(facts["tile"])'
    assert suggested in text
    path.write_text(text.replace(suggested, "(32 + 2 * halo)"))
    path.with_name("as_it_stands.py").write_text(text)
    return path


@pytest.mark.parametrize(
    ("channels", "stabilised", "shot"), [(4, True, SHOT), (4, True, 0.0), (3, False, 0.0)]
)
def test_the_script_computes_what_denoise_does(
    script: Path, tmp_path: Path, channels: int, stabilised: bool, shot: float
) -> None:
    values: dict[str, Any] = {"channels": channels, "widths": [4, 8], "blocks": 1, "residual": True}
    record = WeightsRecord(
        denoiser="drunet",
        options=values,
        domain="bayer" if stabilised else "srgb",
        channels=channels,
        stabilised=stabilised,
        multiple_of=2,
        halo=12,
        noise_range=(1.0, 1.0),
    )
    save_weights(tmp_path / "net.safetensors", stirred(values, denoiser="drunet"), record)
    export_onnx(tmp_path / "net.safetensors", tmp_path / "net.onnx")
    noisy = torch.rand(1, channels, 75, 90, generator=torch.Generator().manual_seed(3))
    noisy[..., :20] *= 0.01  # deep shadows, some of them below black
    noisy[..., :10] -= 0.01
    np.save(tmp_path / "noisy.npy", noisy[0].numpy())
    arguments = ["net.onnx", "noisy.npy", "denoised.npy", str(shot), str(READ)]
    subprocess.run([sys.executable, str(script), *arguments], cwd=tmp_path, check=True)
    found = torch.from_numpy(np.load(tmp_path / "denoised.npy"))[None]

    denoiser = Denoiser(Settings(denoiser=str(tmp_path / "net.onnx"), device="cpu"))
    noise = (shot,) * channels, (READ,) * channels
    if stabilised:
        # The script's inverse is the algebraic one: what the network gave is compared.
        stabiliser = Stabiliser(*noise)
        flat = stabiliser.forward(noisy)
        expected = denoiser.network(*_padded(flat))[..., :75, :]
        found = stabiliser.forward(found)
    else:
        expected = torch.from_numpy(denoiser.restore(noisy.numpy(), *noise))
    changed = float((found - (flat if stabilised else noisy)).abs().max())
    assert changed > 0.01
    assert float((found - expected).abs().max()) < 1e-2 * changed


def test_the_script_runs_files_of_one_size(script: Path, tmp_path: Path) -> None:
    values: dict[str, Any] = {"channels": 3, "widths": [4, 8], "blocks": 1, "residual": True}
    record = WeightsRecord(
        denoiser="drunet", options=values, domain="srgb", channels=3, multiple_of=2, halo=12
    )
    save_weights(tmp_path / "net.safetensors", stirred(values, denoiser="drunet"), record)
    export_onnx(tmp_path / "net.safetensors", tmp_path / "free.onnx")
    # Of either size a picture is larger, smaller, and no multiple of what a tile keeps.
    export_onnx(tmp_path / "net.safetensors", tmp_path / "fixed.onnx", static=(96, 64))
    noisy = np.random.default_rng(3).random((3, 75, 131), np.float32)
    np.save(tmp_path / "noisy.npy", noisy)
    found = {}
    for name in ("free", "fixed"):
        arguments = [f"{name}.onnx", "noisy.npy", f"{name}.npy", "0", str(READ)]
        place = script.with_name("as_it_stands.py")
        subprocess.run([sys.executable, str(place), *arguments], cwd=tmp_path, check=True)
        found[name] = np.load(tmp_path / f"{name}.npy")
    assert found["fixed"].shape == noisy.shape
    # What lies beyond the lower and the right border is filled up otherwise, as far as the network sees.
    apart = np.abs(found["fixed"] - found["free"])[:, : 75 - 12, : 131 - 12]
    assert apart.max() < 1e-2 * np.abs(found["free"] - noisy).max()
    assert np.abs(found["fixed"] - found["free"]).mean() < 0.1 * np.abs(found["free"] - noisy).mean()


def _padded(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    flat = torch.nn.functional.pad(flat, (0, 0, 0, 1), mode="replicate")
    return flat, torch.ones_like(flat[:, :1])
