"""Servers that go away while the biller works, or are not there when it starts."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from billing.audit import audit
from billing.relay import open_redis
from tests.integration.billing.house import House, event
from tests.stack.running import RunningStack
from wire.sessions import CloseSession
from wire.usage import Status

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
AWAY_S = 3.0


async def charge_across(house: House, stack: RunningStack, server: str) -> None:
    """Charge 20 frames, lose a server, get it back, charge 20 more; all while a biller runs."""
    await house.open(frames=40)
    async with house.biller():
        for seq in range(0, 20, 2):
            await house.emit(event(seq, seq + 1))
        await house.until_read(5)
        stack.kill(server)
        try:
            await asyncio.sleep(AWAY_S)
        finally:
            await asyncio.to_thread(stack.restart, server)
        for seq in range(18, 40, 2):
            await house.emit(event(seq, seq + 1))

        async def is_charged() -> bool:
            try:
                return (await house.session())["charged_frames"] == 40
            except (OSError, ConnectionError):
                return False

        await house.until(is_charged)
    assert await house.amounts() == (60, 0, 0)


async def test_a_database_that_dies_costs_time_and_no_frame(
    busy_house: House, stack: RunningStack
) -> None:
    await charge_across(busy_house, stack, "postgres")


async def test_a_broker_that_dies_costs_time_and_no_frame(
    busy_house: House, stack: RunningStack
) -> None:
    await charge_across(busy_house, stack, "kafka")


@contextlib.asynccontextmanager
async def running(
    environment: dict[str, str], log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m billing` meanwhile; kill it at the end if it still runs."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "billing",
            env={**os.environ, **environment},
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
def environment(
    stack: RunningStack, database: str, topic_prefix: str, redis_url: str
) -> dict[str, str]:
    return {
        "FRAMEMETER_KAFKA": stack.kafka,
        "FRAMEMETER_POSTGRES": database,
        "FRAMEMETER_REDIS": redis_url,
        "FRAMEMETER_TOPIC_PREFIX": topic_prefix,
        "FRAMEMETER_LOG_FORMAT": "json",
    }


async def test_a_killed_process_goes_on_where_the_ledger_stands(
    busy_house: House, environment: dict[str, str], redis_url: str, tmp_path: Path
) -> None:
    house = busy_house
    await house.open(frames=60)
    async with running(environment, tmp_path / "log") as process:
        await house.emit(*(event(seq, seq) for seq in range(30)))
        await house.until_read(10)
        process.send_signal(signal.SIGKILL)
    await house.emit(*(event(seq, seq, Status.CACHED) for seq in range(30, 40)))
    await house.emit(*(event(seq, seq) for seq in range(60)))
    async with running(environment, tmp_path / "log") as process:
        await house.until_read(100)
        await house.sessions.close("gate", 1, CloseSession(last_seq=59, captured=60, reason="end"))
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert await house.frames() == {"detected": 50, "cached": 10}
    assert await house.amounts() == (50, 0, 0)
    redis = open_redis(redis_url)
    report = await audit(house.pool, redis=redis, kafka=house.kafka, topics=house.topics)
    await redis.aclose()
    assert [check for check in report.checks if not check.ok] == []


async def test_a_process_waits_for_what_is_not_there_yet_and_says_so(
    house: House, environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    await house.open(frames=10)
    async with running(environment | {"FRAMEMETER_REDIS": "redis://127.0.0.1:1/0"}, log) as process:

        async def says_what_is_missing() -> bool:
            return "framemeter topics create" in log.read_text()

        await house.until(says_what_is_missing)
        await house.kafka.create_topics(house.topics.table())
        await house.emit(event(0, 9))
        await house.until_read(1)
        assert await house.amounts() == (90, 0, 0)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_a_process_stops_while_everything_is_away(
    environment: dict[str, str], tmp_path: Path, unused_tcp_port: int
) -> None:
    nowhere = f"127.0.0.1:{unused_tcp_port}"
    log = tmp_path / "log"
    environment |= {
        "FRAMEMETER_KAFKA": nowhere,
        "FRAMEMETER_POSTGRES": f"postgresql://framemeter@{nowhere}/framemeter",
    }
    async with running(environment, log) as process:
        async with asyncio.timeout(20):
            while "PostgreSQL does not answer" not in log.read_text():  # noqa: ASYNC110  (a file)
                await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
