"""Tells the topic `models` what the registry says, after it was committed there.

Promises that what is told is the newest state, in order, whoever tells it: the model's row of
publication is locked while it is written. What could not be told stays noted, and the next call
tells it: after any change, or `framemeter models publish`.
"""

from datetime import datetime
from typing import Any

import asyncpg

from billing.catalog import find_model
from billing.database import connected, in_transaction
from billing.queries import sql
from wire import models
from wire.compacted import put
from wire.errors import Retryable, UnknownModel
from wire.kafka import Kafka


async def announce(
    pool: "asyncpg.Pool[Any]", kafka: Kafka, topic: str, now: datetime
) -> tuple[str, ...]:
    """Write every model that the topic is behind on; return which. Raises `Retryable`."""

    async def work(connection: Any) -> tuple[str, ...]:
        pending = await connection.fetch(sql("catalog.unpublished"))
        rows = {row["model"]: await _value(connection, row["model"], now) for row in pending}
        if rows:
            await put(kafka, topic, rows)
        for row in pending:
            await connection.execute(sql("catalog.published"), row["model"], row["revision"])
        return tuple(rows)

    try:
        return await in_transaction(pool, work)
    except Retryable as error:
        raise Retryable(
            "the registry has it, the detectors have not been told yet: run `framemeter models"
            f" publish` when this is mended: {error}"
        ) from error


async def announce_all(
    pool: "asyncpg.Pool[Any]", kafka: Kafka, topic: str, now: datetime
) -> tuple[str, ...]:
    """Write every model anew, for a topic that was made anew."""
    async with connected(pool) as connection:
        await connection.execute(sql("catalog.touch_all"))
    return await announce(pool, kafka, topic, now)


async def _value(connection: Any, model: str, now: datetime) -> bytes | None:
    """Return the model's message; None, a tombstone, when it has no active version."""
    try:
        return models.encode(await find_model(connection, model), at=now)
    except UnknownModel:
        return None
