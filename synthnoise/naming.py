"""What a camera is called, for people and for folders."""

from __future__ import annotations

import re


def camera_name(make: str, model: str) -> str:
    """Return make and model, without the make said twice ("Canon EOS R5", not "Canon Canon EOS R5")."""
    make, model = make.strip(), model.strip()
    return model if model.lower().startswith(make.lower().split(" ")[0]) else f"{make} {model}".strip()


def folder_name(camera: str) -> str:
    """Return a camera's name as lower-case words joined by hyphens; "camera" where it has none."""
    return "-".join(re.findall(r"[a-z0-9]+", camera.lower())) or "camera"
