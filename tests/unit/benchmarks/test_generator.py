"""The load generator, on a topic in memory."""

import asyncio
from datetime import UTC, datetime

from benchmarks.generator import IN_FLIGHT_MAX, Generator, Offered
from benchmarks.pictures import Reel
from benchmarks.schedule import Due
from tests.unit.pipeline.frames_memory import MemoryFrames
from wire.clock import SystemClock

TURNS = 20
"""More turns of the loop than three frames take."""


def generator(topic: MemoryFrames) -> Generator:
    """Return a generator of two streams."""
    reel = Reel([b"jpeg"], account="bench", epochs={"a": 1, "b": 1})
    return Generator(reel, topic, SystemClock())


async def test_frames_are_published_when_they_are_due() -> None:
    topic, started_at = MemoryFrames(), datetime.now(UTC)
    dues = [Due(at_s=0.0, stream="a"), Due(at_s=0.02, stream="b"), Due(at_s=0.04, stream="a")]
    offered = await generator(topic).play(dues, max_age_ms=5_000)
    assert [frame.id for frame in topic.written] == ["a/1/0", "b/1/0", "a/1/1"]
    for frame, due in zip(topic.written, dues, strict=True):
        assert (frame.captured_at - started_at).total_seconds() >= due.at_s - 0.001
    assert offered.frames == 3


async def test_a_load_does_not_wait_for_answers() -> None:
    topic = MemoryFrames()
    topic.gate.clear()
    dues = [Due(at_s=0.0, stream="a")] * 3
    playing = asyncio.create_task(generator(topic).play(dues, max_age_ms=5_000))
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert len(topic.written) == 3
    assert not playing.done()
    topic.gate.set()
    assert (await playing).frames == 3


async def test_a_topic_is_filled_with_the_streams_in_turn() -> None:
    topic = MemoryFrames()
    await generator(topic).fill(("a", "b"), 2 * IN_FLIGHT_MAX + 1, max_age_ms=600_000)
    assert [frame.id for frame in topic.written[:3]] == ["a/1/0", "b/1/0", "a/1/1"]
    assert len(topic.written) == 2 * IN_FLIGHT_MAX + 1
    assert topic.written[-1].max_age_ms == 600_000


def test_being_early_is_no_negative_lateness() -> None:
    offered = Offered()
    for lag_s in (-0.001, 0.002, 0.003):
        offered.add(lag_s=lag_s)
    assert offered.lag_ms(0.0) == 0
    assert offered.lag_ms(0.99) == 3
