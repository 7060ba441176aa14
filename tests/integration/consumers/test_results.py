"""Identical pictures cost nothing within the window; without the cache frames are computed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from consumers.detector.results import AWAY_S, Results
from tests.unit.consumers.detector.bench import Bench, at_work, batches, statuses
from tests.unit.consumers.detector.made import NOON, frame, picture
from tests.unit.consumers.detector.scripted import POOL, MoodyEngine, figures
from tests.unit.consumers.detector.test_slices import SLICES, sliced
from wire.clock import SystemClock
from wire.frames import Frame

pytestmark = pytest.mark.integration


@asynccontextmanager
async def caching(url: str, engine: MoodyEngine, window_s: float = 60) -> AsyncIterator[Bench]:
    """Run a stage with a result cache there."""
    results = Results(
        Redis.from_url(url),
        window_s=window_s,
        executor=POOL,
        clock=SystemClock(),
        figures=figures(),
    )
    async with at_work(engine, results=results) as bench:
        yield bench
        await asyncio.gather(*results._writes)
    await results.close()


def seen(seq: int, number: int = 0, account: str = "park") -> Frame:
    return frame(seq, account=account, captured_at=NOON, picture=picture(number))


async def test_an_identical_picture_is_cached_with_what_was_found(redis_url: str) -> None:
    engine = MoodyEngine()
    async with caching(redis_url, engine) as bench:
        bench.put(seen(0, 3))
        await bench.ended(1)
        bench.put(seen(1, 3))
        bench.put(seen(2, 4))
        bench.put(seen(3, 3, "somebody-else"))
        first, again, other, stranger = await bench.ended(4)
    assert statuses([first, again, other, stranger]) == [
        "detected",
        "cached",
        "detected",
        "detected",
    ]
    assert again.objects == first.objects != ()
    assert again.version == first.version
    assert sum(batches(engine)) == 3


async def test_two_identical_frames_of_one_batch_are_computed_once(redis_url: str) -> None:
    engine = MoodyEngine()
    async with caching(redis_url, engine) as bench:
        bench.loader.gate.clear()
        for seq in range(4):
            bench.put(seen(seq, 5 + seq // 3))
        bench.loader.gate.set()
        outcomes = await bench.ended(4)
    assert statuses(outcomes) == ["detected", "cached", "cached", "detected"]
    assert batches(engine) == [2]


async def test_a_copy_of_a_picture_that_fails_fails_with_it(redis_url: str) -> None:
    async with caching(redis_url, MoodyEngine()) as bench:
        bench.loader.gate.clear()
        for seq in range(2):
            bench.put(frame(seq, captured_at=NOON, picture=b"no picture"))
        bench.loader.gate.set()
        outcomes = await bench.ended(2)
    assert statuses(outcomes) == ["rejected"] * 2
    assert [outcome.dead is not None for outcome in outcomes] == [True, True]
    assert outcomes[0].dead is not outcomes[1].dead


async def test_a_frame_that_is_read_again_pays_for_what_it_found_itself(redis_url: str) -> None:
    engine = MoodyEngine()
    async with caching(redis_url, engine) as bench:
        bench.put(seen(0))
        first = (await bench.ended(1))[0]
        bench.outcomes.clear()
        bench.put(seen(0))
        again = (await bench.ended(1))[0]
    assert statuses([first, again]) == ["detected"] * 2
    assert batches(engine) == [1]


async def test_a_sliced_picture_is_looked_up_once_and_needs_no_tile(redis_url: str) -> None:
    engine = MoodyEngine()
    async with caching(redis_url, engine) as bench:
        bench.put(sliced(0))
        await bench.ended(1)
        bench.put(sliced(1, picture=sliced(0).picture))
        outcomes = await bench.ended(2)
        assert len(bench.batcher) == 0
    assert statuses(outcomes) == ["detected", "cached"]
    assert outcomes[0].objects == outcomes[1].objects
    assert sum(batches(engine)) == SLICES.tiles


async def test_results_are_forgotten_after_the_window(redis_url: str) -> None:
    async with caching(redis_url, MoodyEngine(), window_s=0.05) as bench:
        bench.put(seen(0))
        await bench.ended(1)
        await asyncio.sleep(0.1)
        bench.put(seen(1))
        assert statuses(await bench.ended(2)) == ["detected"] * 2


async def test_a_cache_that_never_answers_costs_one_short_wait_for_many_batches() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.read()

    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, caching(f"redis://127.0.0.1:{port}/0", MoodyEngine()) as bench:
        for seq in range(40):
            bench.put(seen(seq, seq))
        async with asyncio.timeout(AWAY_S):
            outcomes = await bench.ended(40)
        for writer in connections:
            writer.close()
    assert statuses(outcomes) == ["detected"] * 40
    assert len(connections) <= 2, "each of the two workers asks once"


async def test_a_cache_that_is_away_only_means_that_frames_are_computed() -> None:
    async with caching("redis://127.0.0.1:1/0", MoodyEngine()) as bench:
        for seq in range(8):
            bench.put(seen(seq, seq))
        assert statuses(await bench.ended(8)) == ["detected"] * 8
