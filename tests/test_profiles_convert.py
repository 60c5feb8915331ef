"""Noise units and the formats of other tools: identities, round trips, and files that are something else."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from test_profiles_store import camera, noise

from synthnoise.errors import InputError, SynthnoiseError, UsageError
from synthnoise.profiles import noise_units as units
from synthnoise.profiles.convert import FORMATS, export_profile, import_profile, profile_pairs
from synthnoise.profiles.schema import CameraProfile, Quantity

CASES = [
    (shot, read, scale)
    for shot in (2e-5, 1.2e-4, 0.02)
    for read in (3e-8, 1e-6, 9e-4)
    for scale in (959.0, 3839.0, 15871.0)
]


@pytest.mark.parametrize(("shot", "read", "scale"), CASES)
def test_every_conversion_and_its_inverse_is_the_identity(shot, read, scale):
    emva_read = read + units.ROUNDING / scale**2  # sigma_d has no room for less than the rounding
    for there, back, pair in (
        (units.to_gain, units.from_gain, (shot, read)),
        (units.to_emva, units.from_emva, (shot, emva_read)),
        (units.to_vkdt, units.from_vkdt, (shot, read)),
    ):
        assert back(*there(*pair, scale), scale) == pytest.approx(pair, rel=1e-12)
    for gain in (1.0, 7.5):
        model = units.to_libcamera(shot, read, 4096, gain)
        assert units.from_libcamera(*model, 4096, gain) == pytest.approx((shot, read), rel=1e-12)
        assert min(model) >= 0


def test_emva_units_are_those_of_the_standard():
    # K = 0.5 DN/e-, 4 e- of dark noise: 2 DN, and 1/12 DN^2 of rounding
    shot, read = units.from_emva(0.5, 4.0, 1000.0)
    assert shot == 0.5 / 1000
    assert read == pytest.approx((4 + 1 / 12) / 1e6, rel=1e-15)
    assert units.to_gain(shot, 4e-6, 1000.0) == pytest.approx((0.5, 2.0))
    assert units.to_emva(1e-3, 1e-9, 100.0)[1] == 0.0


def test_the_sensor_of_the_raspberry_pi_hq_camera():
    shot, read = units.from_libcamera(0.0, 2.767, 4096)
    assert shot == pytest.approx(1.246e-4, rel=5e-4)
    assert read == 0


def test_the_root_term_of_libcamera_is_its_nearest_line():
    x = (np.arange(100_000) + 0.5) / 100_000
    variance = (300 + 2 * np.sqrt((65535 - 4096) * x)) ** 2 / (65535 - 4096) ** 2
    slope, intercept = np.polyfit(x, variance, 1)
    assert units.from_libcamera(300, 2, 4096) == pytest.approx((slope, intercept), rel=1e-4)


# Files


def test_emva_files_carry_the_further_quantities(tmp_path):
    quantities = {"dsnu": Quantity(0.7, 0.02), "prnu": Quantity(0.008, 1e-4)}
    path = tmp_path / "p.json"
    path.write_text(export_profile(camera(isos={1600.0: noise(quantities=quantities)}), "emva1288"))
    assert import_profile(path, "emva1288").isos[1600.0].quantities == quantities


@pytest.mark.parametrize("name", ["dng", "android", "emva1288"])
def test_files_of_every_iso_come_back_exactly(tmp_path, name):
    read = (1.1e-6, 1e-6, 1.2e-6)
    isos = {iso: noise(iso, shot=(1e-4, 1.02e-4, 9.9e-5), read=read) for iso in (100.0, 800.0)}
    profile = camera(isos=isos, black=(512.0,) * 4)
    path = tmp_path / "p.json"
    path.write_text(export_profile(profile, name))
    found = import_profile(path, name)
    assert (found.name, found.cfa, found.black, found.white) == (
        profile.name,
        profile.cfa,
        profile.black,
        profile.white,
    )
    for iso in isos:
        for ours, theirs in zip(profile_pairs(isos[iso]), profile_pairs(found.isos[iso]), strict=True):
            assert theirs == pytest.approx(ours, rel=1e-12)
        assert found.isos[iso].gain_regime == "stated"
    assert "p.json" in found.provenance


def test_android_lists_pairs_in_cfa_order_and_merges_greens(tmp_path):
    profile = camera(cfa=((1, 2), (0, 1)))
    content = json.loads(export_profile(profile, "android"))
    rows = content["iso"][0]["android.sensor.noiseProfile"]
    assert [row[1] for row in rows] == [2.9e-8, 2.8e-8, 3e-8, 2.9e-8]
    rows[0][0], rows[3][0] = 1e-4, 3e-4
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert import_profile(path, "android").isos[1600.0].shot[1] == pytest.approx(2e-4)


def test_a_dng_profile_is_six_numbers_in_the_order_of_the_planes():
    row = json.loads(export_profile(camera(), "dng"))["iso"][0]
    assert row["NoiseProfile"] == [1e-4, 3e-8, 1e-4, 2.9e-8, 1e-4, 2.8e-8]


def test_libcamera_goes_both_ways(tmp_path):
    path = tmp_path / "imx477.json"
    path.write_text(export_profile(camera(black=(1024.0,) * 4, white=16384.0), "libcamera"))
    found = import_profile(path, "libcamera")
    assert found.model == "imx477"
    assert found.isos[100.0].shot[0] == pytest.approx(1e-4, rel=1e-12)
    assert found.isos[100.0].read[0] == pytest.approx(2.9e-8, rel=1e-9)
    content = json.loads(path.read_text())
    content["target"] = "pisp"
    path.write_text(json.dumps(content))
    pisp = import_profile(path, "libcamera")
    assert "1.4" in pisp.provenance
    assert pisp.isos[100.0].shot[0] < found.isos[100.0].shot[0]


def test_libcamera_files_of_the_first_version_are_read(tmp_path):
    path = tmp_path / "ov5647.json"
    path.write_text(
        '{"rpi.black_level": {"black_level": 4096},'
        ' "rpi.noise": {"reference_constant": 0, "reference_slope": 2.767}}'
    )
    assert import_profile(path, "libcamera").isos[100.0].shot[2] == pytest.approx(1.246e-4, rel=5e-4)


def test_vkdt_goes_both_ways(tmp_path):
    profile = camera(black=(512.0,) * 4)
    path = tmp_path / "Sony-ILCE-7SM2-1600.nprof"
    path.write_text(export_profile(profile, "vkdt"))
    found = import_profile(path, "vkdt", black=512, white=16383)
    assert (found.name, list(found.isos)) == ("Sony ILCE-7SM2", [1600.0])
    assert found.isos[1600.0].shot[1] == pytest.approx(1e-4, rel=1e-12)
    assert found.isos[1600.0].read[1] == pytest.approx(2.9e-8, rel=1e-12)
    constant, slope = (float(word) for word in path.read_text().split())
    assert slope == pytest.approx(1e-4 * 15871)  # b is DN per electron, a the variance at black in DN^2
    assert constant == pytest.approx(2.9e-8 * 15871**2)
    with pytest.raises(UsageError, match="black and white"):
        import_profile(path, "vkdt")


def test_vkdt_keeps_one_iso_per_file():
    profile = camera(100.0, 1600.0)
    with pytest.raises(UsageError, match="one file per ISO"):
        export_profile(profile, "vkdt")
    assert len(export_profile(profile, "vkdt", iso=100.0).split()) == 2
    with pytest.raises(UsageError, match="ISO 200"):
        export_profile(profile, "dng", iso=200.0)


def test_an_unmeasured_iso_is_not_exported():
    lost = replace(noise(100.0), gain=math.nan, gain_regime="unmeasured")
    profile = camera(isos={100.0: lost, 1600.0: noise()})
    assert [row["iso"] for row in json.loads(export_profile(profile, "dng"))["iso"]] == [1600.0]


def test_unknown_formats_are_refused():
    with pytest.raises(UsageError, match="no profile format"):
        export_profile(camera(), "excel")
    with pytest.raises(UsageError, match="read, not written"):
        export_profile(camera(), "darktable")


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "[1, 2]",
        "{}",
        "nan nan",
        "-1 0",
        "1 2 3",
        '{"format": "DNG NoiseProfile"}',
        '{"algorithms": 5}',
        '{"algorithms": [{"rpi.noise": []}, 7]}',
        '{"rpi.noise": {"reference_constant": 1e999, "reference_slope": -1},'
        ' "rpi.black_level": {"black_level": 0}}',
    ],
)
def test_files_of_no_format_are_refused_in_one_line(tmp_path, name, text):
    path = tmp_path / "make-model-100.json"
    path.write_text(text)
    with pytest.raises(SynthnoiseError) as caught:
        import_profile(path, name, black=0, white=1023)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["dng", "android", "emva1288"])
def test_any_value_in_an_exported_file_is_either_fine_or_refused(tmp_path, name):
    content = json.loads(export_profile(camera(), name))
    path = tmp_path / "p.json"
    for table in (content, content["iso"][0]):
        for key in list(table):
            kept = table[key]
            for value in (
                None,
                -1,
                0,
                1e308,
                2**80,
                "x",
                True,
                [],
                [[]],
                {},
                [{}],
                [1e308] * 6,
                [[0, 0]] * 4,
            ):
                table[key] = value
                path.write_text(json.dumps(content))
                try:
                    assert isinstance(import_profile(path, name), CameraProfile)
                except SynthnoiseError:
                    continue
            table[key] = kept


def test_a_binary_file_is_refused(tmp_path):
    path = tmp_path / "p.json"
    path.write_bytes(b"\xff\x00\xff")
    with pytest.raises(InputError, match="not text"):
        import_profile(path, "dng")
