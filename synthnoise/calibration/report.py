"""A calibration in plain language."""

from __future__ import annotations

import math

from synthnoise.calibration.dark import DarkNoise
from synthnoise.calibration.gain import GainEstimate
from synthnoise.calibration.holdout import HoldOut
from synthnoise.calibration.one_iso import IsoCalibration
from synthnoise.profiles.schema import IsoNoise, Quantity


def report_lines(one: IsoCalibration, noise: IsoNoise) -> list[str]:
    """Return what was measured at one ISO, how sure it is, and how the hold-out check went."""
    if one.blind is not None:
        read = plus_minus(Quantity(noise.read_noise[0], noise.read_noise_se[0]))
        return [
            f"ISO {one.iso:g}, from the noisy frame alone",
            *_gain_lines(one.blind.gain),
            f"  read noise {read} DN, doubt about the black level included",
            "  a dark frame would be surer, and show rows, columns, hot pixels and the shape of the noise",
        ]
    if one.measured is None:
        return [
            f"ISO {one.iso:g}: taken from the NoiseProfile tag of the file, nothing was measured",
            f"  gain {noise.gain:.4g} DN/e-, read noise {noise.read_noise[0]:.3g} DN",
            "  a dark frame would show rows, columns, hot pixels and the shape of the noise",
        ]
    measured = one.measured
    return [
        f"ISO {one.iso:g}",
        *_gain_lines(measured.gain),
        *_dark_lines(noise, measured.dark, border=one.role == "masked border"),
        *_check_lines(measured.check, measured.dark, border=one.role == "masked border"),
    ]


def _gain_lines(gain: GainEstimate) -> list[str]:
    low, high = gain.interval
    if gain.method == "photon transfer":
        return [
            f"  gain {gain.gain:.4g} +- {gain.standard_error:.2g} DN/e- by photon transfer,"
            f" {gain.places:,} blocks of pairs of flats"
        ]
    down, up = gain.gain - low, high - gain.gain
    sure = f"95 % sure between {low:.4g} and {high:.4g} (-{down / gain.gain:.1%} +{up / gain.gain:.1%})"
    lines = [
        f"  gain {gain.gain:.4g} DN/e-, {sure if low > 0 else f'95 % sure that it is at most {high:.4g}'}",
        f"  from {gain.places:,} flat places, mostly around {gain.level:.0f} DN"
        f" = {gain.level / gain.gain:.3g} e- (SNR {gain.snr:.3g})",
    ]
    if gain.widened and gain.without_grain is not None:
        sure = "95 % sure between {:.4g} and {:.4g}".format(*gain.without_grain)
        lines.append(
            f"  widened downwards, for grain (film, a print, a developed file) looks like shot noise: {sure}"
            " if the scene has none; a photograph with less light, or two --flat frames, would tell"
        )
    elif gain.regime == "high-snr":
        lines.append(
            "  the image is so clean that fine texture may pass for noise: the gain may be lower;"
            " a photograph with less light would be surer"
        )
    if gain.regime == "textured":
        lines.append(
            "  the image has hardly a flat place; texture was estimated and taken out;"
            " a photograph with even areas, or two --flat frames of one scene, would be surer"
        )
    if gain.regime == "low-light":
        lines.append("  the image is so dark that the gain rests on a small difference to the dark frame")
    return lines


def _dark_lines(noise: IsoNoise, dark: DarkNoise, *, border: bool) -> list[str]:
    read = sum(noise.read_noise) / len(noise.read_noise)
    error = max(noise.read_noise_se)
    offsets = ", ".join(f"{offset:+.2f}" for offset in noise.offset[:4])
    lines = [
        f"  read noise {read:.3g} +- {error:.2g} DN = {read / noise.gain:.3g} e-; offset {offsets} DN",
        f"  rows {noise.row_noise:.3g} +- {noise.row_noise_se:.2g} DN,"
        f" columns {noise.column_noise:.3g} +- {noise.column_noise_se:.2g} DN,"
        f" {dark.hot_pixels:,} hot pixels ({noise.hot_pixel_fraction:.2e} of all)",
    ]
    if border:
        lines.append("  rows, columns and offset are those of the masked border")
    if dark.frames > 1:
        temporal, fixed, row, column = (
            noise.quantities[name] for name in ("temporal_dark_noise", "dsnu", "dsnu_row", "dsnu_column")
        )
        lines.append(
            f"  {dark.frames} darks: {plus_minus(temporal)} DN change from frame to frame, DSNU"
            f" {plus_minus(fixed)} DN stays (rows {row.value:.2g}, columns {column.value:.2g});"
            f" the zero drifts by {dark.offset_drift:.2g} DN"
        )
    return [*lines, *_flat_lines(noise)]


def _flat_lines(noise: IsoNoise) -> list[str]:
    """Return what flats and an exposure series told, one line each."""
    wording = {
        "prnu": ("PRNU", 100.0, "%"),
        "linearity_error": ("linearity error", 100.0, "%"),
        "saturation_capacity": ("saturation capacity", 1.0, "e-"),
        "dark_current": ("dark current", 1.0, "e-/s"),
        "dark_current_from_variance": ("dark current, from the variance,", 1.0, "e-/s"),
    }
    return [
        f"  {name} {plus_minus(Quantity(*(scale * part for part in noise.quantities[key])))} {unit}"
        for key, (name, scale, unit) in wording.items()
        if key in noise.quantities
    ]


def plus_minus(quantity: Quantity) -> str:
    """Return a value and its standard error as text."""
    return f"{quantity.value:.4g} +- {quantity.se:.2g}"


def _check_lines(check: HoldOut, dark: DarkNoise, *, border: bool) -> list[str]:
    ratios = [("variance", check.variance), ("rows", check.rows), ("columns", check.columns)]
    text = ", ".join(f"{name} x{ratio:.2f}" for name, ratio in ratios if math.isfinite(ratio))
    lines = [f"  hold-out, against {check.against}: KL {check.kl:.1e}, {text} (1 is right)"]
    if border:
        lines.append("  a dark frame would show shading and hot pixels, and be surer in all else")
    elif dark.frames == 1:
        lines.append("  a second dark frame would tell fixed pattern from noise, and banding from its luck")
    return lines
