"""The command line as a user meets it: fast help, exit codes, errors in one line, settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "numpy", "scipy", "rawpy", "tifffile", "onnx", "numba", "rich", "PIL", "astropy"}
MODULE_BUDGET = 260
COMMANDS = [
    *("calibrate", "synth", "noise", "denoise", "train", "export", "evaluate", "profiles"),
    *("inspect", "develop", "models", "plugins", "doctor", "demo", "pipe"),
]


def run(*arguments: str, cwd: Path | None = None, text: bool = True, **environment: str):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "synthnoise", *arguments],
        capture_output=True,
        text=text,
        cwd=cwd,
        env={**os.environ, "XDG_CONFIG_HOME": "/nonexistent", **environment},
        check=False,
        stdin=subprocess.DEVNULL,
    )


def modules_after(arguments: list[str]) -> set[str]:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['synthnoise', *{arguments!r}]\n"
        "try:\n    runpy.run_module('synthnoise', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["synth", "--help"], ["evaluate", "noise", "--help"]])
def test_help_is_light(arguments):
    loaded = modules_after(arguments)
    assert not HEAVY & loaded
    assert len(loaded) <= MODULE_BUDGET, len(loaded)


@pytest.mark.parametrize("arguments", [["train"], ["synth", "--size", "big"], ["pipe", "noise"]])
def test_what_the_command_line_alone_refuses_is_refused_at_once(arguments):
    assert not (HEAVY - {"rich"}) & modules_after(arguments)


def test_models_lists_without_importing_them():
    assert not (HEAVY - {"rich"}) & modules_after(["models"])


@pytest.fixture(scope="module")
def overview() -> str:
    return run("--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, overview):
    shown = run(command, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "Usage" in shown.stdout
    assert command in overview


@pytest.mark.parametrize(
    ("arguments", "code", "symptom"),
    [
        (["denoize"], 2, "No such command"),
        (["synth", "--frobnicate"], 2, "No such option"),
        (
            ["denoise", "-q", "a.dng"],
            2,
            "No such option: -q; it goes before the command: synthnoise -q denoise",
        ),
        (["evaluate", "noise", "--debug"], 2, "it goes before the command: synthnoise --debug evaluate"),
        (["synth", "--size", "big"], 2, "HEIGHTxWIDTH"),
        (["synth", "-o", "leaf.png"], 2, "leaf.png: samples go into a folder"),
        (["pipe", "synth", "-n", "1", "-o", "leaf.png"], 2, "leaf.png: samples go into a folder"),
        (["synth", "-o", "a", "-o", "b"], 2, "two places"),
        (["synth", "--model", "dead-leafs"], 3, "dead-leaves"),
        (["inspect", "missing.dng"], 4, "no such file"),
        (["denoise", "missing.dng"], 4, "no such file"),
        (["pipe", "noise"], 2, "nothing before"),
        (["pipe", "synth", "::"], 2, "empty"),
        (["train"], 2, "-o weights.safetensors"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(tmp_path, arguments, code, symptom):
    failed = run(*arguments, cwd=tmp_path)
    assert failed.returncode == code, failed.stderr
    assert symptom in failed.stderr
    assert "Traceback" not in failed.stderr
    assert failed.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_strict_plugins_end_a_command_in_one_line(tmp_path):
    strict = {"SYNTHNOISE_STRICT_PLUGINS": "1", "SYNTHNOISE_PLUGINS": "nonsense"}
    done = run("plugins", cwd=tmp_path, **strict)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "plugin nonsense: is not installed" in done.stderr


def test_debug_shows_the_traceback(tmp_path):
    assert "Traceback" in run("--debug", "inspect", "missing.dng", cwd=tmp_path).stderr
    # Of files the error is kept until all of them are done.
    (tmp_path / "a.dng").write_bytes(b"hello")
    assert "Traceback" in run("--debug", "denoise", "a.dng", cwd=tmp_path).stderr


def test_json_is_one_document():
    document = json.loads(run("models", "--json").stdout)
    assert document["schema"] == 1
    assert {"dead-leaves", "poisson-gaussian", "two-shots", "patch-dct"} <= {
        m["name"] for m in document["models"]
    }


def test_version():
    import synthnoise

    assert run("--version").stdout.strip() == f"synthnoise {synthnoise.__version__}"


def test_settings_file_gives_defaults_and_flags_win(tmp_path):
    (tmp_path / "synthnoise.toml").write_text('[synth]\nsize = "nonsense"\n')
    assert "HEIGHTxWIDTH" in run("synth", "-n", "1", cwd=tmp_path).stderr
    given = run("synth", "-n", "1", "--size", "16x24", "--model", "gradients-of-nowhere", cwd=tmp_path)
    assert "no image model" in given.stderr


def test_a_repeatable_option_may_have_one_value_in_the_settings_file(tmp_path):
    (tmp_path / "synthnoise.toml").write_text('[calibrate]\ndark = "nowhere.dng"\n')
    assert "nowhere.dng: no such file" in run("calibrate", cwd=tmp_path).stderr


def test_broken_settings_file_is_an_input_error(tmp_path):
    (tmp_path / "synthnoise.toml").write_text("[synth\n")
    broken = run("models", cwd=tmp_path)
    assert broken.returncode == 4
    assert "not valid TOML" in broken.stderr


def test_no_colour_codes_when_asked_not_to():
    assert "\x1b[" not in run("models", NO_COLOR="1", FORCE_COLOR="").stdout


def test_closed_pipe_is_quiet():
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "synthnoise", "models"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert "Traceback" not in process.stderr
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("synthnoise synth --model vib", ["vibrant-leaves"]),
        ("synthnoise denoise -d r", ["raw", "raw-x-trans", "rgb"]),
        ("synthnoise train -d r", ["raw-dru", "ridnet"]),
    ],
)
def test_completion_knows_the_models(words, found):
    done = subprocess.run(
        [Path(sys.executable).parent / "synthnoise"],
        env={
            **os.environ,
            "_SYNTHNOISE_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == found
