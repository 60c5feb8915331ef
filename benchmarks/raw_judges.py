"""Do other programs see in our DNGs what is in them?

Sources are files of a virtual camera (every colour filter array, odd margins, four black levels; each
with a grey card) and the camera files that are named. Each is written anew from its frame (``fresh``), anew
with the metadata of a camera file (``converted``), demosaiced (``linear``), if it is a DNG as a copy with
its raw plane replaced by itself (``rewritten``), and, if it is a mosaic, as ``synthnoise denoise`` does
(``denoised``, by the bundled network where there is one). Every file is rendered by each reader that is
installed. Exit codes prove nothing: some report success on a black picture. So pictures are compared:

- with that of the original in the same reader, where it can read it: the largest difference between the
  means of a channel, in 8-bit levels, and the rank correlation of a grid of means;
- else with our own rendering of the frame: rank correlation, and the spread of the channels over what
  is grey.

exiftool says whether the file is valid, and which tags of the original are lost or changed.

    python benchmarks/raw_judges.py [--markdown docs/compatibility.md] [--cache FILE] [FILE...]

Bare pixels need a geometry: ``frame.raw:width=768,height=512,cfa=RGGB,black=600,white=16383``.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from raw_readers import NOTHING, READERS, Renderings, Summary, run

from synthnoise.cli.parameters import parse_geometry
from synthnoise.denoising import denoise_files
from synthnoise.errors import SynthnoiseError
from synthnoise.raw.develop import camera_rgb, develop
from synthnoise.raw.dng import write_dng, write_linear_dng
from synthnoise.raw.frame import Frame
from synthnoise.raw.reading import read_frame, read_metadata
from synthnoise.raw.rewrite import rewrite_dng
from synthnoise.sensors.presets import SENSORS
from synthnoise.sensors.scenes import dead_leaves
from synthnoise.sensors.virtual_camera import VirtualCamera

SIZE = (600, 720)  # LibRaw and RawTherapee refuse X-Trans pictures below 512 pixels
DATE = "2026:01:01 00:00:00"
QUAD_BAYER = ("RRGG", "RRGG", "GGBB", "GGBB")
SAME_LEVELS, SAME_LIKENESS = 1.0, 0.99
RIGHT_CAST, RIGHT_LIKENESS = 4.0, 0.9
HEADERS = {"CFA": "CanonRaw.cr2", "X-Trans": "FujiFilm.raf"}
STRUCTURE = ("[System]", "[File]", "[Composite]", "[ExifTool]")
"""What exiftool says of the file itself."""
GROUPS = ("ExifIFD", "GPS", "MakerNotes", "XMP", "IPTC")


@dataclasses.dataclass(frozen=True)
class Source:
    """Something to be written: its frame, and the file it came from if there is one."""

    name: str
    frame: Frame
    original: Path | None = None
    header: Path | None = None

    @property
    def kind(self) -> str:
        """Colour filter array in a word."""
        cfa = self.frame.cfa.shape
        if self.frame.is_linear:
            return "linear"
        return "monochrome" if self.frame.is_monochrome else "X-Trans" if cfa == (6, 6) else "CFA"


@dataclasses.dataclass(frozen=True)
class Row:
    """The verdicts on one file: of each reader, of exiftool, and on its pixels."""

    source: Source
    how: str
    verdicts: dict[str, str]
    pixels: str
    valid: str
    tags: str


def scene() -> NDArray[np.float32]:
    """Return linear sRGB [3, H, W]: leaves, and a grey card of three steps on the left third."""
    picture = dead_leaves(SIZE, seed=7)
    for step, level in enumerate((0.12, 0.25, 0.4)):
        picture[:, step * 200 : (step + 1) * 200, :240] = level
    return picture


def virtual_sources(headers: Path | None) -> Iterator[Source]:
    """Yield frames of the virtual camera: every CFA, odd margins, unequal black levels."""
    picture = scene()
    for cfa, masked in (
        ("RGGB", (0, 0)),
        ("BGGR", (0, 0)),
        ("GRBG", (0, 0)),
        ("GBRG", (7, 13)),
        ("X-Trans", (0, 0)),
        ("X-Trans", (7, 13)),
        ("monochrome", (0, 0)),
    ):
        sensor = dataclasses.replace(SENSORS["low-noise"], size=SIZE, cfa=cfa, black_bias=())
        sensor = dataclasses.replace(sensor, masked_rows=masked[0], masked_columns=masked[1])
        frame = VirtualCamera(sensor).shoot(sensor.camera_rgb(picture), ratio=1.5)
        name = f"virtual {cfa}{', odd margins' if any(masked) else ''}"
        if cfa == "GBRG":
            frame, name = unequal_blacks(frame), f"{name}, four blacks"
        yield Source(name, frame, header=header_for(cfa, masked, headers))
        if cfa == "RGGB":
            yield Source("virtual Quad-Bayer", quad_bayer(frame, sensor.camera_rgb(picture) / 1.5))


def header_for(cfa: str, masked: tuple[int, int], headers: Path | None) -> Path | None:
    """Return the camera file whose metadata a virtual frame takes.

    No monochrome Canon is known, and LibRaw aligns the margins of Fujifilm's X-Trans files to six pixels
    before anybody sees them (its renderer fails on a DNG of that make where they are not).
    """
    if headers is None or cfa == "monochrome" or (cfa == "X-Trans" and any(masked)):
        return None
    header = headers / HEADERS["X-Trans" if cfa == "X-Trans" else "CFA"]
    return header if header.exists() else None


def unequal_blacks(frame: Frame) -> Frame:
    """Return a Bayer frame whose four black levels differ by 16 DN each."""
    offsets = 16.0 * np.arange(4).reshape(2, 2)
    rows, columns = np.indices(frame.mosaic.shape)
    mosaic = np.minimum(frame.mosaic + offsets[rows % 2, columns % 2], frame.white).astype(np.uint16)
    return dataclasses.replace(frame, mosaic=mosaic, black=frame.black + offsets)


def quad_bayer(frame: Frame, light: NDArray[np.float32]) -> Frame:
    """Return a noiseless frame of camera RGB [3, H, W] behind a Quad-Bayer array."""
    cfa = np.array([["RGB".index(letter) for letter in row] for row in QUAD_BAYER], np.uint8)
    rows, columns = np.indices(light.shape[1:])
    signal = light[cfa[rows % 4, columns % 4], rows, columns]
    black = np.full((4, 4), 512.0)
    mosaic = np.rint(512 + np.clip(signal, 0, 1) * (frame.white - 512)).astype(np.uint16)
    return dataclasses.replace(frame, mosaic=mosaic, cfa=cfa, black=black)


def named_source(argument: str) -> Source:
    """Return the source of an argument ``FILE`` or ``FILE:geometry``; errors as ``read_frame``."""
    name, _, geometry = argument.partition(":")
    path = Path(name)
    frame = read_frame(path, geometry=parse_geometry(geometry or None), demosaiced=True)
    if geometry:  # LibRaw takes some bare pixels for those of a camera, by their number
        return Source(f"bare pixels ({path.name})", frame)
    return Source(f"{frame.camera or 'unnamed camera'} ({path.name})", frame, path, path)


def written(source: Source, folder: Path) -> dict[str, Path]:
    """Write every version of a source; return the files by how they came about."""
    frame, header = source.frame, source.header
    ways = ("fresh", "converted", "linear", "rewritten", "denoised")
    files = {how: folder / f"{how}.dng" for how in ways}
    if frame.is_linear:
        del files["linear"], files["denoised"]
    if header is None:
        del files["converted"]
    for how in ("fresh", "converted", "linear"):
        if how not in files:
            continue
        labelled, taken = (frame, None) if how == "fresh" else (of_camera(frame, header), header)
        if how == "linear" or frame.is_linear:
            write_linear_dng(
                files[how], camera_rgb(frame), labelled, metadata_from=taken, date=DATE, overwrite=True
            )
        else:
            write_dng(files[how], labelled, metadata_from=taken, date=DATE, overwrite=True)
    original = source.original or files["fresh"]
    if original.suffix.lower() == ".dng":
        rewrite_dng(original, files["rewritten"], frame.mosaic, noise_reduction=1.0, overwrite=True)
    else:
        del files["rewritten"]
    if "denoised" in files:
        (outcome,) = denoise_files([original], files["denoised"], on_existing="overwrite")
        if outcome.error is not None:
            raise outcome.error
    return files


def of_camera(frame: Frame, header: Path | None) -> Frame:
    """Return a frame that claims to be from the camera of a file: maker notes are decoded by its name."""
    if header is None:
        return frame
    info = read_metadata(header)
    return dataclasses.replace(frame, make=info.make, model=info.model)


def verdict(how: str, picture: Summary, original: Summary, expected: Summary) -> str:
    """Return what a picture is: the same as the original's, right by our own rendering, or what is wrong.

    Readers have other defaults for linear files than for mosaics: those need only be right.
    """
    if picture == NOTHING:
        return "cannot read" if original == NOTHING else "**cannot read**"
    if picture.is_black:
        return "**black**"
    truth = expected if original == NOTHING else original
    if not picture.has_shape_of(truth):
        return "**{}x{} for {}x{}**".format(*picture.size[::-1], *truth.size[::-1])
    cast, likeness = picture.cast(expected), picture.likeness(expected, ranks=True)
    right = likeness > RIGHT_LIKENESS and not cast > RIGHT_CAST
    if original == NOTHING:
        return "right" if right else f"**cast {cast:.0f} levels, r {likeness:.2f}**"
    difference, likeness = picture.difference(original), picture.likeness(original)
    if difference < SAME_LEVELS and likeness > SAME_LIKENESS:
        return "same" if difference < 0.05 else f"same ({difference:.1f})"
    if right and how == "linear":
        return f"right ({difference:.1f})"
    return f"**{difference:.1f} levels, r {likeness:.2f}**"


def tags_of(path: Path, *groups: str) -> set[str]:
    """Return what exiftool prints of a file's metadata, one line per tag, with its group."""
    asked = [f"-{group}:all" for group in groups]
    lines = run("exiftool", "-a", "-u", "-s", "-G1", *asked, path).decode("utf-8", "replace").splitlines()
    return {line for line in lines if not line.startswith(STRUCTURE)}


def tag_verdict(how: str, path: Path, original: Path | None) -> str:
    """Return how much of the original's metadata is left, and the names of what a rewritten copy changed."""
    if original is None or how == "fresh" or shutil.which("exiftool") is None:
        return ""
    if how in ("rewritten", "denoised") and original.suffix.lower() == ".dng":
        before, after = tags_of(original), tags_of(path)
        names = sorted({line.split("]")[1].split(":")[0].strip() for line in before ^ after})
        return f"{len(before & after)} of {len(before)}; differing: {', '.join(names)}"
    before, after = tags_of(original, *GROUPS), tags_of(path, *GROUPS)
    lost = sorted(line.split("]")[1].split(":")[0].strip() for line in before - after)
    return f"{len(before & after)} of {len(before)}" + (f"; differing: {', '.join(lost)}" if lost else "")


def rows_of(source: Source, renderings: Renderings, folder: Path) -> Iterator[Row]:
    """Yield the verdicts on every version of a source."""
    expected = Summary.of(develop(source.frame))
    readers = [reader for reader in READERS if reader.version]
    files = written(source, folder)
    for how, path in files.items():
        again = read_frame(path, demosaiced=True).mosaic
        pixels = ""
        if how not in ("linear", "denoised") and not source.frame.is_linear:
            pixels = "equal" if np.array_equal(again, source.frame.mosaic) else "**differ**"
        original = source.original or (None if how == "fresh" else files["fresh"])
        if how == "linear" and source.frame.cfa.shape == (4, 4):
            original = None  # nobody renders that rightly
        verdicts = {}
        for reader in readers:
            before = renderings.of(reader, original) if original else NOTHING
            verdicts[reader.name] = verdict(how, renderings.of(reader, path), before, expected)
        notes = run("exiftool", "-validate", "-warning", "-a", "-s3", path).decode().splitlines()
        model = source.original or files["fresh"] if how in ("rewritten", "denoised") else source.header
        valid = "; ".join(notes[1:]) or notes[0]
        yield Row(source, how, verdicts, pixels, valid, tag_verdict(how, path, model))


def columns() -> list[str]:
    """Return the titles of the table."""
    return ["written", *(reader.name for reader in READERS if reader.version), "pixels", "exiftool -validate"]


def cells(row: Row) -> list[str]:
    """Return the cells of a row of the table."""
    return [row.how, *row.verdicts.values(), row.pixels, row.valid]


def markdown(rows: list[Row], refused: dict[str, str]) -> str:
    """Return the page for the documentation."""
    versions = ", ".join(f"{r.name} {r.version}" for r in READERS if r.version)
    versions += f", exiftool {run('exiftool', '-ver').decode().strip()}"
    good = sum(not v.startswith("**") for row in rows for v in row.verdicts.values())
    total = sum(len(row.verdicts) for row in rows)
    lines = [PAGE.format(date=datetime.date.today(), versions=versions, good=good, total=total)]
    for kind in ("CFA", "X-Trans", "monochrome", "linear"):
        lines.append(f"## {TITLES[kind]}\n")
        lines += table(
            ["file", *columns()], [[r.source.name, *cells(r)] for r in rows if r.source.kind == kind]
        )
    lines.append("## Tags\n\n" + TAGS_NOTE)
    lines += table(["file", "written", "tags kept"], [[r.source.name, r.how, r.tags] for r in rows if r.tags])
    if refused:
        lines.append("## Not opened\n")
        lines += table(["file", "because"], [[name, why] for name, why in refused.items()])
    return "\n".join(lines)


def table(titles: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a Markdown table, a file's name said once."""
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    last = ""
    for row in rows:
        lines.append(f"| {' | '.join(['' if row[0] == last else row[0], *row[1:]])} |")
        last = row[0]
    return [*lines, ""]


TITLES = {
    "CFA": "Bayer and other mosaics",
    "X-Trans": "X-Trans",
    "monochrome": "Monochrome",
    "linear": "Linear (demosaiced) DNGs",
}

PAGE = """# What other programs make of our files

Written by `benchmarks/raw_judges.py` on {date}, with {versions}. Nobody edits this page.

Every file is written in up to five ways: **fresh**, from its pixels and levels alone; **converted**, the
same with the EXIF data, GPS position and maker note of a camera file, as a maker's own format becomes a DNG;
**linear**, demosaiced (`--format linear-dng`); **rewritten**, a DNG with its raw plane replaced by itself;
and **denoised**, what `synthnoise denoise` makes of a mosaic, by `raw`, `raw-x-trans` or else `patch-dct`, of
which no program is to show another brightness or colour. Then each program renders it, and the pictures are
compared:

- **same**: the program shows what it shows of the original: channel means within one 8-bit level (in
  brackets where it is more than a twentieth), and the same structure.
- **right**: there is no original that it can read, or it has other defaults for linear files (in brackets
  how much brighter or darker); what it shows has the structure of our own rendering, and grey is grey.
- **cannot read**: neither the original nor ours.

Anything else is in bold. Known causes: no program knows Quad-Bayer DNGs; RawTherapee refuses files below
100 kB; the Kodak of 1997 states no colour matrix, and every program guesses another.

{good} of {total} pictures are not in bold. Lightroom and Camera Raw could not be tried.
"""

TAGS_NOTE = """Lines of `exiftool -a -u -s -G1` that are in the original and, word for word, in our file. Of
converted files those of EXIF, GPS, XMP, IPTC and maker notes. Of rewritten and denoised DNGs all, with
the names of every tag that differs in any directory: how pixels and previews are stored, the noise that
is left, the
strength, and what identified the old pixels.
"""


def main() -> None:
    """Judge the virtual camera's files and every file on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--markdown", type=Path, help="write the page of the documentation here")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "raw-judges.json")
    parser.add_argument(
        "--headers", type=Path, help="folder of camera files whose metadata virtual ones take"
    )
    arguments = parser.parse_args()
    rows: list[Row] = []
    refused: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        renderings = Renderings(arguments.cache, Path(name))
        sources = [*virtual_sources(arguments.headers), *arguments.files]
        for item in sources:
            try:
                source = named_source(item) if isinstance(item, str) else item
                print(f"\n{source.name}: {' | '.join(columns())}", flush=True)
                for row in rows_of(source, renderings, Path(name)):
                    print(" | ".join(cells(row)), row.tags, flush=True)
                    rows.append(row)
            except SynthnoiseError as error:
                short = str(item).rpartition("/")[2]
                refused[short] = error.message.removeprefix(f"{item}: ")
                print(f"\n{short}: {refused[short]}", flush=True)
    if arguments.markdown:
        arguments.markdown.write_text(markdown(rows, refused))


if __name__ == "__main__":
    main()
