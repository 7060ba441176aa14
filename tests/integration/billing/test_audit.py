"""The audit finds what is wrong, and only that. Each test breaks the books in one place."""

import asyncio
from datetime import UTC, datetime

import pytest

from billing import reports
from billing.audit import AuditReport, audit
from billing.reports import StreamBill, UsageRow
from tests.integration.billing.house import ACCOUNT, CAPTURED_AT, House, event
from tests.integration.billing.test_sessions import closing, renewal, write
from wire import usage
from wire.errors import Rejected
from wire.usage import Status

pytestmark = pytest.mark.integration


async def failed(house: House) -> list[str]:
    report: AuditReport = await audit(house.pool, redis=None, kafka=None, topics=None)
    assert report.ok == all(check.ok for check in report.checks)
    return [check.name for check in report.checks if not check.ok]


@pytest.fixture
async def used_house(house: House) -> House:
    """Give a house with one settled and one open session."""
    await house.open(frames=10)
    await write(house, event(0, 4), event(5, 5, Status.REJECTED))
    await house.sessions.close("gate", 1, closing(5))
    await house.open("lake", frames=10)
    await house.sessions.renew("lake", 1, renewal(4, frames=6))
    await write(house, event(0, 3, stream="lake"))
    return house


async def test_sound_books_pass(used_house: House) -> None:
    assert await failed(used_house) == []


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (
            "update balance set available = available + 1",
            ["legs sum to zero", "balance = sum of transfers"],
        ),
        (
            "update balance set held = held + 1, available = available - 1",
            ["balance = sum of transfers", "held = held frames x unit price"],
        ),
        (
            "update session set held_frames = held_frames - 1 where state = 'open'",
            ["held = held frames x unit price"],
        ),
        (
            "update session set charged_frames = charged_frames + 1 where stream = 'gate'",
            ["charges = charged frames x unit price = usage hours"],
        ),
        (
            "update usage_hour set frames = frames + 1 where status = 'rejected'",
            ["charges = charged frames x unit price = usage hours", "hours = minutes"],
        ),
        (
            "update usage_minute set frames = frames + 1 where status = 'rejected'",
            ["hours = minutes"],
        ),
        (
            "update session set last_seq = 7 where stream = 'gate'",
            ["no frame is missing"],
        ),
        (
            "update session set state = 'expired', held_frames = 0, covered = '{[0,2),[3,5)}'"
            " where stream = 'lake'",
            [
                "held = held frames x unit price",
                "no frame is missing",
            ],
        ),
    ],
)
async def test_damage_is_named(used_house: House, damage: str, names: list[str]) -> None:
    await used_house.pool.execute(damage)
    assert await failed(used_house) == names


async def test_a_closed_session_that_is_incomplete_is_named_before_it_is_blamed(
    house: House,
) -> None:
    await house.open(frames=10)
    await house.sessions.close("gate", 1, closing(4))
    report = await audit(house.pool, redis=None, kafka=None, topics=None)
    (check,) = [each for each in report.checks if each.name == "no frame is missing"]
    assert check.ok
    assert "gate/1 (5 frames)" in check.detail
    await house.pool.execute("update session set closed_at = closed_at - interval '2 minutes'")
    assert await failed(house) == ["no frame is missing"]


async def test_the_recount_finds_a_charge_that_no_event_bears_out(busy_house: House) -> None:
    house = busy_house
    await house.open(frames=10)
    async with house.biller():
        await house.emit(event(0, 3), event(2, 4))
        await house.until_read(2)
    sound = await audit(house.pool, redis=None, kafka=house.kafka, topics=house.topics)
    assert sound.ok, sound.checks
    await house.pool.execute("update session set charged_frames = charged_frames + 1")
    broken = await audit(house.pool, redis=None, kafka=house.kafka, topics=house.topics)
    recount = broken.checks[-1]
    assert (recount.name, recount.ok) == ("recount", False)
    assert "gate/1 (charged 6, counted 5 to 5)" in recount.detail


async def test_usage_is_summed_as_it_is_asked_for(used_house: House) -> None:
    hour = CAPTURED_AT.replace(minute=0, second=0, microsecond=0)
    range_ = {"start": hour, "end": datetime.now(UTC)}
    rows = await reports.usage(
        used_house.pool, account=ACCOUNT, group_by=("stream", "status", "hour"), **range_
    )
    expected = [("gate", "detected", 5), ("gate", "rejected", 1), ("lake", "detected", 4)]
    assert rows == [
        UsageRow(
            stream=stream,
            model=None,
            status=status,
            start=hour,
            frames=frames,
            millitokens=frames * 1_000 if status == "detected" else 0,
        )
        for stream, status, frames in expected
    ]
    (total,) = await reports.usage(used_house.pool, account=ACCOUNT, group_by=(), **range_)
    assert (total.frames, total.millitokens, total.start) == (10, 9_000, None)
    with pytest.raises(Rejected):
        await reports.usage(used_house.pool, account=ACCOUNT, group_by=("colour",), **range_)


async def test_a_report_is_for_an_account_that_can_be(house: House) -> None:
    with pytest.raises(Rejected, match="account name"):
        await reports.stream_bill(house.pool, "nul\0")


async def test_a_bill_names_every_frame_of_a_stream(used_house: House) -> None:
    await used_house.accounts.create("other")
    assert await reports.stream_bill(used_house.pool, "other") == []
    gate, lake = await reports.stream_bill(used_house.pool, ACCOUNT)
    assert gate == StreamBill(
        stream="gate",
        captured=50,
        published=6,
        still=7,
        frames={"detected": 5, "rejected": 1},
        charged_millitokens=5_000,
        unit_prices=(1_000,),
    )
    assert (lake.published, lake.still, lake.frames) == (4, 3, {"detected": 4})


async def test_the_ledger_is_paged_from_its_newest_transfer(used_house: House) -> None:
    await used_house.accounts.create("other")
    assert await reports.ledger(used_house.pool, account="other", before_id=None, limit=9) == []
    first = await reports.ledger(used_house.pool, account=ACCOUNT, before_id=None, limit=2)
    rest = await reports.ledger(used_house.pool, account=ACCOUNT, before_id=first[-1].id, limit=100)
    kinds = [transfer.kind for transfer in (*first, *rest)]
    assert kinds == ["charge", "grant", "release", "release", "charge", "grant", "topup"]
    assert len({transfer.id for transfer in (*first, *rest)}) == len(kinds)
    with pytest.raises(Rejected):
        await reports.ledger(used_house.pool, account=ACCOUNT, before_id=None, limit=0)


async def test_a_recount_ends_while_others_go_on_writing(busy_house: House) -> None:
    house = busy_house
    await house.open(frames=10)
    lane = house.kafka.transactional_producer(transactional_id=f"{house.topics.prefix}lane")
    async with lane:
        await lane.begin_transaction()
        value = usage.encode(event(0, 0), at=datetime.now(UTC))
        await lane.send_and_wait(house.topics.usage, value, key=b"gate", partition=0)
        await lane.commit_transaction()

    async def go_on() -> None:
        async with house.kafka.producer(client_id="other") as producer:
            while True:
                await producer.send_and_wait(house.topics.usage, b"{}", key=b"x", partition=1)

    writing = asyncio.create_task(go_on())
    try:
        async with asyncio.timeout(20):
            report = await audit(house.pool, redis=None, kafka=house.kafka, topics=house.topics)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    (check,) = [check for check in report.checks if check.name == "recount"]
    assert check.ok, check.detail
