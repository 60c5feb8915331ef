"""The manifest: what this plugin offers. It imports nothing heavy; implementations are import strings."""

from collections.abc import Iterator

from synthnoise import CommandSpec, DenoiserSpec, ImageModelSpec, NoiseModelSpec, hookimpl


@hookimpl
def synthnoise_image_models() -> Iterator[ImageModelSpec]:
    """Yield the image models of this plugin."""
    yield ImageModelSpec(
        name="gradients",
        summary="Linear colour gradients in random directions.",
        factory="synthnoise_example.models:Gradients",
        options="synthnoise_example.models:GradientOptions",
    )


@hookimpl
def synthnoise_noise_models() -> Iterator[NoiseModelSpec]:
    """Yield the noise models of this plugin."""
    yield NoiseModelSpec(
        name="uniform",
        summary="White uniform noise.",
        factory="synthnoise_example.models:Uniform",
        options="synthnoise_example.models:UniformOptions",
    )


@hookimpl
def synthnoise_denoisers() -> Iterator[DenoiserSpec]:
    """Yield the denoisers of this plugin."""
    yield DenoiserSpec(
        name="box-filter",
        summary="The mean of a 3x3 neighbourhood.",
        factory="synthnoise_example.models:BoxFilter",
        halo=1,
        trainable=False,
    )


@hookimpl
def synthnoise_commands() -> Iterator[CommandSpec]:
    """Yield the commands of this plugin."""
    yield CommandSpec(
        name="hello",
        summary="Say hello to a camera.",
        factory="synthnoise_example.command:hello",
    )
