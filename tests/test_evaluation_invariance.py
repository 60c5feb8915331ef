"""Turned and scaled images: what prefers a direction shows it, and nothing else does."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from synthnoise.cli.main import app
from synthnoise.denoisers.weights import WeightsRecord, build_network, save_weights
from synthnoise.errors import UsageError
from synthnoise.evaluation.invariance import ANGLES, SCALES, evaluate_invariance
from synthnoise.raw.images import write_png

EDGE = 140


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two pictures whose rows are constant."""
    folder = tmp_path_factory.mktemp("stripes")
    for seed in range(2):
        level = np.random.default_rng(seed).integers(60, 190, (EDGE, 1, 3)).astype(np.uint8)
        write_png(folder / f"{seed}.png", np.broadcast_to(level, (EDGE, EDGE, 3)).copy())
    return folder


def blur(path: Path, *, along_rows: bool) -> str:
    """Write a network that is the mean of three pixels in a row, or in a column."""
    options = {"channels": 3, "depth": 2, "width": 6, "centred": False}
    network = build_network("dncnn", options, seed=0)
    first, second = (layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d))
    with torch.no_grad():
        for weight in (first.weight, second.weight):
            weight.zero_()
        for colour in range(3):
            for sign, plane in ((1.0, colour), (-1.0, colour + 3)):
                first.weight[plane, colour, 1, 1] = sign
                kernel = second.weight[colour, plane]
                kernel[1, 1] = sign
                mean = kernel[1, :] if along_rows else kernel[:, 1]
                mean -= sign / 3
    record = WeightsRecord(denoiser="dncnn", options=options, domain="srgb", channels=3, halo=2)
    save_weights(path, network, record)
    return str(path)


def test_a_denoiser_that_prefers_rows_wins_until_the_rows_are_turned(stripes: Path, tmp_path: Path) -> None:
    networks = [
        blur(tmp_path / f"{name}.safetensors", along_rows=name == "rows") for name in ("columns", "rows")
    ]
    table = evaluate_invariance(networks, stripes, sigma=25, device="cpu")
    assert table.columns == ("images", "columns.safetensors dB", "rows.safetensors - columns.safetensors dB")
    gain = dict(zip(table.column("images"), map(float, table.column(table.columns[2])), strict=True))
    assert list(gain) == [*(f"rotated {a:g}" for a in ANGLES), *(f"scaled {s:g}" for s in SCALES)]
    # Rows are exact but for a third of the noise's variance; columns blur white stripes as well.
    assert gain["rotated 0"] > 3
    assert gain["rotated 90"] == pytest.approx(-gain["rotated 0"], abs=0.4)
    assert abs(gain["rotated 45"]) < 0.1 * gain["rotated 0"]
    # Stripes twice as wide hurt less.
    assert 0 < gain["scaled 2"] < gain["scaled 1"]
    assert all(len(row) == 2 and min(row) >= 0 for row in table.errors)


def test_a_denoiser_is_as_good_as_itself(stripes: Path) -> None:
    table = evaluate_invariance(["wiener", "wiener"], stripes, every=2, device="cpu")
    assert table.column(table.columns[2]) == [0.0] * (len(ANGLES) + len(SCALES))
    assert all(math.isnan(value) for row in table.errors for value in row)


def test_it_is_drawn(stripes: Path, tmp_path: Path) -> None:
    arguments = ["wiener", "tv", "--folder", str(stripes), "--every", "2", "--device", "cpu"]
    target = tmp_path / "invariance.png"
    app(
        ["evaluate", "denoiser", *arguments, "--invariance", "--plot", str(target), "--json"],
        standalone_mode=False,
    )
    with Image.open(target) as image:
        assert image.size == (1100, 440)
        pixels = np.asarray(image.convert("RGB"), np.int32)
    assert (pixels.max(2) - pixels.min(2) > 60).sum() > 500  # coloured lines


def test_one_denoiser_or_small_images_are_refused(stripes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two denoisers"):
        evaluate_invariance(["wiener"], stripes)
    write_png(tmp_path / "small.png", np.full((60, 60, 3), 100, np.uint8))
    with pytest.raises(UsageError, match="too small"):
        evaluate_invariance(["wiener", "wiener"], tmp_path, device="cpu")
