"""``contact-sheet.png``: the first samples of a dataset at a glance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from synthnoise.contact_sheet import Panel, Row, contact_sheet
from synthnoise.files import CONTACT_SHEET
from synthnoise.raw.develop import develop
from synthnoise.raw.frame import Frame
from synthnoise.raw.images import write_png
from synthnoise.stream.plan import Plan
from synthnoise.stream.source import Source
from synthnoise.stream.writers import mosaic_codes, srgb_codes

SAMPLES, PER_ROW = 12, 4
WIDEST = 256


def write_sheet(folder: Path, source: Source, device: torch.device) -> None:
    """Write the sheet of the first samples of a request, unless there is one."""
    if (folder / CONTACT_SHEET).exists():
        return
    request, plan = source.request, source.plan
    numbers = list(range(request.start, request.start + min(SAMPLES, request.n)))
    panels = []
    for number in numbers:
        fields = source.draw([number], device)
        for picture in plan.pictures:
            view = shown(fields[picture][0].cpu().numpy(), plan, picture)
            panels.append(Panel(view, f"{number}", picture if len(plan.pictures) > 1 else ""))
    rows = [
        Row(
            f"samples {panels[i].label} to {panels[min(i + PER_ROW, len(panels)) - 1].label}",
            panels[i : i + PER_ROW],
        )
        for i in range(0, len(panels), PER_ROW)
    ]
    title = request.model if request.noise is None else f"{request.model}, {request.noise}"
    size = f"{request.size[0]}x{request.size[1]} pixels, seed {request.seed}"
    write_png(folder / CONTACT_SHEET, contact_sheet(title, size, rows))


def shown(values: NDArray[np.float32], plan: Plan, picture: str) -> NDArray[np.uint8]:
    """Return a view of one picture [C, H, W], uint8 [h, w, 3] in sRGB, at most ``WIDEST`` wide.

    Mosaics are developed with their digital gain in.
    """
    if plan.content == "mosaic":
        camera = plan.camera
        frame = Frame(
            mosaic=mosaic_codes(values * np.float32(plan.gain(picture)), plan, picture),
            cfa=np.array(camera.cfa, dtype=np.uint8),
            black=np.broadcast_to(np.array(camera.black), (len(values),))
            .reshape(camera.period)
            .astype(np.float64),
            white=camera.white,
            as_shot_neutral=camera.as_shot_neutral,
            colour_matrix=None if camera.colour_matrix is None else np.array(camera.colour_matrix),
        )
        view: NDArray[np.uint8] = develop(frame)
    else:
        view = srgb_codes(values, linear=plan.content == "scene")
    step = -(-max(view.shape[:2]) // WIDEST)
    if step == 1:
        return view
    h, w = view.shape[0] // step * step, view.shape[1] // step * step
    means = view[:h, :w].reshape(h // step, step, w // step, step, 3).mean((1, 3))
    return np.asarray(np.rint(means), dtype=np.uint8)
