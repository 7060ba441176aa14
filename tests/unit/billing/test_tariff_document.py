"""A tariff's document: exact both ways, and strict about what cannot be a price table."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from billing.tariff import TARIFF_V1, Tariff
from billing.tariff_document import decode, encode
from tests.unit.billing.price_tables import tariffs
from wire.errors import Rejected

DOCUMENT: dict[str, Any] = json.loads(encode(TARIFF_V1))


@settings(max_examples=40)
@given(tariffs())
def test_a_document_gives_back_the_same_tariff_exactly(tariff: Tariff) -> None:
    text = encode(tariff)
    assert decode(text) == tariff
    assert encode(decode(text)) == text
    assert not any(isinstance(each, float) for each in _leaves(json.loads(text)))


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"discount": "1"}, "unknown member 'discount'"),
        ({"alpha": None}, "alpha must be a decimal over 0"),
        ({"alpha": 0.7}, "in quotes"),
        ({"alpha": "-1"}, 'not "-1"'),
        ({"alpha": "0.0"}, "over 0"),
        ({"alpha": "1e3"}, "must be a decimal"),
        ({"alpha": "1.0000000001"}, "at most 9 decimals"),
        ({"alpha": "\uff11"}, "must be a decimal"),
        ({"version": "a b"}, "version"),
        ({"version": 2}, "version"),
        ({"starts_at": "2027-01-01T00:00:00"}, "has no zone"),
        ({"starts_at": "soon"}, "must be a time"),
        ({"starts_at": 5}, "must be a time"),
        ({"size_factors": {"n": "1"}}, "size_factors lacks the member 's'"),
        ({"size_factors": "1"}, "must be an object"),
        ({"task_factors": {"detect": "1", "juggle": "1"}}, "unknown member 'juggle'"),
        ({"tier_factors": {"standard": "1"}}, "lacks the member 'priority'"),
        ({"plans": {}}, "1 to 100 plans"),
        ({"plans": {"gold": "0.8"}}, "plans.standard must be"),
        ({"plans": {"standard": "0.9"}}, "plans.standard must be"),
        ({"plans": {"standard": "1", "no no": "1"}}, "plan"),
        ({"batch_discounts": {}}, "must be a list"),
        ({"batch_discounts": [{"from_images": 1, "factor": "1"}]}, "from 2 to 1000"),
        ({"batch_discounts": [{"from_images": True, "factor": "1"}]}, "whole number"),
        ({"batch_discounts": [{"from_images": 8, "factor": "1.1"}]}, "it is a discount"),
        ({"batch_discounts": [{"from_images": 8, "factor": "0.9"}] * 2}, "must grow"),
        ({"area_points": {"q": []}}, "unknown member 'q'"),
        ({"area_points": {"n": []}}, "1 to 32 points"),
        ({"area_points": {"n": [{"pixels": 0, "factor": "1"}]}}, "whole number from 1"),
        ({"area_points": {"n": [{"pixels": 9, "factor": 1.5}]}}, "in quotes"),
        ({"area_points": {"n": [{"pixels": 9, "factor": "1"}] * 2}}, "must grow"),
        (
            {"area_points": {"n": [{"pixels": p, "factor": "1"} for p in (8, 9)]}},
            "a larger frame costs more",
        ),
        ({"area_points": {"n": [{"pixels": 1, "factor": "999"}]}}, "lower the factors"),
        ({"unit_price_min": 0}, "whole number from 1"),
        ({"unit_price_min": 10**10}, "whole number from 1"),
        ({"alpha": "999999"}, "lower the factors"),
    ],
)
def test_what_cannot_be_a_price_table_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        decode(json.dumps(DOCUMENT | changes))


@pytest.mark.parametrize("name", DOCUMENT)
def test_every_member_is_needed_and_may_be_there_once(name: str) -> None:
    with pytest.raises(Rejected, match=f"lacks the member '{name}'"):
        decode(json.dumps({key: value for key, value in DOCUMENT.items() if key != name}))
    twice = json.dumps(DOCUMENT)[:-1] + f', "{name}": {json.dumps(DOCUMENT[name])}}}'
    with pytest.raises(Rejected, match=f"'{name}' is there twice"):
        decode(twice)


@pytest.mark.parametrize("text", ["", "[]", "nan", "[" * 60_000, " " * 70_000, '{"version": '])
def test_text_that_is_no_tariff_at_all_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        decode(text)


def test_the_tariff_of_the_start_is_written_as_it_was_before_tariffs_had_area_points() -> None:
    assert "area_points" not in DOCUMENT
    assert decode(json.dumps(DOCUMENT | {"area_points": {}})) == TARIFF_V1


def test_the_documented_example_is_a_tariff() -> None:
    text = (Path(__file__).parents[3] / "docs" / "tariffs.md").read_text(encoding="utf-8")
    _, example, *_ = re.split(r"```(?:json)?\n", text)
    tariff = decode(example)
    assert (tariff.version, tariff.plans["city"]) == ("v2", Fraction("0.75"))
    assert [(each.from_images, each.factor) for each in tariff.batch_discounts] == [
        (8, Fraction("0.9")),
        (32, Fraction("0.8")),
    ]
