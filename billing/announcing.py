"""Tells the topic `models` what the registry says, after it was committed there.

Promises that what is told is the newest state, in order, whoever tells it: the model's row of
publication is locked while it is written. What could not be told stays noted, and the next call
tells it: after any change, or `framemeter models publish`.
"""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from billing.catalog import find_model
from billing.database import connected, in_transaction
from billing.queries import sql
from wire import models
from wire.compacted import put
from wire.errors import Retryable, UnknownModel
from wire.kafka import Kafka
from wire.model_failures import key_of
from wire.models import Former


async def announce(
    pool: "asyncpg.Pool[Any]", kafka: Kafka, topic: str, now: datetime
) -> tuple[str, ...]:
    """Write every model that the topic is behind on; return which. Raises `Retryable`."""

    async def work(connection: Any) -> tuple[str, ...]:
        pending = await connection.fetch(sql("catalog.unpublished"))
        names = tuple(row["model"] for row in pending)
        rows: dict[str, bytes | None] = {}
        for name in names:
            rows |= await _rows(connection, name, now)
        if rows:
            await put(kafka, topic, rows)
        for row in pending:
            await connection.execute(sql("catalog.published"), row["model"], row["revision"])
        return names

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


async def _rows(connection: Any, model: str, now: datetime) -> dict[str, bytes | None]:
    """Return the model's message, a tombstone when none of its versions is active.

    What detectors said of the versions that shall run goes first: who still fails says so again.
    """
    try:
        spec = await find_model(connection, model)
    except UnknownModel:
        return {model: None}
    row = await connection.fetchrow(sql("catalog.former"), model, spec.version)
    if row is not None:
        spec = msgspec.structs.replace(spec, former=Former(**row))
    running = (spec.version,) if spec.canary is None else (spec.version, spec.canary.version)
    cleared: dict[str, bytes | None] = {key_of(model, version): None for version in running}
    return cleared | {model: models.encode(spec, at=now)}
