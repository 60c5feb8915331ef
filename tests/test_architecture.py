"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import synthnoise

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "synthnoise").rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
FLOORS = {
    "cli": 7,
    "demo": 6,
    "testing": 6,
    "inspection": 6,
    "evaluation": 5,
    "calibration": 4,
    "training": 4,
    "export": 4,
    "denoising": 4,
    "stream": 3,
    "images": 2,
    "noise": 2,
    "denoisers": 2,
    "sensors": 2,
    "raw": 1,
    "profiles": 1,
}
"""Training draws its pairs from the stream, and evaluation judges every room below it."""
FORBIDDEN_NAMES = re.compile(r"^(utils?|helpers?|misc|common|base)\.py$|.*(manager|handler)\.py$")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_file_names_are_nouns(path):
    assert not FORBIDDEN_NAMES.match(path.name.lower())


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_imports_only_go_down(path):
    own = path.relative_to(ROOT / "synthnoise").parts[0].removesuffix(".py")
    floor = FLOORS.get(own, 0)
    if own in ("__init__", "builtin", "__main__", "protocols", "hookspecs"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("synthnoise"):
            modules = (
                [node.module] if node.module != "synthnoise" else [f"synthnoise.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            modules = [a.name for a in node.names if a.name.startswith("synthnoise.")]
        for module in modules:
            room = _room(module)
            if room == own:
                continue
            other = FLOORS.get(room, 0)
            assert other < floor or (other == 0 and floor == 0), f"line {node.lineno}: {own} imports {room}"


@pytest.mark.parametrize("name", synthnoise.__all__)
def test_every_public_name_is_there(name):
    assert getattr(synthnoise, name) is not None
