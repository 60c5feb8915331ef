"""Test charts measured as a laboratory would, against what they are known to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate

from synthnoise.errors import UsageError
from synthnoise.images.charts.dead_leaves_chart import DeadLeavesChart
from synthnoise.images.charts.dead_leaves_chart import Options as LeafOptions
from synthnoise.images.charts.siemens_star import Options as StarOptions
from synthnoise.images.charts.siemens_star import SiemensStar
from synthnoise.images.charts.slanted_edge import Edge, SlantedEdge
from synthnoise.images.charts.slanted_edge import Options as EdgeOptions
from synthnoise.testing import rng


def measured_edge(image: np.ndarray) -> tuple[float, np.ndarray]:
    """Return slant in radians from the columns, and MTF at 0, 1/64, ..., 1/2 cycles per pixel (ISO 12233).

    The edge is found as the centroid of the rows' derivative, a line is fitted, and pixels are binned by
    their distance from it in quarters of a pixel.
    """
    derivative = np.abs(np.diff(image, axis=1))
    centroid = (derivative * (np.arange(derivative.shape[1]) + 0.5)).sum(1) / derivative.sum(1)
    rows = np.arange(len(image))
    slope, start = np.polyfit(rows, centroid, 1)
    distance = (np.arange(image.shape[1]) - (start + slope * rows)[:, None]) * math.cos(math.atan(slope))
    bins = np.floor(4 * distance).astype(int)
    kept = np.abs(bins) < 128
    sums = np.bincount(bins[kept] + 127, image[kept])
    line = np.diff(sums / np.bincount(bins[kept] + 127))
    frequency = np.arange(33) / 64
    transform = np.abs(np.exp(-2j * np.pi * frequency[:, None] * np.arange(len(line)) / 4) @ line)
    # Binning and differencing in quarters of a pixel are filters of their own.
    return math.atan(slope), transform / transform[0] / np.sinc(frequency / 4) ** 2


@pytest.mark.parametrize("blur", [0.0, 0.7])
@pytest.mark.parametrize("degrees", [3.0, 7.0])
def test_the_edge_has_its_angle_and_transfer_function(degrees, blur):
    edge = Edge(math.radians(degrees), 3.3, 0.1, 0.7, blur)
    image = edge.light((256, 128)).numpy()
    slant, transfer = measured_edge(image)
    assert -slant == pytest.approx(math.radians(degrees), abs=2e-4)
    frequency = np.arange(33) / 64
    angle = math.radians(degrees)
    expected = np.sinc(frequency * math.cos(angle)) * np.sinc(frequency * math.sin(angle))
    expected *= np.exp(-2 * (math.pi * blur * frequency) ** 2)
    assert np.abs(transfer - expected).max() < 0.01


def test_the_edge_is_the_mean_of_fine_samples():
    edge = Edge(math.radians(200.0), 2.0, 0.2, 0.9, 0.0)
    fine, (height, width) = 64, (12, 17)
    y = (np.arange(height * fine) + 0.5) / fine - height / 2
    x = (np.arange(width * fine) + 0.5) / fine - width / 2
    bright = x * math.cos(edge.angle) + y[:, None] * math.sin(edge.angle) > edge.offset
    means = (0.2 + 0.7 * bright).reshape(height, fine, width, fine).mean((1, 3))
    assert np.abs(edge.light((height, width)).numpy() - means).max() < 0.7 * 2 / fine


def test_edges_stay_in_their_ranges_and_face_all_ways():
    model = SlantedEdge(EdgeOptions(angle=(4, 6), blur=(0.5, 1)))
    edges = [model.edge((64, 64), rng(k)) for k in range(200)]
    turns = np.degrees([edge.angle for edge in edges])
    slants = (turns + 45) % 90 - 45
    assert ((np.abs(slants) >= 4) & (np.abs(slants) <= 6)).all()
    assert len({(round((t - s) / 90) % 4, s > 0) for t, s in zip(turns, slants, strict=True)}) == 8
    assert all(edge.dark < edge.bright and 0.5 <= edge.blur <= 1 for edge in edges)
    assert max(abs(edge.offset) for edge in edges) <= 8


@pytest.mark.parametrize(("profile", "harmonic", "height"), [("sine", 1, 1.0), ("bar", 1, 4 / math.pi)])
def test_the_star_has_its_wave_on_every_circle_up_to_the_pixel_aperture(profile, harmonic, height):
    model = SiemensStar(StarOptions(cycles=(40,), profile=profile, dark=0.2, bright=0.8, samples=8))
    size = (200, 220)
    image = model.generate(size, rng(1))[0, 0].double().numpy()
    cycles, phase, row, column = model.geometry(size, rng(1))
    y = np.arange(size[0])[:, None] + 0.5 - row
    x = np.arange(size[1]) + 0.5 - column
    distance, angle = np.hypot(y, x), np.arctan2(y, x)
    for low in (30, 45, 60, 80):
        ring = (distance >= low) & (distance < low + 5)
        wave = np.exp(-1j * (harmonic * cycles * angle[ring]))
        found = 2 * (image[ring] * wave).mean()
        turn = np.linspace(0, 2 * np.pi, 721)[:-1]
        frequency = cycles / (2 * np.pi * distance[ring].mean())
        aperture = (np.sinc(frequency * np.sin(turn)) * np.sinc(frequency * np.cos(turn))).mean()
        assert abs(found) == pytest.approx(0.3 * height * aperture, rel=0.02)
        assert math.remainder(np.angle(found) - phase, 2 * math.pi) == pytest.approx(0, abs=0.03)
        assert image[ring].mean() == pytest.approx(0.5, abs=0.003)
    assert image[distance > 0.46 * 200] == pytest.approx(0.5)


def same_leaf(distance: float, r_min: float, r_max: float) -> float:
    """Return the chance that one leaf hides both of two points: closed form of the dead leaves of discs.

    E|X and X shifted| / (2 E|X| - E|X and X shifted|), radii of density r^-3 (Bordenave et al. 2006).
    """

    def lens(r: float) -> float:
        t = distance / (2 * r)
        return 0.0 if t >= 1 else 2 * r * r * (math.acos(t) - t * math.sqrt(1 - t * t))

    def mean(area) -> float:
        breaks = [distance / 2] if r_min < distance / 2 < r_max else None
        return integrate.quad(lambda r: area(r) * r**-3, r_min, r_max, points=breaks, limit=200)[0]

    both = mean(lens)
    return both / (2 * mean(lambda r: math.pi * r * r) - both)


def test_the_leaf_chart_has_its_covariance_and_contrast():
    chart = DeadLeavesChart(LeafOptions(r_min=2, r_max=20, reduction=1, contrast=(0.25, 0.75)))
    images = chart.generate((160, 160), rng(*range(30)))
    assert torch.equal(images[:, 0], images[:, 2])
    grey = images[:, 0].double().numpy()
    assert 0.25 <= grey.min() <= grey.max() <= 0.75
    variance = 0.5**2 / 12
    for distance in (1, 3, 8, 20):
        products = (grey[:, :, distance:] - 0.5) * (grey[:, :, :-distance] - 0.5)
        means = products.mean((1, 2)) / variance
        error = means.std(ddof=1) / math.sqrt(len(means))
        assert error < 0.02
        # Leaves are sampled at pixel centres, and their places are continuous: no correction is due.
        assert means.mean() == pytest.approx(same_leaf(distance, 2, 20), abs=5 * error)


def test_ranges_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="angle=0,5"):
        EdgeOptions(angle=(0, 5))
    with pytest.raises(UsageError, match="cycles"):
        StarOptions(cycles=())
    with pytest.raises(UsageError, match="contrast"):
        LeafOptions(contrast=(0.8, 0.2))
