"""Valkey as the gateway uses it: handy when it is there, never waited for when it is away.

Every call has a short deadline. After a failure calls are skipped for a moment, so that an absent
Valkey costs one deadline a moment and not one a request. Nothing here decides money.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from wire.clock import Clock
from wire.errors import Retryable

DEADLINE_S = 0.25
SKIP_S = 2.0

T = TypeVar("T")
log = structlog.stdlib.get_logger("gateway.valkey")


class Valkey:
    """One client that may find nobody at the other end."""

    def __init__(self, client: Redis, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._skip_until = 0.0

    async def call(self, command: Callable[[Redis], Awaitable[T]]) -> T | None:
        """Return what the command gives; None when Valkey is away."""
        if self._clock.monotonic() < self._skip_until:
            return None
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await command(self._client)
        except (RedisError, OSError, TimeoutError) as error:
            self._skip_until = self._clock.monotonic() + SKIP_S
            log.warning("Valkey is away; going on without it", reason=repr(error))
            return None

    async def check(self) -> None:
        """Raise `Retryable` when Valkey does not answer."""
        try:
            await self._client.ping()
        except (RedisError, OSError) as error:
            raise Retryable(f"Valkey does not answer: {error!r}") from error

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()
