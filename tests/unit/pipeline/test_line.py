"""A line publishes what is paid for, in order, and tells the gateway the truth at the end."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.line import Contract, Line
from pipeline.sessions_memory import MemorySessions
from tests.unit.pipeline.frames_memory import MemoryFrames
from wire.clock import ManualClock
from wire.errors import InsufficientTokens, Rejected, Retryable, SessionOver, UnknownModel
from wire.frames import FrameIdentity, Tier
from wire.sessions import WhenUnreachable

START = datetime(2026, 11, 24, tzinfo=UTC)


class Bench:
    """One line with everything around it in memory."""

    def __init__(self, *, tokens: int = 1_000_000, frames_per_second: float = 1.0) -> None:
        self.clock = ManualClock(START)
        self.sessions = MemorySessions(self.clock)
        self.sessions.top_up("acme", tokens)
        self.frames = MemoryFrames()
        contract = Contract(
            account="acme",
            stream="gate",
            model="park-n",
            height=384,
            width=512,
            tier=Tier.STANDARD,
            max_age_ms=5_000,
            frames_per_second=frames_per_second,
        )
        self.line = Line(
            contract=contract, sessions=self.sessions, publisher=self.frames, clock=self.clock
        )

    async def publish(self, picture: bytes = b"jpeg") -> FrameIdentity:
        return await self.line.publish(
            picture, captured_at=START, source_height=480, source_width=640
        )


async def test_frames_are_numbered_in_the_order_of_the_calls() -> None:
    bench = Bench()
    frames = await asyncio.gather(*(bench.publish() for _ in range(50)))
    assert [frame.seq for frame in frames] == list(range(50))
    assert bench.frames.ids() == [(1, seq) for seq in range(50)]


async def test_a_grant_is_renewed_before_it_is_used_up() -> None:
    bench = Bench()
    for _ in range(100):
        await bench.publish()
        await asyncio.sleep(0)
    session = bench.sessions.epochs("gate")[0]
    assert len(bench.sessions.epochs("gate")) == 1
    assert session.renewals[0].published == 14
    assert session.granted >= 100


async def test_nothing_is_published_beyond_the_balance_and_a_top_up_resumes_the_session() -> None:
    bench = Bench(tokens=5_000)
    for _ in range(5):
        await bench.publish()
    with pytest.raises(InsufficientTokens):
        await bench.publish()
    bench.sessions.top_up("acme", 3_000)
    with pytest.raises(InsufficientTokens):
        await bench.publish()
    bench.clock.advance(3)
    assert (await bench.publish()).seq == 5
    assert len(bench.sessions.epochs("gate")) == 1


async def test_a_lost_answer_ends_the_session_in_doubt_and_the_next_frame_opens_another() -> None:
    bench = Bench()
    bench.frames.lose = {3}
    for _ in range(3):
        await bench.publish()
    with pytest.raises(Retryable):
        await bench.publish()
    frame = await bench.publish()
    assert (frame.epoch, frame.seq) == (2, 0)
    closed = bench.sessions.epochs("gate")[0].closed
    assert closed is not None
    assert (closed.last_seq, closed.in_doubt) == (2, 1)


async def test_frames_after_a_lost_one_are_in_doubt_too() -> None:
    bench = Bench()
    bench.frames.lose = {1}
    results = await asyncio.gather(*(bench.publish() for _ in range(4)), return_exceptions=True)
    assert isinstance(results[1], Retryable)
    await bench.line.close("test")
    first = bench.sessions.epochs("gate")[0].closed
    assert first is not None
    assert first.last_seq == 0
    published = sum(1 for epoch, _ in bench.frames.ids() if epoch == 1)
    assert first.in_doubt == published


async def test_close_tells_what_was_published_and_captured_and_gives_the_rest_back() -> None:
    bench = Bench()
    for _ in range(9):
        bench.line.note_captured()
    for _ in range(7):
        await bench.publish()
    await bench.line.close("stopped")
    closed = bench.sessions.epochs("gate")[0].closed
    assert closed is not None
    assert (closed.last_seq, closed.captured, closed.in_doubt) == (6, 9, 0)
    assert bench.sessions.available["acme"] == 1_000_000 - 7 * 1_000
    with pytest.raises(SessionOver):
        await bench.publish()


async def test_close_waits_for_frames_under_way() -> None:
    bench = Bench()
    await bench.publish()
    bench.frames.gate.clear()
    sending = asyncio.create_task(bench.publish())
    await bench.frames.held.wait()
    closing = asyncio.create_task(bench.line.close("stopped"))
    await asyncio.sleep(0.01)
    assert bench.sessions.epochs("gate")[0].closed is None
    bench.frames.gate.set()
    await asyncio.gather(sending, closing)
    closed = bench.sessions.epochs("gate")[0].closed
    assert closed is not None and closed.last_seq == 1


async def test_a_cancelled_caller_loses_the_answer_but_not_the_frame() -> None:
    bench = Bench()
    await bench.publish()
    bench.frames.gate.clear()
    caller = asyncio.create_task(bench.publish())
    await bench.frames.held.wait()
    caller.cancel()
    bench.frames.gate.set()
    assert (await bench.publish()).seq == 2
    assert bench.frames.ids() == [(1, 0), (1, 1), (1, 2)]


async def test_what_is_granted_is_spent_while_the_gateway_is_away_and_then_it_waits() -> None:
    bench = Bench()
    await bench.publish()
    bench.sessions.away = True
    for _ in range(19):
        await bench.publish()
    with pytest.raises(Retryable):
        await bench.publish()
    bench.sessions.away = False
    bench.clock.advance(2)
    assert (await bench.publish()).seq == 20


async def test_who_is_to_stop_spends_nothing_of_its_grant_while_the_gateway_is_away() -> None:
    bench = Bench()
    bench.sessions.policy = WhenUnreachable.STOP
    await bench.publish()
    bench.sessions.away = True
    bench.clock.advance(21)
    await bench.publish()  # the sign of life is only being asked for
    await asyncio.sleep(0.01)
    assert isinstance(bench.line.blocked, Retryable)
    with pytest.raises(Retryable):
        await bench.publish()
    bench.sessions.away = False
    bench.clock.advance(2)
    assert (await bench.publish()).seq == 2


async def test_a_lapsed_grant_is_not_spent() -> None:
    bench = Bench()
    await bench.publish()
    bench.sessions.away = True
    bench.clock.advance(61)
    with pytest.raises(Retryable):
        await bench.publish()
    assert bench.line.unspent_frames == 0


async def test_a_superseded_session_ends_and_the_next_opens_after_a_pause() -> None:
    bench = Bench()
    await bench.publish()
    bench.sessions.epochs("gate")[0].over = True
    bench.clock.advance(25)
    await bench.publish()
    await asyncio.sleep(0.01)
    with pytest.raises(SessionOver):
        await bench.publish()
    bench.clock.advance(3)
    assert (await bench.publish()).epoch == 2


async def test_an_unknown_model_is_refused_before_anything_is_published() -> None:
    bench = Bench()
    bench.sessions.models = {"other"}
    with pytest.raises(UnknownModel):
        await bench.publish()
    assert bench.frames.written == []


async def test_a_picture_too_large_for_the_topic_is_rejected_without_a_number() -> None:
    bench = Bench()
    with pytest.raises(Rejected):
        await bench.publish(b"x" * (5 * 1024 * 1024))
    assert (await bench.publish()).seq == 0


async def test_no_number_is_taken_while_kafka_is_away() -> None:
    bench = Bench()
    bench.frames.away = True
    with pytest.raises(Retryable):
        await bench.publish()
    bench.frames.away = False
    assert (await bench.publish()).seq == 0


async def test_keep_alive_renews_a_quiet_session() -> None:
    bench = Bench()
    await bench.publish()
    keeping = asyncio.create_task(bench.line.keep_alive())
    bench.clock.advance(21)
    await asyncio.sleep(1.2)
    keeping.cancel()
    renewals = bench.sessions.epochs("gate")[0].renewals
    assert [renewal.published for renewal in renewals] == [1]


async def test_close_is_bounded_when_the_gateway_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.line.CLOSE_WAIT_S_MAX", 0.2)
    bench = Bench()
    await bench.publish()
    bench.sessions.away = True
    await asyncio.wait_for(bench.line.close("stopped"), 2)
    assert bench.sessions.epochs("gate")[0].closed is None


async def test_a_patient_close_reaches_a_gateway_that_was_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.line.CLOSE_WAIT_S_MAX", 0.0)
    bench = Bench()
    await bench.publish()
    bench.sessions.away = True
    closing = asyncio.create_task(bench.line.close("removed", patient=True))
    await asyncio.sleep(0.05)
    bench.sessions.away = False
    bench.clock.advance(10)
    await closing
    assert bench.sessions.epochs("gate")[0].closed is not None


async def test_the_balance_of_the_latest_grant_is_known() -> None:
    bench = Bench()
    assert bench.line.unit_price is None
    await bench.publish()
    assert (bench.line.unit_price, bench.line.granted) == (1_000, 20)
    assert bench.line.available == 1_000_000 - 20_000
    assert bench.clock.now() - START == timedelta(0)
