"""Delivers alerts to webhooks: one process at a time, beside the relay and without it.

An alert is recorded as delivered after the receiver took it, so a process that dies in between
delivers it again, with the same id. One request an account is under way, the oldest first; one
that failed lets younger ones pass until it is due again.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from billing.alerts import alert_of
from billing.leadership import leading
from billing.metrics import BillerMetrics
from billing.queries import sql
from billing.webhooks import Answer, Delivery, Outcome, Sender, judge
from wire.clock import Clock
from wire.errors import Retryable
from wire.process import wait_or_stop

log = structlog.stdlib.get_logger("billing.deliveries")

DELIVERIES_LOCK = 0x66726D6574776562
ACCOUNTS_MAX = 32
"""Accounts that are delivered to at once, at most."""
POLL_S = 0.5
FOLLOW_S = 1.0
RETRY_S = 1.0


class Deliveries:
    """Empties what is due while it holds the advisory lock. `sender` stays the caller's."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        sender: Sender,
        clock: Clock,
        metrics: BillerMetrics,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._pool = pool
        self._sender = sender
        self._clock = clock
        self._metrics = metrics
        self._chance = chance

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`; a database that is away is waited for."""
        while not stop.is_set():
            try:
                await self._lead(stop)
            except Retryable as error:
                log.warning("webhooks are not delivered to", reason=str(error))
                await wait_or_stop(stop, RETRY_S)

    async def _lead(self, stop: asyncio.Event) -> None:
        async with leading(self._pool, DELIVERIES_LOCK) as connection:
            if connection is None:
                await wait_or_stop(stop, FOLLOW_S)
                return
            while not stop.is_set():
                if not await self.deliver_due(connection):
                    await wait_or_stop(stop, POLL_S)

    async def deliver_due(self, connection: Any) -> int:
        """Try what is due now, of each account the oldest; return how many that were."""
        rows = await connection.fetch(sql("alerts.due"), self._clock.now(), ACCOUNTS_MAX)
        attempts = [asyncio.create_task(self._attempt(_delivery(row))) for row in rows]
        try:
            for ended in asyncio.as_completed(attempts):
                await self._record(connection, *await ended)
        finally:
            for attempt in attempts:
                attempt.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)
        return len(rows)

    async def _attempt(self, delivery: Delivery) -> tuple[Delivery, Answer]:
        return delivery, await self._sender.send(delivery, self._clock.now())

    async def _record(self, connection: Any, delivery: Delivery, answer: Answer) -> None:
        now = self._clock.now()
        verdict = judge(answer, delivery.attempts, now, self._chance())
        await connection.execute(
            sql("alerts.attempted"),
            delivery.number,
            delivery.attempts,
            verdict.next_attempt_at,
            now if verdict.outcome is Outcome.DELIVERED else None,
            now if verdict.outcome is Outcome.GAVE_UP else None,
            answer.reason,
        )
        self._metrics.webhook_attempts.labels(outcome=verdict.outcome.value).inc()
        if verdict.outcome is Outcome.GAVE_UP:
            log.warning("a webhook is given up", alert=delivery.alert.id, reason=answer.reason)


def _delivery(row: Any) -> Delivery:
    return Delivery(
        number=row["id"],
        alert=alert_of(row),
        at=row["at"],
        attempts=row["attempts"],
        url=row["url"],
        secret=row["secret"],
    )
