"""A subscriber sees committed detections of its streams, from now or from a moment."""

import asyncio
from datetime import UTC, datetime

import pytest

from consumers.subscribe import subscribe
from tests.integration.consumers.floor import Floor, now_frame
from wire.detections import Detection
from wire.errors import Misconfigured
from wire.topics import Topics

pytestmark = pytest.mark.integration


async def take(iterator, count: int) -> list[Detection]:  # type: ignore[no-untyped-def]
    """Return the next detections."""
    async with asyncio.timeout(30):
        return [await anext(iterator) for _ in range(count)]


async def test_it_begins_with_what_is_committed_after_entering(floor: Floor) -> None:
    floor.start()
    floor.send(now_frame(0))
    floor.flush()
    await floor.detected(1)
    async with subscribe(floor.kafka, floor.topics) as detections:
        floor.send(now_frame(1), now_frame(2))
        floor.flush()
        assert [detection.seq for detection in await take(detections, 2)] == [1, 2]


async def test_it_gives_only_the_streams_that_were_asked_for(floor: Floor) -> None:
    floor.start()
    async with subscribe(floor.kafka, floor.topics, streams={"pond"}) as detections:
        floor.send(now_frame(0, stream="gate"), now_frame(0, stream="pond"))
        floor.send(now_frame(1, stream="pond"))
        floor.flush()
        found = await take(detections, 2)
    assert [(detection.stream, detection.seq) for detection in found] == [("pond", 0), ("pond", 1)]


async def test_it_goes_back_to_a_moment(floor: Floor) -> None:
    floor.start()
    floor.send(now_frame(0))
    floor.flush()
    await floor.detected(1)
    await asyncio.sleep(0.2)
    moment = datetime.now(UTC)
    floor.send(now_frame(1))
    floor.flush()
    await floor.detected(2)
    async with subscribe(floor.kafka, floor.topics, since=moment) as detections:
        assert [detection.seq for detection in await take(detections, 1)] == [1]


async def test_a_topic_that_is_not_there_is_misconfigured(floor: Floor) -> None:
    with pytest.raises(Misconfigured, match="framemeter topics create"):
        async with subscribe(floor.kafka, Topics(prefix="nothing-here.")):
            pass
