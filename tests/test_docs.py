"""The documentation is run: console blocks are executed, and what they print is compared."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synthnoise import hookspecs
from synthnoise.plugins import RECORD_TYPES

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMPARE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def steps(page: Path) -> list[tuple[str, str]]:
    """Return (command, expected output) of every line that starts with $ in a console block."""
    found: list[tuple[str, str]] = []
    for block in BLOCK.findall(page.read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            else:
                command, expected = found[-1]
                found[-1] = (command, f"{expected}{line}\n")
    return found


@pytest.mark.parametrize("page", [p for p in PAGES if steps(p)], ids=lambda p: p.name)
def test_console_blocks_do_what_they_show(page, tmp_path):
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "COLUMNS": "100",
    }
    for command, expected in steps(page):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        refused = "error:" in expected
        assert (done.returncode != 0) == refused, f"{command}\n{done.stdout}{done.stderr}"
        shown = done.stdout + (done.stderr if refused else "")  # progress is talk, not output
        assert doctest.OutputChecker().check_output(expected, shown, COMPARE), (
            f"$ {command}\nexpected:\n{expected}\ngot:\n{shown}"
        )


@pytest.mark.parametrize("kind", RECORD_TYPES)
def test_every_hook_is_documented(kind):
    assert f"`{hookspecs.PROJECT}_{kind}()`" in (ROOT / "docs" / "plugins.md").read_text()


@pytest.mark.parametrize("name", ["__init__.py", "models.py"])
def test_the_tutorial_is_the_example_plugin(name):
    source = ROOT / "plugins" / "synthnoise-example" / "synthnoise_example" / name
    assert source.read_text().strip() in (ROOT / "docs" / "plugins.md").read_text()


def test_every_command_is_documented():
    text = (ROOT / "docs" / "commands.md").read_text()
    shown = subprocess.run(
        [sys.executable, "-m", "synthnoise", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SYNTHNOISE_PLUGINS": ""},
    ).stdout
    commands = re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2], re.MULTILINE)
    assert len(commands) >= 15
    missing = [command for command in commands if f"## {command}\n" not in text]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


def test_no_page_names_a_machine():
    assert shutil.which("bash")
    for page in PAGES:
        assert not re.search(r"/(home|tmp|root|work)/", page.read_text()), page.name
