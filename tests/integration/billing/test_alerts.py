"""A low balance is written down once, in the transaction that made it low."""

import asyncio
import itertools
import random

import pytest

from billing.alerts import THRESHOLDS_MAX, Alerts, State
from billing.batches import read
from billing.database import in_transaction
from billing.writer import Writer
from tests.integration.billing.house import ACCOUNT, House, event
from tests.integration.billing.test_sessions import closing
from wire import usage
from wire.clock import SystemClock
from wire.errors import Rejected, UnknownAccount

pytestmark = pytest.mark.integration

TOKEN = 1_000


@pytest.fixture
def alerts(house: House) -> Alerts:
    return Alerts(house.pool, SystemClock(), allow_private=True)


class Meter:
    """Publishes frames at one token each and charges them."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._frames = 0

    async def charge(self, frames: int) -> None:
        writer: Writer = self._house.writer()
        first, self._frames = self._frames, self._frames + frames
        detected = event(first, self._frames - 1)
        message = usage.encode(detected, at=detected.captured_at)
        claimed = await writer.claim(0)
        await writer.write(0, claimed.owner_epoch, read([(claimed.next_offset, message)]), None)


async def crossings(house: House) -> list[tuple[int, int, int]]:
    rows = await house.pool.fetch(
        "select threshold, version, available + held as remaining from alert_event order by id"
    )
    return [tuple(row) for row in rows]


async def test_an_account_is_told_once_and_again_after_it_was_filled(
    house: House, alerts: Alerts
) -> None:
    await alerts.set_thresholds(ACCOUNT, [60 * TOKEN])
    await house.open(frames=50)
    meter = Meter(house)
    await meter.charge(40)
    assert await crossings(house) == []  # at the threshold is not below it
    await meter.charge(1)
    version = (await house.accounts.balance(ACCOUNT)).version
    await meter.charge(5)
    assert await crossings(house) == [(60 * TOKEN, version, 59 * TOKEN)]
    assert (await alerts.status(ACCOUNT)).thresholds[0].is_low
    await house.accounts.top_up(ACCOUNT, 6 * TOKEN, "to the threshold")
    assert not (await alerts.status(ACCOUNT)).thresholds[0].is_low
    await meter.charge(1)
    assert len(await crossings(house)) == 2
    newest, first = (await alerts.status(ACCOUNT)).told
    assert first.alert.id == f"{ACCOUNT}/{60 * TOKEN}/{version}"
    assert newest.alert.version > version
    assert {newest.state, first.state} == {State.NONE}  # there is no webhook


async def test_grants_that_come_and_go_tell_nobody(house: House, alerts: Alerts) -> None:
    await alerts.set_thresholds(ACCOUNT, [60 * TOKEN])
    for epoch in (1, 2, 3):
        await house.open(frames=90)
        assert await house.amounts() == (10, 90, 0)
        await house.sessions.close("gate", epoch, closing(-1))
    assert await house.amounts() == (100, 0, 0)
    assert await crossings(house) == []


async def test_a_threshold_looks_at_what_is_left_when_it_is_set(
    house: House, alerts: Alerts
) -> None:
    set_first = await alerts.set_thresholds(ACCOUNT, [200 * TOKEN, 50 * TOKEN])
    assert [(t.threshold, t.is_low) for t in set_first.thresholds] == [
        (200 * TOKEN, True),
        (50 * TOKEN, False),
    ]
    await house.open(frames=60)
    await Meter(house).charge(60)
    kept = await alerts.set_thresholds(ACCOUNT, [50 * TOKEN, 45 * TOKEN])
    assert [t.is_low for t in kept.thresholds] == [True, True]
    assert [threshold for threshold, _, _ in await crossings(house)] == [50 * TOKEN]


async def test_a_change_that_is_rolled_back_tells_nobody(house: House, alerts: Alerts) -> None:
    await alerts.set_thresholds(ACCOUNT, [60 * TOKEN])

    class Undone(Exception):
        pass

    async def work(connection: object) -> None:
        await connection.execute("update balance set available = 1")  # type: ignore[attr-defined]
        assert await connection.fetchval("select count(*) from alert_event") == 1  # type: ignore[attr-defined]
        raise Undone

    with pytest.raises(Undone):
        await in_transaction(house.pool, work)
    assert await crossings(house) == []
    assert not (await alerts.status(ACCOUNT)).thresholds[0].is_low


async def test_changes_at_once_are_told_as_if_they_came_one_after_another(
    house: House, alerts: Alerts
) -> None:
    thresholds = [80 * TOKEN, 50 * TOKEN, 20 * TOKEN]
    await alerts.set_thresholds(ACCOUNT, thresholds)

    async def change(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(25):
            available, held = draw.randrange(100 * TOKEN), draw.randrange(10 * TOKEN)
            await house.pool.execute(
                "update balance set available = $1, held = $2", available, held
            )

    await asyncio.gather(*map(change, range(6)))
    rows = await house.pool.fetch(
        "select version, available + held as remaining from outbox order by version offset 1"
    )
    expected = [
        (threshold, new["version"], new["remaining"])
        for old, new in itertools.pairwise(rows)
        for threshold in thresholds
        if old["remaining"] >= threshold > new["remaining"]
    ]
    assert len(expected) > 50
    assert await crossings(house) == expected


async def test_what_cannot_be_a_threshold_is_rejected(house: House, alerts: Alerts) -> None:
    for wrong in ([0], [-1], [10**16], range(1, THRESHOLDS_MAX + 2)):
        with pytest.raises(Rejected):
            await alerts.set_thresholds(ACCOUNT, wrong)
    for nobody in ("nobody", "nul\0"):
        with pytest.raises(UnknownAccount):
            await alerts.set_thresholds(nobody, [1])
        with pytest.raises(UnknownAccount):
            await alerts.status(nobody)
        with pytest.raises(UnknownAccount):
            await alerts.set_webhook(nobody, "https://receiver.example/")


async def test_a_webhook_that_could_never_be_called_is_rejected(house: House) -> None:
    strict = Alerts(house.pool, SystemClock())
    for url in ("", "ftp://a.example/", "http://a.example/", "https://10.0.0.1/", "https://[::1]/"):
        with pytest.raises(Rejected, match="cannot be a webhook's"):
            await strict.set_webhook(ACCOUNT, url)
    assert (await strict.status(ACCOUNT)).webhook is None
