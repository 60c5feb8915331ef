"""How fast datasets are drawn and filed, per format and number of processes, and what limits it.

    OMP_NUM_THREADS=1 python benchmarks/datasets.py [--model vibrant-leaves] [-n 24] [--size 500x500]
                                                    [--jobs 1,2] [--formats png,tiff,npy,webdataset]

Each run starts after one sample has been drawn, so that nothing is compiled or looked up in it; the
processes of --jobs 2 and more start within it, which only large -n make small. Samples per second are
by the clock, and mean little on a busy machine. Processor milliseconds are those of all processes and
threads, start included, and of encoding alone. The disk is that of the temporary folder.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import resource
import tempfile
from pathlib import Path

from synthnoise.cli.parameters import parse_size
from synthnoise.output import layout
from synthnoise.stream.dataset import Request, synthesize


def main() -> None:
    """Print the machine and one row per format and number of processes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="vibrant-leaves")
    parser.add_argument("-n", type=int, default=24, help="samples per row")
    parser.add_argument("--size", default="500x500")
    parser.add_argument("--jobs", default="1,2")
    parser.add_argument("--formats", default="png,tiff,npy,webdataset")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    request = Request(model=arguments.model, n=arguments.n, size=parse_size(arguments.size))
    jobs = [int(text) for text in arguments.jobs.split(",")]
    rows = [
        row(request, name, count, arguments.device) for name in arguments.formats.split(",") for count in jobs
    ]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}, {datetime.date.today()}")
    print(f"{arguments.n} samples of {arguments.model}, {arguments.size}, device {arguments.device}")
    columns = ["format", "processes", "samples/s", "processor ms", "encoding ms", "waiting", "MB each"]
    print("\n".join(layout(columns, rows)))


def row(request: Request, name: str, jobs: int, device: str) -> list[object]:
    """Return the measures of one run."""
    with tempfile.TemporaryDirectory() as place:
        synthesize(Request(**{**vars(request), "n": 1}), Path(place) / "first", format=name, device=device)
        before = processor_seconds()
        made = synthesize(request, Path(place) / "set", format=name, device=device, jobs=jobs)
        spent = processor_seconds() - before
        size = sum(file.stat().st_size for file in (Path(place) / "set").rglob("*") if file.is_file())
    effort = made.effort
    return [
        name,
        jobs,
        made.written / made.seconds,
        1000 * spent / made.written,
        1000 * effort.encoding / made.written,
        f"{effort.waiting / (effort.drawing + effort.waiting):.0%}",
        size / made.written / 1e6,
    ]


def processor_seconds() -> float:
    """Return what this process and those that it has seen end have spent."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


if __name__ == "__main__":
    main()
