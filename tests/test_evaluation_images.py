"""Image statistics on images whose statistics are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from synthnoise.errors import InputError, OutputExistsError, UsageError
from synthnoise.evaluation.image_plot import check_plot, plot_images
from synthnoise.evaluation.image_statistics import FREQUENCIES, TILE, measure
from synthnoise.evaluation.images import (
    MEASURES,
    compare_images,
    divergence,
    evaluate_images,
    image_table,
    slope,
)
from synthnoise.output import jsonable


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def field(exponent: float, size: int, seed: int) -> np.ndarray:
    """A Gaussian grey image [size, size] whose power falls as frequency^-exponent, std 30 about 128."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(generator(seed).standard_normal((size, size))) * frequency ** (-exponent / 2)
    values = np.fft.irfft2(spectrum, (size, size))
    return np.clip(np.rint(128 + 30 * values / values.std()), 0, 255).astype(np.uint8)


def save(folder, images) -> str:
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).convert("RGB").save(folder / f"{number:03d}.png")
    return str(folder)


def test_gradients_are_forward_differences_both_ways():
    ramp = np.broadcast_to(np.arange(0, 120, 3, dtype=np.uint8)[:, None, None], (40, 20, 3))
    counts = measure(np.ascontiguousarray(ramp)).grey_gradients
    assert counts[255 + 3] == 39 * 20
    assert counts[255] == 40 * 19
    assert counts.sum() == 39 * 20 + 40 * 19


def test_luma_is_weighted_and_rounded():
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    image[1] = (100, 50, 201)
    counts = measure(image)
    assert counts.grey_gradients[255 + round(0.299 * 100 + 0.587 * 50 + 0.114 * 201)] == 2
    assert counts.colour_gradients[255 + 50] == 2


def test_divergence_is_that_of_the_smoothed_counts():
    first, second = np.array([3.0, 0.0, 7.0]), np.array([1.0, 4.0, 4.0])
    p, q = (first + 0.5) / 11.5, (second + 0.5) / 10.5
    assert divergence(first, second) == pytest.approx(sum(p * np.log(p / q)))
    assert divergence(first, first) == 0


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_slopes_of_fields_with_a_known_spectrum(exponent):
    images = [field(exponent, 512, seed) for seed in range(4)]
    sums = [measure(np.repeat(image[..., None], 3, axis=2)) for image in images]
    assert all(one.tiles == 4 for one in sums)
    power = np.sum([one.ring_power for one in sums], axis=0)
    amplitude = np.sum([one.ring_amplitude for one in sums], axis=0)
    # A ring of radius f has about 2 pi f members, half of them independent, and the window widens them.
    assert slope(power, 2, 64) == pytest.approx(exponent, abs=0.1)
    assert slope(amplitude, 2, 64) == pytest.approx(exponent / 2, abs=0.05)


def test_white_noise_has_flat_spectra_of_the_right_height():
    noise = np.rint(128 + 20 * generator().standard_normal((512, 512))).astype(np.uint8)
    sums = measure(np.repeat(noise[..., None], 3, axis=2))
    window_energy = (np.sin(np.pi * np.arange(TILE) / TILE) ** 4).sum()
    variance = 20**2 + 1 / 12
    members = 2 * np.pi * FREQUENCIES[20:].sum() / 2 * sums.tiles
    ring = (sums.ring_power[20:] / sums.tiles) @ FREQUENCIES[20:] / FREQUENCIES[20:].sum()
    # 1.5 is the correlation length of a Hann window in bins, squared for two axes.
    assert ring == pytest.approx(variance * window_energy**2, rel=5 * 1.5 / np.sqrt(members))
    lines = sums.line_power.mean() / sums.tiles
    independent = sums.tiles * 2 * TILE * len(FREQUENCIES) / 1.5
    assert lines == pytest.approx(variance * window_energy, rel=5 * np.sqrt(2 / independent))


def test_single_tone_lands_in_its_bin():
    tone = 128 + 60 * np.cos(2 * np.pi * 12 * np.arange(256) / 256)
    image = np.repeat(np.broadcast_to(np.rint(tone).astype(np.uint8), (256, 256))[..., None], 3, axis=2)
    sums = measure(image)
    assert FREQUENCIES[sums.line_power.argmax()] == 12
    assert sums.tiles == 1


def test_chroma_is_on_orthonormal_axes(tmp_path):
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[::2] = (140, 100, 60)
    image[1::2] = (60, 100, 140)
    result = evaluate_images(save(tmp_path / "set", [image, image]))
    assert result.estimates["chroma red-blue"].value == pytest.approx(80 / np.sqrt(2))
    assert result.estimates["chroma magenta-green"].value == pytest.approx(0, abs=1e-6)
    assert np.isnan(result.estimates["slope of power"].value)


def test_the_density_of_white_noise_is_its_variance(tmp_path):
    noise = [np.rint(128 + 20 * generator(k).standard_normal((256, 256))).astype(np.uint8) for k in range(2)]
    curves = evaluate_images(save(tmp_path / "white", noise)).curves
    assert curves.gradients.sum() == pytest.approx(1)
    members = 2 * np.pi * FREQUENCIES[40:].sum() / 2 * 2
    density = curves.power[40:] @ FREQUENCIES[40:] / FREQUENCIES[40:].sum()
    assert density == pytest.approx(20**2 + 1 / 12, rel=5 * 1.5 / np.sqrt(members))


def test_sets_side_by_side_are_those_alone_and_can_be_drawn(tmp_path):
    natural = save(tmp_path / "natural", [field(2.0, 256, seed) for seed in range(3)])
    folders = [save(tmp_path / f"{k}", [field(k, 256, 10 + k)] * 2) for k in (1, 2)]
    sets = compare_images(folders, reference=natural)
    alone = evaluate_images(folders[1], reference=natural)
    assert sets[1].estimates == alone.estimates
    header, *_ = image_table(sets)
    assert header.split()[:5] == ["measure", "1", "(2)", "2", "(2)"]
    plot_images(sets, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as plot:
        colours = {colour for _, colour in plot.convert("RGB").getcolors(1 << 20)}
        assert plot.width > plot.height > 400
    assert {(31, 119, 180), (255, 127, 14), (0, 0, 0)} <= colours  # one line per set
    with pytest.raises(OutputExistsError):
        check_plot(tmp_path / "plot.png")
    small = save(tmp_path / "small", [np.zeros((20, 20), np.uint8)] * 2)
    plot_images(compare_images([small]), tmp_path / "plot.png", overwrite=True)
    with pytest.raises(UsageError, match="nothing to measure"):
        compare_images([])


def test_images_of_one_law_are_near_and_others_far(tmp_path):
    one = save(tmp_path / "one", [field(2.0, 256, seed) for seed in range(12)])
    same = save(tmp_path / "same", [field(2.0, 256, seed) for seed in range(20, 32)])
    other = save(tmp_path / "other", [field(1.2, 256, seed) for seed in range(40, 52)])
    near, far = (evaluate_images(name, reference=one) for name in (same, other))
    assert near.estimates["KL gradient"].value < 0.02 < 0.2 < far.estimates["KL gradient"].low
    assert near.natural["KL gradient"].high < 0.05
    for name in ("slope of power", "slope of lines, 2-64"):
        assert far.estimates[name].high < near.estimates[name].low
        assert near.estimates[name].low <= near.estimates[name].value <= near.estimates[name].high
    assert set(near.estimates) == set(near.natural) == set(MEASURES)
    assert json.loads(json.dumps(jsonable(near.as_dict())))["reference_images"] == 12
    assert len(near.lines()) == len(MEASURES) + 3


def test_intervals_hold_the_truth_as_often_as_they_say(tmp_path):
    """The share of zero gradients is that of all images; sets of 20 should hold it in 90 % of cases."""
    random = generator(5)
    levels = random.integers(1, 9, 25 * 20)
    images = [random.integers(0, level + 1, (20, 20), dtype=np.uint8) for level in levels]
    truth = np.mean([1 / (level + 1) for level in range(1, 9)])
    held = 0
    for trial in range(25):
        part = save(tmp_path / str(trial), images[20 * trial : 20 * (trial + 1)])
        estimate = evaluate_images(part, n=20, seed=trial).estimates["zero gradients"]
        held += estimate.low <= truth <= estimate.high
    # Binomial: 22.5 of 25 expected, standard deviation 1.5.
    assert held >= 16


def test_a_model_is_measured_without_reference_and_without_divergences():
    result = evaluate_images("dead-leaves", n=3, size=(64, 64), options={"reduction": "1"})
    assert result.count == 3
    assert result.reference == ""
    assert not result.natural
    assert "KL gradient" not in result.estimates
    assert 0 < result.estimates["zero gradients"].value < 1
    again = evaluate_images("dead-leaves", n=3, size=(64, 64), options={"reduction": "1"})
    assert {k: v for k, v in again.estimates.items() if "slope" not in k} == {
        k: v for k, v in result.estimates.items() if "slope" not in k
    }


def test_too_few_images_and_missing_folders_are_refused(tmp_path):
    folder = save(tmp_path / "one", [field(2.0, 64, 0)])
    with pytest.raises(UsageError, match="at least two"):
        evaluate_images(folder)
    with pytest.raises(InputError, match="no such folder"):
        evaluate_images("dead-leaves", n=2, size=(32, 32), reference=tmp_path / "none")


@pytest.mark.slow
def test_dead_leaves_of_2021_are_as_far_from_nature_as_published(shared_data):
    """Published: KL 0.286; measured before with another implementation: 0.25 to 0.33 (90 %)."""
    natural = shared_data / "natural"
    torch.set_num_threads(1)
    for options in ({}, {"colours": str(natural / "BSDS500-train")}):
        result = evaluate_images("dead-leaves", n=24, reference=natural / "CBSD68", options=options)
        divergence = result.estimates["KL gradient"]
        assert divergence.low < 0.33
        assert divergence.high > 0.25
