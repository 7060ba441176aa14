"""The models that may be used here, and what decides their price.

Promises that a model which is not registered is refused before anything is spent.
"""

from typing import Any

import asyncpg

from billing.database import connected
from billing.queries import sql
from wire import models
from wire.clock import Clock, SystemClock
from wire.errors import UnknownModel
from wire.models import ModelSpec
from wire.names import is_name


class Catalog:
    """The table of registered models."""

    def __init__(self, pool: "asyncpg.Pool[Any]", clock: Clock | None = None) -> None:
        self._pool = pool
        self._clock = clock or SystemClock()

    async def register(self, spec: ModelSpec) -> None:
        """Add the model or replace its version; raise `Rejected` when the spec is not good."""
        models.check(spec)
        async with connected(self._pool) as connection:
            await connection.execute(
                sql("catalog.register"),
                spec.model,
                spec.version,
                spec.source,
                spec.size_class,
                spec.task,
                spec.confidence,
                spec.iou,
                self._clock.now(),
            )

    async def get(self, model: str) -> ModelSpec:
        """Return the model's active version; raise `UnknownModel`."""
        async with connected(self._pool) as connection:
            return await find_model(connection, model)

    async def list(self) -> list[ModelSpec]:
        """Return all models by name."""
        async with connected(self._pool) as connection:
            rows = await connection.fetch(sql("catalog.list"))
        return [ModelSpec(**row) for row in rows]


async def find_model(connection: Any, model: str) -> ModelSpec:
    """Return the model's active version on a connection in use; raise `UnknownModel`."""
    known = is_name(model)
    row = await connection.fetchrow(sql("catalog.get"), model) if known else None
    if row is None:
        raise UnknownModel(
            f"model {model!r} is not registered here: list the models with `framemeter models`"
        )
    return ModelSpec(**row)
