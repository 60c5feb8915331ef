"""Profiles for planes in another order, and the noise model that suits a profile."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sampling import assert_variance

from synthnoise import SyntheticDataset
from synthnoise.denoisers.weights import load_weights
from synthnoise.errors import InputError
from synthnoise.noise.default_model import default_noise_model
from synthnoise.noise.spectral import Spectral
from synthnoise.profiles.arrangement import rearranged
from synthnoise.profiles.store import load_profile
from synthnoise.rng import Rng
from synthnoise.stream.dataset import Request
from synthnoise.stream.noising import Settings, add_noise_files
from synthnoise.stream.pictures import read_picture, write_picture
from synthnoise.training import train

RGB = ((0, 1, 2),)


@pytest.fixture(scope="module")
def camera():
    """Return the profile of a Bayer camera whose planes differ in black level, offset and noise."""
    profile = load_profile("virtual-mild")
    isos = {}
    for iso, noise in profile.isos.items():
        factor = np.array([1, 2, 3, 4], np.float32)
        quantiles = noise.arrays["pixel_quantiles"] * factor[:, None]
        covariance = noise.arrays["pixel_covariance"] * (factor[:, None] * factor)[..., None, None]
        arrays = noise.arrays | {"pixel_quantiles": quantiles, "pixel_covariance": covariance}
        isos[iso] = dataclasses.replace(noise, offset=(0.0, 1.0, 2.0, 3.0), arrays=arrays)
    return dataclasses.replace(profile, isos=isos, black=(500.0, 501.0, 502.0, 503.0))


def sampled(profile, planes: int = 4):
    model = Spectral()
    parameters = model.parameters(profile)
    black = torch.zeros(1, planes, 512, 512)
    noise = model.sample(black, parameters, Rng(3, torch.tensor([0])))[0].numpy()
    return noise, model.variance(black, parameters)[0, :, 0, 0].numpy()


@pytest.mark.parametrize(
    ("cfa", "order"),
    [
        (((0, 1), (1, 2)), [0, 1, 2, 3]),
        (((1, 0), (2, 1)), [1, 0, 3, 2]),
        (((1, 2), (0, 1)), [2, 3, 0, 1]),
        (((2, 1), (1, 0)), [3, 2, 1, 0]),
    ],
)
def test_a_repeat_that_begins_elsewhere_takes_its_planes_along(camera, cfa, order):
    moved = rearranged(camera, cfa)
    noise = moved.isos[6400.0]
    assert moved.black == tuple(500.0 + plane for plane in order)
    assert noise.offset == tuple(float(plane) for plane in order)
    before, after = camera.isos[6400.0].arrays, noise.arrays
    for name in ("pixel_quantiles", "shading", "hot_rate"):
        assert np.array_equal(after[name], before[name][order])
    assert np.array_equal(after["pixel_covariance"], before["pixel_covariance"][np.ix_(order, order)])
    spectrum = before["row_cross_spectrum"]
    rows = order if spectrum.shape[-1] == 4 else [[0, 1], [1, 0]][order[0] // 2]
    assert np.array_equal(after["row_cross_spectrum"], spectrum[..., rows, :][..., rows])


def test_a_picture_has_the_noise_of_a_plane_of_each_colour(camera):
    noise, stated = sampled(rearranged(camera, RGB), planes=3)
    _, of_planes = sampled(camera)
    assert stated == pytest.approx(of_planes[[0, 1, 3]], rel=1e-3)
    for plane, variance in zip(noise, stated, strict=True):
        assert_variance(plane, variance, detects=0.1)


def test_x_trans_profiles_serve_pictures_and_their_own_shifts():
    camera = load_profile("virtual-x-trans")
    noise, stated = sampled(rearranged(camera, RGB), planes=3)
    assert noise.var((1, 2)) == pytest.approx(stated, rel=0.1)
    grid = np.roll(np.array(camera.cfa), (-2, -1), (0, 1))
    moved = rearranged(camera, tuple(tuple(int(c) for c in row) for row in grid))
    order = np.roll(np.arange(36).reshape(6, 6), (-2, -1), (0, 1)).ravel()
    before, after = (next(iter(p.isos.values())).arrays for p in (camera, moved))
    assert np.array_equal(after["pixel_quantiles"], before["pixel_quantiles"][order])
    rows = (np.arange(6) + 2) % 6
    assert np.array_equal(after["row_cross_spectrum"], before["row_cross_spectrum"][..., rows, :][..., rows])


def test_a_larger_repeat_keeps_what_is_known_of_each_colour(camera):
    moved = rearranged(camera, ((0, 1, 2), (1, 2, 0)))
    noise = moved.isos[6400.0]
    assert noise.offset == (0.0, 1.0, 3.0, 1.0, 3.0, 0.0)
    assert noise.arrays == {}
    planes, stated = sampled(moved, planes=6)
    for plane, variance in zip(planes, stated, strict=True):
        assert_variance(plane, variance, detects=0.1)


def test_the_model_follows_from_what_the_profile_holds():
    assert default_noise_model() == "poisson-gaussian"
    assert default_noise_model("virtual-mild") == "spectral"
    assert default_noise_model(load_profile("virtual-x-trans")) == "spectral"
    assert default_noise_model("nikon-d850") == "poisson-gaussian"
    with pytest.raises(InputError, match="no-such-camera"):
        default_noise_model("no-such-camera")


@pytest.mark.parametrize(
    ("profile", "model"), [("virtual-mild", "spectral"), ("nikon-d850", "poisson-gaussian")]
)
def test_all_who_take_a_profile_mean_the_same_model(profile, model):
    assert Request(profile=profile, iso=6400).noise == model
    assert SyntheticDataset("dead-leaves", profile=profile, isos=(6400,)).noise == model
    assert Settings(profile=profile).as_dict()["model"] == model
    assert Settings(profile=profile, model="gaussian").as_dict()["model"] == "gaussian"


def test_pictures_get_noise_from_a_calibrated_profile(tmp_path):
    write_picture(tmp_path / "grey.npy", np.full((3, 64, 64), 0.2, np.float32))
    settings = Settings(profile="virtual-mild", ratio=20)
    outcomes = add_noise_files([tmp_path / "grey.npy"], tmp_path / "noisy.npy", settings=settings)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    named = dataclasses.replace(settings, model="spectral")
    add_noise_files([tmp_path / "grey.npy"], tmp_path / "again.npy", settings=named)
    noisy = read_picture(tmp_path / "noisy.npy")
    assert noisy.std() > 0.01
    assert np.array_equal(noisy, read_picture(tmp_path / "again.npy"))


def test_training_means_the_same_model(tmp_path):
    small = {
        "denoiser": "dncnn",
        "denoiser_options": {"depth": 3, "width": 4},
        "crop": 16,
        "batch": 1,
        "steps": 1,
        "device": "cpu",
    }
    train(output=tmp_path / "w.safetensors", profile="virtual-mild", **small)
    _, record = load_weights(tmp_path / "w.safetensors")
    assert record.recipe["noise"] == "spectral"
