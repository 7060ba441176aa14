"""A tariff's document: exact both ways, and strict about what cannot be a price table."""

import json
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.tariff import TARIFF_V1, TASKS, BatchDiscount, Tariff
from billing.tariff_document import UNIT_PRICE_MAX, decode, encode
from wire.errors import Rejected
from wire.frames import Tier
from wire.models import SIZE_CLASSES

DOCUMENT: dict[str, Any] = json.loads(encode(TARIFF_V1))

factors = st.integers(1, 10**10).map(lambda n: Fraction(n, 10**9))
discounts = st.dictionaries(st.integers(2, 1_000), factors.filter(lambda f: f <= 1), max_size=4)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """Draw any tariff whose factors are decimals up to ten."""
    return Tariff(
        version=draw(st.from_regex(r"v[0-9]{1,6}", fullmatch=True)),
        starts_at=draw(st.datetimes(datetime(2026, 2, 1), timezones=st.just(UTC))),  # noqa: DTZ001
        alpha=draw(factors),
        size_factors={name: draw(factors) for name in SIZE_CLASSES},
        task_factors={name: draw(factors) for name in TASKS},
        tier_factors={tier: draw(factors) for tier in Tier},
        batch_discounts=tuple(
            BatchDiscount(from_images=images, factor=factor)
            for images, factor in sorted(draw(discounts).items())
        ),
        plans={"standard": Fraction(1), "park-9": draw(factors)},
        unit_price_min=draw(st.integers(1, UNIT_PRICE_MAX)),
    )


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
