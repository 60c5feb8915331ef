"""The vibrant-leaves model against its description and a literal oracle."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
import vibrant_leaves_oracle as oracle
from sampling import assert_distribution, assert_fraction
from vibrant_leaves_oracle import same_mean

from synthnoise.errors import UsageError
from synthnoise.images.colours import decode_srgb
from synthnoise.images.vibrant_leaves import approximations, contours, hulls, lab, maps, textures
from synthnoise.images.vibrant_leaves import coefficients as c
from synthnoise.images.vibrant_leaves.depth import BARE, kernel
from synthnoise.images.vibrant_leaves.model import VibrantLeaves
from synthnoise.images.vibrant_leaves.painter import paint
from synthnoise.images.vibrant_leaves.parity import fuse
from synthnoise.images.vibrant_leaves.settings import HEAD, PAPER, Options, Settings
from synthnoise.images.vibrant_leaves.shading import shade_layer
from synthnoise.images.vibrant_leaves.table import COLUMN, GRADIENT, NOISE, draw_table
from synthnoise.rng import Rng

SIZE = (96, 128)
Z = 5.0


def table(settings, canvas, images=1, seed=11):
    return draw_table(settings, canvas, Rng(seed, torch.arange(images)))


def paint_one(settings, canvas, index, seed=11):
    drawn = draw_table(settings, canvas, Rng(seed, torch.tensor([index])))
    return paint(drawn.leaves[0].numpy(), drawn.bounds, canvas)[0]


# Tenths of the reference's counts of leaves.
@pytest.mark.parametrize(("side", "r_min", "r_max", "tenth"), [(512, 10, 500, 67), (1000, 20, 500, 77)])
def test_leaf_counts(side, r_min, r_max, tenth):
    count = Settings(r_min=r_min, r_max=r_max).leaf_count((side, side))
    assert count // 10 == tenth
    # One leaf covers pi r^2 in the mean, 2 pi r_min^2 ln(r_max / r_min) for this law: 0.2 % stay bare.
    covered = 2 * math.pi * r_min**2 * math.log(r_max / r_min) / side**2
    assert math.exp(-count * covered) == pytest.approx(0.002, rel=0.5)


def test_layer_sizes():
    assert table(PAPER, (1000, 1000)).bounds == (0, 38, 38 + 77, 38 + 77 + 770)


def test_radii_follow_the_power_law():
    drawn = table(Settings(), (1000, 1000), images=10)
    low, high = 10.0**-2, 500.0**-2
    # r = floor(u^-1/2), so P(r <= k) = P(u > (k + 1)^-2).
    radii = drawn.column("radius").double().numpy()
    assert_distribution(radii, lambda k: (low - (k + 1.0) ** -2) / (low - high), integers=True, detects=0.04)


def test_stationary_canvas_is_as_covered_at_the_corner_as_inside():
    settings = Settings(boundary="stationary", shapes="discs", r_min=5, r_max=25, depth=False)
    bare = [paint_one(dataclasses.replace(settings), (64, 64), i)[2] < 0 for i in range(60)]
    corner = np.array([b[:12, :12].mean() for b in bare])
    middle = np.array([b[26:38, 26:38].mean() for b in bare])
    assert same_mean(corner, middle) < 0.03


def test_shapes_and_fills_have_their_shares():
    drawn = table(Settings(shapes="mixed"), (1000, 1000), images=4)
    for shape in range(3):
        assert_fraction(drawn.column("shape") == shape, 1 / 3, detects=0.15)
    assert_fraction(drawn.column("fill") == NOISE, 0.67 * 0.95)
    assert_fraction(drawn.column("fill") == GRADIENT, 0.05, detects=0.5)
    assert_fraction(drawn.column("tilted") == 1, 0.5)
    assert (table(Settings(textures=False), SIZE).column("fill") == GRADIENT).all()
    assert (table(HEAD, (512, 512)).column("ragged") == 0).all()


@pytest.mark.parametrize("r", [10, 40])
def test_polygons_have_the_area_of_the_oracles(r):
    g = np.random.Generator(np.random.Philox(r))
    expected = [oracle.polygon(g, r).sum() / (math.pi * r**2) for _ in range(40)]
    settings = Settings(shapes="polygons", r_min=r, r_max=r + 1, depth=False)
    drawn = table(settings, (200, 200), images=1)
    leaves = drawn.leaves[0].numpy()
    leaves[:, [COLUMN["y"], COLUMN["x"]]] = 100
    areas = []
    for leaf in leaves[:300]:
        labels, _ = paint(leaf[None], (0, 1), (200, 200))
        areas.append((labels >= 0).sum() / (math.pi * r**2))
    # The bank is finite and its radius continuous: half a pixel of the outline is allowed on top.
    allowed = 0.06 if r == 10 else 0.02
    error = math.hypot(np.std(areas) / math.sqrt(300), np.std(expected) / math.sqrt(40))
    assert abs(np.mean(areas) - np.mean(expected)) < Z * error + allowed
    assert Z * error + allowed < 0.2


def test_rectangles_and_discs_have_the_area_of_the_disc():
    for shapes in ("rectangles", "discs"):
        settings = Settings(shapes=shapes, r_min=30, r_max=31, depth=False)
        leaves = table(settings, (200, 200)).leaves[0].numpy()
        leaves[:, [COLUMN["y"], COLUMN["x"]]] = 100
        for leaf in leaves[:8]:
            labels, boxes = paint(leaf[None], (0, 1), (200, 200))
            assert (labels >= 0).sum() == pytest.approx(math.pi * 900, rel=0.01)
            rows, columns = np.nonzero(labels[0] >= 0)
            top, bottom, left, right = boxes[0]
            # A corner may reach past the last pixel centre that it holds.
            assert 0 <= rows.min() - top <= 2
            assert 0 <= bottom - rows.max() <= 2
            assert 0 <= columns.min() - left <= 2
            assert 0 <= right - columns.max() <= 2


def test_hull_equals_the_oracles_triangles():
    g = np.random.Generator(np.random.Philox(3))
    for holes in (False, True):
        distance, angle = g.uniform(0, 1.5, 70), g.uniform(0, 2 * np.pi, 70)
        points = np.stack([distance * np.cos(angle), distance * np.sin(angle)], 1)
        expected = 0.0
        for t in oracle.concave_triangles(points, holes):
            a, b, d = points[list(t)]
            expected += abs((b[0] - a[0]) * (d[1] - a[1]) - (b[1] - a[1]) * (d[0] - a[0])) / 2
        mask = np.zeros((301, 301), np.float32)
        hulls._fill_mask(
            hulls.concave_hull(distance, angle, holes=holes) * np.float32(100) + np.float32(150), mask
        )
        assert mask.sum() / 1e4 == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
def test_coverage_of_the_layers_is_the_oracles(monkeypatch):
    monkeypatch.setattr(oracle, "R_MAX", 30)
    canvas = (100, 100)
    count = oracle.leaf_count(*canvas)
    tenth = count // 10 if count > 10 else 1
    settings = Settings(shapes="mixed", r_max=30)
    assert settings.leaf_count(canvas) == count
    g = np.random.Generator(np.random.Philox(5))
    expected = [oracle.layer(g, canvas, 2 * tenth, polygons=False).mean() for _ in range(24)]
    drawn = [draw_table(settings, canvas, Rng(2, torch.tensor([i]))) for i in range(120)]
    ours = []
    for one in drawn:
        first = one.bounds[2]
        part = one.leaves[0, first : first + 2 * tenth].numpy()
        ours.append((paint(part, (0, len(part)), canvas)[0] >= 0).mean())
    assert same_mean(ours, expected) < 0.05


def test_later_leaves_lie_behind_earlier_ones():
    settings = Settings(depth=False)
    drawn = table(settings, SIZE)
    leaves = drawn.leaves[0].numpy()
    whole = paint(leaves, drawn.bounds, SIZE)[0][2]
    front = paint(leaves[:7], (0, 7), SIZE)[0][0]
    assert (whole[front >= 0] == front[front >= 0]).all()


def test_words_hold_the_field_within_half_a_step():
    field = textures._field(64, 3, 1.2, "axis")
    planes = textures.unpacked(textures._packed(field))
    np.testing.assert_allclose(planes, textures.UNIT * field.clip(-4, 4), atol=3.5)
    assert abs(planes - textures.UNIT * field)[abs(field) < 4].max() <= 0.5


@pytest.mark.parametrize("exponent", [0.6, 1.5, 2.4])
def test_noise_has_its_spectrum_along_the_axes_and_the_oracles_variance(exponent):
    field = textures._field(128, 3, exponent, "axis")
    power = abs(np.fft.fft2(field[..., 0])) ** 2
    k = np.arange(1, 40)
    slope = -np.polyfit(np.log(k), np.log(power[0, k] + power[k, 0]), 1)[0]
    # Whitening three planes against each other moves single moduli a little.
    assert slope == pytest.approx(2 * exponent, abs=0.25)
    np.testing.assert_allclose(np.cov(field.reshape(-1, 3).T), np.eye(3), atol=2e-3)
    g = np.random.Generator(np.random.Philox(1))
    made = oracle.frequency_noise(g, g.normal(128, 10, (2500, 3)), 128, exponent)[..., 0]
    step = np.diff(field[..., 0], axis=1).std()
    assert np.diff(made, axis=1).std() / made.std() == pytest.approx(step, rel=0.12)


def test_isotropic_noise_is_isotropic():
    amplitude = textures.amplitude(64, 1.3, "isotropic")
    assert amplitude[3, 4] == pytest.approx(amplitude[5, 0]) == pytest.approx(amplitude[0, 5])


@pytest.mark.parametrize(
    ("name", "exact", "low", "high"),
    [
        ("cube_root", np.cbrt, 1e-4, 1.5),
        ("exponential", np.exp, -20, 20),
        ("logistic", lambda x: 1 / (1 + np.exp(-x)), -20, 20),
        ("sine_of_cycles", lambda x: np.sin(2 * np.pi * x), -8, 8),
    ],
)
def test_approximations_have_the_error_they_state(name, exact, low, high):
    places = np.linspace(low, high, 2001, dtype=np.float32)
    approximation = getattr(approximations, name)
    found = np.array([approximation(place) for place in places])
    expected = exact(places.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=3e-5, atol=1e-6)


def test_transfer_curve_is_that_of_srgb():
    light = np.linspace(0, 1, 1001, dtype=np.float32)
    encoded = np.array([lab.encode(value) for value in light])
    np.testing.assert_allclose(decode_srgb(torch.from_numpy(encoded)).numpy(), light, atol=5e-5)
    np.testing.assert_allclose([lab.decode(value) for value in encoded], light, atol=5e-5)


def test_lab_is_inverted_and_equals_the_formula():
    g = np.random.Generator(np.random.Philox(2))
    for rgb in g.uniform(0, 1, (200, 3)).astype(np.float32):
        light, a, b = lab.lab_of(*rgb)
        np.testing.assert_allclose(lab.rgb_of(light, a, b), rgb, atol=2e-3)
    # L* a* b* of sRGB red, CIE 15: 53.24, 80.09, 67.20.
    light, a, b = lab.lab_of(np.float32(1), np.float32(0), np.float32(0))
    assert (116 * light - 16, 500 * a, -200 * b) == pytest.approx((53.24, 80.09, 67.20), abs=0.1)


def map_along_a_row(slot, start, count, classic=False):
    u, v, part = (
        np.arange(count, dtype=np.float32),
        np.full(count, 3, np.float32),
        np.empty(count, np.float32),
    )
    words, spare = np.empty((4, count), np.int32), np.empty((4, count), np.float32)
    maps.fill_map(slot, start, textures.warp_words(), classic, u, v, words, spare, part)
    return part


def test_waves_have_the_oracles_values():
    g = np.random.Generator(np.random.Philox(4))
    expected = np.concatenate([oracle.wave(g, 400, int(5 + 95 * g.random()))[0] for _ in range(400)])
    drawn = table(
        Settings(random_periods=0.0, warp=0.0, weights=(1.0, 0.0, 0.0), perspective=0.0), (600, 600)
    )
    leaves = drawn.leaves[0].numpy()
    leaves[:, COLUMN["grid"]] = leaves[:, COLUMN["crossed"]] = 0
    boxes = np.tile(np.array([0, 399, 0, 399], np.int32), (len(leaves), 1))
    slots, starts = c.prepare(leaves, boxes, (5, 100), 1.0)
    ours = []
    for slot, start in zip(slots[:400], starts, strict=False):
        part = map_along_a_row(slot, start, 400)
        ours.append(part)
    waves = np.array(ours)
    assert waves.min() >= 0
    assert waves.max() == 1
    # Values of one wave hang together: 400 waves are 400 draws.
    same_mean(waves.mean(1), expected.reshape(400, 400).mean(1))


def test_every_feature_of_maps_stays_in_range_and_acts():
    settings = Settings(weights=(0.5, 0.0, 0.5))
    drawn = table(settings, (400, 400))
    leaves = drawn.leaves[0].numpy()
    _, boxes = paint(leaves, drawn.bounds, (400, 400))
    slots, starts = c.prepare(leaves, boxes, (5, 100), 1.0)
    for name in (c.GRID, c.CROSSED, c.RAGGED, c.WARP, c.TILT, c.TURNED):
        assert (slots[:, name] > 0).any(), f"slot {name} is never used"
    for classic in (False, True):
        for slot, start in zip(slots, starts, strict=True):
            part = map_along_a_row(slot, start, 100, classic)
            assert part.min() >= 0
            assert part.max() <= 1


def test_random_periods_come_round_and_stay_in_range():
    drawn = table(Settings(random_periods=1.0), (400, 400))
    leaves = drawn.leaves[0].numpy()
    leaves[:, COLUMN["grid"]] = 0
    boxes = np.tile(np.array([0, 99, 0, 99], np.int32), (len(leaves), 1))
    _, starts = c.prepare(leaves, boxes, (5, 100), 1.0)
    lengths = np.diff(starts, axis=2).ravel()
    assert_distribution(lengths, lambda k: (np.floor(k) - 4) / 95, integers=True, detects=0.05)


def scene_of(options, size=SIZE, index=3):
    return VibrantLeaves(Options(**options)).scene(size, 7, index)


@pytest.mark.parametrize("blur", ["gaussian", "off"])
@pytest.mark.parametrize("index", [0, 3, 5])
def test_fusion_equals_the_oracles(blur, index):
    scene = scene_of({"blur": blur}, index=index)
    settings = Options(blur=blur).settings()
    leaves = scene.table.leaves[0].numpy()
    slots, starts = c.prepare(leaves, scene.boxes, settings.periods, settings.period_exponent)
    atlas = textures.noise_atlas(632, settings.slope, settings.spectrum)
    layers = np.empty((3, scene.labels.shape[1], 3, scene.labels.shape[2]), dtype=np.float32)
    for layer in range(3):
        looks = slots, starts, atlas, textures.warp_words(), False
        shade_layer(scene.labels[layer], looks, BARE, layers[layer])
    near, middle, far = layers.transpose(0, 1, 3, 2)
    masks = scene.labels[0] >= 0, scene.labels[1] >= 0
    amount = float(scene.table.blur[0])
    sigma = amount if blur == "gaussian" else 1e-3
    expected = oracle.fuse(far, middle, near, masks, max(sigma, 1e-3))
    height, width = SIZE
    expected = expected.reshape(height, 2, width, 2, 3).mean((1, 3))
    linear = decode_srgb(torch.from_numpy(expected.clip(0, 1))).numpy().transpose(2, 0, 1)
    np.testing.assert_allclose(scene.image.numpy(), linear, atol=2e-3)


@pytest.mark.parametrize("radius", [2.4, 9.0])
def test_lens_is_a_disc_of_its_radius(radius):
    chords = kernel("lens", radius)
    area = 2 * chords.sum()
    assert area == pytest.approx(math.pi * radius**2, rel=0.06 if radius < 3 else 0.03)


@pytest.mark.parametrize("index", [0, 3, 5])
def test_lens_blurs_and_keeps_the_light(index):
    scene = scene_of({"blur": "lens"}, index=index)
    sharp = scene_of({"blur": "off"}, index=index)
    assert float(scene.image.std()) <= float(sharp.image.std())
    assert float(scene.image.mean()) == pytest.approx(float(sharp.image.mean()), rel=0.1)


def test_without_depth_there_is_one_sharp_layer():
    one, other = scene_of({"depth": False}), scene_of({"depth": False, "blur": "off"})
    assert torch.equal(one.image, other.image)
    assert set(np.unique(one.depth())) <= {2, 3}


def test_parity_cuts_the_foreground_and_counts_in_bytes():
    image = scene_of({"preset": "reference-head", "parity": True}).image
    labels = np.full((3, 40, 40), -1, dtype=np.int32)
    labels[2], labels[0, 10:30, 10:30] = 0, 1
    settings = HEAD
    drawn = table(dataclasses.replace(settings, flat_below=10000), (40, 40))
    leaves = drawn.leaves[0, :2].numpy()
    leaves[0, COLUMN["first_r"] : COLUMN["first_b"] + 1] = 1.0
    leaves[1, COLUMN["first_r"] : COLUMN["first_b"] + 1] = 0.0
    slots, starts = c.prepare(leaves, np.tile(np.array([0, 39, 0, 39], np.int32), (2, 1)), (5, 100), 1.0)
    atlas = textures.noise_atlas(256, settings.slope, settings.spectrum)
    fused = fuse(labels, (slots, starts, atlas, textures.warp_words(), False), 2.0, 1)
    # Outside the cut mask the white background is untouched; inside, its 255 + 1 has wrapped to 0.
    assert fused[0, 20, 8] == 1
    assert fused[0, 20, 10] == 0
    steps = fused * 255
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
    assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_ground_truth_fits_the_image():
    scene = scene_of({})
    assert scene.labels.shape == (3, 2 * SIZE[0], 2 * SIZE[1])
    depth = scene.depth()
    for layer in range(3):
        inside = scene.labels[layer][depth == layer]
        assert (inside >= scene.table.bounds[layer]).all()
        assert (inside < scene.table.bounds[layer + 1]).all()


def test_batches_do_not_change_an_image():
    model = VibrantLeaves()
    batch = model.generate((40, 50), Rng(1, torch.tensor([4, 9])))
    assert torch.equal(batch[1], model.generate((40, 50), Rng(1, torch.tensor([9])))[0])


def test_colours_come_from_a_folder(tmp_path):
    from PIL import Image

    Image.new("RGB", (120, 120), (10, 200, 30)).save(tmp_path / "green.png")
    image = scene_of({"colours": str(tmp_path), "textures": False}).image
    red, green, blue = (float(plane.mean()) for plane in image)
    assert green > 5 * red
    assert green > 5 * blue


@pytest.mark.parametrize(
    "values", [{"r_min": 50, "r_max": 40}, {"slope": (2.0, 1.0)}, {"weights": (0.0, 0.0, 0.0)}]
)
def test_contradictions_are_refused(values):
    with pytest.raises(UsageError):
        VibrantLeaves(Options(**values))


def test_contours_of_a_disc_and_their_simplification():
    y, x = np.mgrid[:60, :60]
    image = np.clip(20.5 - np.hypot(y - 30, x - 30), 0, 1).astype(np.float32)
    (ring,) = contours.contours(image, 0.5)
    np.testing.assert_allclose(np.hypot(ring[:, 0] - 30, ring[:, 1] - 30), 20, atol=0.1)
    few = contours.simplified(ring, 0.3)
    assert len(few) < len(ring) / 3
    np.testing.assert_allclose(np.hypot(few[:, 0] - 30, few[:, 1] - 30), 20, atol=0.3)
