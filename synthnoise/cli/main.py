"""The ``synthnoise`` command: its subcommands, its settings file, its errors and exit codes."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from synthnoise import __version__, config
from synthnoise.cli import (
    calibrate,
    demo,
    denoise,
    develop,
    doctor,
    evaluate,
    export,
    import_weights,
    inspect,
    models,
    noise,
    pipe,
    plugins,
    profiles,
    synth,
    train,
)
from synthnoise.cli.group import PluginGroup
from synthnoise.cli.outcomes import DEBUG_VARIABLE, debugging
from synthnoise.errors import SynthnoiseError
from synthnoise.output import Output
from synthnoise.plugins import default_plugins

EXIT_BUG = 70
EXIT_TERMINATED = 143

app = typer.Typer(
    cls=PluginGroup,
    name="synthnoise",
    help="Two photographs of your camera become a denoiser for it.",
    epilog="Files of one story: calibrate, synth, train, export, denoise. Start with: synthnoise demo",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"synthnoise {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback for every error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before the command, and the settings file."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"
    if context.resilient_parsing:
        return
    context.obj = {"quiet": quiet}
    defaults = {**(context.default_map or {}), **command_defaults()}
    name = context.invoked_subcommand
    if name in defaults:
        command = context.command.get_command(context, name)  # type: ignore[attr-defined]
        defaults[name] = _listed(command, defaults[name])
    context.default_map = defaults


def _listed(command: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a command, single values of its repeatable options as lists of one."""
    commands = getattr(command, "commands", {})
    repeatable = {parameter.name for parameter in command.params if getattr(parameter, "multiple", False)}
    return {
        key: _listed(commands[key], value)
        if isinstance(value, dict) and key in commands
        else [value]
        if key in repeatable and not isinstance(value, list)
        else value
        for key, value in values.items()
    }


def command_defaults() -> dict[str, Any]:
    """Return what ``synthnoise.toml`` of the user's folder and of the working folder sets, per command."""
    return {
        command: value if isinstance(value, dict) else {}
        for command, value in config.load_defaults(config.user_folder(), Path.cwd()).items()
    }


for _name, _function, _short in (
    ("calibrate", calibrate.calibrate, "Two shots become a camera profile."),
    ("synth", synth.synth, "Draw images, or clean/noisy pairs."),
    ("noise", noise.noise, "Add a camera's noise to your files."),
    ("denoise", denoise.denoise, "Denoise RAW files and pictures."),
    ("train", train.train, "Fit a denoiser to a camera."),
    ("export", export.export, "Weights become one ONNX file."),
    ("import-weights", import_weights.import_weights, "Published weights become ours."),
    ("inspect", inspect.inspect, "Say what a file is."),
    ("develop", develop.develop, "Render a RAW file for viewing."),
    ("models", models.models, "List what there is to choose from."),
    ("plugins", plugins.plugins, "List plugins, and which are broken."),
    ("doctor", doctor.doctor, "Check the installation."),
    ("demo", demo.demo, "The whole story on a virtual camera."),
):
    app.command(_name, short_help=_short)(_function)
app.command(
    "pipe",
    short_help="Several stages in one process.",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    },
)(pipe.pipe)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(profiles.app, name="profiles")


def _terminate(_signal: int, _frame: object) -> None:
    """Leave through the ``finally`` blocks, so that nothing half-written stays behind."""
    sys.exit(EXIT_TERMINATED)


def run() -> None:
    """Run the command line; exit 0 done, 1 could not, 2 usage, 3 plugin, 4 input, 70 bug, 130 interrupted."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except SynthnoiseError as error:
        if debugging() or "--debug" in sys.argv:
            traceback.print_exc()
        Output().error(error)
        if default_problems := _broken_plugins():
            Output().remark(default_problems)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        Output().error(SynthnoiseError("out of memory", hint="use a smaller --tile, --size or --batch"))
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        Output().error(
            SynthnoiseError("this is a bug in synthnoise", hint="please report it with the lines above")
        )
        sys.exit(EXIT_BUG)


def _broken_plugins() -> str:
    try:
        loaded = default_plugins().loaded.values()
    except SynthnoiseError:  # in strict mode a broken one is the error itself
        return ""
    broken = [f"{p.name} ({p.problems[0]})" for p in loaded if p.problems]
    return f"note: broken plugins were skipped: {', '.join(broken)}" if broken else ""
