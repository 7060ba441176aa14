"""Whatever happens around it, the funding machine never hands out what is not paid for."""

from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.contract import Action, Close, Contract, Phase, Place, Renew
from pipeline.funding import Funding
from wire.errors import InsufficientTokens, Retryable, SessionOver, UnknownModel
from wire.frames import Tier
from wire.sessions import CloseSession, Grant, OpenSession, WhenUnreachable

CONTRACT = Contract(
    account="acme",
    stream="gate",
    model="park-n",
    height=384,
    width=512,
    tier=Tier.STANDARD,
    max_age_ms=5_000,
    frames_per_second=1.0,
)
TTL_S = 60.0


STOP, FINISH = WhenUnreachable.STOP, WhenUnreachable.FINISH


def grant(
    epoch: int,
    frames: int,
    *,
    final: bool = False,
    available: int = 1_000,
    policy: WhenUnreachable = FINISH,
) -> Grant:
    return Grant(
        stream="gate",
        epoch=epoch,
        unit_price=1,
        granted_frames=frames,
        final=final,
        expires_at=datetime(2026, 11, 24, tzinfo=UTC),
        available=available,
        balance_version=1,
        when_unreachable=policy,
    )


class Life(RuleBasedStateMachine):
    """An owner, a broker and a gateway that do anything in any order."""

    @initialize(balance=st.integers(0, 200), policy=st.sampled_from(WhenUnreachable))
    def begin(self, balance: int, policy: WhenUnreachable) -> None:
        self.now = 0.0
        self.funding = Funding(CONTRACT)
        self.balance = balance
        self.epoch = 0
        self.granted: dict[int, int] = {}
        self.ended_at: dict[int, float] = {}
        self.out: dict[int, list[int]] = {}
        self.answered: set[Place] = set()
        self.lost: set[Place] = set()
        self.closes: dict[int, CloseSession] = {}
        self.asked: Action | None = None
        self.captured = 0
        self.policy, self.told_policy = policy, FINISH
        self.unanswered = False
        self.asked_at = 0.0
        self.publish(1)
        self.converse("yes")

    def halted(self) -> bool:
        waits = self.asked is not None and self.now - self.asked_at >= 2.0
        return self.told_policy is STOP and (self.unanswered or waits)

    def open_places(self) -> list[Place]:
        places = {Place(epoch=e, seq=s) for e, seqs in self.out.items() for s in seqs}
        return sorted(places - self.answered - self.lost, key=lambda it: (it.epoch, it.seq))

    @rule(times=st.integers(1, 24))
    def publish(self, times: int) -> None:
        for _ in range(times):
            self.captured += 1
            self.funding.note_captured()
            place = self.funding.reserve(self.now)
            if place is None:
                return
            seqs = self.out.setdefault(place.epoch, [])
            assert place.seq == len(seqs), "a hole or a repeat"
            assert place.seq < self.granted[place.epoch], "not paid for"
            assert self.now < self.ended_at[place.epoch], "after the session lapsed"
            assert place.epoch == self.epoch and place.epoch not in self.closes
            assert not any(lost.epoch == place.epoch for lost in self.lost), "after a doubt"
            seqs.append(place.seq)

    @precondition(lambda self: self.open_places())
    @rule(data=st.data(), well=st.booleans())
    def answer(self, data: st.DataObject, well: bool) -> None:
        place = data.draw(st.sampled_from(self.open_places()))
        (self.answered if well else self.lost).add(place)
        (self.funding.acked if well else self.funding.failed)(place)

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5, 21.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.asked is None)
    @rule()
    def ask(self) -> None:
        self.asked, self.asked_at = self.funding.next_action(self.now), self.now
        assert self.funding.next_action(self.now) is None, "one thing at a time"
        if isinstance(self.asked, Close):
            self.check_close(self.asked)

    def check_close(self, close: Close) -> None:
        known = {p.seq for p in self.answered if p.epoch == close.epoch}
        published = len(self.out.get(close.epoch, []))
        request = close.request
        assert request.last_seq + 1 + request.in_doubt == published
        assert set(range(request.last_seq + 1)) <= known, "an unanswered frame is called known"
        lost = [p.seq for p in self.lost if p.epoch == close.epoch]
        assert request.in_doubt == (published - min(lost) if lost else 0)
        assert request.captured >= published
        self.closes[close.epoch] = request

    @precondition(lambda self: self.asked is not None)
    @rule(outcome=st.sampled_from(["yes", "yes", "yes", "away", "over", "model"]))
    def reply(self, outcome: str) -> None:
        action, self.asked = self.asked, None
        if isinstance(action, Renew):
            self.unanswered = outcome == "away"
        if outcome == "away":
            self.funding.unanswered(Retryable("away"), self.now)
        elif outcome == "model":
            self.funding.refused(UnknownModel("no"), self.now)
        elif outcome == "over" and not isinstance(action, OpenSession):
            self.funding.refused(SessionOver("over"), self.now)
        elif isinstance(action, Close):
            self.funding.closed()
        else:
            self.fund(action)

    @rule(outcome=st.sampled_from(["yes", "yes", "away"]))
    def converse(self, outcome: str) -> None:
        """Ask and hear at once, as it goes when nothing else happens meanwhile."""
        if self.asked is None:
            self.ask()
        if self.asked is not None:
            self.reply(outcome)

    def fund(self, action: Action | None) -> None:
        if isinstance(action, OpenSession):
            frames = min(action.frames, self.balance)
            if frames == 0:
                self.funding.refused(InsufficientTokens("no"), self.now)
                return
            self.epoch += 1
            self.granted[self.epoch] = frames
            self.take(frames, final=frames < action.frames, opening=True)
        elif isinstance(action, Renew):
            assert action.epoch == self.epoch
            request = action.request
            wanted = max(0, request.published + request.frames - self.granted[self.epoch])
            frames = min(wanted, self.balance)
            self.granted[self.epoch] += frames
            self.take(frames, final=frames < wanted, opening=False)

    def take(self, frames: int, *, final: bool, opening: bool) -> None:
        self.balance -= frames
        self.told_policy, self.unanswered = self.policy, False
        self.ended_at[self.epoch] = self.now + TTL_S
        news = grant(
            self.epoch,
            self.granted[self.epoch],
            final=final,
            available=self.balance,
            policy=self.policy,
        )
        (self.funding.opened if opening else self.funding.renewed)(news, now=self.now, ttl_s=TTL_S)

    @rule(millitokens=st.integers(1, 50))
    def top_up(self, millitokens: int) -> None:
        self.balance += millitokens

    @rule(kind=st.sampled_from(["end", "abandon", "stop"]), chance=st.integers(0, 9))
    def interrupt(self, kind: str, chance: int) -> None:
        if chance < 7:
            return
        if kind == "stop":
            self.funding.stop("test")
        elif kind == "end":
            self.funding.end("test")
        elif self.funding.phase in (Phase.ENDING, Phase.CLOSING):
            self.lost |= set(self.open_places())
            self.funding.abandon()

    @invariant()
    def no_place_beyond_the_grant(self) -> None:
        assert all(len(seqs) <= self.granted[epoch] for epoch, seqs in self.out.items())

    @invariant()
    def nothing_can_be_had_while_halted(self) -> None:
        assert not self.halted() or self.funding.unspent(self.now) == 0

    @invariant()
    def it_is_clear_whether_to_wait(self) -> None:
        """When there is no number to be had, something is under way, due, or an error is given."""
        funding = self.funding
        if funding.unspent(self.now) > 0 or self.asked is not None or funding.in_flight:
            return
        if funding.blocked(self.now) is None:
            assert funding.due_in(self.now) == 0.0

    def teardown(self) -> None:
        """However it went, the gateway hears the end of every session once it answers."""
        if not hasattr(self, "funding"):
            return
        self.funding.stop("end of test")
        for _ in range(10):
            self.now += 20.0
            if self.asked is None:
                self.ask()
            for place in self.open_places():
                self.answered.add(place)
                self.funding.acked(place)
            if self.asked is not None:
                self.reply("yes")
        assert self.funding.phase is Phase.OVER


Life.TestCase.settings = settings(max_examples=80, stateful_step_count=50)
TestLife = Life.TestCase


def opened(frames: int = 20, *, final: bool = False, policy: WhenUnreachable = FINISH) -> Funding:
    funding = Funding(CONTRACT)
    assert funding.reserve(0.0) is None
    assert isinstance(funding.next_action(0.0), OpenSession)
    funding.opened(grant(1, frames, final=final, policy=policy), now=0.0, ttl_s=TTL_S)
    return funding


def test_a_renewal_is_asked_for_when_thirty_percent_is_left() -> None:
    funding = opened()
    for _ in range(13):
        funding.reserve(0.0)
    assert funding.next_action(0.0) is None
    funding.reserve(0.0)
    action = funding.next_action(0.0)
    assert isinstance(action, Renew) and action.request.published == 14
    assert funding.reserve(0.0) is not None, "the flow does not pause meanwhile"


def test_a_sign_of_life_is_given_every_third_of_the_time_to_live() -> None:
    funding = opened()
    assert funding.next_action(19.9) is None
    assert funding.due_in(19.9) > 0
    assert isinstance(funding.next_action(20.0), Renew)


def test_pictures_captured_while_a_session_closes_are_counted_in_the_next() -> None:
    funding = opened()
    place = funding.reserve(0.0)
    assert place is not None
    funding.acked(place)
    funding.end("test")
    close = funding.next_action(0.0)
    assert isinstance(close, Close) and close.request.captured == 1
    funding.note_captured()
    funding.closed()
    assert funding.captured == 1


def test_a_grant_asks_for_twenty_seconds_within_bounds() -> None:
    def frames(frames_per_second: float) -> int:
        terms = Contract(
            account="a",
            stream="s",
            model="m",
            height=32,
            width=32,
            tier=Tier.STANDARD,
            max_age_ms=1,
            frames_per_second=frames_per_second,
        )
        return terms.grant_frames

    assert [frames(rate) for rate in (0.1, 5, 25, 240)] == [3, 100, 500, 1000]
    assert frames(0) == 16, "while the pace is not known"
