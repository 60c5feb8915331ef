"""Records of the built-in image models."""

from __future__ import annotations

from collections.abc import Iterator

from synthnoise.hookspecs import hookimpl
from synthnoise.specs import ImageModelSpec

RECORDS = (
    ImageModelSpec(
        name="dead-leaves",
        summary="Occluding discs with power-law radii: scale-invariant abstract images.",
        factory="synthnoise.images.dead_leaves:DeadLeaves",
        options="synthnoise.images.dead_leaves:Options",
    ),
    ImageModelSpec(
        name="vibrant-leaves",
        summary="Textured leaves of many shapes in three depths, coloured as one photograph (2025).",
        factory="synthnoise.images.vibrant_leaves.model:VibrantLeaves",
        options="synthnoise.images.vibrant_leaves.settings:Options",
    ),
    ImageModelSpec(
        name="folder",
        summary="Random crops of a folder of photographs (-o path=DIR).",
        factory="synthnoise.images.photographs:PhotographCrops",
        options="synthnoise.images.photographs:Options",
    ),
    ImageModelSpec(
        name="spectrum",
        summary="Noise of a random power-law spectrum (Baradad et al. 2021).",
        factory="synthnoise.images.statistical.model:StatisticalNoise",
        options="synthnoise.images.statistical.model:SpectrumOptions",
    ),
    ImageModelSpec(
        name="color",
        summary="White noise in a few random colours (Baradad et al. 2021).",
        factory="synthnoise.images.statistical.model:StatisticalNoise",
        options="synthnoise.images.statistical.model:ColourOptions",
        aliases=("colour",),
    ),
    ImageModelSpec(
        name="wmm",
        summary="Noise with heavy-tailed wavelet bands (Baradad et al. 2021).",
        factory="synthnoise.images.statistical.model:StatisticalNoise",
        options="synthnoise.images.statistical.model:WaveletOptions",
    ),
    ImageModelSpec(
        name="mondrian",
        summary="Flat rectangles by the Mondrian process (Roy and Teh 2008).",
        factory="synthnoise.images.mondrian:Mondrian",
        options="synthnoise.images.mondrian:Options",
    ),
    ImageModelSpec(
        name="random-phase",
        summary="Textures with the spectrum of an image and random phases (Galerne et al. 2011).",
        factory="synthnoise.images.random_phase:RandomPhase",
        options="synthnoise.images.random_phase:Options",
    ),
    ImageModelSpec(
        name="slanted-edge",
        summary="Test chart: a slanted edge of known transfer function (ISO 12233).",
        factory="synthnoise.images.charts.slanted_edge:SlantedEdge",
        options="synthnoise.images.charts.slanted_edge:Options",
    ),
    ImageModelSpec(
        name="siemens-star",
        summary="Test chart: spokes of a sine wave or sharp bars (ISO 12233).",
        factory="synthnoise.images.charts.siemens_star:SiemensStar",
        options="synthnoise.images.charts.siemens_star:Options",
    ),
    ImageModelSpec(
        name="dead-leaves-chart",
        summary="Test chart: small grey discs of limited contrast, for texture (Cao et al. 2010).",
        factory="synthnoise.images.charts.dead_leaves_chart:DeadLeavesChart",
        options="synthnoise.images.charts.dead_leaves_chart:Options",
    ),
    ImageModelSpec(
        name="dead-leaves-shapes",
        summary="Discs, squares and other figures in random colours (Baradad et al. 2021).",
        factory="synthnoise.images.shape_leaves:ShapeLeaves",
        options="synthnoise.images.shape_leaves:Options",
    ),
    ImageModelSpec(
        name="dead-leaves-textured",
        summary="Figures filled with noise of random spectrum, colours and bands (Baradad et al. 2021).",
        factory="synthnoise.images.shape_leaves:ShapeLeaves",
        options="synthnoise.images.shape_leaves:TexturedOptions",
    ),
    ImageModelSpec(
        name="fractal-db",
        summary="Attractors of random affine maps (FractalDB, Kataoka et al. 2020).",
        factory="synthnoise.images.fractal_db:FractalDB",
        options="synthnoise.images.fractal_db:Options",
    ),
    ImageModelSpec(
        name="stylegan",
        summary="Images of an untrained generator with random weights (Baradad et al. 2021).",
        factory="synthnoise.images.stylegan.model:StyleGAN",
        options="synthnoise.images.stylegan.model:Options",
    ),
    ImageModelSpec(
        name="primitives-3d",
        summary="Ray-traced spheres, boxes and cylinders, placed by the rules of CLEVR.",
        factory="synthnoise.images.primitives.model:Primitives",
        options="synthnoise.images.primitives.model:Options",
    ),
    ImageModelSpec(
        name="dead-leaves-2021",
        summary="Dead leaves with the settings and shadings of Achddou et al. 2021.",
        factory="synthnoise.images.dead_leaves_2021:DeadLeaves2021",
        options="synthnoise.images.dead_leaves_2021:Options",
    ),
)
"""The image models: leaves and folders first, then what they are compared with."""


@hookimpl
def synthnoise_image_models() -> Iterator[ImageModelSpec]:
    """Yield the image models."""
    yield from RECORDS
