"""The publisher outlives the broker, and a line knows what became of its frames."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pipeline import publish
from pipeline.line import Contract, Line
from pipeline.publish import FramePublisher
from tests.integration.pipeline.conftest import WAIT_S_MAX, Park
from tests.stack.running import RunningStack
from wire.clock import SystemClock
from wire.errors import Retryable
from wire.frames import FrameIdentity, Tier
from wire.topics import Topics

pytestmark = pytest.mark.integration


@pytest.fixture
async def publisher(park: Park) -> AsyncIterator[FramePublisher]:
    """Give a publisher that is stopped at the latest when the test ends."""
    made = FramePublisher(park.kafka, park.topics)
    yield made
    await made.stop()


def line_of(park: Park, publisher: FramePublisher) -> Line:
    contract = Contract(
        account="acme",
        stream="gate",
        model="park-n",
        height=384,
        width=512,
        tier=Tier.PRIORITY,
        max_age_ms=5_000,
        frames_per_second=50.0,
    )
    return Line(contract=contract, sessions=park.sessions, publisher=publisher, clock=SystemClock())


async def send(line: Line) -> FrameIdentity:
    return await line.publish(
        b"jpeg", captured_at=SystemClock().now(), source_height=1, source_width=1
    )


async def sent(line: Line) -> FrameIdentity:
    """Publish a frame, however long the broker that the test before has killed takes to serve."""
    async with asyncio.timeout(WAIT_S_MAX):
        while True:
            try:
                return await send(line)
            except Retryable:
                await asyncio.sleep(0.1)


async def pour(line: Line, stop: asyncio.Event) -> tuple[int, int]:
    """Publish eight at a time until stopped; return how many were confirmed and how many not."""
    confirmed = failed = 0
    while not stop.is_set():
        results = await asyncio.gather(*(send(line) for _ in range(8)), return_exceptions=True)
        assert all(isinstance(it, Retryable | FrameIdentity) for it in results), results
        confirmed += sum(isinstance(it, FrameIdentity) for it in results)
        failed += sum(isinstance(it, Retryable) for it in results)
        await asyncio.sleep(0.05)
    return confirmed, failed


async def assert_true_to_the_topic(park: Park, *, confirmed: int) -> None:
    """Check each session's closing words against what lies on the topic."""
    frames = await park.published()
    for epoch, session in enumerate(park.sessions.epochs("gate"), start=1):
        seqs = [frame.seq for frame in frames if frame.epoch == epoch]
        assert seqs == sorted(set(seqs)), "in order, none twice"
        assert session.closed is not None
        known = session.closed.last_seq + 1
        assert seqs[:known] == list(range(known)), "what is called known is there"
        assert len(seqs) - known <= session.closed.in_doubt
    assert len(frames) >= confirmed


async def test_frames_lie_on_the_topic_of_their_tier_in_order(
    park: Park, publisher: FramePublisher
) -> None:
    line = line_of(park, publisher)
    first = await sent(line)
    others = await asyncio.gather(*(send(line) for _ in range(200)))
    await line.close("done")
    await publisher.stop()
    frames = await park.published()
    assert [frame.id for frame in frames] == [identity.id for identity in [first, *others]]
    assert {frame.tier for frame in frames} == {Tier.PRIORITY}


async def test_a_broker_that_restarts_costs_no_frame(
    park: Park, publisher: FramePublisher, broker: RunningStack
) -> None:
    line, stop = line_of(park, publisher), asyncio.Event()
    await sent(line)
    pouring = asyncio.create_task(pour(line, stop))
    await asyncio.sleep(1)
    await asyncio.to_thread(broker.kill, "kafka")
    await asyncio.sleep(2)
    await asyncio.to_thread(broker.restart, "kafka")
    await asyncio.sleep(5)
    stop.set()
    confirmed, _ = await asyncio.wait_for(pouring, 40)
    await sent(line)
    await line.close("done")
    await publisher.stop()
    await assert_true_to_the_topic(park, confirmed=confirmed + 2)


async def test_a_broker_away_for_longer_than_a_frame_may_wait_opens_the_next_epoch(
    park: Park, publisher: FramePublisher, broker: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, stop = line_of(park, publisher), asyncio.Event()
    await sent(line)
    monkeypatch.setattr(publish, "ANSWER_WAIT_S_MAX", 1.0)
    pouring = asyncio.create_task(pour(line, stop))
    await asyncio.sleep(1)
    broker.pause("kafka")
    await asyncio.sleep(6)
    broker.resume("kafka")
    await asyncio.sleep(6)
    stop.set()
    confirmed, failed = await asyncio.wait_for(pouring, 40)
    assert failed and (await sent(line)).epoch > 1
    await line.close("done")
    await publisher.stop()
    await assert_true_to_the_topic(park, confirmed=confirmed + 2)
    assert park.sessions.epochs("gate")[0].closed.in_doubt > 0  # type: ignore[union-attr]


async def test_stopping_is_bounded_while_the_broker_is_silent(
    park: Park, publisher: FramePublisher, broker: RunningStack
) -> None:
    line = line_of(park, publisher)
    await sent(line)
    broker.pause("kafka")
    try:
        sending = asyncio.create_task(send(line))
        await asyncio.sleep(0.2)
        async with asyncio.timeout(6):
            await line.close("done")
            await publisher.stop()
        with pytest.raises(Retryable):
            await sending
    finally:
        broker.resume("kafka")
    closed = park.sessions.epochs("gate")[0].closed
    assert closed is not None and (closed.last_seq, closed.in_doubt) == (0, 1)


async def test_topics_that_are_missing_are_named_before_a_number_is_taken(
    park: Park,
) -> None:
    publisher = FramePublisher(park.kafka, Topics(prefix="nowhere.", partitions=1))
    line = line_of(park, publisher)
    with pytest.raises(Retryable, match=r"nowhere\.frames\.\w+ is not there: make it with"):
        await send(line)
    assert line.published == 0
    await publisher.stop()
