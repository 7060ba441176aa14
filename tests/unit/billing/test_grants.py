"""A session's decisions: grants shared fairly, closes that hold on to what may still come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import grants
from billing.coverage import Coverage
from billing.grants import Ask, Extension, SessionState
from wire.errors import Rejected, SessionOver


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


ASKS = st.lists(
    st.builds(
        Ask,
        unspent=st.integers(0, 30),
        wanted=st.integers(0, 60),
        unit_price=st.integers(1, 9),
    ),
    min_size=1,
    max_size=8,
)


def worth(ask: Ask, extension: Extension) -> int:
    """Return what the session holds unspent afterwards."""
    return (ask.unspent + extension.frames) * ask.unit_price


@given(asks=ASKS, available=st.integers(0, 2_000), absent=st.integers(0, 5))
def test_a_balance_is_shared_within_its_means_and_fairly(
    asks: list[Ask], available: int, absent: int
) -> None:
    given = grants.share(asks, available=available, sessions=len(asks) + absent)
    pairs = list(zip(asks, given, strict=True))
    left = available - sum(got.frames * ask.unit_price for ask, got in pairs)
    assert left >= 0
    for ask, got in pairs:
        assert 0 <= got.frames <= ask.missing
        assert got.final == (got.frames < ask.missing and left < ask.unit_price)
        if got.frames < ask.missing:
            for other, theirs in pairs:
                # Nobody is brought higher than whoever got less than they asked for; only a first
                # frame, and what a frame's price does not divide, may differ.
                above = worth(other, theirs) - worth(ask, got)
                assert theirs.frames <= 1 or above < ask.unit_price


@given(asks=ASKS, available=st.integers(0, 2_000), absent=st.integers(0, 5))
def test_asking_again_gathers_nothing(asks: list[Ask], available: int, absent: int) -> None:
    sessions = len(asks) + absent
    first = grants.share(asks, available=available, sessions=sessions)
    left = available - sum(
        got.frames * ask.unit_price for ask, got in zip(asks, first, strict=True)
    )
    again = [
        Ask(unspent=ask.unspent + got.frames, wanted=ask.wanted, unit_price=ask.unit_price)
        for ask, got in zip(asks, first, strict=True)
    ]
    level = max(worth(ask, got) for ask, got in zip(asks, first, strict=True))
    second = grants.share(again, available=left, sessions=sessions)
    for ask, got in zip(again, second, strict=True):
        assert not got.frames or worth(ask, got) <= max(level, ask.unit_price)


def test_who_is_alone_gets_all_that_there_is_and_the_first_of_many_does_not() -> None:
    ask = Ask(unspent=0, wanted=100, unit_price=1)
    assert grants.share([ask], available=60, sessions=1) == [Extension(frames=60, final=True)]
    assert grants.share([ask], available=60, sessions=6) == [Extension(frames=10, final=False)]


def test_the_last_frames_go_to_those_who_have_none() -> None:
    poor, rich = (Ask(unspent=unspent, wanted=20, unit_price=10) for unspent in (0, 3))
    given = grants.share([rich, poor, poor, poor], available=25, sessions=4)
    assert [got.frames for got in given] == [0, 1, 1, 0]
    assert all(got.final for got in given)


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
        grants.check_renewable(state=state, granted_frames=10, published=0)


def test_more_than_was_granted_cannot_have_been_published() -> None:
    grants.check_renewable(state="open", granted_frames=10, published=10)
    with pytest.raises(Rejected):
        grants.check_renewable(state="open", granted_frames=10, published=11)
    with pytest.raises(Rejected):
        grants.close(session(granted=10), last_seq=8, in_doubt=2)
