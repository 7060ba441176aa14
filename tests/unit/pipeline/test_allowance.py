"""What a session may draw on: by policy while the gateway is away, and little when that is all."""

from pipeline.contract import Phase, Renew
from pipeline.funding import Funding
from tests.unit.pipeline.test_funding import CONTRACT, FINISH, STOP, TTL_S, grant, opened
from wire.errors import InsufficientTokens, Retryable, UnknownModel
from wire.sessions import OpenSession, WhenUnreachable


def asked_for_life(policy: WhenUnreachable) -> Funding:
    """Return a machine that has just asked for a sign of life, with 19 frames left."""
    funding = opened(policy=policy)
    assert funding.reserve(0.0) is not None
    assert isinstance(funding.next_action(20.0), Renew)
    return funding


def test_who_is_to_stop_stops_when_a_sign_of_life_goes_unanswered_until_one_is_answered() -> None:
    funding = asked_for_life(STOP)
    assert funding.reserve(21.9) is not None, "the gateway has time to answer"
    funding.unanswered(Retryable("away"), 21.9)
    assert funding.reserve(21.9) is None and funding.unspent(21.9) == 0
    assert isinstance(funding.blocked(21.9), Retryable)
    assert funding.next_action(22.8) is None
    assert isinstance(funding.next_action(22.9), Renew), "it asks again a second later"
    funding.renewed(grant(1, 22, policy=STOP), now=23.0, ttl_s=TTL_S)
    place = funding.reserve(23.0)
    assert place is not None and place.seq == 2


def test_who_is_to_stop_does_not_wait_for_long_to_know_that_there_is_no_answer() -> None:
    funding = asked_for_life(STOP)
    assert funding.reserve(22.0) is None
    assert funding.blocked(22.0) is None, "an answer may still come"


def test_who_is_to_finish_goes_on_until_the_grant_is_used_up() -> None:
    funding = asked_for_life(FINISH)
    funding.unanswered(Retryable("away"), 25.0)
    assert [funding.reserve(25.0) is not None for _ in range(20)] == [True] * 19 + [False]


def test_a_changed_policy_holds_from_the_next_renewal_on() -> None:
    funding = asked_for_life(FINISH)
    funding.renewed(grant(1, 21, policy=STOP), now=20.0, ttl_s=TTL_S)
    assert isinstance(funding.next_action(40.0), Renew)
    funding.unanswered(Retryable("away"), 40.0)
    assert funding.reserve(40.0) is None


def test_a_refusal_is_an_answer() -> None:
    funding = asked_for_life(STOP)
    funding.refused(UnknownModel("no"), 20.0)
    assert funding.reserve(20.0) is not None


def test_what_lies_idle_is_given_back_when_the_account_runs_short() -> None:
    for available, given_back in ((20, False), (19, True)):
        funding = asked_for_life(FINISH)
        funding.renewed(grant(1, 21, available=available), now=20.0, ttl_s=TTL_S)
        assert (funding.phase is Phase.ENDING) == given_back


def test_what_is_in_use_is_not_given_back() -> None:
    funding = opened()
    place = funding.reserve(0.1)
    assert place is not None
    funding.acked(place)
    assert isinstance(funding.next_action(20.0), Renew)
    funding.renewed(grant(1, 21, available=0), now=20.0, ttl_s=TTL_S)
    assert funding.phase is Phase.OPEN


def test_small_portions_are_renewed_when_little_of_them_is_left_and_not_before() -> None:
    funding = opened(4)
    asked = []
    for _ in range(4):
        assert funding.reserve(0.0) is not None
        asked.append(isinstance(funding.next_action(0.0), Renew))
    assert asked == [False, False, True, False]


def test_an_empty_account_is_asked_again_about_every_two_seconds() -> None:
    funding = opened(1, final=True)
    assert funding.reserve(0.0) is not None
    assert funding.reserve(0.0) is None
    assert isinstance(funding.blocked(0.0), InsufficientTokens)
    assert funding.next_action(1.9) is None
    assert isinstance(funding.next_action(2.0), Renew)


def test_grants_that_arrive_expired_are_not_spent_nor_asked_for_in_a_hurry() -> None:
    funding = Funding(CONTRACT)
    funding.reserve(0.0)
    assert isinstance(funding.next_action(0.0), OpenSession)
    funding.opened(grant(1, 20), now=0.0, ttl_s=-3.0)
    assert funding.reserve(0.0) is None
    assert "clock" in str(funding.blocked(0.0))
    assert funding.next_action(5.0) is None
