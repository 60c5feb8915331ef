"""Sensors after real cameras, from a clean one to one that has everything."""

from __future__ import annotations

from dataclasses import replace

from synthnoise.sensors.sensor import Sensor

MILD = Sensor(
    model="Mild",
    iso=6400,
    gain=6.1,
    read_noise=7.03,
    converter_noise=1.0,
    tail=-0.075,
    row_noise=0.7,
    column_noise=0.2,
    column_pattern=0.2,
    dsnu=0.7,
    prnu=0.008,
    dark_current=0.2,
    hot_fraction=1e-4,
    hot_current=120.0,
    shading=1.0,
    black_bias=(0.25, -0.1, 0.05, -0.3),
    dual_gain_iso=2000,
    dual_gain_factor=2.4,
)
"""A full-frame 14-bit sensor at ISO 6400: gain, read noise, tail and rows of a Sony A7S II as measured by
Wei et al. (ELD, 2020) and Feng et al. (PMN, 2022), second conversion gain at ISO 2000 included."""

HARD = Sensor(
    model="Hard",
    iso=3200,
    gain=4.0,
    read_noise=4.5,
    converter_noise=2.18,
    tail=-0.2,
    row_noise=2.0,
    row_flicker=1.5,
    column_noise=0.5,
    column_pattern=1.0,
    correlated_noise=0.8,
    dsnu=1.2,
    prnu=0.008,
    dark_current=2.0,
    hot_fraction=6e-4,
    hot_current=375.0,
    rts_fraction=1e-4,
    rts_step=15.0,
    shading=4.0,
    amp_glow=20.0,
    black_bias=(1.4, 0.3, -0.6, -1.2),
)
"""Banding, column pattern, glow, and hot pixels of 150 DN (median) at 0.1 s: an old body on a warm day."""

LOW_NOISE = Sensor(
    model="Low Noise",
    iso=100,
    gain=0.25,
    read_noise=0.55,
    converter_noise=0.286,
    row_noise=0.12,
    dsnu=0.08,
    prnu=0.008,
    full_well=70_000,
    hot_fraction=2e-5,
    hot_current=400.0,
    black_bias=(0.1, -0.2, 0.3, -0.05),
)
"""Noise of 0.7 DN, where rounding decides."""

PHONE = Sensor(
    model="Phone",
    iso=800,
    bits=10,
    black=64.0,
    gain=1.093,
    read_noise=1.64,
    converter_noise=0.66,
    tail=0.102,
    row_noise=0.25,
    dsnu=0.1,
    prnu=0.012,
    full_well=6000,
    hot_fraction=3e-4,
    hot_current=200.0,
    dark_current=1.0,
    black_bias=(-0.01, -0.006, -0.12, -0.15),
    neutral=(0.48, 1.0, 0.58),
    states_noise=True,
)
"""A 10-bit phone sensor with a low black level: gain, read noise, tail and bias of an IMX686 as measured by
Feng et al. (PMN, 2022) at ISO 100 and 6400. Its files carry a NoiseProfile, as Android's do."""

X_TRANS = replace(
    MILD, model="X-Trans", cfa="X-Trans", size=(510, 768), black=1024.0, black_bias=(), iso=3200, gain=3.0,
    read_noise=3.2,
)  # fmt: skip
"""The 6x6 colour filter array."""

BANKED = Sensor(
    model="Banked",
    iso=1600,
    gain=2.0,
    read_noise=3.0,
    converter_noise=1.5,
    tail=-0.05,
    row_noise=0.4,
    row_spike_fraction=0.06,
    row_spike=2.5,
    column_noise=0.15,
    column_pattern=0.3,
    correlated_noise=0.6,
    banks=4,
    bank_gain=0.01,
    bank_spread=0.2,
    bank_noise=0.6,
    dsnu=0.5,
    prnu=0.01,
    dark_current=1.0,
    hot_fraction=2e-4,
    hot_current=300.0,
    rts_fraction=1e-3,
    rts_step=12.0,
    amp_glow=150.0,
    shading=1.0,
    black_bias=(0.3, -0.2, 0.1, -0.15),
)
"""Four banks of column converters with gain, noise and row spectrum of their own, amplifier glow with its
shot noise, telegraph pixels, and rows that jump: an anatomy that no noise model here was drawn up after."""

SENSORS: dict[str, Sensor] = {
    "mild": MILD,
    "hard": HARD,
    "low-noise": LOW_NOISE,
    "phone": PHONE,
    "x-trans": X_TRANS,
    "banked": BANKED,
}
"""Presets by name."""
