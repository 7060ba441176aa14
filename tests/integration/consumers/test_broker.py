"""The broker is away at the start, goes away, hangs: the detector waits and goes on."""

import asyncio

import pytest

from tests.integration.consumers.floor import Floor, now_frame, used
from tests.stack.running import RunningStack

pytestmark = pytest.mark.integration
AWAY_S = 10.0
FRAMES = 300


async def feed(floor: Floor) -> None:
    """Publish frames for 15 seconds; what the broker does not take now, it gets later."""
    for seq in range(FRAMES):
        floor.send(now_frame(seq))
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", ["restart", "pause"])
async def test_nothing_is_lost_or_doubled_when_the_broker_is_away_for_ten_seconds(
    floor: Floor, stack: RunningStack, fault: str
) -> None:
    floor.start()
    floor.send(now_frame(0))
    floor.flush()
    await floor.detected(1)
    feeding = asyncio.create_task(feed(floor))
    await asyncio.sleep(2.0)
    if fault == "pause":
        stack.pause("kafka")
        await asyncio.sleep(AWAY_S)
        stack.resume("kafka")
    else:
        stack.kill("kafka")
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(stack.restart, "kafka")
    await feeding
    await asyncio.to_thread(floor.flush)
    await floor.detected(FRAMES, wait_s=60)
    expected = {f"gate/1/{seq}" for seq in range(FRAMES)}
    assert {detection.id for detection in floor.detections()} == expected
    assert len(floor.detections()) == FRAMES
    assert used(floor.usage()) == dict.fromkeys(expected, 1)
    assert await asyncio.to_thread(floor.stop, "detector") == 0


async def test_a_detector_that_starts_before_the_broker_waits_for_it(
    floor: Floor, stack: RunningStack
) -> None:
    stack.kill("kafka")
    try:
        floor.start()
        await floor.until(
            lambda: "waiting for something that is away" in floor.log(), what="a clear word"
        )
        assert floor.processes["detector"].poll() is None
    finally:
        await asyncio.to_thread(stack.restart, "kafka")
    floor.send(now_frame(0))
    await asyncio.to_thread(floor.flush)
    await floor.detected(1)


async def test_a_detector_without_topics_says_how_to_make_them(floor: Floor) -> None:
    floor.start(FRAMEMETER_TOPIC_PREFIX="nothing-here.")
    await floor.until(lambda: "framemeter topics create" in floor.log(), what="a clear word")
    assert floor.processes["detector"].poll() is None
    assert await asyncio.to_thread(floor.stop, "detector") == 0


async def test_another_number_of_partitions_is_misconfigured(floor: Floor) -> None:
    floor.start(FRAMEMETER_PARTITIONS="3")
    code = await asyncio.to_thread(floor.processes["detector"].wait, 30)
    assert code == 1
    assert "set FRAMEMETER_PARTITIONS to what the topics have" in floor.log()
