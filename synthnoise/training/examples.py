"""What the network sees and what it should say: pairs of a camera, in the domain the network works in.

For RAW that is the variance-stabilised one, where every camera's noise is white with standard
deviation 1, so that one network serves every ISO and every exposure.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from synthnoise import options
from synthnoise.colour_filter_arrays import NAMED, Cfa, name_of, shape
from synthnoise.denoisers.weights import WeightsRecord
from synthnoise.errors import UsageError
from synthnoise.plugins import Plugins
from synthnoise.profiles.arrangement import in_named_order
from synthnoise.profiles.schema import CameraProfile
from synthnoise.profiles.store import load_profile
from synthnoise.rng import Rng
from synthnoise.specs import DenoiserSpec, Domain
from synthnoise.stream.pairs import Pair, PairCamera, pair_camera
from synthnoise.stream.several_cameras import SeveralCameras
from synthnoise.training.cuttings import Cuttings
from synthnoise.training.plan import TrainingPlan
from synthnoise.training.stabilisation import BatchStabiliser
from synthnoise.training.start import Start
from synthnoise.training.unprocessing import unprocess

LEAST_ERROR = 1e-12
"""Mean squared error below which a PSNR rises no more: 120 dB are written to a file, infinity is not."""

VALIDATION_INDEX = 1 << 43
"""Number of the first validation pair; training pairs are counted from 0 and never get there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """A batch for one step, all in the network's domain.

    Attributes
    ----------
    noisy, clean
        float32 [B, C, H, W]: input and target.
    sigma
        float32 [B, 1, H, W], standard deviation of the noise in ``noisy``.
    white
        float32 [B, C or 1, 1, 1], what lies between black and white in the unit of ``noisy``.
    pair
        The same as the camera delivers it.
    """

    noisy: Tensor
    clean: Tensor
    sigma: Tensor
    white: Tensor
    pair: Pair

    def only(self, at: slice) -> Example:
        """Return the batch of some of its samples."""
        pair = Pair(**{field.name: getattr(self.pair, field.name)[at] for field in dataclasses.fields(Pair)})
        own = (self.noisy[at], self.clean[at], self.sigma[at], self.white[at])
        return Example(**dict(zip(("noisy", "clean", "sigma", "white"), own, strict=True)), pair=pair)

    def to(self, device: torch.device) -> Example:
        """Return the batch on a device."""
        if self.noisy.device == device:
            return self
        fields = dataclasses.fields(Pair)
        pair = Pair(**{field.name: getattr(self.pair, field.name).to(device) for field in fields})
        own = {name: getattr(self, name).to(device) for name in ("noisy", "clean", "sigma", "white")}
        return Example(**own, pair=pair)


class Examples:
    """Draws the examples of a plan by number.

    Attributes
    ----------
    spec
        Record of the denoiser.
    domain
        What its planes are: ``"bayer"``, ``"x-trans"``, ``"mosaic"`` or ``"srgb"``.
    channels
        Planes of an example.
    stabilised
        Whether examples are variance-stabilised.
    cfa
        Colour filter array of its planes; None for pictures.
    period
        Height and width of its repeat; (1, 1) for pictures.
    drawn_on
        Where pairs are drawn: the device, or the processor where that is one of Apple's GPUs, which lack
        double precision.

    Raises
    ------
    UsageError
        The denoiser has nothing to train; noise, profile and options do not fit together; or the weights
        to start from are for other pairs.
    PluginError
        A name is unknown.
    """

    def __init__(
        self, plan: TrainingPlan, device: torch.device, plugins: Plugins, *, start: Start | None = None
    ) -> None:
        self.spec: DenoiserSpec = plugins.find("denoisers", plan.denoiser)
        if not self.spec.trainable:
            raise UsageError(
                f"{plan.denoiser} has nothing to train", hint="choose a network: synthnoise models"
            )
        self._plan, self._device = plan, device
        self.drawn_on = torch.device("cpu") if device.type == "mps" else device
        cameras = [_camera(plan, profile, plugins) for profile in plan.profiles or (None,)]
        camera = SeveralCameras(cameras=tuple(cameras))
        self.cfa = camera.cfa
        self.period = rows, columns = shape(camera.cfa) if camera.cfa else (1, 1)
        images = plugins.create("image_models", plan.images, plan.image_options)
        self._camera = camera
        self._cuttings = Cuttings(
            images=images,
            scene=plan.scene,
            size=(plan.crop * rows, plan.crop * columns),
            cuts=plan.cuts,
            seed=plan.seed,
            device=self.drawn_on,
        )
        # One cut of each, and from images that no pair of the training is cut from.
        self._unseen = dataclasses.replace(self._cuttings, cuts=1)
        self.channels = rows * columns if camera.cfa else 3
        self.domain: Domain = "srgb" if camera.cfa is None else name_of(camera.cfa) or "mosaic"
        self.stabilised = self.spec.stabilised and camera.cfa is not None
        if start is not None:
            start.check_pairs(self.domain, self.channels, plan.noise)
            self.stabilised = start.record.stabilised
        if self.spec.domain not in ("any", self.domain):
            raise UsageError(
                f"{plan.denoiser} is for {self.spec.domain}, the noise {plan.noise} gives {self.domain}",
                hint="choose other noise, or another denoiser",
            )
        self.network_options = _network_options(self.spec, plan.denoiser_options, self.channels)

    def card(self) -> WeightsRecord:
        """Return what the weights of a network say that has yet to be trained on them."""
        told = self.network_options.get("sigma_planes", self.network_options.get("sigma_plane"))
        blind = self.spec.conditioning == "none" if told is None else not told
        return WeightsRecord(
            denoiser=self._plan.denoiser,
            options=self.network_options,
            domain=self.domain,
            channels=self.channels,
            sigma_planes=0 if blind else 1,
            stabilised=self.stabilised,
            seed=self._plan.seed,
            recipe=self._plan.recipe(),
        )

    def validation(self, count: int) -> Example:
        """Return examples that no run trains on, always the same."""
        numbers = torch.arange(VALIDATION_INDEX, VALIDATION_INDEX + count)
        return self._example(numbers, self._unseen.numbered(numbers))

    def draw(self, first: int, count: int) -> Example:
        """Return the examples numbered ``first`` to ``first + count - 1``."""
        return self.numbered(torch.arange(first, first + count))

    def numbered(self, numbers: Tensor) -> Example:
        """Return the examples of these numbers, ascending int64 [B]."""
        return self._example(numbers, self._cuttings.numbered(numbers))

    def of_scene(self, scene: Tensor, number: int) -> Example:
        """Return the example of a scene float32 [3, H, W], linear light in [0, 1], shot as a number."""
        return self._example(torch.tensor([number]), scene[None].to(self.drawn_on))

    def of_planes(self, planes: Tensor, number: int) -> Example:
        """Return the example of noise-free planes float32 [C, H, W], white 1, shot as a number."""
        return self._of_pair(
            self._camera.expose(planes[None].to(self.drawn_on), self._rng(torch.tensor([number])))
        )

    @property
    def colours(self) -> tuple[int, ...] | None:
        """Colour of each plane (0 red, 1 green, 2 blue); None for pictures."""
        return None if self.cfa is None else tuple(colour for row in self.cfa for colour in row)

    def _rng(self, numbers: Tensor) -> Rng:
        return Rng(seed=self._plan.seed, indices=numbers, device=self.drawn_on)

    def _example(self, numbers: Tensor, scenes: Tensor) -> Example:
        rng = self._rng(numbers)
        return self._of_pair(self._camera.shoot(scenes if self.cfa is None else unprocess(scenes, rng), rng))

    def _of_pair(self, pair: Pair) -> Example:
        if not self.stabilised:
            # One level for all planes of a pixel: their mean variance.
            sigma = _stated_variance(pair, self.cfa).mean(1, keepdim=True).sqrt()
            _check_noise(sigma.amax((1, 2, 3)))
            white = sigma.new_ones(len(sigma), 1, 1, 1)
            example = Example(noisy=pair.noisy, clean=pair.clean, sigma=sigma, white=white, pair=pair)
            return example.to(self._device)
        _check_noise(pair.noise_profile.sum(-1))
        stabiliser = _stabiliser(pair)
        black = torch.zeros_like(pair.noisy[..., :1, :1])
        example = Example(
            noisy=stabiliser.forward(pair.noisy),
            clean=stabiliser.expected(pair.clean),
            sigma=torch.ones_like(pair.noisy[:, :1]),
            white=stabiliser.forward(black + 1) - stabiliser.forward(black),
            pair=pair,
        )
        return example.to(self._device)

    def picture(self, denoised: Tensor, example: Example) -> Tensor:
        """Return images [B, C, H, W] of the network's domain as linear RAW planes at their gain, or sRGB."""
        return _stabiliser(example.pair).inverse(denoised) if self.stabilised else denoised

    def psnr(self, denoised: Tensor, example: Example) -> float:
        """Return the PSNR in dB of images [B, C, H, W] in the network's domain, mean over the batch.

        Measured where the picture is: on linear RAW at its gain or in sRGB, clipped to [0, 1].
        """
        error = self.picture(denoised, example).clamp(0, 1) - example.pair.clean.clamp(0, 1)
        errors = error.cpu().double().square().mean((1, 2, 3)).clamp(min=LEAST_ERROR)
        return float(-10 * errors.log10().mean())


def _stated_variance(pair: Pair, cfa: Cfa | None) -> Tensor:
    """Return the variance [B, C, H, W] that denoising will be told of such planes."""
    if cfa is None:
        return pair.variance
    shot, read = pair.noise_profile[..., None, None].unbind(2)
    return shot * pair.clean.clamp(min=0) + read


def _check_noise(levels: Tensor) -> None:
    """Refuse pairs of which one has no noise at all.

    Raises
    ------
    UsageError
        A level is 0.
    """
    if not bool((levels > 0).all()):
        raise UsageError("pairs without noise teach nothing", hint="check the options of the noise model")


def _camera(plan: TrainingPlan, name: str | None, plugins: Plugins) -> PairCamera:
    """Return what shoots the pairs of a camera profile (name or folder), or of no known camera."""
    rendered = plugins.find("noise_models", plan.noise).domain == "srgb"
    # As denoising packs them, wherever the camera's own repeat begins: red first on Bayer.
    profile = in_named_order(load_profile(name)) if name is not None else None
    camera = pair_camera(
        plan.noise,
        plan.noise_options,
        profile=profile,
        isos=_isos(plan, profile),
        ratio=1.0 if rendered else plan.ratio,
        rounded=profile is not None and not rendered,
        cfa=NAMED[plan.cfa or "bayer"],
        plugins=plugins,
    )
    # The light that a camera is used in is not that of its calibration: it is drawn, with colours and lens.
    return dataclasses.replace(camera, neutral=(1.0, 1.0, 1.0))


def _isos(plan: TrainingPlan, profile: CameraProfile | None) -> tuple[float, ...]:
    """Return the ISO of the plan, or all of the profile; none where nothing is said."""
    if plan.iso is not None:
        return (plan.iso,)
    return tuple(sorted(profile.isos)) if profile is not None else ()


def _stabiliser(pair: Pair) -> BatchStabiliser:
    """Return the transform for the noise that the model states: at its gain, as it would be without."""
    return BatchStabiliser(pair.noise_profile[..., 0], pair.noise_profile[..., 1])


def _network_options(spec: DenoiserSpec, chosen: dict[str, Any], channels: int) -> dict[str, Any]:
    """Return every option of the network, the number of planes filled in where it asks for that.

    Defaults are written out: weights must not change their meaning with them.

    Raises
    ------
    UsageError
        An option does not fit, or the network is for another number of planes.
    """
    kind = spec.load_options()
    known = {field.name for field in dataclasses.fields(kind)} if kind else set()
    planes = {"channels": channels} if "channels" in known else {}
    built = options.build(kind, planes | chosen, owner=spec.name)
    values = dataclasses.asdict(built) if built is not None else {}
    if (found := values.get("channels", spec.channels)) not in (0, channels):
        raise UsageError(
            f"{spec.name} is set for {found} planes, the examples have {channels}",
            hint="leave the option channels out, or choose another denoiser",
        )
    return values
