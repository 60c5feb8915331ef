"""A broken plugin must never break the tool: it is skipped, and named."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from synthnoise import hookspecs
from synthnoise.errors import PluginError, UsageError
from synthnoise.plugins import RECORD_TYPES, Plugins
from synthnoise.specs import DenoiserSpec, ImageModelSpec

GOOD = """
    from synthnoise.hookspecs import hookimpl
    from synthnoise.specs import ImageModelSpec

    @hookimpl
    def synthnoise_image_models():
        yield ImageModelSpec(name="{name}", summary="A model.", factory="collections:Counter")
"""

BROKEN = {
    "missing-import": ("import a_module_that_does_not_exist", "a_module_that_does_not_exist"),
    "exits": ("import sys\nsys.exit('gone')", "SystemExit"),
    "misspelt": (
        """
        from synthnoise.hookspecs import hookimpl

        @hookimpl
        def synthnoise_image_modles():
            return ()
        """,
        "synthnoise_image_modles",
    ),
    "bad-signature": (
        """
        from synthnoise.hookspecs import hookimpl

        @hookimpl
        def synthnoise_image_models(colour):
            return ()
        """,
        "colour",
    ),
    "raises": (
        """
        from synthnoise.hookspecs import hookimpl

        @hookimpl
        def synthnoise_image_models():
            raise RuntimeError("out of paint")
        """,
        "out of paint",
    ),
    "raises-late": (
        """
        from synthnoise.hookspecs import hookimpl
        from synthnoise.specs import ImageModelSpec

        @hookimpl
        def synthnoise_image_models():
            yield ImageModelSpec(name="half", summary="A model.", factory="collections:Counter")
            raise RuntimeError("out of paint")
        """,
        "out of paint",
    ),
    "not-a-record": (
        """
        from synthnoise.hookspecs import hookimpl

        @hookimpl
        def synthnoise_image_models():
            yield "dead-leaves"
        """,
        "ImageModelSpec",
    ),
    "future-api": (
        """
        from synthnoise.hookspecs import hookimpl
        from synthnoise.specs import ImageModelSpec

        @hookimpl
        def synthnoise_image_models():
            yield ImageModelSpec(name="later", summary="A model.", factory="collections:Counter", api=99)
        """,
        "99",
    ),
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that makes a module importable and gives its entry point."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, source: str) -> EntryPoint:
        module = "plugin_under_test_" + name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        monkeypatch.delitem(sys.modules, module, raising=False)
        return EntryPoint(name=name, value=module, group=hookspecs.PROJECT)

    return make


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plugin_is_skipped_and_named(install, name):
    source, symptom = BROKEN[name]
    plugins = Plugins([install(name, source), install("zebra", GOOD.format(name="stripes"))])
    problems = plugins.problems()
    assert plugins.find("image_models", "stripes").source == "zebra"
    assert plugins.find("image_models", "dead-leaves").source == "builtin"
    assert plugins.loaded[name].status == "error"
    assert [line for line in problems if name in line and symptom in line]
    assert plugins.loaded["zebra"].status != "error"


def test_printing_plugin_does_not_reach_stdout(install, capsys):
    plugins = Plugins([install("chatty", "print('hello')\n" + textwrap.dedent(GOOD.format(name="talk")))])
    assert plugins.find("image_models", "talk").source == "chatty"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


def test_plugin_with_bad_signature_leaves_no_live_hooks(install):
    source = (
        GOOD.format(name="ghost")
        + "\n    @hookimpl\n    def synthnoise_denoisers(colour):\n        return ()\n"
    )
    plugins = Plugins([install("half", source)])
    with pytest.raises(PluginError, match="no image model"):
        plugins.find("image_models", "ghost")


def test_heavy_import_is_noted(install):
    source = "import sys\nsys.modules.setdefault('matplotlib', sys)\n" + textwrap.dedent(
        GOOD.format(name="fat")
    )
    already = "matplotlib" in sys.modules
    plugins = Plugins([install("heavy", source)])
    if not already:
        del sys.modules["matplotlib"]
        assert plugins.loaded["heavy"].status == "heavy"


def test_bare_name_clash_is_an_error_when_used_and_qualified_name_works(install):
    plugins = Plugins([install("one", GOOD.format(name="twin")), install("two", GOOD.format(name="twin"))])
    with pytest.raises(PluginError, match="several plugins") as error:
        plugins.find("image_models", "twin")
    assert "one/twin or two/twin" in error.value.hint
    assert plugins.find("image_models", "two/twin").source == "two"


def test_builtin_names_are_reserved(install):
    plugins = Plugins([install("impostor", GOOD.format(name="dead-leaves"))])
    assert plugins.find("image_models", "dead-leaves").source == "builtin"
    assert plugins.find("image_models", "impostor/dead-leaves").source == "impostor"


def test_unknown_name_suggests_a_close_one():
    with pytest.raises(PluginError) as error:
        Plugins([]).find("image_models", "dead-leafs")
    assert "dead-leaves" in error.value.hint


def test_disallowed_plugin_is_not_imported(install):
    entry = install("marker", "raise SystemError('imported')")
    assert "marker" not in Plugins([entry], allowed=()).loaded


def test_strict_mode_raises(install):
    with pytest.raises(PluginError, match="plugin missing: ModuleNotFoundError") as error:
        Plugins([install("missing", "import a_module_that_does_not_exist")], strict=True)
    assert isinstance(error.value.__cause__, ModuleNotFoundError)


def test_a_plugin_that_is_asked_for_and_not_installed_is_named():
    assert Plugins([], allowed=("nonsense",)).problems() == ["plugin nonsense skipped: is not installed"]


@pytest.mark.parametrize("kind", RECORD_TYPES)
def test_every_kind_has_a_hook_without_arguments(kind):
    hook = getattr(hookspecs, f"synthnoise_{kind}")
    assert hook.__doc__
    assert tuple(hook()) == ()


@pytest.mark.parametrize("bad", ["Dead-Leaves", "dead_leaves", "-x", "", "a--b"])
def test_record_refuses_bad_names(bad):
    with pytest.raises(PluginError):
        ImageModelSpec(name=bad, summary="A model.", factory="x:y")


def test_record_is_frozen_and_lazy():
    record = DenoiserSpec(name="x", summary="Y.", factory="a_module_that_does_not_exist:Z")
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.name = "y"
    with pytest.raises(PluginError, match="a_module_that_does_not_exist"):
        record.load()


def test_create_checks_options(install):
    source = """
        from synthnoise.hookspecs import hookimpl
        from synthnoise.specs import ImageModelSpec
        from dataclasses import dataclass, field

        @dataclass(frozen=True)
        class Options:
            radius: float = field(default=1.0, metadata={"range": (0, 10)})

        class Model:
            def __init__(self, options):
                self.options = options

        @hookimpl
        def synthnoise_image_models():
            yield ImageModelSpec(name="round", summary="A model.", factory=Model, options=Options)
    """
    plugins = Plugins([install("options", source)])
    assert plugins.create("image_models", "round", {"radius": "2.5"}).options.radius == 2.5
    for bad in ({"radius": "wide"}, {"radius": "11"}, {"radus": "1"}):
        with pytest.raises(UsageError):
            plugins.create("image_models", "round", bad)


def test_what_a_plugin_raises_when_its_model_is_made_is_its_own_and_in_one_line(install):
    source = """
        from dataclasses import dataclass
        from synthnoise.hookspecs import hookimpl
        from synthnoise.specs import ImageModelSpec

        @dataclass(frozen=True)
        class Options:
            width: int = 6

        def grouped(options):
            raise ValueError(f"{options.width} features in 4 groups\\nof what size?")

        @hookimpl
        def synthnoise_image_models():
            yield ImageModelSpec(name="grouped", summary="A model.", factory=grouped, options=Options)
    """
    plugins = Plugins([install("grouping", source)])
    said = "grouped: cannot be made: ValueError: 6 features in 4 groups$"
    with pytest.raises(PluginError, match=said) as error:
        plugins.create("image_models", "grouped", {})
    assert "synthnoise models grouped" in str(error.value.hint)


@pytest.mark.parametrize(
    ("source", "said"), [("width = undefined", "NameError: name 'undefined'"), ("width =", "SyntaxError")]
)
def test_a_mistake_in_the_module_of_a_model_is_said_in_one_line(tmp_path, monkeypatch, source, said):
    monkeypatch.syspath_prepend(tmp_path)
    module = f"mistaken_{len(source)}"
    (tmp_path / f"{module}.py").write_text(source)
    record = ImageModelSpec(name="late", summary="A model.", factory=f"{module}:Model")
    with pytest.raises(PluginError, match=f"late: cannot import {module}:Model: {said}"):
        record.load()


def test_plugins_command_names_the_broken_one(tmp_path: Path):
    """A plugin installed as a distribution, broken at import, through the real command line."""
    (tmp_path / "broken_distribution.py").write_text("raise ImportError('needs film')")
    info = tmp_path / "broken_distribution-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-distribution\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[synthnoise]\nbroken = broken_distribution\n")
    run = subprocess.run(
        [sys.executable, "-m", "synthnoise", "plugins", "--json"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        check=False,
    )
    assert run.returncode == 3, run.stderr
    rows = {row["plugin"]: row for row in json.loads(run.stdout)["plugins"]}
    assert rows["broken"]["status"] == "error"
    assert "needs film" in rows["broken"]["remark"]
    assert rows["broken"]["version"] == "1.2"
    assert rows["builtin"]["status"] == "ok"
