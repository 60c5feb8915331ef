"""A command: a function that typer can read."""

from typing import Annotated

import typer


def hello(camera: Annotated[str, typer.Argument(help="Whom to greet.")] = "camera") -> None:
    """Say hello to a camera."""
    typer.echo(f"hello, {camera}")
