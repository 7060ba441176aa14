"""Detectors are killed, frozen and stopped in mid-work: nothing is lost, nothing is doubled."""

import asyncio
import random
import signal
import time
from collections import Counter

import pytest

from tests.integration.consumers.floor import Floor, now_frame, used

pytestmark = pytest.mark.integration
STREAMS = 8
FRAMES_PER_SECOND = 120
FEED_S = 20.0
FREEZE_S = 7.5
"""Longer than the group's session, so that the frozen one comes back as a zombie."""


async def feed(floor: Floor, seconds: float) -> int:
    """Publish frames of all streams at a steady rate; return how many a stream has."""
    begun, count = time.monotonic(), 0
    while (elapsed := time.monotonic() - begun) < seconds:
        while count * STREAMS < elapsed * FRAMES_PER_SECOND:
            for stream in range(STREAMS):
                floor.send(now_frame(count, stream=f"cam-{stream}"))
            count += 1
        await asyncio.sleep(0.01)
    await asyncio.to_thread(floor.flush)
    return count


async def disturb(floor: Floor, chance: random.Random, until: float) -> Counter[str]:
    """Kill, freeze and stop the two detectors in turn, and always start them again."""
    done: Counter[str] = Counter()
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        name = chance.choice(["one", "two"])
        fault = chance.choice(["kill", "kill", "freeze", "stop"])
        done[fault] += 1
        if fault == "kill":
            floor.kill(name)
        elif fault == "stop":
            code = await asyncio.to_thread(floor.stop, name)
            assert code in (0, -signal.SIGTERM), "a process that is still starting just ends"
        else:
            floor.signal(name, signal.SIGSTOP)
            await asyncio.sleep(FREEZE_S)
            floor.signal(name, signal.SIGCONT)
            continue
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        floor.start(name)
    return done


@pytest.mark.parametrize("seed", [1])
async def test_nothing_is_lost_or_doubled_under_faults(floor: Floor, seed: int) -> None:
    floor.start("one")
    floor.start("two")
    until = time.monotonic() + FEED_S
    frames, faults = await asyncio.gather(
        feed(floor, FEED_S), disturb(floor, random.Random(seed), until)
    )
    expected = {f"cam-{stream}/1/{seq}" for stream in range(STREAMS) for seq in range(frames)}
    await floor.detected(len(expected), wait_s=90)
    await asyncio.sleep(2.5)  # a zombie would write now
    counts = Counter(detection.id for detection in floor.detections())
    assert faults.total() >= 2
    assert expected - counts.keys() == set(), f"lost detections under {faults}"
    assert {name: count for name, count in counts.items() if count != 1} == {}
    assert used(floor.usage()) == dict.fromkeys(expected, 1)


async def test_a_streams_detections_stay_in_order_when_a_detector_dies(floor: Floor) -> None:
    floor.start("one")
    floor.start("two")
    feeding = asyncio.create_task(feed(floor, 8.0))
    await asyncio.sleep(5.0)
    floor.kill("one")
    frames = await feeding
    found = await floor.detected(frames * STREAMS)
    for stream in range(STREAMS):
        seqs = [detection.seq for detection in found if detection.stream == f"cam-{stream}"]
        assert seqs == list(range(frames))


async def test_a_detector_that_is_told_to_stop_ends_well_and_another_goes_on(
    floor: Floor,
) -> None:
    floor.start("one")
    feeding = asyncio.create_task(feed(floor, 6.0))
    await floor.detected(1)
    assert await asyncio.to_thread(floor.stop, "one") == 0
    assert '"level": "error"' not in floor.log("one")
    floor.start("two")
    frames = await feeding
    await floor.detected(frames * STREAMS)
    assert set(used(floor.usage()).values()) == {1}
