"""Clean/noisy pairs: what a camera makes of scenes that an image model draws."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from synthnoise.colour_filter_arrays import RGGB, Cfa
from synthnoise.errors import UsageError
from synthnoise.images.colours import encode_srgb
from synthnoise.noise.calibrated import choose_iso
from synthnoise.plugins import Plugins, default_plugins
from synthnoise.protocols import ImageModel, NoiseModel
from synthnoise.rng import Rng, Stream

if TYPE_CHECKING:
    from synthnoise.profiles.schema import CameraProfile
    from synthnoise.specs import NoiseModelSpec


def mosaic_planes(images: Tensor, cfa: Cfa) -> Tensor:
    """Return the CFA planes [B, C, H//h, W//w] of images [B, 3, H, W].

    The plane of position (i, j) of the repeat keeps rows i, i + h, ... and columns j, j + w, ... of
    its colour. Rows and columns beyond whole repeats are left out.

    Raises
    ------
    UsageError
        The images are smaller than one repeat.
    """
    h, w = len(cfa), len(cfa[0])
    rows, columns = images.shape[2] // h * h, images.shape[3] // w * w
    if not (rows and columns):
        raise UsageError(f"an image of {tuple(images.shape[2:])} pixels is smaller than the {h}x{w} repeat")
    positions = ((i, j, colour) for i, row in enumerate(cfa) for j, colour in enumerate(row))
    return torch.stack([images[:, colour, i:rows:h, j:columns:w] for i, j, colour in positions], 1)


@dataclass(frozen=True, kw_only=True)
class Converter:
    """The end of a camera's readout: clips at 0 DN and white, and rounds to its codes.

    Attributes
    ----------
    black
        DN per plane, or one for all.
    white
        DN.
    step
        DN between neighbouring codes.
    """

    black: tuple[float, ...]
    white: float
    step: float = 1.0

    @classmethod
    def of(cls, profile: CameraProfile, step: float = 1.0) -> Converter:
        """Return the converter of a camera."""
        return cls(black=profile.black, white=profile.white, step=step)

    def __call__(self, planes: Tensor) -> Tensor:
        """Return planes [B, C, H, W], black 0 and white 1, as the file of the camera would hold them."""
        black = torch.tensor(self.black, dtype=planes.dtype, device=planes.device).view(-1, 1, 1)
        scale = self.white - black
        codes = (planes * scale + black).div_(self.step).round_().mul_(self.step).clamp_(0, self.white)
        return codes.sub_(black).div_(scale)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """A batch of clean and noisy samples.

    Attributes
    ----------
    clean
        float32 [B, C, H, W], CFA planes of linear light with white 1, or for rendered images RGB in sRGB.
    noisy
        The same, shot ``ratio`` times too dark and multiplied by it; not clipped but by a converter.
    variance
        [B, C, H, W] of ``noisy`` given ``clean``, as the noise model states it.
    noise_profile
        [B, C, 2], S and O of each plane as in a DNG: variance = S x + O, through black and white. Without hot
        pixels, of which a DNG does not tell: where the noise model has some, O is the camera profile's.
    ratio
        [B] digital gain of each sample.
    """

    clean: Tensor
    noisy: Tensor
    variance: Tensor
    noise_profile: Tensor
    ratio: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class PairCamera:
    """Shoots clean scenes into pairs. Sample i depends on (seed, i) and its scene alone.

    Attributes
    ----------
    noise
        The noise model.
    parameters
        Its parameters, one entry per ISO; every sample draws one of them.
    cfa
        Colour filter array; None leaves RGB images whole and encodes them in sRGB, as noise models
        of rendered images want them.
    neutral
        Camera RGB of a neutral patch: what scenes, white-balanced as they are, are multiplied by.
    ratio
        Least and greatest digital gain: a sample's light is divided by a gain drawn log-uniformly
        between them, and its readout multiplied by it.
    converters
        One per ISO, which round and clip the readout before the gain; none leave it continuous.
    read
        O of each plane, one row per ISO, of pairs' noise profiles; none takes the noise model's.
    """

    noise: NoiseModel
    parameters: tuple[Any, ...]
    cfa: Cfa | None = RGGB
    neutral: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ratio: tuple[float, float] = (1.0, 1.0)
    converters: tuple[Converter, ...] = ()
    read: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.ratio[0] <= self.ratio[1] < math.inf:
            raise UsageError(f"a ratio from {self.ratio[0]:g} to {self.ratio[1]:g}", hint="such as 1 to 300")
        if not self.parameters:
            raise UsageError("noise parameters of no ISO at all")
        if self.converters and len(self.converters) != len(self.parameters):
            raise UsageError(f"{len(self.converters)} converters for {len(self.parameters)} ISOs")

    def shoot(self, scenes: Tensor, rng: Rng) -> Pair:
        """Return the pairs of scenes float32 [B, 3, H, W], linear light in [0, 1].

        ``rng.indices`` [B] number the samples; ``rng.origin`` counts pixels of the planes.
        """
        return self.expose(self.develop(scenes), rng)

    def expose(self, clean: Tensor, rng: Rng) -> Pair:
        """Return the pairs of noise-free samples [B, C, H, W], such as :meth:`develop` gives."""
        low, high = self.ratio
        ratio = low * (high / low) ** rng.uniform(Stream.RATIO, (1,)).view(-1, 1, 1, 1)
        latent = clean / ratio
        noisy, variance = torch.empty_like(clean), torch.empty_like(clean)
        shot, read = clean.new_empty(2, *clean.shape[:2])
        for number, at in self._isos(rng):
            part = rng.at(rng.indices[at])
            parameters = self._parameters(number, part)
            readout = self.noise.sample(latent[at], self._before_converter(parameters), part)
            noisy[at] = self.converters[number](readout) if self.converters else readout
            variance[at] = self.noise.variance(latent[at], parameters)
            black_and_white = clean.new_tensor([[0.0], [1.0]]).expand(len(at), clean.shape[1], 2, 1)
            black, white = self.noise.variance(black_and_white, parameters)[..., 0].unbind(2)
            shot[at] = white - black
            read[at] = clean.new_tensor(self.read[number]) if self.read else black
        gain = ratio.view(-1, 1)
        return Pair(
            clean=clean,
            noisy=noisy * ratio,
            variance=variance * ratio**2,
            noise_profile=torch.stack((shot * gain, read * gain**2), 2),
            ratio=ratio.flatten(),
        )

    def develop(self, scenes: Tensor) -> Tensor:
        """Return the noise-free samples of scenes: their CFA planes, or their sRGB encoding."""
        if self.cfa is None:
            return encode_srgb(scenes)
        return mosaic_planes(scenes * scenes.new_tensor(self.neutral).view(3, 1, 1), self.cfa)

    def _isos(self, rng: Rng) -> Iterator[tuple[int, Tensor]]:
        """Yield the number of each ISO in the batch, and which samples have it, int64 [n]."""
        chosen = rng.integers(Stream.ISO, (1,), 0, len(self.parameters)).flatten()
        for number in sorted(set(chosen.tolist())):
            yield number, (chosen == number).nonzero().flatten()

    def _parameters(self, number: int, rng: Rng) -> Any:
        """Return the parameters of the images of ``rng`` at an ISO."""
        per_image = getattr(self.noise, "per_image", None)
        return per_image(self.parameters[number], rng) if per_image else self.parameters[number]

    def _before_converter(self, parameters: Any) -> Any:
        """Return the parameters without the rounding that a converter is yet to do, if the model can."""
        before_rounding = getattr(self.noise, "before_rounding", None)
        return before_rounding(parameters) if self.converters and before_rounding else parameters


def pair_camera(
    noise: str,
    options: Mapping[str, Any] | None = None,
    *,
    profile: CameraProfile | None = None,
    isos: Sequence[float] = (),
    ratio: float | tuple[float, float] = 1.0,
    rounded: bool = False,
    cfa: Cfa = RGGB,
    plugins: Plugins | None = None,
) -> PairCamera:
    """Return the camera that shoots pairs with a noise model by its name.

    Parameters
    ----------
    noise, options
        Name and options of the noise model.
    profile
        Camera; without one the options must say how strong the noise is.
    isos
        ISOs that samples are drawn from, equally likely; none takes the only one of the profile.
    ratio
        Digital gain, or the least and the greatest.
    rounded
        Round and clip readouts as the camera's converter does; needs a profile.
    cfa
        Colour filter array of a camera without a profile.

    Raises
    ------
    UsageError
        Profile, ISO and options do not fit together.
    PluginError
        There is no such noise model.
    """
    registry = plugins or default_plugins()
    model: NoiseModel = registry.create("noise_models", noise, options)
    record = registry.find("noise_models", noise)
    check_of_camera(record, profile)
    rendered = record.domain == "srgb"
    parameters = tuple(model.parameters(profile, iso) for iso in isos or (None,))
    bounds = ratio if isinstance(ratio, tuple) else (float(ratio), float(ratio))
    if rendered and (bounds != (1.0, 1.0) or rounded):
        raise UsageError(f"{noise} is noise of rendered images: it knows no exposure ratio and no converter")
    if rounded and profile is None:
        raise UsageError("rounding needs a camera profile: it states black and white", hint="--profile NAME")
    return PairCamera(
        noise=model,
        parameters=parameters,
        cfa=None if rendered else profile.cfa if profile else cfa,
        neutral=profile.as_shot_neutral or (1.0, 1.0, 1.0) if profile else (1.0, 1.0, 1.0),
        ratio=bounds,
        converters=tuple(Converter.of(profile, _step(profile, iso)) for iso in isos or (None,))
        if profile and rounded
        else (),
        read=stated_read(record, profile, isos or (None,)),
    )


def check_of_camera(record: NoiseModelSpec, profile: CameraProfile | None) -> None:
    """Refuse a profile beside a noise model that does not heed it: the noise would be of another camera.

    Raises
    ------
    UsageError
        There is a profile, and the model is of no camera.
    """
    if profile is not None and not record.of_camera:
        raise UsageError(
            f"{record.name} draws noise by its options alone, not that of {profile.name or 'a camera'}",
            hint="leave the profile out, or choose a noise model of cameras, such as spectral",
        )


def stated_read(
    record: NoiseModelSpec, profile: CameraProfile | None, isos: Sequence[float | None]
) -> tuple[tuple[float, ...], ...]:
    """Return O of each plane at each ISO as a profile states it, where a noise model's variance has defects.

    Nothing where it has none, or where the profile leaves an O open.
    """
    if profile is None or not record.defects:
        return ()
    stated = [choose_iso(profile, iso).read for iso in isos]
    if not all(math.isfinite(read) for one in stated for read in one):
        return ()
    return tuple(tuple(one[colour] for colour in profile.colours) for one in stated)


def _step(profile: CameraProfile, iso: float | None) -> float:
    """Return DN between codes at an ISO, which need not be said where it is the same at all of them."""
    steps = {noise.quantisation_step for noise in profile.isos.values()}
    return steps.pop() if len(steps) == 1 else choose_iso(profile, iso).quantisation_step


@dataclass(frozen=True, eq=False)
class PairSource:
    """Pairs of scenes that an image model draws, by number."""

    images: ImageModel
    camera: PairCamera
    size: tuple[int, int]
    """Height and width of the scenes in pixels; the planes are smaller by the CFA's repeat."""

    def draw(self, rng: Rng) -> Pair:
        """Return the pairs numbered ``rng.indices``, on ``rng.device``."""
        return self.camera.shoot(self.images.generate(self.size, rng), rng)
