"""A profile as a figure: noise against signal, gain and read noise over ISO, spectra and marginals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthnoise.figures import new_figure
from synthnoise.profiles.iso_law import iso_law
from synthnoise.profiles.schema import CameraProfile, IsoNoise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (1200, 900)

MARGINAL_PROBITS = (-4.5, 4.5)
"""First and last standard normal quantile at which marginals are kept, evenly spaced."""

AVERAGED = 4
"""Bins of a spectrum drawn as one point."""

MOST_CURVES = 8
"""ISOs drawn as curves; of more, evenly chosen ones."""


def draw_profile(profile: CameraProfile) -> Figure:
    """Return the figure of a profile, four panels.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    figure = new_figure(*SIZE)
    figure.suptitle(profile.name or "a camera")
    axes = figure.subplots(2, 2)
    isos = list(profile.isos.values())
    step = math.ceil(len(isos) / MOST_CURVES)
    chosen = isos[::step]
    _draw_levels(axes[0, 0], profile, chosen)
    _draw_isos(axes[0, 1], profile)
    _draw_spectra(axes[1, 0], chosen)
    _draw_marginals(axes[1, 1], chosen)
    return figure


def _colour(index: int) -> str:
    return f"C{index}"


def _draw_levels(axes: Axes, profile: CameraProfile, isos: list[IsoNoise]) -> None:
    """Draw the noise level functions, standard deviation over signal in DN, with what light alone gives."""
    signal = np.geomspace(0.5, float(profile.scale.max()), 200)
    for index, noise in enumerate(isos):
        if not noise.gain > 0:
            continue
        read = float(np.mean(np.square(noise.read_noise)))
        low, high = (np.sqrt(read + bound * signal) for bound in noise.gain_interval)
        axes.fill_between(signal, low, high, color=_colour(index), alpha=0.2, linewidth=0)
        axes.loglog(
            signal, np.sqrt(read + noise.gain * signal), color=_colour(index), label=f"ISO {noise.iso:g}"
        )
        axes.loglog(signal, np.sqrt(noise.gain * signal), color=_colour(index), linestyle=":", linewidth=0.8)
    axes.set(title="Noise level functions", xlabel="signal above black, DN", ylabel="noise, DN")
    _legend(axes, "dotted: shot noise alone; band: 95 % interval of the gain")


def _draw_isos(axes: Axes, profile: CameraProfile) -> None:
    """Draw gain, read, row and column noise over ISO with their errors and the law of each branch."""
    isos = list(profile.isos.values())
    speeds = [noise.iso for noise in isos]
    known = [noise for noise in isos if noise.gain > 0]
    if known:
        gains = np.array([noise.gain for noise in known])
        bounds = np.array([noise.gain_interval for noise in known]).T
        errors = np.abs(bounds - gains)
        axes.errorbar(
            [n.iso for n in known], gains, errors, fmt="o", color="C0", capsize=3, label="gain, DN/e-"
        )
    for number, (name, label) in enumerate(
        (
            ("read_noise", "read noise, DN"),
            ("row_noise", "row noise, DN"),
            ("column_noise", "column noise, DN"),
        )
    ):
        values = np.array([np.mean(getattr(noise, name)) for noise in isos])
        spread = np.array([np.max(getattr(noise, f"{name}_se")) for noise in isos])
        if (values > 0).any():
            shown = np.where(values > 0, values, np.nan)
            lower = np.minimum(spread, 0.9 * values)
            colour = _colour(number + 1)
            axes.errorbar(speeds, shown, [lower, spread], fmt="s", color=colour, capsize=3, label=label)
    for branch in iso_law(profile).branches:
        if branch.gain_per_iso is not None and branch.noise_before is not None and len(branch.isos) > 1:
            line = np.geomspace(branch.isos[0], branch.isos[-1], 50)
            gain = branch.gain_per_iso.value * line
            axes.plot(line, gain, color="C0", linewidth=0.8)
            read = np.hypot(gain * branch.noise_before.value, branch.noise_after.value)
            axes.plot(line, read, color="C1", linewidth=0.8)
    axes.set(title="Over ISO", xlabel="ISO", xscale="log", yscale="log")
    axes.minorticks_off()
    ticks = speeds[:: math.ceil(len(speeds) / MOST_CURVES)]
    axes.set_xticks(ticks, [f"{speed:g}" for speed in ticks])
    _legend(axes, "lines: the law of each conversion gain")


def _draw_spectra(axes: Axes, isos: list[IsoNoise]) -> None:
    """Draw the power spectra of rows and columns."""
    for index, noise in enumerate(isos):
        for name, style in (("row_spectrum", "-"), ("column_spectrum", "--")):
            if name in noise.arrays and noise.arrays[name].max() > 0:
                power = _averaged(noise.arrays[name])
                axes.semilogy(
                    (np.arange(len(power)) + 0.5) / (2 * len(power)),
                    np.where(power > 0, power, np.nan),
                    style,
                    color=_colour(index),
                    linewidth=0.8,
                    label=f"ISO {noise.iso:g}" if style == "-" else None,
                )
    axes.set(title="Spectra of row and column noise", xlabel="cycles per line", ylabel="power, DN\u00b2")
    _legend(axes, "solid: rows; dashed: columns")


def _averaged(spectrum: NDArray[Any]) -> NDArray[np.float64]:
    """Return the means of ``AVERAGED`` neighbouring bins, which an estimate from one frame needs."""
    whole = len(spectrum) // AVERAGED * AVERAGED
    means: NDArray[np.float64] = spectrum[:whole].reshape(-1, AVERAGED).mean(1, dtype=np.float64)
    return means


def _draw_marginals(axes: Axes, isos: list[IsoNoise]) -> None:
    """Draw the quantiles of dark pixels, in standard deviations, over those of a normal law."""
    for index, noise in enumerate(isos):
        if "marginal" not in noise.arrays:
            continue
        quantiles = _standardised(noise.arrays["marginal"])
        probits = np.linspace(*MARGINAL_PROBITS, len(quantiles))
        axes.plot(probits, quantiles, color=_colour(index), linewidth=0.9, label=f"ISO {noise.iso:g}")
    if axes.lines:
        axes.axline((0, 0), slope=1, color="grey", linestyle=":", linewidth=0.8)
    axes.set(
        title="Marginals of a dark pixel",
        xlabel="quantile of a normal law",
        ylabel="quantile, in middle 68 % half-widths",
    )
    _legend(axes, "dotted: normal; steeper ends: heavy tails")


def _standardised(marginal: NDArray[Any]) -> NDArray[np.float64]:
    """Return quantiles [q] of the mean position of [C, q], about 0, in units of half their middle 68 %."""
    mean: NDArray[np.float64] = marginal.mean(0, dtype=np.float64)
    probits = np.linspace(*MARGINAL_PROBITS, len(mean))
    low, middle, high = np.interp((-1.0, 0.0, 1.0), probits, mean)
    return np.asarray((mean - middle) / max((high - low) / 2, 1e-9), dtype=np.float64)


def _legend(axes: Axes, note: str) -> None:
    """Say what is drawn, or that there is nothing to draw."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", framealpha=0.5)
        axes.set_title(f"{axes.get_title()}\n({note})", fontsize="medium")
        axes.grid(visible=True, linewidth=0.3)
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "not in this profile", ha="center", va="center", transform=axes.transAxes)
