"""The built-in plugin: what synthnoise ships comes through the same hooks as anyone's."""

from __future__ import annotations

from synthnoise.builtin.denoisers import synthnoise_denoisers
from synthnoise.builtin.evaluation import synthnoise_commands, synthnoise_metrics
from synthnoise.builtin.files import (
    synthnoise_isps,
    synthnoise_profiles,
    synthnoise_readers,
    synthnoise_writers,
)
from synthnoise.builtin.images import synthnoise_image_models
from synthnoise.builtin.noise import synthnoise_noise_models

__all__ = [
    "synthnoise_commands",
    "synthnoise_denoisers",
    "synthnoise_image_models",
    "synthnoise_isps",
    "synthnoise_metrics",
    "synthnoise_noise_models",
    "synthnoise_profiles",
    "synthnoise_readers",
    "synthnoise_writers",
]
