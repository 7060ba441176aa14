"""The gateway process: `python -m gateway`.

Waits for PostgreSQL and Kafka, serves until SIGTERM or SIGINT, then accepts no more, answers what
runs, closes its lines so that nothing stays held, and exits 0.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import asyncpg
import structlog
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from billing.database import migrate, open_pool
from gateway import app
from gateway.settings import GatewaySettings
from gateway.wiring import Outside, build
from wire.clock import SystemClock
from wire.process import read_settings, retry_until_stop, run
from wire.telemetry import configure_logging, serve_metrics

ANSWER_S = 15
"""How long running requests may go on after a signal."""

log = structlog.stdlib.get_logger("gateway")


class _Server(uvicorn.Server):
    """Uvicorn that leaves the signals to `wire.process`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Run one replica until `stop` is set.

    1. PostgreSQL, with its schema up to date. 2. Kafka, standing at the end of `replies`.
    3. HTTP. On the way out the same in reverse.
    """
    pool = await retry_until_stop(lambda: _database(settings), stop=stop, what="PostgreSQL")
    if pool is None:
        return
    async with pool:
        metrics = CollectorRegistry()
        deps = build(settings, Outside(pool=pool, clock=SystemClock(), metrics=metrics))
        await retry_until_stop(lambda: app.start(deps), stop=stop, what="Kafka")
        if stop.is_set():
            await app.stop(deps)
        else:
            serve_metrics(settings, metrics)
            await _listen(settings, app.create_app(deps), stop)
    log.info("stopped")


async def _database(settings: GatewaySettings) -> "asyncpg.Pool[Any]":
    dsn = settings.postgres.get_secret_value()
    await migrate(dsn)
    return await open_pool(dsn, size_max=settings.pool_size)


async def _listen(settings: GatewaySettings, served: ASGIApp, stop: asyncio.Event) -> None:
    server = _Server(
        uvicorn.Config(
            served,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=ANSWER_S,
            server_header=False,
        )
    )
    serving = asyncio.create_task(server.serve(), name="http")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    stopping.cancel()


def main() -> None:
    """Read the settings and run until SIGTERM or SIGINT."""
    settings = read_settings(GatewaySettings)
    configure_logging(settings, process="gateway")
    run(partial(serve, settings))


if __name__ == "__main__":
    main()
