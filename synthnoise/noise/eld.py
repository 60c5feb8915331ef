"""ELD: shot noise, Tukey-lambda read noise, row noise and quantisation.

K. Wei, Y. Fu, J. Yang, H. Huang, "A physics-based noise formation model for extreme low-light raw denoising",
CVPR 2020, section 3; its parameters sampled jointly per image: section 4.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from scipy.special import ndtr
from torch import Tensor

from synthnoise.errors import UsageError
from synthnoise.noise import tukey_lambda
from synthnoise.noise.calibrated import choose_iso
from synthnoise.noise.eld_bodies import BODIES, Body
from synthnoise.noise.poisson_gaussian import add_shot_noise
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile, IsoNoise

FOURTEEN_BITS = 15871.0
"""White minus black in DN of the published bodies: 16383 - 512."""

NORMAL_SHAPE = 0.14
"""λ at which the law is nearest to a normal one."""

MARGINAL_PROBITS = (-4.5, 4.5)
"""Ends of the probits at which profiles keep the marginal."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the parameters come from: a profile (default), a published body, or values given here."""

    body: Literal[
        "none", "sony-a7s2", "nikon-d850", "canon-5d4", "canon-70d", "canon-700d", "sony-a7m4", "any"
    ] = field(
        default="none",
        metadata={"help": "published body whose gain and noise are drawn jointly for each image"},
    )
    gain: float | None = field(
        default=None, metadata={"help": "system gain K", "unit": "DN/e-", "range": (0, math.inf)}
    )
    scale: float | None = field(
        default=None,
        metadata={"help": "scale of the Tukey-lambda read noise", "unit": "DN", "range": (0, math.inf)},
    )
    shape: float | None = field(
        default=None,
        metadata={"help": "its shape λ: 0.14 near normal, less for heavier tails", "range": (-0.49, 2)},
    )
    row_noise: float | None = field(
        default=None,
        metadata={"help": "standard deviation of row noise", "unit": "DN", "range": (0, math.inf)},
    )
    step: float | None = field(
        default=None, metadata={"help": "quantisation step", "unit": "DN", "range": (0, math.inf)}
    )
    full_scale: float = field(
        default=FOURTEEN_BITS,
        metadata={
            "help": "white minus black where there is no profile",
            "unit": "DN",
            "range": (1, math.inf),
        },
    )

    def __post_init__(self) -> None:
        if self.body != "none" and any(v is not None for v in (self.scale, self.shape, self.row_noise)):
            raise UsageError(
                f"body={self.body} draws scale, shape and row noise", hint="leave them out, or the body"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameters:
    """The noise of each image and plane, normalised so that white is 1: float32 [B or 1, C or 1, 1, 1].

    Attributes
    ----------
    shot
        S: one electron is worth S.
    scale, shape
        Scale of the Tukey-lambda read noise, and λ.
    row
        Standard deviation of the row noise.
    step
        Quantisation step, whose uniform error is added.
    bodies
        Published bodies that the values above are yet to be drawn from for each image; then they are
        means.
    full_scale
        DN that 1 is worth, for the draws.
    """

    shot: Tensor
    scale: Tensor
    shape: Tensor
    row: Tensor
    step: Tensor
    bodies: tuple[Body, ...] = ()
    full_scale: float = FOURTEEN_BITS


class Eld:
    """y = S·Poisson(x / S) + TukeyLambda(λ, s) + row + U(-q/2, q/2).

    One row value for each row of each packed plane, as published, though planes of a camera share their
    rows. A crop of the whole equals the crop; nothing is clipped or rounded. The published colour bias
    is a profile's offset, which no model adds.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    def parameters(self, profile: CameraProfile | None = None, iso: float | None = None) -> Parameters:
        """Return the parameters of a profile at an ISO, of a body, or of the options, which go first.

        From a profile: λ from the marginal that calibration kept, by the probability plot with the
        rounding to integers accounted for; the scale so that the read noise is the measured one once rows
        and rounding are taken out.

        Raises
        ------
        UsageError
            Nothing says how strong the noise is, or the ISO is outside those of the profile.
        """
        if self.options.body != "none":
            return self._of_body()
        known = _of_profile(profile, choose_iso(profile, iso)) if profile else {}
        return self._with_options(known, profile)

    def per_image(self, parameters: Parameters, rng: Rng) -> Parameters:
        """Return the parameters of each image of ``rng``, where a published body draws them."""
        return _draw(parameters, self.options.gain, rng) if parameters.bodies else parameters

    def before_rounding(self, parameters: Parameters) -> Parameters:
        """Return the parameters without the quantisation that a converter is yet to do."""
        return dataclasses.replace(parameters, step=torch.zeros_like(parameters.step))

    def sample(self, clean: Tensor, parameters: Parameters, rng: Rng) -> Tensor:
        """Return float32 [B, C, H, W]: noisy planes of clean ones, linear, white = 1.

        Raises
        ------
        UsageError
            The parameters are of another number of planes.
        """
        known = self.per_image(parameters, rng)
        _check_planes(known, clean)
        size = (clean.shape[1], clean.shape[2], clean.shape[3])
        to = clean.device
        noisy = add_shot_noise(clean, known.shot.to(to).expand(-1, size[0], 1, 1), rng)
        read = tukey_lambda.tukey_lambda(rng.uniform(Stream.READ_NOISE, size), known.shape.to(to))
        noisy += read.mul_(known.scale.to(to))
        line = dataclasses.replace(rng, origin=(rng.origin[0], 0))
        noisy += line.normal(Stream.ROW_NOISE, (size[0], size[1], 1)).mul_(known.row.to(to))
        if bool((known.step > 0).any()):
            noisy += rng.uniform(Stream.ROUNDING, size).sub_(0.5).mul_(known.step.to(to))
        return noisy

    def variance(self, clean: Tensor, parameters: Parameters) -> Tensor:
        """Return S x + Var(read) + Var(row) + q²/12, [B, C, H, W]; of a body, the mean over its draws."""
        _check_planes(parameters, clean)
        to = clean.device
        if parameters.bodies:
            dark = sum(body.mean_variance() for body in parameters.bodies) / len(parameters.bodies)
            read = torch.full_like(parameters.shot, dark / parameters.full_scale**2)
        else:
            shapes = parameters.shape.flatten().tolist()
            law = torch.tensor([tukey_lambda.variance(v) for v in shapes]).view(parameters.shape.shape)
            read = parameters.scale**2 * law.to(parameters.scale) + parameters.row**2
        read = read + parameters.step**2 / 12
        return clean.clamp(min=0) * parameters.shot.to(to) + read.to(to)

    def _of_body(self) -> Parameters:
        name, scale = self.options.body, self.options.full_scale
        bodies = tuple(BODIES.values()) if name == "any" else (BODIES[name],)
        gains = [self.options.gain or _mean_gain(body) for body in bodies]
        if self.options.gain:
            bodies = tuple(dataclasses.replace(b, gains=_at(self.options.gain)) for b in bodies)
        step = 1.0 if self.options.step is None else self.options.step
        return Parameters(
            shot=_column([sum(gains) / len(gains) / scale]),
            scale=_column([math.nan]),
            shape=_column([math.nan]),
            row=_column([math.nan]),
            step=_column([step / scale]),
            bodies=bodies,
            full_scale=scale,
        )

    def _with_options(self, known: dict[str, list[float]], profile: CameraProfile | None) -> Parameters:
        """Return parameters of values in DN per plane, those of the options in their place."""
        scales = [float(s) for s in profile.scale] if profile else [self.options.full_scale]
        given = {
            "gain": self.options.gain,
            "scale": self.options.scale,
            "shape": self.options.shape,
            "row": self.options.row_noise,
            "step": self.options.step,
        }
        values = {"shape": [NORMAL_SHAPE], "row": [0.0], "step": [1.0]} | known
        values |= {name: [value] for name, value in given.items() if value is not None}
        for name in ("gain", "scale"):
            if name not in values:
                raise UsageError(
                    f"eld: the {name} of which camera?",
                    hint="--profile NAME --iso N, or the options body=sony-a7s2, or gain=K and scale=DN",
                )
        if not all(math.isfinite(value) for value in values["gain"]):
            raise UsageError(
                "the profile has no shot noise: its gain was not measured", hint="its option gain=K"
            )
        planes = len(scales)

        def normalised(name: str) -> Tensor:
            spread = values[name] * planes if len(values[name]) == 1 else values[name]
            return _column([value / scale for value, scale in zip(spread, scales, strict=True)])

        shape = values["shape"] * planes if len(values["shape"]) == 1 else values["shape"]
        return Parameters(
            shot=normalised("gain"),
            scale=normalised("scale"),
            shape=_column(shape),
            row=normalised("row"),
            step=normalised("step"),
        )


def _of_profile(profile: CameraProfile, noise: IsoNoise) -> dict[str, list[float]]:
    """Return gain, scale, shape, row noise and step in DN (shape apart) per plane."""
    colours, scales = profile.colours, profile.scale
    gain = [noise.shot[c] * s for c, s in zip(colours, scales, strict=True)]
    rounding = noise.quantisation_step**2 / 12
    marginal = noise.arrays.get("marginal")
    shapes, widths = [], []
    for plane, read in enumerate(noise.read_noise):
        variance = max(read**2 - noise.row_noise**2 - rounding, 1e-3)
        shape = NORMAL_SHAPE
        if marginal is not None:
            points = torch.linspace(*MARGINAL_PROBITS, marginal.shape[1], dtype=torch.float64).numpy()
            law = marginal[plane].astype("float64")
            shape = tukey_lambda.fit_shape(law, ndtr(points), math.sqrt(variance), noise.quantisation_step)
        shapes.append(shape)
        widths.append(math.sqrt(variance / tukey_lambda.variance(shape)))
    return {
        "gain": gain,
        "scale": widths,
        "shape": shapes,
        "row": [noise.row_noise],
        "step": [noise.quantisation_step],
    }


def _draw(parameters: Parameters, gain: float | None, rng: Rng) -> Parameters:
    """Return one camera setting for each image: body, K, scale and row noise given K, λ."""
    which = rng.integers(Stream.AMPLITUDE, (1,), 0, len(parameters.bodies)).flatten().tolist()
    numbers = rng.uniform(Stream.NOISE_LEVEL, (4,), double=True).cpu()
    normals = torch.special.ndtri(numbers[:, 1:3])
    drawn: dict[str, list[float]] = {"shot": [], "scale": [], "row": [], "shape": []}
    for image, number in enumerate(which):
        body, (u, _, _, v) = parameters.bodies[number], numbers[image].tolist()
        low, high = (math.log(k) for k in body.gains)
        log_gain = low + u * (high - low)
        drawn["shot"].append(gain or math.exp(log_gain))
        for name, line, z in zip(
            ("scale", "row"), (body.scale, body.row), normals[image].tolist(), strict=True
        ):
            drawn[name].append(math.exp(line.slope * log_gain + line.intercept + line.spread * z))
        drawn["shape"].append(body.shapes[0] + v * (body.shapes[1] - body.shapes[0]))
    values: dict[str, Any] = {
        name: torch.tensor(numbers).view(-1, 1, 1, 1) / (1.0 if name == "shape" else parameters.full_scale)
        for name, numbers in drawn.items()
    }
    return dataclasses.replace(parameters, bodies=(), **values)


def _at(gain: float) -> tuple[float, float]:
    """Return bounds that hold one gain, and a logarithm of their ratio that is not 0."""
    return gain * (1 - 1e-6), gain * (1 + 1e-6)


def _mean_gain(body: Body) -> float:
    low, high = body.gains
    return (high - low) / math.log(high / low)


def _column(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1)


def _check_planes(parameters: Parameters, clean: Tensor) -> None:
    planes = max(value.shape[1] for value in (parameters.shot, parameters.scale, parameters.shape))
    if planes not in (1, clean.shape[1]):
        raise UsageError(
            f"noise of {planes} planes cannot go on {clean.shape[1]}",
            hint="images and profile must be of the same colour filter array",
        )
