"""Noise models beside a camera: what they lack is seen, and another real frame lacks nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from synthnoise.errors import UsageError
from synthnoise.evaluation.noise import COLUMNS, REAL, evaluate_noise, judge_darks
from synthnoise.evaluation.table import Table, value_and_error
from synthnoise.sensors.presets import SENSORS

SHAPE = (4, 128, 160)
SIGMA, ROW = 5.0, 2.0
Planes = NDArray[np.float32]

OFFSET = np.array([3.0, -2.0, 7.0, 0.0])[:, None, None]


def dark(seed: int, *, row: float = ROW, offset: bool = True) -> Planes:
    """Return a rounded dark: white noise, rows that all planes share, a bias of each plane's black."""
    rng = np.random.default_rng(seed)
    noise = SIGMA * rng.standard_normal(SHAPE) + row * rng.standard_normal((1, SHAPE[1], 1))
    return np.rint(noise + offset * OFFSET).astype(np.float32)


@pytest.fixture(scope="module")
def table() -> Table:
    models = {
        "right": lambda n: dark(100 + n),
        "without offset": lambda n: dark(200 + n, offset=False),
        "without rows": lambda n: dark(300 + n, row=0),
        "frozen": lambda n: dark(400),
    }
    return judge_darks(models, [dark(n) for n in range(7)])


@pytest.mark.parametrize("name", [REAL, "right", "without offset"])
def test_the_right_law_is_as_near_as_another_frame_with_its_black_level_or_without(
    table: Table, name: str
) -> None:
    row = {key: float(value) for key, value in list(table.row(name).items())[1:]}
    pixels, rows = 3 * SHAPE[1] * SHAPE[2], 3 * SHAPE[1]
    assert row["KL"] < 2 * 60 / pixels
    assert row["KS"] < 0.03
    assert row["row var ratio"] == pytest.approx(1, abs=5 * math.sqrt(4 / rows))
    assert row["var ratio"] == pytest.approx(1, abs=5 * (ROW / SIGMA) ** 2 * math.sqrt(4 / rows))
    assert row["spread dB"] == pytest.approx(5.57, abs=0.2)
    assert abs(row["frame corr"]) < 0.02


def test_missing_rows_are_seen(table: Table) -> None:
    """Row means of white noise alone vary by sigma^2 / W, of the camera by row^2 more."""
    expected = SIGMA**2 / SHAPE[2] / (SIGMA**2 / SHAPE[2] + ROW**2)
    row = table.row("without rows")
    assert row["row var ratio"] == pytest.approx(expected, rel=5 * math.sqrt(2 / (3 * SHAPE[1]) * 1.25))
    # Planes share their rows: their correlation is the rows' part of the variance.
    shared = ROW**2 / (SIGMA**2 + ROW**2)
    assert row["plane corr error"] == pytest.approx(shared, abs=0.04)


def test_a_frozen_dark_is_seen(table: Table) -> None:
    row = table.row("frozen")
    assert row["frame corr"] == pytest.approx(1)
    # The root of what rounding leaves of a variance that is none, which is another on every processor.
    assert row["spread dB"] == pytest.approx(0, abs=1e-3)


def test_models_are_judged_on_a_virtual_camera_that_calibrated_them() -> None:
    """Poisson-Gaussian on ``mild``: the right variance, but not its rows, its tails or its correlation."""
    table = evaluate_noise(["poisson-gaussian", "two-shots"], sensor="mild", frames=2)
    assert table.columns == COLUMNS
    assert [row[0] for row in table.rows] == [REAL, "poisson-gaussian", "two-shots"]
    real, white, shots = (table.row(str(row[0])) for row in table.rows)
    sensor = SENSORS["mild"]
    pixel = sensor.read_noise**2 + sensor.converter_noise**2 + sensor.dsnu**2
    expected = pixel / (sensor.size[1] // 2) / (pixel / (sensor.size[1] // 2) + sensor.row_noise**2)
    assert white["row var ratio"] == pytest.approx(expected, rel=0.35)
    assert real["row var ratio"] == pytest.approx(1, abs=0.4)
    assert float(white["KL"]) > 20 * float(real["KL"])
    assert float(shots["KL"]) < 0.2 * float(white["KL"])
    assert abs(float(white["kurtosis"])) < 0.1 < 5 < float(real["kurtosis"])
    # The published method repeats the amplitudes of its one dark: only the phases are new.
    assert float(shots["spread dB"]) < 1 < 5 < float(real["spread dB"])


def test_too_few_darks_and_unknown_cameras_are_refused() -> None:
    with pytest.raises(UsageError, match="two or more"):
        judge_darks({}, [dark(0)])
    with pytest.raises(UsageError, match="same size"):
        judge_darks({}, [dark(0), dark(1)[:, :-1]])
    with pytest.raises(UsageError, match="no virtual camera"):
        evaluate_noise(sensor="toaster")
    with pytest.raises(UsageError, match="not enough"):
        evaluate_noise(darks=[])


def test_two_darks_leave_the_other_real_frame_unmeasured() -> None:
    table = judge_darks({"right": lambda n: dark(9 + n)}, [dark(0), dark(1)])
    assert math.isnan(float(table.row(REAL)["KL"]))
    assert not math.isnan(float(table.row("right")["KL"]))


def test_models_may_draw_more_frames_than_there_are_real_ones() -> None:
    """Means of more frames lie nearer to the law, and have what needs several: spread, frame correlation."""
    drawn = list[int]()

    def source(number: int) -> Planes:
        drawn.append(number)
        return dark(50 + number)

    table = judge_darks({"right": source}, [dark(0), dark(1)], drawn=6)
    assert drawn == [0, 1, 2, 3, 4, 5, 6]
    assert "6 frames of each model against 1" in table.title
    assert float(table.row("right")["spread dB"]) == pytest.approx(5.57, abs=0.2)


def test_values_come_with_standard_errors_for_eyes_and_for_programs(table: Table) -> None:
    assert [len(errors) for errors in table.errors] == [len(COLUMNS) - 1] * len(table.rows)
    right = dict(zip(COLUMNS[1:], table.errors[1], strict=True))
    # 384 row means against 384: the variance of each is known to sqrt(2 / 384) = 7 %.
    assert right["row var ratio"] == pytest.approx(math.sqrt(4 / 384 / 4), rel=0.7)
    apart = table.with_errors()
    assert apart.columns[:4] == ("model", "KL", "KL se", "KS")
    assert apart.row("right")["KL se"] == right["KL"]
    assert " ± " in str(table.as_text().row("right")["KL"])
    without = judge_darks({"right": lambda n: dark(9 + n)}, [dark(0), dark(1)])
    assert without.as_text().row(REAL)["KL"] == "nan"


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.012412, 0.00031, "0.0124 ± 0.0003"),
        (0.012412, 0.000131, "0.01241 ± 0.00013"),
        (24.1, 6.2, "24 ± 6"),
        (1234.5, 131.0, "1234 ± 131"),
        (0.5, 0.0, "0.5"),
        (0.5, math.nan, "0.5"),
        (math.nan, 1.0, "nan"),
    ],
)
def test_values_are_rounded_to_their_errors(value: float, error: float, text: str) -> None:
    assert value_and_error(value, error) == text
