"""A session's decisions: grants that only grow, closes that hold on to what may still come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import grants
from billing.coverage import Coverage
from billing.grants import SessionState
from wire.errors import Rejected, SessionOver

COUNT = st.integers(0, 1_000)


def session(
    *, granted: int = 10, held: int = 10, state: str = "open", covered: Coverage | None = None
) -> SessionState:
    return SessionState(
        account="park",
        state=state,
        unit_price=5,
        granted_frames=granted,
        held_frames=held,
        last_seq=None,
        in_doubt=0,
        covered=covered or Coverage(),
    )


@given(granted=COUNT, wanted=COUNT, price=st.integers(1, 50), available=COUNT)
def test_an_extension_is_affordable_and_final_only_when_it_is_short(
    granted: int, wanted: int, price: int, available: int
) -> None:
    extension = grants.extend(granted=granted, wanted=wanted, unit_price=price, available=available)
    assert 0 <= extension.frames * price <= available
    assert extension.final == (granted + extension.frames < wanted)
    assert not extension.final or available - extension.frames * price < price


@given(st.data())
def test_a_close_holds_exactly_the_frames_that_may_still_come(data: st.DataObject) -> None:
    granted = data.draw(st.integers(0, 40))
    end = data.draw(st.integers(0, granted))
    in_doubt = data.draw(st.integers(0, end))
    seen = data.draw(st.sets(st.integers(0, max(granted - 1, 0)), max_size=granted))
    seen = {number for number in seen if number < granted}
    covered = Coverage((number, number + 1) for number in sorted(seen))
    state = session(granted=granted, held=granted - len(seen), covered=covered)
    closing = grants.close(state, last_seq=end - in_doubt - 1, in_doubt=in_doubt)
    assert closing.held_frames == len(set(range(end)) - seen)
    assert (closing.state == "settled") == (closing.held_frames == 0)


@pytest.mark.parametrize("state", ["closing", "settled", "expired"])
def test_what_has_ended_is_not_renewed(state: str) -> None:
    with pytest.raises(SessionOver, match="open a new one"):
        grants.check_renewable(session(state=state), published=0)


def test_more_than_was_granted_cannot_have_been_published() -> None:
    grants.check_renewable(session(granted=10), published=10)
    with pytest.raises(Rejected):
        grants.check_renewable(session(granted=10), published=11)
    with pytest.raises(Rejected):
        grants.close(session(granted=10), last_seq=8, in_doubt=2)
