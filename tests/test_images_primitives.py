"""The ray tracer against closed forms and brute force; scenes against the rules they are placed by."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from synthnoise.errors import UsageError
from synthnoise.images.primitives.model import Options, Primitives, render
from synthnoise.images.primitives.ray_tracer import SKY, light, nearest
from synthnoise.images.primitives.scene import BOX, CYLINDER, SPHERE, Camera, Scene
from synthnoise.testing import rng

LAMP = (3.0, -4.0, 5.0)


def one(kind: int, **changes) -> Scene:
    """A single object at (0.5, -0.3) under a point lamp, no ambient light."""
    values = {
        "kind": (kind,),
        "place": ((0.5, -0.3),),
        "half": (0.7,),
        "turn": (0.4,),
        "colour": torch.tensor([[0.5, 0.25, 0.125]]),
        "metal": (False,),
        "lamps": (LAMP,),
        "power": (0.8,),
        "lamp_radius": 0.0,
        "ambient": 0.0,
    }
    return Scene(**(values | changes))


def pixels(scene: Scene, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return eye and direction [3, P] of the rays through all pixels' centres."""
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    direction = scene.camera.rays(y.flatten(), x.flatten(), size)
    return torch.tensor(scene.camera.eye)[:, None].expand_as(direction), direction


def ground_points(count: int = 60) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-3, 3, count), torch.linspace(-3, 3, count), indexing="ij")
    return torch.stack((x.flatten(), y.flatten(), torch.zeros(count * count)))


def look_down(scene: Scene, points: torch.Tensor) -> torch.Tensor:
    """Return light [3, P] seen from slightly above points of the ground."""
    down = torch.tensor([0.0, 0.0, -1.0])[:, None].expand_as(points)
    return light(scene, points - 0.01 * down, down, torch.full((1, 2, points.shape[1]), 0.5))


def test_a_sphere_has_the_outline_of_a_cone():
    scene = one(SPHERE)
    eye, direction = pixels(scene, (120, 160))
    number = nearest(scene, eye, direction).number
    centre = torch.tensor([0.5, -0.3, 0.7]) - eye[:, 0]
    cosine = (direction * centre[:, None]).sum(0) / centre.norm()
    expected = cosine > math.cos(math.asin(0.7 / float(centre.norm())))
    assert ((number == 0) == expected).float().mean() > 0.9995
    assert 300 < int(expected.sum()) < 3000
    assert (number[~expected] == 1).float().mean() > 0.99


def test_the_camera_keeps_angles_and_looks_at_its_target():
    camera = Camera((7.0, -6.0, 5.0), (0.0, 0.0, 0.3), focal=1.0)
    middle = camera.rays(torch.tensor([120.0]), torch.tensor([160.0]), (240, 320))[:, 0]
    wanted = torch.tensor([-7.0, 6.0, -4.7])
    assert torch.allclose(middle, wanted / wanted.norm(), atol=1e-6)
    left, right = camera.rays(torch.tensor([120.0] * 2), torch.tensor([0.0, 320.0]), (240, 320)).T
    assert float(left @ right) == pytest.approx(math.cos(2 * math.atan(0.5)), abs=1e-6)
    assert left[2] == pytest.approx(float(right[2]))  # the horizon is level
    top = camera.rays(torch.tensor([0.0]), torch.tensor([160.0]), (240, 320))[:, 0]
    assert top[2] > middle[2]


def inside(kind: int, scene: Scene, point: np.ndarray) -> np.ndarray:
    x, y, z = point - np.array([*scene.place[0], scene.half[0]]).reshape(3, *[1] * (point.ndim - 1))
    half, turn = scene.half[0], scene.turn[0]
    if kind == CYLINDER:
        return (x * x + y * y <= half**2) & (np.abs(z) <= half)
    along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    return (np.abs(along) <= half) & (np.abs(across) <= half) & (np.abs(z) <= half)


@pytest.mark.parametrize("kind", [BOX, CYLINDER])
def test_solids_are_met_where_marching_along_the_ray_meets_them(kind):
    scene = one(kind)
    eye, direction = pixels(scene, (24, 32))
    hits = nearest(scene, eye, direction)
    steps = np.arange(5, 15, 0.004)
    path = eye.numpy()[:, :, None] + direction.numpy()[:, :, None] * steps
    found = inside(kind, scene, path)
    met = found.any(1)
    first = steps[found.argmax(1)]
    assert ((hits.number == 0).numpy() == met).mean() > 0.99
    both = met & (hits.number == 0).numpy()
    assert both.sum() > 15
    assert np.abs(hits.distance.numpy() - first)[both].max() < 0.05
    assert np.abs(hits.distance.numpy() - first)[both].mean() < 0.004
    surface = (eye + hits.distance * direction)[:, both].numpy()
    normal = hits.normal[:, both].numpy()
    assert np.allclose((normal**2).sum(0), 1, atol=1e-4)
    assert inside(kind, scene, surface - 1e-3 * normal).all()
    assert not inside(kind, scene, surface + 1e-3 * normal).any()


def test_the_ground_is_lit_by_lamberts_law():
    scene = one(SPHERE, place=((50.0, 50.0),))
    points = ground_points()
    towards = torch.tensor(LAMP)[:, None] - points
    square = towards.square().sum(0)
    expected = 0.45 * 0.8 * sum(v * v for v in LAMP) / square * towards[2] / square.sqrt()
    seen = look_down(scene, points)
    assert torch.allclose(seen[0], expected, rtol=2e-3)
    assert torch.equal(seen[0], seen[2])


def test_a_matt_sphere_is_lit_by_lamberts_law():
    scene = one(SPHERE)
    eye, direction = pixels(scene, (120, 160))
    hits = nearest(scene, eye, direction)
    seen = light(scene, eye, direction, torch.full((1, 2, direction.shape[1]), 0.5))
    on = hits.number == 0
    normal = ((eye + hits.distance * direction)[:, on] - torch.tensor([0.5, -0.3, 0.7])[:, None]) / 0.7
    towards = torch.tensor(LAMP)[:, None] - (eye + hits.distance * direction)[:, on]
    distance = towards.square().sum(0).sqrt()
    cosine = (normal * towards / distance).sum(0)
    between = towards / distance - direction[:, on]
    glance = (normal * between).sum(0) / between.square().sum(0).sqrt()
    matt = (glance < 0.6) & (cosine > 0.05)  # no highlight to speak of
    assert int(matt.sum()) > 30
    expected = 0.8 * 50 / distance**2 * cosine
    for channel, colour in enumerate((0.5, 0.25, 0.125)):
        assert torch.allclose(seen[channel, on][matt], colour * expected[matt], atol=2e-3)
    assert seen[0, on][cosine < -0.05].max() < 2e-3
    bright = glance > 0.99
    assert (seen[2, on][bright] > 0.125 * expected[bright] + 0.03).all()  # the highlight is white


def test_the_shadow_is_the_cone_behind_the_sphere():
    points = ground_points()
    seen = look_down(one(SPHERE), points)[0]
    lamp = torch.tensor(LAMP)
    centre = torch.tensor([0.5, -0.3, 0.7]) - lamp
    ray = points - lamp[:, None]
    cosine = (ray * centre[:, None]).sum(0) / ray.square().sum(0).sqrt() / centre.norm()
    dark = cosine > math.cos(math.asin(0.7 / float(centre.norm())))
    under = (points[:2] - torch.tensor([0.5, -0.3])[:, None]).square().sum(0) < 0.02  # the camera is inside
    assert ((seen < 1e-6) == dark)[~under].float().mean() > 0.998
    shadow = points[:2, dark].mean(1) - torch.tensor([0.5, -0.3])
    away = -(lamp[:2] - torch.tensor([0.5, -0.3]))
    assert float(shadow @ away / shadow.norm() / away.norm()) > 0.99


def test_a_lamp_of_some_size_gives_soft_shadows_of_the_right_mean():
    points = ground_points(40)
    grid = (torch.arange(16) + 0.5) / 16
    chance = torch.cartesian_prod(grid, grid)[..., None].expand(-1, -1, points.shape[1])
    down = torch.tensor([0.0, 0.0, -1.0])[:, None].expand_as(points)
    soft = light(one(SPHERE, lamp_radius=1.0), points - 0.01 * down, down, chance)[0]
    bare = light(one(SPHERE, lamp_radius=1.0, place=((50.0, 50.0),)), points - 0.01 * down, down, chance)[0]
    share = (soft / bare).reshape(40, 40)
    assert ((share > 0.05) & (share < 0.95)).float().mean() > 0.02
    hard = look_down(one(SPHERE), points)[0].reshape(40, 40) < 1e-6
    assert (1 - share).sum() == pytest.approx(float(hard.sum()), rel=0.25)


def test_metal_shows_the_sky_above_it():
    metal, matt = one(BOX, metal=(True,)), one(BOX)
    points = torch.tensor([[0.5], [-0.3], [3.0]])
    down = torch.tensor([[0.0], [0.0], [-1.0]])
    chance = torch.full((1, 2, 1), 0.5)
    base = light(metal, points, down, chance, mirrors=False)
    seen = light(metal, points, down, chance)
    tint = torch.tensor([[0.5], [0.25], [0.125]])
    assert torch.allclose(seen, 0.45 * base + 0.55 * (0.1 + 0.9 * tint) * 0.35, atol=1e-5)
    assert not torch.allclose(light(matt, points, down, chance), seen, atol=0.01)
    up = light(metal, points, -down, chance)
    assert torch.allclose(up, torch.full_like(up, 0.35))
    assert nearest(metal, points, -down).number.item() == SKY


def test_objects_keep_their_distances_and_all_show():
    model = Primitives()
    counts = set()
    for index in range(12):
        scene = model.scene((120, 160), rng(index))
        counts.add(len(scene.kind))
        right = scene.camera.axes()[0, :2].double().numpy()
        right = right / np.linalg.norm(right)
        objects = list(zip(scene.place, scene.half, strict=True))
        for (first, r), (second, s) in itertools.combinations(objects, 2):
            apart = np.subtract(first, second)
            assert np.linalg.norm(apart) >= r + s + 0.25 - 1e-9
            assert abs(apart @ right) >= 0.4 - 1e-6
            assert abs(apart @ (right[1], -right[0])) >= 0.4 - 1e-6
        assert set(scene.half) <= {0.7, 0.35}
        assert np.abs(scene.place).max() <= 3
        eye, direction = pixels(scene, (120, 160))
        shown = torch.bincount(nearest(scene, eye, direction).number + 1, minlength=len(scene.kind) + 2)[1:]
        assert shown[: len(scene.kind)].min() > 25  # 200 of 320 x 240 pixels are 50 of these, found on a grid
    assert len(counts) > 3
    assert min(counts) >= 3
    assert max(counts) <= 10


def test_rays_of_a_pixel_are_averaged():
    scene = one(SPHERE)
    fine = render(scene, (48, 64), 1, 1, rng(0))
    coarse = render(scene, (24, 32), 2, 1, rng(0))
    assert torch.allclose(torch.nn.functional.avg_pool2d(fine, 2), coarse, atol=2e-2)


def test_numbers_of_objects_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="objects=5,2"):
        Options(objects=(5, 2))
