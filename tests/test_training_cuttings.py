"""Pairs cut from large images: each depends on its number alone, and they are cuts of those images."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from synthnoise.denoisers.weights import load_weights
from synthnoise.errors import UsageError
from synthnoise.rng import Rng, Stream
from synthnoise.training import TrainingInterrupted, train
from synthnoise.training.average import Average
from synthnoise.training.cuttings import RESERVOIR, Cuttings


class Numbered:
    """Images whose pixels say their image's number, row and column."""

    def __init__(self) -> None:
        self.drawn: list[int] = []

    def generate(self, size: tuple[int, int], rng: Rng) -> Tensor:
        self.drawn += rng.indices.tolist()
        rows, columns = torch.meshgrid(*(torch.arange(n).float() for n in size), indexing="ij")
        images = [torch.stack((torch.full(size, float(i)), rows, columns)) for i in rng.indices]
        return torch.stack(images)


def cuttings(images: Numbered, **changes: Any) -> Cuttings:
    settings = {"scene": 40, "size": (8, 16), "cuts": 10, "seed": 3, "device": torch.device("cpu")}
    return Cuttings(images=images, **settings | changes)


def test_a_cut_depends_on_its_number_alone() -> None:
    one, two = cuttings(Numbered()), cuttings(Numbered())
    whole = one.draw(0, 60)
    parts = [two.draw(first, count) for first, count in ((50, 10), (0, 7), (7, 43))]
    assert torch.equal(whole, torch.cat([parts[1], parts[2], parts[0]]))
    assert not torch.equal(whole, cuttings(Numbered(), seed=4).draw(0, 60))


def test_cuts_are_cuts_of_the_images_and_everywhere_in_them() -> None:
    cuts = cuttings(Numbered()).draw(0, 3000)
    image, rows, columns = cuts.unbind(1)
    assert torch.equal(image, image[:, :1, :1].expand_as(image))
    assert torch.equal(rows - rows[:, :1], torch.arange(8.0).view(1, 8, 1).expand_as(rows))
    assert torch.equal(columns - columns[..., :1], torch.arange(16.0).view(1, 1, 16).expand_as(columns))
    assert (rows[:, 0, 0].min(), rows[:, 0, 0].max()) == (0, 32)
    assert (columns[:, 0, 0].min(), columns[:, 0, 0].max()) == (0, 24)
    behind = image[:, 0, 0] - torch.arange(3000) // 10
    assert (behind.min(), behind.max()) == (0, RESERVOIR - 1)
    # Uniform over the reservoir: the mean of 3000 within five standard errors.
    assert abs(float(behind.mean()) - (RESERVOIR - 1) / 2) < 5 * RESERVOIR / 12**0.5 / 3000**0.5


def test_places_of_cuts_are_not_those_of_crops_of_photographs() -> None:
    cuts = cuttings(Numbered(), cuts=1).draw(0, 300)
    crops = Rng(3, torch.arange(300)).uniform(Stream.CROP, (1, 4))[:, 0].T
    for place in cuts[:, 1:, 0, 0].T:
        for number in crops:
            # 300 independent pairs show a correlation to 1 / sqrt(300).
            assert abs(float(torch.corrcoef(torch.stack((place, number)))[0, 1])) < 5 / 300**0.5


def test_an_image_is_drawn_once_and_forgotten_when_it_is_done_with() -> None:
    images = Numbered()
    source = cuttings(images)
    for first in range(0, 1000, 8):
        source.draw(first, 8)
    assert len(images.drawn) == len(set(images.drawn))
    assert len(source._drawn) <= RESERVOIR + 1


def test_images_smaller_than_a_cut_are_refused() -> None:
    with pytest.raises(UsageError, match="smaller than pairs"):
        cuttings(Numbered(), scene=12)


def test_the_average_follows_the_weights() -> None:
    """Of weights 1, 2, 3, ... the average with decay d lags by d / (1 - d), once the start is forgotten."""
    network = torch.nn.Linear(1, 1, bias=False)
    average = Average(network, 0.9)
    for step in range(1, 400):
        torch.nn.init.constant_(network.weight, float(step))
        average.follow(network, step)
    assert float(average.values["weight"]) == pytest.approx(399 - 9, rel=1e-4)


def test_stopped_and_resumed_with_cuts_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "noise": "gaussian",
        "noise_options": {"sigma": 0, "sigma_max": 55},
        "denoiser": "u-dru",
        "denoiser_options": {"widths": (4, 8, 8), "blocks": 1},
        "ratio": (1.0, 1.0),
        "batch": 2,
        "crop": 16,
        "scene": 48,
        "cuts": 3,
        "loss": "l1",
        "steps": 23,
        "device": "cpu",
    }

    class Interrupter:
        def __init__(self) -> None:
            self.left = 9

        def start(self, title: str, total: float | None = None) -> None: ...

        def advance(self, steps: float = 1) -> None: ...

        def note(self, text: str) -> None:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)

    train(output=tmp_path / "whole", **settings)
    with pytest.raises(TrainingInterrupted):
        train(output=tmp_path / "parts", progress=Interrupter(), **settings)
    train(output=tmp_path / "parts", resume=True, **settings)
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    _, record = load_weights(tmp_path / "whole")
    assert (record.domain, record.multiple_of) == ("srgb", 8)
    assert 0 < record.halo <= 52
