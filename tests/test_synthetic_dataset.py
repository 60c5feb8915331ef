"""Training data without end: every sample once, whoever draws it."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

import synthnoise
from synthnoise.errors import PluginError, UsageError
from synthnoise.stream.dataset import Request, samples

LEAVES = {"reduction": 1, "r_min": 4}
NOISE = {"noise": "poisson-gaussian", "noise_options": {"shot": 0.002, "read": 0.0001}}
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def dataset(**values):
    defaults = {"options": LEAVES, "size": (16, 24), "seed": 3}
    return synthnoise.SyntheticDataset("dead-leaves", **(defaults | values))


def numbers(loader, count: int) -> list[int]:
    return [int(i) for item in itertools.islice(loader, count) for i in item["index"].flatten()]


def test_samples_are_those_of_a_dataset_on_the_disk():
    for noise in ({}, {**NOISE, "ratio": 8.0}):
        request = Request(n=5, size=(16, 24), seed=3, options=LEAVES, **noise)
        for (indices, fields), item in zip(samples(request, batch_size=1), dataset(**noise), strict=False):
            assert item["index"] == indices[0]
            for name, value in fields.items():
                assert torch.equal(item[name], value[0]), name


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_come_in_the_same_order_with_any_number_of_workers(workers):
    loader = DataLoader(
        dataset(batch_size=3, start=7),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
    )
    assert numbers(loader, 5) == list(range(7, 22))


def test_single_samples_are_batched_by_the_loader_without_loss():
    loader = DataLoader(dataset(), batch_size=2, num_workers=2, multiprocessing_context="fork")
    assert sorted(numbers(loader, 6)) == list(range(12))


def test_ranks_share_the_numbers_out():
    """Unions over ranks of what they see after equally many batches: a stretch of numbers, each once."""
    for ranks, batch in ((1, 4), (3, 2), (4, None)):
        seen = [numbers(dataset(rank=r, world_size=ranks, batch_size=batch), 3) for r in range(ranks)]
        assert sorted(itertools.chain(*seen)) == list(range(3 * ranks * (batch or 1)))


RANK = """
import itertools, json, os, sys
import torch
torch.set_num_threads(1)
from torch import distributed
from torch.utils.data import DataLoader
import synthnoise
if __name__ == "__main__":
    store, start_method, ranks = sys.argv[1], sys.argv[2], 2
    children = []
    for rank in range(ranks):
        if (child := os.fork()) == 0:
            dataset = synthnoise.SyntheticDataset("dead-leaves", options={"reduction": 1}, size=(8, 8),
                                                  batch_size=2)  # before any rank is known
            distributed.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=ranks)
            loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=start_method)
            seen = [batch["index"].tolist() for batch in itertools.islice(loader, 4)]
            print(json.dumps([rank, seen]), flush=True)
            distributed.barrier()
            os._exit(0)
        children.append(child)
    sys.exit(sum(os.waitpid(child, 0)[1] for child in children) != 0)
"""


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_distributed_ranks_with_workers_see_every_sample_once(tmp_path, method):
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "store"), method],
        capture_output=True, text=True, env=ONE_THREAD, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    seen = dict(json.loads(line) for line in run.stdout.splitlines())
    for rank in (0, 1):
        assert seen[rank] == [[4 * k + 2 * rank, 4 * k + 2 * rank + 1] for k in range(4)]


def test_spawned_workers_draw_the_same_samples():
    loader = DataLoader(
        dataset(batch_size=2, **NOISE), batch_size=None, num_workers=1, multiprocessing_context="spawn"
    )
    alone = dataset(batch_size=2, **NOISE)
    for theirs, own in itertools.islice(zip(loader, alone, strict=False), 3):
        assert all(torch.equal(theirs[name], own[name]) for name in own)


def test_it_goes_on_where_it_was_and_survives_pickling():
    stream = dataset(batch_size=2)
    first = list(itertools.islice(stream, 4))
    stream.start = 4
    for again in (stream, dataset(batch_size=2, start=4), pickle.loads(pickle.dumps(stream))):
        item = next(iter(again))
        assert torch.equal(item["index"], first[2]["index"])
        assert torch.equal(item["clean"], first[2]["clean"])


def test_a_model_of_ones_own_and_a_range_of_exposures():
    class Ramp:
        def generate(self, size, rng):
            ramp = torch.linspace(0, 1, size[1]).expand(len(rng.indices), 3, *size)
            return ramp * rng.uniform(128, (1,)).view(-1, 1, 1, 1)

    stream = synthnoise.SyntheticDataset(Ramp(), size=(8, 8), batch_size=64, ratio=(10, 1000), **NOISE)
    ratio = next(iter(stream))["ratio"]
    assert ratio.min() < 20 < 500 < ratio.max()
    assert next(iter(stream))["clean"].shape == (64, 4, 4, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rank": 1}, "without each other"),
        ({"rank": 2, "world_size": 2}, "rank 2 of 2"),
        ({"ratio": 10}, "without noise"),
        ({"size": (0, 4)}, "no samples"),
        ({"batch_size": 0}, "no samples"),
        ({"start": -1}, "no samples"),
        ({"seed": -1}, "seed -1"),
        ({"options": {"radius": 3}}, "radius"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(values, message):
    with pytest.raises(UsageError, match=message):
        dataset(**values)
    with pytest.raises(PluginError, match="no-such-model"):
        synthnoise.SyntheticDataset("no-such-model")


def test_the_training_loop_of_the_documentation_runs(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "images.md").read_text()
    (loop,) = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "backward" in code]
    assert len([line for line in loop.splitlines() if line.strip()]) <= 20
    script = tmp_path / "loop.py"
    quick = loop
    for written, tried in (
        ("1000)", "3)"),
        ("vibrant-leaves", "dead-leaves"),
        ("(128, 128), batch_size=16", "(16, 16), batch_size=2"),
    ):
        assert written in quick
        quick = quick.replace(written, tried)
    script.write_text(f"{quick}\nassert loss.item() > 0\n")
    run = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=ONE_THREAD,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
