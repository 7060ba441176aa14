"""Streams come and go while the fleet runs, and every frame is numbered and paid for."""

import asyncio

import pytest

from tests.integration.pipeline.conftest import Park, spec, until
from wire.compacted import put
from wire.frames import Frame
from wire.streams import Pace

pytestmark = pytest.mark.integration
FOOTAGE_FRAMES = 240
"""48 s at 5 fps."""


def numbers(frames: list[Frame], stream: str) -> dict[int, list[int]]:
    """Return the frame numbers of each epoch, in the order of the topic."""
    found: dict[int, list[int]] = {}
    for frame in frames:
        if frame.stream == stream:
            found.setdefault(frame.epoch, []).append(frame.seq)
    return found


def assert_settled(park: Park, frames: list[Frame], stream: str) -> None:
    """Check that each session was closed with exactly the frames that are on the topic."""
    epochs = numbers(frames, stream)
    for epoch, session in enumerate(park.sessions.epochs(stream), start=1):
        seqs = epochs.get(epoch, [])
        assert seqs == list(range(len(seqs))), (stream, epoch)
        assert session.closed is not None, (stream, epoch)
        assert (session.closed.last_seq, session.closed.in_doubt) == (len(seqs) - 1, 0)
    assert park.count("captured", stream) == park.count("published", stream) + park.count(
        "dropped", stream
    )


async def test_a_file_played_as_fast_as_possible_loses_no_picture(park: Park) -> None:
    await park.announce(spec())
    async with park.fleet():
        await until(lambda: any(it.closed for it in park.sessions.epochs("gate")))
    frames = await park.published()
    assert numbers(frames, "gate") == {1: list(range(FOOTAGE_FRAMES))}
    closed = park.sessions.epochs("gate")[0].closed
    assert closed is not None and (closed.captured, closed.reason) == (FOOTAGE_FRAMES, "ended")
    assert_settled(park, frames, "gate")
    assert frames[0].source_width == 768 and frames[0].picture[:2] == b"\xff\xd8"


async def test_streams_are_added_changed_and_removed_while_it_runs(park: Park) -> None:
    live = {"loop": True, "pace": Pace.REALTIME}
    async with park.fleet() as fleet:
        await park.announce(spec("a", **live), spec("b", **live), spec("c", **live))
        await until(lambda: all(park.count("published", it) > 3 for it in "abc"))
        await park.announce(spec("a", fps=10, **live), spec("b", height=96, width=128, **live))
        await until(lambda: len(park.sessions.epochs("b")) == 2)
        await park.remove("c")
        await until(lambda: fleet.streams == {"a", "b"})
        before = park.count("published", "a")
        await until(lambda: park.count("published", "a") > before + 5)
    frames = await park.published()
    assert list(numbers(frames, "a")) == [1], "another fps does not need another session"
    assert {(it.epoch, it.height) for it in frames if it.stream == "b"} == {(1, 192), (2, 96)}
    for stream in "abc":
        assert_settled(park, frames, stream)


async def test_a_bad_spec_is_skipped_and_the_others_run(park: Park) -> None:
    await put(park.kafka, park.topics.streams, {"bad": b"{}"})
    await park.announce(spec("good"))
    async with park.fleet() as fleet:
        await until(lambda: park.count("published", "good") == FOOTAGE_FRAMES)
        assert fleet.streams == {"good"}


async def test_a_stream_of_an_unknown_account_does_not_touch_the_others(park: Park) -> None:
    await park.announce(spec("theirs", account="nobody"), spec("ours"))
    async with park.fleet():
        await until(lambda: park.count("published", "ours") == FOOTAGE_FRAMES)
    assert {frame.stream for frame in await park.published()} == {"ours"}


async def test_an_empty_account_stops_a_camera_and_a_top_up_resumes_it(park: Park) -> None:
    park.sessions.top_up("poor", 7_000)
    await park.announce(spec("gate", account="poor", loop=True, pace=Pace.REALTIME))
    async with park.fleet():
        await until(lambda: park.count("published", "gate") == 7)
        await asyncio.sleep(1)
        assert park.count("published", "gate") == 7
        park.sessions.top_up("poor", 5_000)
        await until(lambda: park.count("published", "gate") == 12)
    frames = await park.published()
    assert numbers(frames, "gate") == {1: list(range(12))}
    assert_settled(park, frames, "gate")


async def test_an_empty_account_holds_a_file_back_without_losing_a_picture(park: Park) -> None:
    park.sessions.top_up("poor", 100_000)
    await park.announce(spec("gate", account="poor"))
    async with park.fleet():
        await until(lambda: park.count("published", "gate") == 100)
        park.sessions.top_up("poor", 500_000)
        await until(lambda: any(it.closed for it in park.sessions.epochs("gate")))
    assert numbers(await park.published(), "gate") == {1: list(range(FOOTAGE_FRAMES))}


async def test_a_gateway_that_is_away_is_waited_for(park: Park) -> None:
    park.sessions.away = True
    await park.announce(spec())
    async with park.fleet() as fleet:
        await until(lambda: fleet.streams == {"gate"})
        await asyncio.sleep(1)
        park.sessions.away = False
        await until(lambda: park.count("published", "gate") == FOOTAGE_FRAMES)


async def test_two_fleets_share_the_streams_and_one_that_leaves_hands_its_own_over(
    park: Park,
) -> None:
    names = [f"camera-{number}" for number in range(8)]
    live = {"loop": True, "pace": Pace.REALTIME, "fps": 2.0}
    await park.announce(*(spec(name, **live) for name in names))
    async with park.fleet() as first:
        await until(lambda: first.streams == set(names))
        async with park.fleet() as second:
            await until(lambda: bool(second.streams) and bool(first.streams))
            await until(lambda: not first.streams & second.streams)
            await until(lambda: first.streams | second.streams == set(names))
            assert first.streams and second.streams
            await asyncio.sleep(1.5)
        await until(lambda: first.streams == set(names), 15)
        await asyncio.sleep(1.5)
    frames = await park.published()
    for name in names:
        for epoch, session in enumerate(park.sessions.epochs(name), start=1):
            seqs = numbers(frames, name).get(epoch, [])
            assert seqs == list(range(len(seqs)))
            assert session.closed is not None, "each session was closed before the next began"
            assert session.closed.last_seq == len(seqs) - 1
