"""Datasets at length: the same bytes from several processes, whatever dies when, in memory that stays."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
import torch

from synthnoise.errors import SynthnoiseError, UsageError
from synthnoise.images.dead_leaves import DeadLeaves
from synthnoise.progress import Silent
from synthnoise.stream import dataset, writers
from synthnoise.stream.dataset import Request, synthesize
from synthnoise.stream.sample_numbers import SampleNumbers

LEAVES = {"reduction": 1, "r_min": 2}
PAIRS = Request(
    n=40, size=(32, 32), seed=5, options=LEAVES,
    noise="poisson-gaussian", noise_options={"shot": 0.002, "read": 0.0001},
)  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Killer(Silent):
    """Kills one of the processes as soon as one of them has filed something."""

    def advance(self, steps: float = 1) -> None:
        if steps and (children := multiprocessing.active_children()):
            os.kill(children[0].pid, signal.SIGKILL)


def test_a_process_that_dies_is_one_line_and_what_is_filed_is_whole(tmp_path):
    synthesize(PAIRS, tmp_path / "one")
    whole = contents(tmp_path / "one")
    with pytest.raises(
        SynthnoiseError, match="a process that drew samples died: killed by SIGKILL"
    ) as caught:
        synthesize(PAIRS, tmp_path / "two", jobs=2, progress=Killer())
    assert "\n" not in caught.value.message
    assert not multiprocessing.active_children()
    there = contents(tmp_path / "two")
    assert 1 < len(there) < len(whole)
    assert there.items() <= whole.items()
    summary = synthesize(PAIRS, tmp_path / "two")
    assert summary.existing > 0
    assert contents(tmp_path / "two") == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "request_"),
    [("png", PAIRS), ("webdataset", Request(n=24, size=(700, 750), options={"reduction": 1, "r_min": 8}))],
)
def test_processes_make_the_files_of_one(tmp_path, name, request_):
    synthesize(request_, tmp_path / "one", format=name)
    summary = synthesize(request_, tmp_path / "two", format=name, jobs=2, batch_size=3, contact_sheet=True)
    assert (summary.written, summary.jobs) == (request_.n, 2)
    assert summary.effort.drawing > 0
    (tmp_path / "two" / "contact-sheet.png").unlink()
    assert len(contents(tmp_path / "one")) > 3
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_formats_for_one_process_say_so(tmp_path, monkeypatch):
    monkeypatch.delattr(writers.FolderSink, "block")
    with pytest.raises(UsageError, match="written by one process"):
        synthesize(PAIRS, tmp_path / "set", jobs=2)
    with pytest.raises(UsageError, match="0 processes"):
        synthesize(PAIRS, tmp_path / "set", jobs=0)
    assert synthesize(PAIRS, tmp_path / "set", jobs=1).written == 40


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from synthnoise.stream import dataset
folder, name, jobs, kills, n, size = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
request = dataset.Request(n=n, size=(size, size), seed=5, options={"reduction": 1, "r_min": 8})
def run(place, jobs):
    dataset.synthesize(request, place, format=name, jobs=jobs)
def filed():
    return len(list(folder.iterdir())) if folder.exists() else 0
if __name__ == "__main__":
    run(Path(str(folder) + "-whole"), 1)
    whole = len(list(Path(str(folder) + "-whole").iterdir()))
    moments, killed = random.Random(7), 0
    while killed < kills:
        before = filed()
        if (child := os.fork()) == 0:
            run(folder, jobs)
            os._exit(0)
        if killed % 3:  # while files come, else whenever
            enough = min(before + moments.randrange(1, whole // 12), whole // 2)
            while filed() < enough:
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.05))
        else:
            time.sleep(moments.uniform(0, 3))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    print(killed, filed(), whole)
    run(folder, jobs)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n", "size"), [("png", 600, 32), ("webdataset", 640, 500)])
def test_killed_with_its_processes_at_work_it_still_ends_with_the_same_bytes(tmp_path, name, n, size):
    script = tmp_path / "killer.py"
    script.write_text(KILLER)
    command = [sys.executable, str(script), str(tmp_path / "set"), name, "2", "12", str(n), str(size)]
    run = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=590,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    killed, filed, wanted = map(int, run.stdout.split())
    assert killed == 12
    assert 1 < filed < wanted
    assert contents(tmp_path / "set") == contents(tmp_path / "set-whole")


def running(group: int) -> list[int]:
    """Processes of a group that are more than entries yet to be reaped."""
    lines = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,stat="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in lines.stdout.splitlines())
    return [int(pid) for pgid, pid, state in rows if int(pgid) == group and not state.startswith("Z")]


@pytest.mark.slow
def test_control_c_leaves_whole_files_and_no_process(tmp_path):
    command = [sys.executable, "-m", "synthnoise", "synth", "-n", "100000", "--size", "32x32", "--jobs", "2"]
    command += ["-o", "reduction=1", "-o", "set"]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while len(list(tmp_path.glob("set/*.png"))) < 20:
        assert run.poll() is None
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)  # a terminal sends it to all
    _, said = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "Traceback" not in said
    until = time.monotonic() + 10
    while running(run.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not running(run.pid)
    assert all(path.suffix in (".png", ".json") for path in (tmp_path / "set").iterdir())


def test_numbers_are_a_set():
    drawn = random.Random(1).sample(range(200_000), 3000)
    numbers = SampleNumbers([*drawn, *drawn[:100]])
    assert len(numbers) == 3000
    assert list(numbers) == sorted(drawn)
    assert set(drawn) == numbers
    assert numbers & {drawn[0], -1, 10**12} == {drawn[0]}
    assert "a" not in numbers


def peak(work) -> int:
    """Largest number of bytes that Python objects took beyond what was there."""
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_ten_million_samples_are_remembered_in_little_more_than_a_megabyte():
    assert peak(lambda: SampleNumbers(range(0, 10**7, 1000))) < 2_000_000


def test_memory_does_not_grow_with_the_number_of_samples(tmp_path, monkeypatch):
    black = torch.zeros(4, 3, 2, 2)
    monkeypatch.setattr(DeadLeaves, "generate", lambda self, size, rng: black[: len(rng.indices)])

    def run(n: int) -> int:
        return peak(lambda: synthesize(Request(n=n, size=(2, 2)), tmp_path / str(n), format="npy"))

    run(30)  # what is loaded once
    few = run(60)
    # Of two: the table of interned strings, which paths go through, may grow by megabytes at any moment.
    many = min(run(1060), run(1061))
    # A bit per number, and what chance leaves; a path per sample would take 200 kB more.
    assert many < few + 100_000


class Slow:
    """A sink whose files take long."""

    block = 0

    def write(self, indices, batch):
        time.sleep(0.05)

    def close(self):
        return


def test_the_summary_says_what_limits():
    clock = dataset._Clock(Silent(), 32)
    fields = {"clean": torch.zeros(4, 3, 8, 8)}
    clock.follow(dataset._file(((list(range(4 * k, 4 * k + 4)), fields) for k in range(8)), Slow()))
    summary = clock.summary(Path("set"), "png", 0, 1)
    assert summary.written == 32
    # 32 files of 0.05 s by eight threads: 0.2 s at least, all of it waiting, hardly any processor.
    assert summary.seconds >= 0.2
    assert summary.effort.waiting > 0.1 > summary.effort.encoding
    assert "limited by the disk" in [*summary.pace()][-1]
