"""The biller process: `python -m billing`.

Migrates, then reads usage into the ledger, tells balances and alerts, delivers to webhooks, seals
transfers, tends the months, and ends sessions whose owners vanished, until SIGTERM. Each waits on
its own for what it needs.
"""

import asyncio
import os
import socket
from typing import Any

import asyncpg
import structlog
from prometheus_client import CollectorRegistry

from billing import growth, janitor, sealer
from billing.biller import Biller, BillerPorts
from billing.database import migrate, open_pool
from billing.deliveries import Deliveries
from billing.metrics import BillerMetrics
from billing.relay import Relay, open_redis
from billing.settings import BillingSettings
from billing.webhooks import Sender
from billing.writer import Writer
from wire import process
from wire.clock import SystemClock
from wire.errors import Retryable
from wire.kafka import Kafka
from wire.telemetry import configure_logging, serve_metrics

log = structlog.stdlib.get_logger("billing")

POOL_SIZE = 8
JANITOR_EVERY_S = 2.0


async def serve(stop: asyncio.Event, settings: BillingSettings) -> None:
    """Run the process until `stop`, then stop in reverse order."""
    registry = CollectorRegistry()
    metrics = BillerMetrics(registry)
    serve_metrics(settings, registry)
    pool = await process.retry_until_stop(
        lambda: _open(settings.postgres.get_secret_value()), stop=stop, what="PostgreSQL"
    )
    if pool is None:
        return
    log.info("the ledger is ready")
    redis = open_redis(settings.redis.get_secret_value())
    stop_relay = asyncio.Event()
    wake_relay = asyncio.Event()
    topics = settings.topics()
    relay = Relay(pool, redis, Kafka.of(settings), topics.balances, SystemClock(), metrics)
    try:
        async with asyncio.TaskGroup() as others:
            for work in (
                relay.run(stop_relay, wake_relay),
                sealer.run(stop_relay, pool, metrics),
                growth.run(stop, pool, SystemClock(), settings.retention()),
                _deliver_until(stop, settings, pool, metrics),
                _expire_until(stop, settings, pool, metrics),
            ):
                others.create_task(process.or_stop_all(work, stop=stop))
            try:
                await process.or_stop_all(
                    _bill_until(stop, settings, pool, metrics, wake_relay), stop=stop
                )
            finally:
                stop_relay.set()
                wake_relay.set()
    finally:
        await redis.aclose()
        await pool.close()


async def _open(dsn: str) -> "asyncpg.Pool[Any]":
    await migrate(dsn)
    return await open_pool(dsn, size_max=POOL_SIZE)


async def _bill_until(
    stop: asyncio.Event,
    settings: BillingSettings,
    pool: "asyncpg.Pool[Any]",
    metrics: BillerMetrics,
    on_commit: asyncio.Event,
) -> None:
    """Stay in the group, with a new consumer after each loss of Kafka."""
    topic = settings.topics().usage
    owner = f"{socket.gethostname()}/{os.getpid()}"
    clock = SystemClock()
    writer = Writer(pool, clock, topic=topic, owner=owner)
    ports = BillerPorts(writer=writer, clock=clock, metrics=metrics, on_commit=on_commit)

    async def stay() -> None:
        consumer = Kafka.of(settings).group_consumer(
            group=f"{settings.topic_prefix}biller", client_id=f"framemeter-biller-{os.getpid()}"
        )
        await Biller(consumer, topic, ports).run(stop)

    await process.retry_until_stop(stay, stop=stop, what="Kafka, for usage")


async def _deliver_until(
    stop: asyncio.Event,
    settings: BillingSettings,
    pool: "asyncpg.Pool[Any]",
    metrics: BillerMetrics,
) -> None:
    sender = Sender(allow_private=settings.webhook_private_addresses)
    try:
        await Deliveries(pool, sender, SystemClock(), metrics).run(stop)
    finally:
        await sender.close()


async def _expire_until(
    stop: asyncio.Event,
    settings: BillingSettings,
    pool: "asyncpg.Pool[Any]",
    metrics: BillerMetrics,
) -> None:
    clock = SystemClock()
    expiry = settings.expiry()
    while not await process.wait_or_stop(stop, JANITOR_EVERY_S):
        try:
            ended = await janitor.expire(pool, clock.now(), expiry)
        except Retryable as error:
            log.warning("sessions are not expired", reason=str(error))
            continue
        if ended:
            metrics.expired_sessions.inc(ended)
            log.info("sessions ended whose owners vanished", sessions=ended)


def main() -> None:
    """Read the settings and run."""
    settings = BillingSettings()
    configure_logging(settings, process="biller")
    process.run(lambda stop: serve(stop, settings))


if __name__ == "__main__":
    main()
