"""Fresh frames are never held, a backlog only within its bounds, and bunches come out whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.detector.lane import Assigned, Fetched, Finished, Lane, Opened, Taken, Transact
from consumers.detector.metering import Outcome
from consumers.detector.pacing import (
    AGE_SHARE,
    BUNCH_MAX,
    BUNCH_MOST,
    FRESH_S,
    HOLD_S_LAST,
    HOLD_S_MAX,
    NEVER,
    Pace,
    hold_s,
)
from tests.unit.consumers.detector.made import NOON, frame
from wire.frames import Tier
from wire.usage import Status

ages = st.floats(-5, 700)
limits = st.floats(0.001, 600)
tiers = st.sampled_from(Tier)


@given(ages, limits, tiers)
def test_no_frame_is_held_longer_than_any_of_its_bounds(
    age_s: float, max_age_s: float, tier: Tier
) -> None:
    held = hold_s(age_s=age_s, max_age_s=max_age_s, tier=tier)
    assert 0 <= held <= HOLD_S_MAX
    assert held <= max(0, age_s) * AGE_SHARE[tier]
    assert held <= max(HOLD_S_LAST, max_age_s - age_s)
    if age_s < FRESH_S:
        assert held == 0


def test_an_old_backlog_is_held_as_long_as_may_be() -> None:
    assert hold_s(age_s=30, max_age_s=600, tier=Tier.STANDARD) == HOLD_S_MAX


def test_a_frame_of_the_priority_tier_is_held_less() -> None:
    assert hold_s(age_s=0.4, max_age_s=9, tier=Tier.PRIORITY) == pytest.approx(0.04)
    assert hold_s(age_s=0.4, max_age_s=9, tier=Tier.STANDARD) == pytest.approx(0.1)


def test_what_nobody_waits_for_is_held_until_it_is_due_though_alone() -> None:
    pace: Pace[str] = Pace()
    pace.add(1, "expired", due_at=10.0, awaited=False)
    assert not pace.is_due(9.9, others=0)
    assert pace.is_due(10.0, others=0)
    pace.add(2, "detected", due_at=20.0)
    assert pace.is_due(0.0, others=0)
    assert [offset for offset, _ in pace.take()] == [2, 1]
    pace.add(3, "expired", due_at=30.0, awaited=False)
    assert not pace.is_due(0.0, others=0), "what was taken is not asked any more"


def test_what_is_alone_or_due_or_many_is_reported() -> None:
    pace: Pace[str] = Pace()
    assert not pace.is_due(100.0, others=0), "there is nothing to report"
    pace.add(1, "a", due_at=10.0)
    assert not pace.is_due(9.9, others=1)
    assert pace.is_due(10.0, others=1)
    assert pace.is_due(0.0, others=0)
    for offset in range(2, BUNCH_MAX + 1):
        assert not pace.is_due(0.0, others=BUNCH_MAX)
        assert pace.is_due(0.0, others=1) == (offset > BUNCH_MOST), "it is most of what was taken"
        pace.add(offset, "b", due_at=20.0)
    assert pace.is_due(0.0, others=BUNCH_MAX)
    assert pace.due_at == 10.0, "the one that may wait least decides"


def test_a_lane_that_begins_anew_forgets_what_was_held() -> None:
    pace: Pace[str] = Pace()
    pace.add(1, "a", due_at=10.0)
    pace.clear()
    assert (len(pace), pace.due_at, pace.take()) == (0, NEVER, [])


@given(st.sets(st.integers(0, 40), min_size=1), st.integers(1, 41))
def test_a_bunch_is_one_transaction_of_all_that_is_ready_in_line(
    ended: set[int], taken: int
) -> None:
    lane: Lane[int, int] = Lane()
    lane.handle(Assigned())
    lane.handle(Opened(era=0, offset=0))
    messages = tuple(Taken(offset=offset, key=None, work=offset) for offset in range(taken))
    lane.handle(Fetched(messages=messages))
    pace: Pace[int] = Pace()
    for offset in sorted(ended & set(range(taken))):
        pace.add(offset, offset, due_at=0.0)
    started = [
        action
        for offset, result in pace.take()
        for action in lane.handle(Finished(era=0, offset=offset, result=result))
        if isinstance(action, Transact)
    ]
    in_line = next(offset for offset in range(taken + 1) if offset not in ended or offset == taken)
    assert [action.next_offset for action in started] == ([in_line] if in_line else [])


def test_objects_and_answers_to_requests_are_awaited_and_lost_frames_are_not() -> None:
    def ended(status: Status, reply: str | None = None) -> Outcome:
        return Outcome(identity=frame(0, reply=reply), status=status, at=NOON)

    awaited = {status for status in Status if ended(status).is_awaited}
    assert awaited == {Status.DETECTED, Status.CACHED}
    assert all(ended(status, reply="who-asked").is_awaited for status in Status)
    assert not Outcome(identity=None, status=Status.REJECTED, at=NOON).is_awaited
