"""The one place that knows Typer's group internals: it adds the commands of plugins to the help."""

from __future__ import annotations

from typing import Any

import typer
import typer.core

from synthnoise.errors import MissingExtraError
from synthnoise.plugins import default_plugins
from synthnoise.specs import CommandSpec

_USAGE_ERROR: Any = typer.BadParameter.__base__
"""What all complaints about arguments are; Typer does not export it."""


class PluginGroup(typer.core.TyperGroup):
    """A group that shows plugin commands by their records and imports them only when they run."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the built-in commands, then those of plugins."""
        own = super().list_commands(ctx)
        return own + sorted(r.name for r in default_plugins().records("commands") if r.name not in own)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; a plugin's is only a stub while help or completion is made."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        records = default_plugins().records("commands")
        if not any(cmd_name in (r.name, r.qualified_name, *r.aliases) for r in records):
            return None
        record: CommandSpec = default_plugins().find("commands", cmd_name)
        return _stub(record) if ctx.resilient_parsing or getattr(ctx, "listing", False) else _load(record)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; of an option that belongs before it, the error says so."""
        try:
            return super().invoke(ctx)
        except _USAGE_ERROR as error:
            option = getattr(error, "option_name", None)
            own = [name for parameter in self.params for name in parameter.opts]
            if option in own and error.ctx is not ctx:
                error.message += (
                    f"; it goes before the command: {self.name} {option} {ctx.invoked_subcommand}"
                )
                error.possibilities = None
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help with stubs in place of plugin commands."""
        ctx.listing = True
        super().format_help(ctx, formatter)


def _load(record: CommandSpec) -> Any:
    for module, extra in record.missing_extras():
        raise MissingExtraError(module, extra)
    target = record.load()
    if isinstance(target, typer.Typer):
        return _named(target, record)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(help=record.summary)(target)
    return _named(app, record)


def _stub(record: CommandSpec) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=record.summary)(lambda: None)
    return _named(app, record)


def _named(app: typer.Typer, record: CommandSpec) -> Any:
    command = typer.main.get_command(app)
    command.name = record.name
    return command
