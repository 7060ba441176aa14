"""Renewals that are done together: one transaction, and yet each as if it were alone."""

import asyncio

import asyncpg
import pytest

from tests.integration.billing.house import ACCOUNT, House, asking
from wire.errors import Rejected, Retryable, SessionOver, UnknownAccount
from wire.sessions import CloseSession, Grant, RenewSession, WhenUnreachable

pytestmark = pytest.mark.integration


def renewal(published: int, frames: int = 2) -> RenewSession:
    return RenewSession(published=published, captured=published, frames=frames)


async def transactions(house: House) -> int:
    """Return how many transactions have written grants."""
    return int(
        await house.pool.fetchval("select count(distinct xid) from transfer where kind = 'grant'")
    )


async def together(
    house: House, *wishes: tuple[str, RenewSession, str | None]
) -> list[Grant | BaseException]:
    """Renew the first, and while that is under way all the others, epoch 1 of each stream."""
    return await asyncio.gather(
        *(house.sessions.renew(stream, 1, ask, account) for stream, ask, account in wishes),
        return_exceptions=True,
    )


async def test_each_gets_its_own_answer_and_one_transaction_pays_for_all(house: House) -> None:
    streams = [f"cam-{number}" for number in range(20)]
    for stream in streams:
        await house.open(stream, frames=1)
    await house.accounts.create("stranger")
    await house.sessions.close("cam-0", 1, CloseSession(last_seq=-1, captured=0, reason="done"))
    before = await transactions(house)
    answers = await together(
        house,
        *((stream, renewal(1), ACCOUNT) for stream in streams),
        ("cam-1", renewal(1, frames=3), None),
        ("cam-2", renewal(9), None),
        ("cam-3", renewal(1), "stranger"),
        ("nowhere", renewal(0), None),
    )
    kinds = [SessionOver, *[Grant] * 19, Grant, Rejected, UnknownAccount, UnknownAccount]
    assert [type(answer) for answer in answers] == kinds
    told = {answer.stream: answer for answer in answers if isinstance(answer, Grant)}
    assert {stream: told[stream].granted_frames for stream in streams[1:]} == {
        stream: 4 if stream == "cam-1" else 3 for stream in streams[1:]
    }
    assert await transactions(house) - before == 1, "cam-0 was first, and refused"
    assert await house.amounts() == (100 - 18 * 3 - 4, 18 * 3 + 4, 0)


async def test_what_the_database_refuses_for_one_is_done_for_the_others(house: House) -> None:
    for stream in ("good", "bad", "fine"):
        await house.open(stream, frames=1)
    await house.pool.execute(
        "update session set granted_frames = 0, held_frames = 0 where stream = 'bad'"
    )
    answers = await together(
        house,
        *((name, renewal(1), None) for name in ("good", "fine")),
        ("bad", renewal(0, frames=1), None),
        *((name, renewal(1), None) for name in ("good", "fine")),
    )
    assert isinstance(answers[2], asyncpg.UniqueViolationError)
    granted = [answer.granted_frames for answer in answers if isinstance(answer, Grant)]
    assert granted == [3, 3, 3, 3]


async def test_a_caller_that_gives_up_stops_no_other(house: House) -> None:
    for stream in ("one", "two"):
        await house.open(stream, frames=1)
    async with house.pool.acquire() as connection, connection.transaction():
        await connection.execute("select from balance for update")
        calls = [
            asyncio.create_task(house.sessions.renew(stream, 1, renewal(1)))
            for stream in ("one", "two", "one")
        ]
        await asyncio.sleep(0.05)
        calls[0].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [it.granted_frames for it in answers[1:] if isinstance(it, Grant)] == [3, 3]


async def test_a_database_that_is_away_is_said_to_all(house: House) -> None:
    await house.open("one", frames=1)
    await house.pool.close()
    answers = await together(house, *(("one", renewal(1), None) for _ in range(3)))
    assert [type(answer) for answer in answers] == [Retryable] * 3


async def test_a_short_balance_is_shared_and_used_to_the_last_frame(house: House) -> None:
    first = await house.open("cam-0", frames=60)
    second = await house.open("cam-1", frames=60)
    third = await house.open("cam-2", frames=60)
    assert [first.granted_frames, second.granted_frames, third.granted_frames] == [60, 20, 6]
    assert not (second.final or third.final), "there is more, in smaller portions"
    granted, final = 6, False
    while not final:
        grant = await house.sessions.renew("cam-2", 1, renewal(granted, frames=60))
        assert grant.granted_frames > granted or grant.final
        granted, final = grant.granted_frames, grant.final
    assert await house.amounts() == (0, 100, 0)


async def test_a_changed_policy_comes_with_the_next_renewal(house: House) -> None:
    grant = await house.open("gate", frames=5)
    assert grant.when_unreachable is WhenUnreachable.FINISH
    await house.accounts.set_policy(ACCOUNT, WhenUnreachable.STOP)
    grant = await house.sessions.renew("gate", 1, renewal(0))
    assert grant.when_unreachable is WhenUnreachable.STOP
    other = await house.sessions.open(asking("other"))
    assert other.when_unreachable is WhenUnreachable.STOP
    with pytest.raises(UnknownAccount):
        await house.accounts.set_policy("nobody", WhenUnreachable.STOP)
