"""Every registered record, ours and those of installed plugins, keeps the plugin contract."""

from __future__ import annotations

import dataclasses

import pytest

from synthnoise import testing
from synthnoise.plugins import RECORD_TYPES, default_plugins

PLUGINS = default_plugins()
WHOLE_FRAME = {"two-shots", "two-shots-fast", "low-dose-ct"}
"""Noise models that synthesise whole dark frames: no crop independence, correlated pixels."""


def _records(kind):
    return [pytest.param(record, id=record.qualified_name) for record in PLUGINS.records(kind)]


@pytest.mark.parametrize("record", [p for kind in RECORD_TYPES for p in _records(kind)])
def test_record_resolves(record):
    testing.check_record(record)


@pytest.mark.parametrize("record", _records("image_models"))
def test_image_model(record, tmp_path):
    values = {}
    if record.name == "folder":
        from PIL import Image

        for shade in (40, 90, 200):
            Image.linear_gradient("L").point(lambda v, s=shade: (v + s) % 256).save(tmp_path / f"{shade}.png")
        values = {"path": str(tmp_path)}
    testing.check_image_model(record, values)


@pytest.mark.parametrize("record", _records("noise_models"))
def test_noise_model(record, profile):
    whole = record.name in WHOLE_FRAME
    iso = next(iter(profile.isos))
    testing.check_noise_model(record, profile=profile, iso=iso, size=(96, 96), whole_frame=whole)


@pytest.mark.parametrize("record", _records("denoisers"))
def test_denoiser(record):
    testing.check_denoiser(record)


@pytest.mark.parametrize("record", _records("metrics"))
def test_metric(record):
    testing.check_metric(record)


@pytest.mark.parametrize("module", ["synthnoise.builtin", "synthnoise_example"])
def test_manifest_is_light(module):
    testing.assert_light_import(module)


@pytest.mark.parametrize("name", ["wiener", "nlm"])
def test_a_denoiser_that_sees_farther_than_it_says_is_found_out(name):
    record = PLUGINS.find("denoisers", name)
    with pytest.raises(AssertionError, match="sees farther than its halo of 0 pixels"):
        testing.check_denoiser(dataclasses.replace(record, halo=0))
