"""The life of sessions in PostgreSQL: grants, closes, expiry, and money that is never overspent."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from billing import batches
from tests.integration.billing.house import ACCOUNT, House, asking, event
from wire import usage
from wire.errors import (
    InsufficientTokens,
    NotAllowed,
    Refused,
    Rejected,
    SessionOver,
    UnknownAccount,
    UnknownModel,
)
from wire.sessions import CloseSession, RenewSession
from wire.usage import Status, UsageEvent

pytestmark = pytest.mark.integration


def closing(last_seq: int, in_doubt: int = 0) -> CloseSession:
    return CloseSession(last_seq=last_seq, captured=50, reason="done", in_doubt=in_doubt, still=7)


def renewal(published: int, frames: int = 10) -> RenewSession:
    return RenewSession(published=published, captured=published, frames=frames, still=3)


async def watch(house: House, at: datetime) -> None:
    """Say that all partitions have been read up to `at`."""
    await house.writer().register([0, 1])
    await house.pool.execute("update consumer_position set watermark_at = $1", at)


async def write(house: House, *events: UsageEvent) -> None:
    """Put usage into the ledger as a biller would."""
    writer = house.writer()
    claim = await writer.claim(0)
    values = [
        (claim.next_offset + place, usage.encode(each, at=each.captured_at))
        for place, each in enumerate(events)
    ]
    await writer.write(0, claim.owner_epoch, batches.read(values), None)


async def test_a_grant_is_paid_before_it_is_told(house: House) -> None:
    grant = await house.open(frames=10)
    assert (grant.epoch, grant.granted_frames, grant.unit_price, grant.final) == (
        1,
        10,
        1_000,
        False,
    )
    assert grant.available == 90_000
    assert await house.amounts() == (90, 10, 0)


async def test_a_renewal_tops_up_and_its_repeat_grants_nothing(house: House) -> None:
    await house.open(frames=10)
    first = await house.sessions.renew("gate", 1, renewal(7), ACCOUNT)
    again = await house.sessions.renew("gate", 1, renewal(7), ACCOUNT)
    assert first.granted_frames == again.granted_frames == 17
    assert await house.amounts() == (83, 17, 0)


async def test_a_renewal_that_cannot_be_paid_in_full_grants_what_there_is(house: House) -> None:
    await house.open(frames=90)
    grant = await house.sessions.renew("gate", 1, renewal(85, frames=100))
    assert (grant.granted_frames, grant.final, grant.available) == (100, True, 0)
    with pytest.raises(InsufficientTokens, match="top it up"):
        await house.open("other", frames=1)


async def test_refusals_come_before_anything_is_spent(house: House) -> None:
    await house.accounts.create("stranger")
    await house.open(frames=1)
    asked = asking()
    with pytest.raises(UnknownAccount):
        await house.open(account="nobody")
    with pytest.raises(UnknownModel):
        await house.sessions.open(type(asked)(**{**_fields(asked), "model": "yolov9z"}))
    with pytest.raises(NotAllowed, match="another account"):
        await house.open(account="stranger")
    with pytest.raises(Rejected):
        await house.sessions.open(type(asked)(**{**_fields(asked), "task": "pose"}))
    with pytest.raises(UnknownAccount, match="no session"):
        await house.sessions.renew("gate", 1, renewal(0), "stranger")
    with pytest.raises(UnknownAccount, match="no session"):
        await house.sessions.close("gate", 9, closing(0), ACCOUNT)
    with pytest.raises(UnknownAccount, match="no session"):
        await house.sessions.close("nul\0", 2**70, closing(0), ACCOUNT)
    with pytest.raises(Rejected, match="were granted"):
        await house.sessions.renew("gate", 1, renewal(2))
    with pytest.raises(Rejected, match="were granted"):
        await house.sessions.close("gate", 1, closing(1))
    assert await house.amounts() == (99, 1, 0)


async def test_a_newer_epoch_ends_the_older_one(house: House) -> None:
    await house.open(frames=10)
    assert (await house.open(frames=10)).epoch == 2
    with pytest.raises(SessionOver):
        await house.sessions.renew("gate", 1, renewal(5))
    older = await house.session(epoch=1)
    assert (older["state"], older["close_reason"], older["last_seq"]) == (
        "closing",
        "superseded",
        None,
    )
    assert await house.amounts() == (80, 20, 0)
    await house.sessions.close("gate", 1, closing(-1))  # its old owner comes back to say so
    assert (await house.session(epoch=1))["state"] == "settled"
    assert await house.amounts() == (90, 10, 0)


async def test_a_close_frees_what_cannot_be_used_and_its_repeat_changes_nothing(
    house: House,
) -> None:
    await house.open(frames=10)
    for _ in range(2):
        await house.sessions.close("gate", 1, closing(3, in_doubt=2))
        assert await house.amounts() == (94, 6, 0)
    await house.sessions.close("gate", 1, closing(9))
    assert (await house.session())["last_seq"] == 3


async def test_frames_in_doubt_are_paid_for_when_they_appear(house: House) -> None:
    await house.open(frames=10)
    await house.sessions.close("gate", 1, closing(3, in_doubt=2))
    await write(house, event(0, 3))
    assert (await house.session())["state"] == "closing"
    await write(house, event(4, 5))
    assert (await house.session())["state"] == "settled"
    assert await house.amounts() == (94, 0, 0)


async def test_frames_in_doubt_that_never_appear_are_freed_by_expiry(house: House) -> None:
    await house.open(frames=10)
    await house.sessions.close("gate", 1, closing(3, in_doubt=2))
    await write(house, event(0, 3, Status.FAILED))
    assert await house.amounts() == (98, 2, 0)
    late = datetime.now(UTC) + timedelta(seconds=7)
    assert await house.sessions.expire(late) == 0  # nobody has read usage that far
    await watch(house, late)
    assert await house.sessions.expire(late) == 1
    assert (await house.session())["state"] == "settled"
    assert await house.amounts() == (100, 0, 0)


async def test_a_vanished_owner_keeps_its_tokens_until_the_watermark_has_passed(
    house: House,
) -> None:
    grant = await house.open(frames=10)
    await write(house, event(0, 1))
    safe_at = grant.expires_at + timedelta(seconds=6)
    for watermark, now, ended in (
        (grant.expires_at, safe_at, 0),
        (safe_at + timedelta(seconds=1), grant.expires_at, 0),
        (safe_at + timedelta(seconds=1), safe_at + timedelta(seconds=1), 1),
    ):
        await watch(house, watermark)
        assert await house.sessions.expire(now) == ended
    assert (await house.session())["state"] == "expired"
    assert await house.amounts() == (98, 0, 0)
    with pytest.raises(SessionOver):
        await house.sessions.renew("gate", 1, renewal(2))
    await write(house, event(2, 4))  # later than anyone could know: charged all the same
    assert await house.amounts() == (95, 0, 0)


async def test_a_partition_that_nobody_reads_holds_expiry_back(house: House) -> None:
    grant = await house.open(frames=10)
    late = grant.expires_at + timedelta(hours=1)
    await watch(house, late)
    await house.pool.execute("update consumer_position set watermark_at = null where partition = 1")
    assert await house.sessions.expire(late) == 0


async def test_many_sessions_on_one_small_balance_overspend_nothing(house: House) -> None:
    async def live(stream: str) -> int:
        granted = 0
        try:
            grant = await house.open(stream, frames=3)
            for _ in range(6):
                granted = grant.granted_frames
                grant = await house.sessions.renew(
                    stream, 1, renewal(grant.granted_frames, frames=2)
                )
        except Refused:
            pass
        return granted

    await asyncio.gather(*(live(f"cam-{number}") for number in range(24)))
    held = await house.pool.fetchval("select sum(held_frames) from session")
    assert held == 100
    assert await house.amounts() == (0, 100, 0)


def _fields(request: object) -> dict[str, object]:
    return {name: getattr(request, name) for name in request.__struct_fields__}  # type: ignore[attr-defined]
