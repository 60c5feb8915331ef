"""``synthnoise plugins``: which plugins are installed, what they offer, and which are broken."""

from __future__ import annotations

import typer

from synthnoise.cli.parameters import Json
from synthnoise.errors import PluginError
from synthnoise.output import Output
from synthnoise.plugins import default_plugins


def plugins(json: Json = False) -> None:
    """List plugins with version, what they offer, load time and status; exit 3 if one is broken."""
    output = Output(json_mode=json)
    registry = default_plugins()
    problems = registry.problems()
    rows = [
        (
            plugin.name,
            plugin.version,
            round(1000 * plugin.seconds, 1),
            plugin.status,
            ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in plugin.offers.items()),
            "; ".join(plugin.problems) or ", ".join(plugin.heavy),
        )
        for plugin in registry.loaded.values()
    ]
    output.table("", ("plugin", "version", "load ms", "status", "offers", "remark"), rows, key="plugins")
    if problems:
        output.error(
            PluginError(f"{len(problems)} problem{'s' * (len(problems) > 1)} in plugins, see the table")
        )
        raise typer.Exit(PluginError.exit_code)
