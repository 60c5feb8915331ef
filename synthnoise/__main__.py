"""``python -m synthnoise``."""

from synthnoise.cli.main import run

run()
