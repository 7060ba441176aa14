"""The biller on real Kafka and PostgreSQL: charges once, whatever is repeated."""

import asyncio

import pytest

from billing import batches
from billing.audit import audit
from billing.writer import Fenced
from tests.integration.billing.house import House, event
from wire import usage
from wire.sessions import CloseSession
from wire.usage import Status

pytestmark = pytest.mark.integration


async def test_usage_is_charged_from_what_the_session_holds(busy_house: House) -> None:
    house = busy_house
    await house.open(frames=10)
    assert await house.amounts() == (90, 10, 0)
    async with house.biller():
        await house.emit(event(0, 5), event(6, 7, Status.FAILED), event(8, 9))
        await house.until_read(3)
    assert await house.amounts() == (92, 0, 0)
    assert await house.frames() == {"detected": 8, "failed": 2}
    session = await house.session()
    assert (session["charged_frames"], session["held_frames"]) == (8, 0)


async def test_a_session_settles_when_its_last_frame_is_accounted_for(busy_house: House) -> None:
    house = busy_house
    await house.open(frames=10)
    await house.sessions.close("gate", 1, CloseSession(last_seq=3, captured=4, reason="done"))
    assert await house.amounts() == (96, 4, 0)
    async with house.biller():
        await house.emit(event(0, 3))
        await house.until_read(1)
    assert (await house.session())["state"] == "settled"
    assert await house.amounts() == (96, 0, 0)


async def test_a_replay_from_the_beginning_charges_nothing_again(busy_house: House) -> None:
    house = busy_house
    await house.open(frames=20)
    async with house.biller():
        await house.emit(event(0, 9), event(10, 19, Status.EXPIRED))
        await house.until_read(2)
    before = await house.amounts(), await house.frames()
    await house.pool.execute("update consumer_position set next_offset = 0")
    events = house.metrics.events._value.get()
    async with house.biller():
        await house.until_read(2)
    assert house.metrics.events._value.get() == events + 2
    assert (await house.amounts(), await house.frames()) == before


async def test_the_first_status_that_reaches_the_ledger_stands(busy_house: House) -> None:
    house = busy_house
    await house.open(frames=10)
    async with house.biller():
        await house.emit(event(2, 5, Status.FAILED), event(0, 7), event(0, 9, Status.EXPIRED))
        await house.emit(event(0, 9))
        await house.until_read(4)
    assert await house.frames() == {"failed": 4, "detected": 4, "expired": 2}
    assert await house.amounts() == (96, 0, 0)


async def test_a_zombie_writes_nothing(house: House) -> None:
    await house.open(frames=10)
    old, new = house.writer("old"), house.writer("new")
    mine = await old.claim(0)
    theirs = await new.claim(0)
    batch = batches.read([(0, usage.encode(event(0, 4), at=event(0, 4).captured_at))])
    with pytest.raises(Fenced):
        await old.write(0, mine.owner_epoch, batch, None)
    assert await house.amounts() == (90, 10, 0)
    await new.write(0, theirs.owner_epoch, batch, None)
    assert await house.amounts() == (90, 5, 0)


async def test_a_crash_between_ledger_and_kafka_commit_repeats_nothing(
    busy_house: House,
) -> None:
    house = busy_house
    await house.open(frames=10)
    await house.emit(event(0, 4), event(5, 9))
    writer = house.writer("crashed")
    claim = await writer.claim(0)
    batch = batches.read([(0, usage.encode(event(0, 4), at=event(0, 4).captured_at))])
    await writer.write(0, claim.owner_epoch, batch, None)
    async with house.biller():
        await house.until_read(2)
    assert await house.amounts() == (90, 0, 0)
    assert house.metrics.events._value.get() == 1


async def test_two_partitions_charge_one_account_at_once(busy_house: House) -> None:
    house = busy_house
    await house.open("a", frames=40)
    await house.open("b", frames=40)
    async with house.biller(), house.biller():
        for first in range(0, 40, 2):
            await asyncio.gather(
                house.emit(event(first, first + 1, stream="a")),
                house.emit(event(first, first + 1, stream="b"), partition=1),
            )
        await asyncio.gather(house.until_read(20), house.until_read(20, partition=1))
    assert await house.amounts() == (20, 0, 0)


async def test_what_no_grant_covers_is_taken_from_the_balance_and_then_owed(
    busy_house: House,
) -> None:
    house = busy_house
    await house.open(frames=10)
    async with house.biller():
        await house.emit(event(0, 119))
        await house.until_read(1)
    assert await house.amounts() == (0, 0, 20)
    report = await audit(house.pool, redis=None, kafka=house.kafka, topics=house.topics)
    assert report.ok, report.checks


async def test_events_that_contradict_the_ledger_are_kept_and_charge_nobody(
    busy_house: House,
) -> None:
    house = busy_house
    await house.open(frames=10)
    async with house.biller():
        await house.emit_raw(b"\xff{", None, b'{"type":"\\u0000"}')
        await house.emit(
            event(0, 0, stream="nobody"),
            event(0, 0, account="other"),
            event(0, 0, height=320),
            event(0, 0, stream="nul\0"),
            event(5, 4),
            event(0, 2**62),
            event(0, 1),
        )
        await house.until_read(10)
    rows = await house.pool.fetch('select "offset", reason from unbillable order by "offset"')
    assert [row["offset"] for row in rows] == list(range(9))
    assert "no session nobody/1 was ever opened" in rows[3]["reason"]
    assert "height is 320, not 640" in rows[5]["reason"]
    assert await house.amounts() == (90, 8, 0)
    report = await audit(house.pool, redis=None, kafka=house.kafka, topics=house.topics)
    assert [check.name for check in report.checks if not check.ok] == [
        "every event has its session"
    ]


async def test_a_topic_made_anew_is_read_from_its_beginning(busy_house: House) -> None:
    house = busy_house
    await house.open(frames=10)
    await house.writer().register([0])
    await house.pool.execute("update consumer_position set next_offset = 1000")
    async with house.biller():
        await house.emit(event(0, 4))

        async def is_charged() -> bool:
            return await house.amounts() == (90, 5, 0)

        await house.until(is_charged)
