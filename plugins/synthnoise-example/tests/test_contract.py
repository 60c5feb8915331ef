"""The contract checks of synthnoise, run over this plugin's records."""

import synthnoise_example
from synthnoise.testing import assert_light_import, check_denoiser, check_image_model, check_noise_model


def test_image_model() -> None:
    for record in synthnoise_example.synthnoise_image_models():
        check_image_model(record)


def test_noise_model() -> None:
    for record in synthnoise_example.synthnoise_noise_models():
        check_noise_model(record)


def test_denoiser() -> None:
    for record in synthnoise_example.synthnoise_denoisers():
        check_denoiser(record)


def test_manifest_is_light() -> None:
    assert_light_import("synthnoise_example")
