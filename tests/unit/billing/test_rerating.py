"""A re-rating books what is missing, no more; again it books nothing, and the way back is exact."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import rerating
from billing.ledger import Kind, Purse
from billing.rerating import Rerating, UsedHour
from billing.tariff import TARIFF_V1, PriceTerms, Tariff, price_of_frame
from tests.unit.billing.price_tables import tariffs
from wire.errors import Rejected
from wire.frames import Tier

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 4, 5, tzinfo=UTC)
ASKED = Rerating(account="park", start=START, end=START + HOUR, tariff="v1", reason="agreed")

terms = st.builds(
    PriceTerms,
    size_class=st.sampled_from("nsmlx"),
    height=st.sampled_from((32, 384, 640)),
    width=st.just(640),
    tier=st.sampled_from(Tier),
    plan=st.sampled_from(("standard", "gold")),
    images=st.integers(1, 50),
)


@st.composite
def charged(draw: st.DrawFn, tariff: Tariff) -> list[UsedHour]:
    """Draw hours that were charged under this tariff."""
    return [
        UsedHour(
            stream=f"s{number}",
            epoch=1,
            hour=START,
            frames=frames,
            charged=frames * price_of_frame(each, tariff),
            corrected=0,
            terms=each,
        )
        for number, (each, frames) in enumerate(
            draw(st.lists(st.tuples(terms, st.integers(1, 10**6)), max_size=5))
        )
    ]


def after(used: list[UsedHour], tariff: Tariff) -> list[UsedHour]:
    """Return the hours with the corrections of a re-rating to this tariff."""
    made = rerating.lines(used, tariff)
    return [
        replace(hour, corrected=hour.corrected + line.difference)
        for hour, line in zip(used, made, strict=True)
    ]


@settings(max_examples=40)
@given(st.data(), tariffs(), st.lists(tariffs(), min_size=1, max_size=3))
def test_whatever_way_was_taken_the_sum_is_the_last_tariffs_and_leads_back(
    data: st.DataObject, original: Tariff, others: list[Tariff]
) -> None:
    first = used = data.draw(charged(original))
    for other in others:
        used = after(used, other)
        assert rerating.total(rerating.lines(used, other)) == 0
        assert not any(line.difference for line in rerating.lines(used, other))
    due = sum(hour.frames * price_of_frame(hour.terms, others[-1]) for hour in used)
    assert sum(hour.charged + hour.corrected for hour in used) == due
    assert after(used, original) == first


@given(amount=st.integers(-(10**12), 10**12), available=st.integers(0, 10**12))
def test_more_is_taken_from_what_is_available_and_the_rest_is_owed(
    amount: int, available: int
) -> None:
    made = rerating.entries(ASKED, amount, available)
    moved = {(entry.debit, entry.credit): entry.amount for entry in made}
    assert all(entry.kind is Kind.ADJUST and entry.amount > 0 for entry in made)
    assert {entry.reference for entry in made} <= {f"rerating/{ASKED.id}"}
    back = moved.pop((Purse.REVENUE, Purse.AVAILABLE), 0)
    taken = moved.pop((Purse.AVAILABLE, Purse.REVENUE), 0)
    owed = moved.pop((Purse.RECEIVABLE, Purse.REVENUE), 0)
    assert not moved
    assert taken + owed - back == amount
    assert taken <= available
    assert not owed or taken == available


def test_the_same_question_has_the_same_name_in_every_zone_and_another_has_another() -> None:
    abroad = timezone(timedelta(hours=5))
    assert replace(ASKED, start=START.astimezone(abroad)).id == ASKED.id
    others = (
        replace(ASKED, account="zoo"),
        replace(ASKED, end=START + 2 * HOUR),
        replace(ASKED, tariff="v2"),
        replace(ASKED, reason="agreed again"),
    )
    assert len({ASKED.id, *(other.id for other in others)}) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"account": "a b"}, "account"),
        ({"reason": ""}, "a reason has"),
        ({"reason": "a\nb"}, "a reason has"),
        ({"start": START + timedelta(minutes=5)}, "from must be a whole hour"),
        ({"end": START + timedelta(minutes=90)}, "to must be a whole hour"),
        ({"end": START}, "from must be before to"),
        ({"end": START + timedelta(days=63)}, "at most 62 days"),
        ({"end": START + 3 * HOUR}, "has not ended"),
    ],
)
def test_a_period_is_whole_hours_of_the_past(changes: dict[str, Any], message: str) -> None:
    now = START + 2 * HOUR
    rerating.check(ASKED, now)
    with pytest.raises(Rejected, match=message):
        rerating.check(replace(ASKED, **changes), now)


def test_terms_that_the_tariff_has_no_price_for_are_refused() -> None:
    used = UsedHour(
        stream="s",
        epoch=1,
        hour=START,
        frames=1,
        charged=1,
        corrected=0,
        terms=PriceTerms(size_class="s", height=640, width=640, plan="gold"),
    )
    with pytest.raises(Rejected, match="plan 'gold'"):
        rerating.lines([used], TARIFF_V1)
