"""Alerts reach their webhook, signed, at least once, and lead nowhere else."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from billing.alerts import Alerts, AlertStatus, State
from billing.deliveries import Deliveries
from billing.webhooks import RETRIES_AFTER_S, Sender
from tests.integration.billing.house import ACCOUNT, House
from tests.integration.billing.receiver import Receiver, receiving
from tests.stack.running import RunningStack
from wire import balances
from wire.clock import ManualClock

pytestmark = pytest.mark.integration

THRESHOLD = 60_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def alerts(house: House, clock: ManualClock) -> Alerts:
    return Alerts(house.pool, clock, allow_private=True)


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    made = Sender(allow_private=True)
    yield made
    await made.close()


async def lower(house: House, account: str = ACCOUNT) -> None:
    """Cross the threshold once more."""
    for available in (100_000, 50_000):
        statement = "update balance set available = $2 where account = $1"
        await house.pool.execute(statement, account, available)


async def watched(house: House, alerts: Alerts, receiver: Receiver, account: str = ACCOUNT) -> str:
    """Set a threshold and the webhook, and cross it; return the secret."""
    await alerts.set_thresholds(account, [THRESHOLD])
    secret = await alerts.set_webhook(account, receiver.url)
    await lower(house, account)
    return secret


async def deliver(house: House, sender: Sender, clock: ManualClock, after_s: float = 60.0) -> int:
    """Let time pass, and do what is due then."""
    clock.advance(after_s)
    deliveries = Deliveries(house.pool, sender, clock, house.metrics, chance=lambda: 0.5)
    async with house.pool.acquire() as connection:
        return await deliveries.deliver_due(connection)


async def told(alerts: Alerts) -> tuple[State, int, str | None]:
    (one,) = (await alerts.status(ACCOUNT)).told
    return one.state, one.attempts, one.last_error


async def test_an_alert_is_delivered_once_and_signed(
    house: House, alerts: Alerts, sender: Sender, clock: ManualClock
) -> None:
    async with receiving() as receiver:
        secret = await watched(house, alerts, receiver)
        assert await deliver(house, sender, clock) == 1
        assert await deliver(house, sender, clock) == 0
    (post,) = receiver.posts
    (one,) = (await alerts.status(ACCOUNT)).told
    assert post.is_signed_with(secret)
    assert post.body == balances.encode_alert(one.alert, at=one.at)
    assert post.id == one.alert.id == f"{ACCOUNT}/{THRESHOLD}/4"
    assert post.headers["webhook-timestamp"] == str(int(clock.now().timestamp()) - 60)
    assert await told(alerts) == (State.DELIVERED, 1, None)


async def test_a_receiver_that_fails_twice_is_asked_again_later(
    house: House, alerts: Alerts, sender: Sender, clock: ManualClock
) -> None:
    async with receiving(500, 302) as receiver:
        secret = await watched(house, alerts, receiver)
        assert await deliver(house, sender, clock) == 1
        assert await told(alerts) == (State.PENDING, 1, "the receiver answered 500")
        assert await deliver(house, sender, clock, RETRIES_AFTER_S[0] - 1) == 0
        assert await deliver(house, sender, clock, 1) == 1
        assert await told(alerts) == (State.PENDING, 2, "the receiver answered 302")
        assert await deliver(house, sender, clock, RETRIES_AFTER_S[1]) == 1
    assert await told(alerts) == (State.DELIVERED, 3, None)
    assert len({post.id for post in receiver.posts}) == 1
    assert all(post.is_signed_with(secret) for post in receiver.posts)
    outcomes = house.metrics.webhook_attempts
    assert outcomes.labels(outcome="failed")._value.get() == 2
    assert outcomes.labels(outcome="delivered")._value.get() == 1


async def test_a_receiver_that_never_answers_well_is_given_up_for_all_to_see(
    house: House, alerts: Alerts, sender: Sender, clock: ManualClock
) -> None:
    async with receiving(*[503] * 20) as receiver:
        secret = await watched(house, alerts, receiver)
        with capture_logs() as logs:
            attempts = [await deliver(house, sender, clock, 7 * 3_600) for _ in range(8)]
    assert attempts == [1] * 7 + [0]
    assert await told(alerts) == (State.GAVE_UP, 7, "the receiver answered 503")
    assert [entry["event"] for entry in logs] == ["a webhook is given up"]
    for text in (repr(logs), repr(await alerts.status(ACCOUNT))):
        assert secret.removeprefix("whsec_") not in text
    assert receiver.url not in repr(logs)


async def test_two_that_deliver_the_same_count_one_attempt(
    house: House, alerts: Alerts, sender: Sender, clock: ManualClock
) -> None:
    async with receiving(500, 500) as receiver:
        receiver.barrier = asyncio.Barrier(2)
        await watched(house, alerts, receiver)
        await asyncio.gather(*(deliver(house, sender, clock) for _ in range(2)))
    assert (len(receiver.posts), len({post.id for post in receiver.posts})) == (2, 1)
    assert await told(alerts) == (State.PENDING, 1, "the receiver answered 500")


async def test_a_rotated_secret_signs_what_was_not_delivered_yet(
    house: House, alerts: Alerts, sender: Sender, clock: ManualClock
) -> None:
    async with receiving(500) as receiver:
        old = await watched(house, alerts, receiver)
        await deliver(house, sender, clock)
        new = await alerts.set_webhook(ACCOUNT, receiver.url)
        await deliver(house, sender, clock)
    assert [post.is_signed_with(old) for post in receiver.posts] == [True, False]
    assert receiver.posts[1].is_signed_with(new)


async def test_a_removed_webhook_gets_nothing_any_more_and_a_later_one_nothing_old(
    house: House, alerts: Alerts, sender: Sender, clock: ManualClock
) -> None:
    async with receiving() as receiver:
        await watched(house, alerts, receiver)
        assert await alerts.remove_webhook(ACCOUNT)
        assert not await alerts.remove_webhook(ACCOUNT)
        await lower(house)
        await alerts.set_webhook(ACCOUNT, receiver.url)
        assert await deliver(house, sender, clock) == 0
    newest, first = (await alerts.status(ACCOUNT)).told
    assert (newest.state, first.state) == (State.NONE, State.GAVE_UP)
    assert first.last_error == "the webhook was removed"


async def test_each_account_is_told_its_own_alone(
    house: House, alerts: Alerts, sender: Sender, clock: ManualClock
) -> None:
    await house.accounts.create("other")
    async with receiving() as mine, receiving() as others:
        await watched(house, alerts, mine)
        await watched(house, alerts, others, "other")
        assert await deliver(house, sender, clock) == 2
    assert [post.id.split("/")[0] for post in (*mine.posts, *others.posts)] == [ACCOUNT, "other"]
    status = await alerts.status("other")
    assert ACCOUNT not in repr(status) and mine.url not in repr(status)


async def test_a_name_that_leads_into_a_private_network_is_not_asked(
    house: House, alerts: Alerts, clock: ManualClock
) -> None:
    async def names(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    strict = Sender(resolver=names)
    async with receiving() as receiver:
        await watched(house, alerts, receiver)
        port = receiver.url.rsplit(":", 1)[1]
        await alerts.set_webhook(ACCOUNT, f"https://receiver.example:{port}")
        assert await deliver(house, strict, clock) == 1
    await strict.close()
    assert receiver.posts == []
    state, _, reason = await told(alerts)
    assert state is State.PENDING
    assert reason == "the URL cannot be used: addresses of private networks are refused"


async def test_a_biller_killed_before_it_wrote_down_a_delivery_delivers_again(
    busy_house: House, database: str, stack: RunningStack, redis_url: str, alerts: Alerts
) -> None:
    house = busy_house
    environment = {name: value for name, value in os.environ.items() if "FRAMEMETER" not in name}
    environment |= {
        "FRAMEMETER_KAFKA": stack.kafka,
        "FRAMEMETER_POSTGRES": database,
        "FRAMEMETER_REDIS": redis_url,
        "FRAMEMETER_TOPIC_PREFIX": house.topics.prefix,
        "FRAMEMETER_PARTITIONS": str(house.topics.partitions),
        "FRAMEMETER_WEBHOOK_PRIVATE_ADDRESSES": "true",
    }

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "billing", env=environment, stderr=asyncio.subprocess.DEVNULL
        )

    async def is_delivered() -> bool:
        return (await told(alerts))[0] is State.DELIVERED

    async with receiving(None) as receiver:
        secret = await watched(house, alerts, receiver)
        for end in (signal.SIGKILL, signal.SIGTERM):
            process = await start()
            try:
                async with asyncio.timeout(30):
                    if end is signal.SIGKILL:
                        await receiver.came.wait()
                    else:
                        await house.until(is_delivered)
            finally:
                process.send_signal(end)
                assert await process.wait() in (0, -signal.SIGKILL)
    first, second = receiver.posts
    assert first.id == second.id and first.body == second.body
    assert second.is_signed_with(secret)
    status: AlertStatus = await alerts.status(ACCOUNT)
    assert status.told[0].attempts == 1
