"""Since when a transactional topic is known to have been read to its end, and what it is for."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from billing import biller
from billing.janitor import Expiry
from billing.sessions import Sessions
from tests.integration.billing.house import House, event
from wire import usage
from wire.clock import SystemClock

pytestmark = pytest.mark.integration


async def test_markers_and_aborted_records_do_not_hold_the_watermark_back(
    busy_house: House,
) -> None:
    house = busy_house
    await house.open(frames=10)
    async with house.biller():
        producer = house.kafka.transactional_producer(transactional_id=f"{house.topics.prefix}lane")
        async with producer:
            for seq, commits in ((0, True), (1, False), (1, True), (2, False), (3, False)):
                await producer.begin_transaction()
                value = usage.encode(event(seq, seq), at=datetime.now(UTC))
                await producer.send_and_wait(house.topics.usage, value, key=b"gate", partition=0)
                await (producer.commit_transaction() if commits else producer.abort_transaction())
        ended = datetime.now(UTC)

        async def is_read_to_its_end() -> bool:
            at = await house.pool.fetchval(
                "select watermark_at from consumer_position where partition = 0"
            )
            return at is not None and at > ended

        await house.until(is_read_to_its_end)
    assert (await house.session())["charged_frames"] == 2


async def test_the_watermark_follows_the_clock_while_nothing_comes(busy_house: House) -> None:
    house = busy_house
    started = datetime.now(UTC)
    async with house.biller():
        await house.emit(event(0, 0, stream="nobody"))

        async def all_partitions_are_read() -> bool:
            at = await house.pool.fetchval(
                "select min(watermark_at) from consumer_position"
                " having count(*) = count(watermark_at)"
            )
            return at is not None and at > started + timedelta(seconds=2)

        await house.until(all_partitions_are_read)


async def test_an_idle_biller_that_was_fenced_claims_anew_and_the_watermark_goes_on(
    busy_house: House,
) -> None:
    house = busy_house
    async with house.biller():
        await house.emit(event(0, 0, stream="nobody"))
        await house.until_read(1)
        await house.writer().claim(0)  # by one who then says nothing more
        fenced_at = datetime.now(UTC)

        async def goes_on() -> bool:
            at = await house.pool.fetchval(
                "select watermark_at from consumer_position where partition = 0"
            )
            return at is not None and at > fenced_at + timedelta(seconds=1)

        await house.until(goes_on)


async def test_a_partition_that_lags_does_not_claim_to_be_read(busy_house: House) -> None:
    house = busy_house
    await house.emit(*(event(seq, seq, stream="nobody") for seq in range(50)))
    started = datetime.now(UTC)
    lock = await house.pool.acquire()
    transaction = lock.transaction()
    await house.writer().register([0, 1])
    await transaction.start()
    await lock.execute("lock table session in access exclusive mode")  # no batch can be written
    try:
        async with house.biller():

            async def the_other_is_read() -> bool:
                at = await house.pool.fetchval(
                    "select watermark_at from consumer_position where partition = 1"
                )
                return at is not None and at > started + timedelta(seconds=1)

            await house.until(the_other_is_read)
            lagging = await house.pool.fetchval(
                "select watermark_at from consumer_position where partition = 0"
            )
            assert lagging is None
            await transaction.rollback()
            await house.until_read(50)
    finally:
        await house.pool.release(lock)


async def test_what_a_limited_fetch_leaves_behind_is_not_taken_for_read(
    busy_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = busy_house
    monkeypatch.setattr(biller, "BATCH_EVENTS_MAX", 7)
    await house.accounts.top_up("park", 1_000_000, "more")
    await house.open("a", frames=300)
    await house.open("b", frames=300)
    for partition, stream in enumerate("ab"):
        await house.emit(
            *(event(seq, seq, stream=stream) for seq in range(300)), partition=partition
        )
    async with house.biller():
        await asyncio.gather(house.until_read(300), house.until_read(300, partition=1))
    assert await house.frames() == {"detected": 600}


async def test_a_vanished_session_ends_by_itself_once_usage_is_read(busy_house: House) -> None:
    house = busy_house
    brief = Sessions(house.pool, SystemClock(), 0.2, expiry=Expiry(frame_age_s=0.2, slack_s=0.2))
    house.sessions = brief
    await house.open(frames=10)
    async with house.biller():
        await house.emit(event(0, 1))

        async def is_over() -> bool:
            await brief.expire(datetime.now(UTC))
            return (await house.session())["state"] == "expired"

        await house.until(is_over)
    assert await house.amounts() == (98, 0, 0)
