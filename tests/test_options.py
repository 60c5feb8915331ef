"""Text of -o key=value becomes typed options, or one clear line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthnoise import options
from synthnoise.errors import UsageError


@dataclass(frozen=True)
class Lens:
    """Options of a test model."""

    aperture: float = field(default=2.8, metadata={"help": "f-number", "range": (0.7, 64)})
    blades: int = 7
    coated: bool = True
    mount: Literal["F", "EF", "E"] = "F"
    maker: str | None = None
    size: tuple[int, int] = (24, 36)
    weights: tuple[float, ...] = ()


@settings(deadline=None, derandomize=True)
@given(
    st.floats(0.7, 64), st.integers(-(10**9), 10**9), st.booleans(), st.tuples(st.integers(), st.integers())
)
def test_text_round_trip(aperture, blades, coated, size):
    text = {
        "aperture": repr(aperture),
        "blades": str(blades),
        "coated": str(coated),
        "size": f"{size[0]},{size[1]}",
    }
    assert options.build(Lens, text, owner="lens") == Lens(
        aperture=aperture, blades=blades, coated=coated, size=size
    )


@pytest.mark.parametrize(
    ("key", "value", "symptom"),
    [
        ("aperture", "wide", "a number"),
        ("aperture", "0.1", "between 0.7 and 64"),
        ("blades", "7.5", "a whole number"),
        ("coated", "maybe", "true or false"),
        ("mount", "PL", "F, EF, E"),
        ("size", "24", "2 values"),
        ("apperture", "2", "no option"),
    ],
)
def test_bad_values_name_the_option(key, value, symptom):
    with pytest.raises(UsageError, match=symptom) as error:
        options.build(Lens, {key: value}, owner="lens")
    assert "lens" in error.value.message


def test_misspelt_option_is_corrected():
    with pytest.raises(UsageError) as error:
        options.build(Lens, {"apperture": "2"}, owner="lens")
    assert error.value.hint == "did you mean aperture?"


def test_none_word_and_bare_key():
    assert options.build(Lens, {"maker": "none"}, owner="lens").maker is None
    assert options.parse_pairs(["coated", "max-size=3"]) == {"coated": "true", "max_size": "3"}
    with pytest.raises(UsageError, match="twice"):
        options.parse_pairs(["a=1", "a=2"])


def test_describe_covers_every_field():
    described = {row["name"]: row for row in options.describe(Lens)}
    assert described["aperture"]["default"] == "2.8"
    assert described["mount"]["type"] == "F|EF|E"
    assert described["coated"]["default"] == "true"


def test_python_values_fit_fields_of_several():
    assert options.build(Lens, {"weights": 3, "size": [1, 2]}, owner="lens") == Lens(
        weights=(3,), size=(1, 2)
    )
