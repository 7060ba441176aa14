"""The biller's decision, compared with a slow model that looks at every single frame."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import batches, charging
from billing.batches import Identity, Line
from billing.charging import BilledSession
from billing.coverage import Coverage
from billing.ledger import Purse
from wire import usage
from wire.usage import Status, UsageEvent

MINUTE = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
WHO = Identity("gate", 1, "park", "yolov8s", 640, 640)
PRICE = 7

LINES = st.lists(
    st.builds(
        lambda first, count, status: Line(first, first + count, MINUTE, status, 0),
        st.integers(0, 40),
        st.integers(0, 8),
        st.sampled_from(Status),
    ),
    min_size=1,
    max_size=20,
)
COVERED = st.lists(st.tuples(st.integers(0, 40), st.integers(41, 44)), max_size=1)


def session(
    *,
    held: int = 0,
    covered: Coverage | None = None,
    state: str = "open",
    last_seq: int | None = None,
) -> BilledSession:
    return BilledSession(
        identity=WHO,
        unit_price=PRICE,
        state=state,
        last_seq=last_seq,
        in_doubt=0,
        held_frames=held,
        covered=covered or Coverage(),
    )


@given(LINES, COVERED, st.integers(0, 50))
def test_each_frame_counts_once_with_the_first_status_told(
    lines: list[Line], covered: list[tuple[int, int]], held: int
) -> None:
    seen = {number for start, end in covered for number in range(start, end)}
    told: Counter[Status] = Counter()
    for line in lines:
        fresh = set(range(line.first, line.last + 1)) - seen
        told[line.status] += len(fresh)
        seen |= fresh
    charge = charging.charge_session(session(held=held, covered=Coverage(covered)), lines)
    if charge is None:
        assert not told.total()
        return
    assert {use.status: use.frames for use in charge.minutes} == +told
    detected = told[Status.DETECTED]
    assert charge.charged_frames == detected
    assert sum(use.millitokens for use in charge.minutes) == detected * PRICE
    assert charge.paid_from_held + charge.paid_otherwise == detected * PRICE
    assert charge.held_frames == max(0, held - told.total())
    assert charge.paid_from_held + charge.released == (held - charge.held_frames) * PRICE


@given(st.integers(0, 500), st.integers(0, 60), st.integers(0, 60))
def test_nothing_falls_below_zero_and_no_debt_while_there_is_money(
    available: int, held: int, detected: int
) -> None:
    lines = [Line(0, detected, MINUTE, Status.DETECTED, 0)]
    charge = charging.charge_session(session(held=held), lines)
    assert charge is not None
    decision = charging.Decision(sessions=(charge,), accounts=charging._by_account([charge]))
    purses: Counter[Purse] = Counter({Purse.AVAILABLE: available, Purse.HELD: held * PRICE})
    for entry in charging.entries(decision, {"park": available}, "usage/t/0/0-0/1"):
        purses[entry.debit] -= entry.amount
        purses[entry.credit] += entry.amount
    assert purses[Purse.REVENUE] == (detected + 1) * PRICE
    assert purses[Purse.HELD] == charge.held_frames * PRICE
    assert purses[Purse.AVAILABLE] >= 0
    assert purses[Purse.RECEIVABLE] <= 0
    assert purses[Purse.RECEIVABLE] == 0 or purses[Purse.AVAILABLE] == 0


def test_a_closing_session_settles_with_its_last_frame_and_holds_nothing() -> None:
    closing = session(held=9, state="closing", last_seq=4)
    charge = charging.charge_session(closing, [Line(0, 4, MINUTE, Status.DETECTED, 0)])
    assert charge is not None
    assert (charge.settled, charge.held_frames, charge.released) == (True, 0, 4 * PRICE)


def test_a_hole_keeps_a_session_from_settling() -> None:
    closing = session(held=5, state="closing", last_seq=4)
    charge = charging.charge_session(closing, [Line(1, 4, MINUTE, Status.DETECTED, 0)])
    assert charge is not None
    assert (charge.settled, charge.held_frames) == (False, 1)


def message(offset: int, **changes: object) -> tuple[int, bytes]:
    fields = {
        **WHO._asdict(),
        "first": 0,
        "last": 0,
        "status": Status.DETECTED,
        "model_version": "v1",
        "captured_at": MINUTE,
    }
    return offset, usage.encode(UsageEvent(**(fields | changes)), at=MINUTE)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"first": -1}, "no frames"),
        ({"first": 2, "last": 1}, "no frames"),
        ({"last": 10**7}, "more than"),
        ({"first": 2**63 - 1, "last": 2**63 - 1}, "no frames"),
        ({"epoch": -1}, "epoch"),
        ({"stream": "a/b"}, "stream name"),
        ({"account": ""}, "account name"),
        ({"captured_at": MINUTE.replace(tzinfo=None)}, "captured_at"),
    ],
)
def test_an_impossible_event_is_kept_and_its_neighbours_count(
    changes: dict[str, object], reason: str
) -> None:
    batch = batches.read([message(3), message(4, **changes), message(6, first=1, last=1)])
    assert [(bad.offset, reason in bad.reason) for bad in batch.unbillable] == [(4, True)]
    assert [line.place for line in batch.lines[WHO]] == [0, 2]


def test_a_time_beyond_the_calendar_is_kept_too() -> None:
    value = message(0)[1].replace(b'2026-03-04T05:06:00Z"}', b'0001-01-01T00:00:00+14:00"}')
    batch = batches.read([(0, value)])
    assert "calendar" in batch.unbillable[0].reason


def test_the_calendars_first_and_last_minutes_can_be_billed() -> None:
    ends = [datetime(1, 1, 1, 0, 0, 59, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]
    batch = batches.read([message(n, captured_at=at) for n, at in enumerate([*ends, MINUTE])])
    assert [line.minute for line in batch.lines[WHO]] == [
        ends[0].replace(second=0),
        ends[1],
        MINUTE,
    ]


def test_messages_below_the_position_are_skipped() -> None:
    batch = batches.read([message(3), message(5, first=1, last=1)])
    assert batches.after(batch, 3) is batch
    rest = batches.after(batch, 4)
    assert rest is not None
    assert (rest.first_offset, len(rest.messages)) == (5, 1)
    assert batches.after(batch, 6) is None


def test_an_event_of_another_contract_is_refused_and_says_why() -> None:
    batch = batches.read([message(0), message(1, height=320), message(2, epoch=2)])
    decision = charging.decide(batch, {("gate", 1): session(held=1)})
    assert decision.sessions[0].charged_frames == 1
    assert [bad.reason for bad in decision.unbillable] == [
        "contradicts session gate/1: height is 320, not 640",
        "no session gate/2 was ever opened",
    ]
