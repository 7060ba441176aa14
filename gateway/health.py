"""`/healthz` (the process answers), `/readyz` (it can do its work) and `/metrics`.

Kafka and PostgreSQL must answer within a deadline. Without Valkey the gateway is ready all the
same, and says that it is degraded.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import Response

from gateway.bodies import answer
from wire.errors import Retryable

DEADLINE_S = 2.0
log = structlog.stdlib.get_logger("gateway.health")

Check = Callable[[], Awaitable[None]]
"""Raises `Retryable` when something is away."""


async def outcome(check: Check, deadline_s: float = DEADLINE_S) -> str:
    """Return "ok" or "away"; the reason is for the log, not for strangers."""
    try:
        async with asyncio.timeout(deadline_s):
            await check()
    except Retryable as error:
        log.warning("not all is there", reason=str(error))
        return "away"
    except TimeoutError:
        log.warning("not all is there", reason=f"no answer within {deadline_s:g} s")
        return "away"
    return "ok"


def router(
    needed: Mapping[str, Check], useful: Mapping[str, Check], registry: CollectorRegistry
) -> APIRouter:
    """Return the routes for those who run the gateway."""
    routes = APIRouter(tags=["operation"])
    checks = {**needed, **useful}

    @routes.get("/healthz")
    async def healthz() -> Response:
        """Say that the process lives."""
        return answer({"status": "ok"})

    @routes.get("/readyz")
    async def readyz() -> Response:
        """Say whether requests can be served, and what is away."""
        found = await asyncio.gather(*(outcome(check) for check in checks.values()))
        seen = dict(zip(checks, found, strict=True))
        if any(seen[name] != "ok" for name in needed):
            return answer({"status": "not ready", "checks": seen}, status=503)
        degraded = any(seen[name] != "ok" for name in useful)
        return answer({"status": "degraded" if degraded else "ready", "checks": seen})

    @routes.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Give the metrics to Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return routes
