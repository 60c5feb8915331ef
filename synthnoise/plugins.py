"""Discovering plugins, keeping broken ones from breaking the tool, and finding records by name."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Literal

import pluggy

from synthnoise import hookspecs, options, specs
from synthnoise.errors import MissingExtraError, PluginError, SynthnoiseError
from synthnoise.files import printable

BUILTIN = "builtin"
BUILTIN_MODULE = "synthnoise.builtin"
HEAVY_MODULES = ("torch", "scipy", "onnx", "matplotlib", "numba", "rawpy")
ALLOWED_VARIABLE = "SYNTHNOISE_PLUGINS"
STRICT_VARIABLE = "SYNTHNOISE_STRICT_PLUGINS"
PROBLEM_LENGTH = 300

Kind = Literal[
    "image_models",
    "noise_models",
    "denoisers",
    "readers",
    "writers",
    "isps",
    "metrics",
    "profiles",
    "commands",
]

RECORD_TYPES: dict[Kind, type[specs.Spec]] = {
    "image_models": specs.ImageModelSpec,
    "noise_models": specs.NoiseModelSpec,
    "denoisers": specs.DenoiserSpec,
    "readers": specs.ReaderSpec,
    "writers": specs.WriterSpec,
    "isps": specs.IspSpec,
    "metrics": specs.MetricSpec,
    "profiles": specs.ProfileDir,
    "commands": specs.CommandSpec,
}


@dataclass
class Loaded:
    """What became of one plugin.

    ``offers`` counts records per kind, ``problems`` are one line each, ``heavy`` names the large
    packages that its import pulled in, ``seconds`` is the time of that import.
    """

    name: str
    distribution: str = ""
    version: str = ""
    seconds: float = 0.0
    heavy: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    offers: dict[str, int] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """``error``, ``heavy`` or ``ok``."""
        return "error" if self.problems else "heavy" if self.heavy else "ok"


class Plugins:
    """The plugins of one process: an ordinary object, made once and passed along.

    Parameters
    ----------
    candidates
        Entry points to load, in addition to the built-ins; default: those installed in group
        ``synthnoise``.
    allowed
        Names of the plugins that may load; None allows all, an empty tuple only the built-ins.
    strict
        Raise instead of skipping a broken plugin, for plugin authors.
    """

    def __init__(
        self,
        candidates: Iterable[EntryPoint] | None = None,
        *,
        allowed: tuple[str, ...] | None = None,
        strict: bool = False,
    ) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._strict = strict
        self._records: dict[Kind, list[specs.Spec]] = {}
        self.loaded: dict[str, Loaded] = {}
        self._register(
            Loaded(BUILTIN, "synthnoise", _version()), lambda: importlib.import_module(BUILTIN_MODULE)
        )
        if candidates is None:
            candidates = entry_points(group=hookspecs.PROJECT)
        for entry_point in sorted(candidates, key=lambda e: e.name):
            if allowed is None or entry_point.name in allowed:
                self._register(_describe(entry_point), entry_point.load)
        for name in allowed or ():
            if name not in self.loaded:
                self._register(Loaded(name), _not_installed)

    def _register(self, plugin: Loaded, load: Callable[[], ModuleType]) -> None:
        if plugin.name in self.loaded:
            plugin.problems.append(
                f"the name {plugin.name} is taken by {self.loaded[plugin.name].distribution}"
            )
            self.loaded[f"{plugin.name}@{plugin.distribution}"] = plugin
            return
        self.loaded[plugin.name] = plugin
        before, started = set(sys.modules), time.perf_counter()
        with self._guard(plugin):
            module = load()
            try:
                self._manager.register(module, name=plugin.name)
                self._manager.check_pending()
            except BaseException:
                if self._manager.has_plugin(plugin.name):
                    self._manager.unregister(name=plugin.name)
                raise
        plugin.seconds = time.perf_counter() - started
        plugin.heavy = tuple(m for m in HEAVY_MODULES if m in sys.modules and m not in before)

    @contextlib.contextmanager
    def _guard(self, plugin: Loaded) -> Iterator[None]:
        """Note what goes wrong inside as a problem of ``plugin``; whatever it prints goes to stderr."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except (Exception, SystemExit) as error:
            text = " ".join(str(error).split())[:PROBLEM_LENGTH]
            kind = type(error).__name__
            problem = text if isinstance(error, PluginError) and text else f"{kind}: {text}" if text else kind
            if self._strict:
                hint = "synthnoise --debug shows where"
                raise PluginError(f"plugin {plugin.name}: {problem}", hint=hint) from error
            plugin.problems.append(problem)

    def records(self, kind: Kind) -> list[Any]:
        """Return every record of a kind, built-ins first; broken plugins are skipped and noted."""
        if kind not in self._records:
            self._records[kind] = [record for plugin in self.loaded for record in self._collect(kind, plugin)]
        return self._records[kind]

    def _collect(self, kind: Kind, name: str) -> list[specs.Spec]:
        if not self._manager.has_plugin(name):
            return []
        plugin = self.loaded[name]
        others = [module for other, module in self._manager.list_name_plugin() if other != name]
        caller = self._manager.subset_hook_caller(f"{hookspecs.PROJECT}_{kind}", others)
        records: list[specs.Spec] = []
        with self._guard(plugin):
            for offered in caller():
                for record in offered:
                    self._check(record, kind)
                    records.append(dataclasses.replace(record, source=name))
        if records:
            plugin.offers[kind] = len(records)
        return records

    def _check(self, record: object, kind: Kind) -> None:
        expected = RECORD_TYPES[kind]
        if not isinstance(record, expected):
            raise PluginError(f"synthnoise_{kind} yielded {type(record).__name__}, not {expected.__name__}")
        if record.api not in (specs.PLUGIN_API, specs.PLUGIN_API - 1):
            raise PluginError(
                f"{record.name} is written for plugin API {record.api}, this is {specs.PLUGIN_API}"
            )

    def problems(self) -> list[str]:
        """Return one line per broken plugin, after having called every hook of every plugin."""
        for kind in RECORD_TYPES:
            self.records(kind)
        return [f"plugin {p.name} skipped: {problem}" for p in self.loaded.values() for problem in p.problems]

    def find(self, kind: Kind, name: str) -> Any:
        """Return the record called ``name``, ``plugin/name`` or by an alias.

        Raises
        ------
        PluginError
            Nothing has that name (close names are suggested), or several plugins claim it.
        """
        found = [r for r in self.records(kind) if name in (r.name, r.qualified_name, *r.aliases)]
        builtin = [record for record in found if record.source == BUILTIN]
        if builtin or len(found) == 1:
            return (builtin or found)[0]
        label = RECORD_TYPES[kind].kind
        if found:
            choices = " or ".join(record.qualified_name for record in found)
            raise PluginError(f"several plugins offer a {label} called {name}", hint=f"say {choices}")
        known = [record.name for record in self.records(kind)]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
        if any(plugin.problems for plugin in self.loaded.values()):
            hint += " (a broken plugin was skipped: synthnoise plugins)"
        raise PluginError(f"there is no {label} called {name!r}", hint=hint)

    def create(self, kind: Kind, name: str, values: Mapping[str, Any] | None = None) -> Any:
        """Return an instance of the model called ``name``, built with options ``values``.

        Raises
        ------
        PluginError
            As :meth:`find`; also if an optional package is missing, the import fails, or what a plugin's
            factory raises, which is no bug of ours.
        UsageError
            The options do not fit.
        """
        record = self.find(kind, name)
        for module, extra in record.missing_extras():
            raise MissingExtraError(module, extra)
        chosen = options.build(record.load_options(), values or {}, owner=record.name)
        factory = record.load()
        try:
            return factory() if chosen is None else factory(chosen)
        except SynthnoiseError:
            raise
        except Exception as error:
            if record.source == BUILTIN:
                raise
            said = printable(f"{type(error).__name__}: {error}".splitlines()[0])
            raise PluginError(
                f"{record.name}: cannot be made: {said}",
                hint=f"other options (synthnoise models {record.name}), or tell the author of its plugin",
            ) from error


def _not_installed() -> ModuleType:
    raise PluginError("is not installed")


def _version() -> str:
    from synthnoise import __version__

    return __version__


def _describe(entry_point: EntryPoint) -> Loaded:
    distribution = entry_point.dist
    if distribution is None:
        return Loaded(entry_point.name)
    return Loaded(entry_point.name, distribution.name, distribution.version)


@functools.cache
def default_plugins() -> Plugins:
    """Return the installed plugins, as ``SYNTHNOISE_PLUGINS`` (comma-separated; empty: none) allows."""
    chosen = os.environ.get(ALLOWED_VARIABLE)
    allowed = None if chosen is None else tuple(name.strip() for name in chosen.split(",") if name.strip())
    return Plugins(allowed=allowed, strict=os.environ.get(STRICT_VARIABLE, "") not in ("", "0"))
