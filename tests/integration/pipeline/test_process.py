"""The producer as a process: it waits for what is away, stops in order, and can be killed."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator

import pytest

from samples.rtsp import RtspServer
from tests.integration.pipeline.conftest import Park, spec, until
from tests.integration.pipeline.gateway_memory import free_port, serving
from tests.stack.running import RunningStack
from wire.frames import Frame
from wire.streams import Pace

pytestmark = pytest.mark.integration
LIVE = {"loop": True, "pace": Pace.REALTIME}
STOP_WAIT_S_MAX = 6.0


@contextlib.asynccontextmanager
async def producer(
    park: Park, gateway: str, **changes: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m pipeline`; kill it at the end if it still runs."""
    environment = {
        "PATH": os.environ["PATH"],
        "FRAMEMETER_KAFKA": park.kafka.bootstrap,
        "FRAMEMETER_TOPIC_PREFIX": park.topics.prefix,
        "FRAMEMETER_PARTITIONS": str(park.topics.partitions),
        "FRAMEMETER_GATEWAY": gateway,
        "FRAMEMETER_KEY": "operator",
        "PYTHONWARNINGS": "error",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pipeline", env=environment | changes, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def stopped(process: asyncio.subprocess.Process) -> tuple[int | None, float, str]:
    """Send SIGTERM; return the exit status, the seconds it took, and all that was logged."""
    began_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, log = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, time.monotonic() - began_s, log.decode()


def assert_exact(park: Park, frames: list[Frame], stream: str) -> None:
    """Check that what each session was closed with is what lies on the topic."""
    for epoch, session in enumerate(park.sessions.epochs(stream), start=1):
        seqs = [it.seq for it in frames if it.stream == stream and it.epoch == epoch]
        assert seqs == list(range(len(seqs)))
        assert session.closed is not None
        assert (session.closed.last_seq, session.closed.in_doubt) == (len(seqs) - 1, 0)
        assert session.closed.captured >= len(seqs)


async def test_sigterm_closes_every_session_with_what_was_published(park: Park) -> None:
    names = ["a", "b", "c"]
    await park.announce(*(spec(name, **LIVE) for name in names))
    async with serving(park.sessions, free_port()) as gateway, producer(park, gateway) as process:
        await until(lambda: all(park.sessions.epochs(name) for name in names))
        await asyncio.sleep(1.5)
        status, seconds, log = await stopped(process)
    frames = await park.published()
    assert status == 0 and seconds < STOP_WAIT_S_MAX, (seconds, log)
    for name in names:
        assert len([it for it in frames if it.stream == name]) >= 4
        assert_exact(park, frames, name)
    assert "producer stopped" in log and "Traceback" not in log


async def test_sigterm_is_obeyed_while_a_camera_hangs(park: Park, cameras: RtspServer) -> None:
    await park.announce(spec("gate", source=cameras.url("gate"), **LIVE))
    async with serving(park.sessions, free_port()) as gateway, producer(park, gateway) as process:
        await until(lambda: bool(park.sessions.epochs("gate")))
        cameras.freeze()
        await asyncio.sleep(0.5)
        status, seconds, log = await stopped(process)
        cameras.thaw()
    assert status == 0 and seconds < STOP_WAIT_S_MAX, (seconds, log)
    assert_exact(park, await park.published(), "gate")


async def test_a_killed_producer_s_streams_move_to_the_other_within_fifteen_seconds(
    park: Park,
) -> None:
    names = [f"camera-{number}" for number in range(8)]
    await park.announce(*(spec(name, fps=2.0, **LIVE) for name in names))
    async with (
        serving(park.sessions, free_port()) as gateway,
        producer(park, gateway) as first,
        producer(park, gateway),
    ):
        await until(lambda: all(park.sessions.epochs(name) for name in names))
        await asyncio.sleep(6)
        epochs = {name: len(park.sessions.epochs(name)) for name in names}
        first.kill()
        killed_s = time.monotonic()
        await until(
            lambda: all(len(park.sessions.epochs(name)) > epochs[name] for name in names), 15
        )
        print(f"moved in {time.monotonic() - killed_s:.1f} s")


async def test_a_producer_waits_for_a_gateway_that_is_not_there_yet(park: Park) -> None:
    await park.announce(spec())
    port = free_port()
    async with producer(park, f"http://127.0.0.1:{port}") as process:
        await asyncio.sleep(3)
        assert process.returncode is None
        async with serving(park.sessions, port):
            await until(lambda: any(it.closed for it in park.sessions.epochs("gate")))
            _, _, log = await stopped(process)
    assert len(await park.published()) == 240
    assert log.count("does not answer") == 1


async def test_a_producer_waits_for_kafka_that_is_not_there(park: Park) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with producer(park, "http://127.0.0.1:9", FRAMEMETER_KAFKA=nowhere) as process:
        await asyncio.sleep(3)
        status, seconds, log = await stopped(process)
    assert status == 0 and seconds < STOP_WAIT_S_MAX
    assert nowhere in log and "Traceback" not in log


async def test_kafka_silent_for_ten_seconds_costs_pictures_but_no_frame(
    park: Park, broker: RunningStack
) -> None:
    await park.announce(spec("gate", **LIVE))
    async with serving(park.sessions, free_port()) as gateway, producer(park, gateway) as process:
        await until(lambda: bool(park.sessions.epochs("gate")))
        await asyncio.sleep(1)
        broker.pause("kafka")
        await asyncio.sleep(10)
        broker.resume("kafka")
        await asyncio.sleep(8)
        status, seconds, log = await stopped(process)
    assert status == 0 and seconds < STOP_WAIT_S_MAX, (seconds, log)
    frames = await park.published()
    assert_exact(park, frames, "gate")
    last = park.sessions.epochs("gate")[-1].closed
    assert last is not None and last.last_seq > 0


async def test_a_producer_without_a_key_says_what_to_set(park: Park) -> None:
    async with producer(park, "http://127.0.0.1:9", FRAMEMETER_KEY="") as process:
        _, log = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"FRAMEMETER_KEY" in log and b"Traceback" not in log
