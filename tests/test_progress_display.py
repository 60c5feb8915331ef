"""Progress where no terminal shows a bar."""

from __future__ import annotations

import re
import time

import pytest

from synthnoise import output
from synthnoise.cli.outcomes import interruptible


def test_ctrl_c_leaves_a_line(capsys):
    with pytest.raises(KeyboardInterrupt), interruptible(output.Output(), "the same command goes on"):
        raise KeyboardInterrupt
    assert capsys.readouterr() == ("", "interrupted; the same command goes on\n")


def test_lines_say_how_long_the_rest_will_take(capsys, monkeypatch):
    monkeypatch.setattr(output, "QUIET_LINE_SECONDS", -1.0)
    with output.Output().progress() as progress:
        progress.start("drawing", total=400)
        progress.advance(0)
        time.sleep(0.1)
        progress.advance(1)
        progress.start("counting")
        progress.advance(3)
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "drawing: 0 of 400"
    seconds = re.fullmatch(r"drawing: 1 of 400, (?:(\d+) min|(\d+) s) left", second)
    assert seconds is not None
    # 399 times what the first took: at least 0.1 s.
    assert int(seconds[1] or 0) * 60 + int(seconds[2] or 0) >= 30
    assert third == "counting: 3"
