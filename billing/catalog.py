"""The models that may be used here, their versions, and what decides their price.

Promises that a model which is not registered is refused before anything is spent; that size class
and task, from which sessions' prices follow, do not change with a version; that a version which
was refused never becomes active. Each call is one transaction and repeatable, and notes that the
topic `models` is behind (`billing.announcing` tells it).
"""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from billing.database import connected, in_transaction
from billing.queries import sql
from billing.registry import Registered, Version, changed, check_terms, may_activate, registered
from wire import models
from wire.clock import Clock, SystemClock
from wire.errors import Rejected, UnknownModel
from wire.models import Canary, ModelSpec
from wire.names import is_name

VERSIONS_MAX = 1_000
ACTIVATIONS_KEPT = 1_000
"""Of one model; what lies further back is forgotten, and cannot be rolled back to."""
TEXT_MAX = 1_000


class Catalog:
    """The tables of registered models."""

    def __init__(self, pool: "asyncpg.Pool[Any]", clock: Clock | None = None) -> None:
        self._pool = pool
        self._clock = clock or SystemClock()

    async def get(self, model: str) -> ModelSpec:
        """Return the model's active version, with its canary; raise `UnknownModel`."""
        async with connected(self._pool) as connection:
            return await find_model(connection, model)

    async def list(self) -> list[ModelSpec]:
        """Return all models that have an active version, by name."""
        async with connected(self._pool) as connection:
            return [_spec(row) for row in await connection.fetch(sql("catalog.list"))]

    async def versions(self, model: str | None = None) -> tuple[Registered, ...]:
        """Return all models, or one, with every version; raise `UnknownModel`."""
        async with connected(self._pool) as connection, connection.transaction():
            found = await connection.fetch(sql("catalog.models"), model)
            rows = await connection.fetch(sql("catalog.versions"), model)
        if model is not None and not found:
            raise unknown(model)
        return registered(found, rows)

    async def register(self, spec: ModelSpec) -> None:
        """Add the version and make it active; raise `Rejected` when that cannot be."""
        await self.add(spec)
        await self.activate(spec.model, spec.version)
        await self.touch(spec.model)

    async def touch(self, model: str) -> None:
        """Note that the topic shall be told of the model anew, changed or not."""
        async with connected(self._pool) as connection:
            await connection.execute(sql("catalog.touch"), model)

    async def add(
        self, spec: ModelSpec, *, note: str = "", classes: Sequence[str] | None = None
    ) -> bool:
        """Add a version; return False when it was there as it is.

        A known version may get other thresholds and another place, not other weights. `classes`
        say that it was loaded and passed its self-test: that takes a refusal back.
        """
        return await self._add(spec, note=note, classes=classes, refused=None)

    async def refuse(self, spec: ModelSpec, reason: str) -> None:
        """Keep a version that failed its self-test, so that it never becomes active."""
        await self._add(spec, note="", classes=None, refused=reason[:TEXT_MAX])

    async def activate(self, model: str, version: str) -> bool:
        """Make a version the active one; return False when it was. Ends its time as a canary."""

        async def work(connection: Any) -> bool:
            line = await _lock(connection, model)
            if line.active == version:
                return False
            may_activate(
                await _version(connection, model, version), await _active(connection, line)
            )
            await self._switch(connection, line, version, is_rollback=False)
            return True

        return await in_transaction(self._pool, work)

    async def rollback(self, model: str, leaving: str) -> str:
        """Make active what `leaving` has replaced; return what is active then.

        Nothing changes when `leaving` is not active any more, so a repeat goes back once.
        """

        async def work(connection: Any) -> str:
            line = await _lock(connection, model)
            if line.active != leaving:
                await _version(connection, model, leaving)
                if line.active is None:
                    raise Rejected(f"no version of model {model} is active")
                return line.active
            before = await connection.fetchval(sql("catalog.replaced_by"), model, leaving)
            if before is None:
                raise Rejected(f"nothing was active before {leaving}: activate another version")
            may_activate(await _version(connection, model, before), None)
            await self._switch(connection, line, before, is_rollback=True)
            return str(before)

        return await in_transaction(self._pool, work)

    async def set_canary(self, model: str, version: str, percent: int) -> bool:
        """Run a version beside the active one, for `percent` of the streams; False: it did."""

        async def work(connection: Any) -> bool:
            line = await _lock(connection, model)
            active = await _active(connection, line)
            if active is None:
                raise Rejected(f"model {model} has no active version: activate {version} instead")
            found = await _version(connection, model, version)
            may_activate(found, active)
            canary = Canary(version=version, source=found.source, percent=percent)
            spec = msgspec.structs.replace(await find_model(connection, model), canary=canary)
            models.check(spec)
            if (line.canary, line.percent) == (version, percent):
                return False
            await connection.execute(sql("catalog.set_canary"), model, version, percent)
            await connection.execute(sql("catalog.touch"), model)
            return True

        return await in_transaction(self._pool, work)

    async def clear_canary(self, model: str) -> bool:
        """Give all streams to the active version; return False when there was no canary."""

        async def work(connection: Any) -> bool:
            if (await _lock(connection, model)).canary is None:
                return False
            await connection.execute(sql("catalog.set_canary"), model, None, None)
            await connection.execute(sql("catalog.touch"), model)
            return True

        return await in_transaction(self._pool, work)

    async def remove_version(self, model: str, version: str) -> bool:
        """Forget a version that does not run; return False when it was not there."""

        async def work(connection: Any) -> bool:
            line = await _lock(connection, model)
            if version in (line.active, line.canary):
                raise Rejected(f"version {version} of model {model} runs: activate another first")
            done = await connection.execute(sql("catalog.remove_version"), model, version)
            return bool(done == "DELETE 1")

        return await in_transaction(self._pool, work)

    async def remove(self, model: str) -> bool:
        """Forget a model that no open session has a price for; False: it was not there."""

        async def work(connection: Any) -> bool:
            if await connection.fetchrow(sql("catalog.lock_model"), model) is None:
                return False
            count = await connection.fetchval(sql("catalog.open_sessions"), model)
            if count:
                raise Rejected(f"{count} sessions of model {model} are open: close them first")
            for step in ("clear", "remove_versions", "remove_activations", "remove_model", "touch"):
                await connection.execute(sql(f"catalog.{step}"), model)
            return True

        return await in_transaction(self._pool, work)

    async def _add(
        self, spec: ModelSpec, *, note: str, classes: Sequence[str] | None, refused: str | None
    ) -> bool:
        models.check(spec)
        if len(note) > TEXT_MAX:
            raise Rejected(f"a note has at most {TEXT_MAX} characters")

        async def work(connection: Any) -> bool:
            terms = (spec.model, spec.size_class, spec.task)
            await connection.execute(sql("catalog.ensure_model"), *terms, self._clock.now())
            line = await _lock(connection, spec.model)
            if await connection.fetchval(sql("catalog.has_been_active"), spec.model):
                check_terms(spec, line)
            else:
                await connection.execute(sql("catalog.set_terms"), *terms)
            row = await connection.fetchrow(sql("catalog.version"), spec.model, spec.version)
            known = Version.of(row) if row else None
            if known is None:
                await _check_room(connection, spec.model)
            made = changed(spec, known, note=note, classes=classes, refused=refused)
            if refused is not None and spec.version == line.active:
                raise Rejected(f"version {spec.version} is active, and fails its test: {refused}")
            if classes is not None:
                may_activate(made, await _active(connection, line))
            if made == known:
                return False
            at = known.added_at if known else self._clock.now()
            await connection.execute(sql("catalog.put_version"), *made.columns(), at)
            if spec.version in (line.active, line.canary):
                await connection.execute(sql("catalog.touch"), spec.model)
            return True

        return await in_transaction(self._pool, work)

    async def _switch(
        self, connection: Any, line: Registered, version: str, *, is_rollback: bool
    ) -> None:
        """Make `version` active, keep what it replaced, and note that the topic is behind."""
        model = line.model
        await connection.execute(sql("catalog.set_active"), model, version)
        await connection.execute(
            sql("catalog.note_activation"),
            model,
            version,
            line.active,
            is_rollback,
            self._clock.now(),
        )
        await connection.execute(sql("catalog.trim_activations"), model, ACTIVATIONS_KEPT - 1)
        await connection.execute(sql("catalog.touch"), model)


async def find_model(connection: Any, model: str) -> ModelSpec:
    """Return the model's active version on a connection in use; raise `UnknownModel`."""
    row = await connection.fetchrow(sql("catalog.get"), model) if is_name(model) else None
    if row is None:
        raise unknown(model)
    return _spec(row)


def unknown(model: str) -> UnknownModel:
    """Return the refusal of a model that is not registered."""
    return UnknownModel(
        f"model {model!r} is not registered here: list the models with `framemeter models`"
    )


async def _lock(connection: Any, model: str) -> Registered:
    row = await connection.fetchrow(sql("catalog.lock_model"), model) if is_name(model) else None
    if row is None:
        raise unknown(model)
    return registered([row], [])[0]


async def _version(connection: Any, model: str, version: str) -> Version:
    known = is_name(version)
    row = await connection.fetchrow(sql("catalog.version"), model, version) if known else None
    if row is None:
        raise Rejected(f"model {model} has no version {version[:128]!r}: add it first")
    return Version.of(row)


async def _active(connection: Any, line: Registered) -> Version | None:
    return await _version(connection, line.model, line.active) if line.active else None


async def _check_room(connection: Any, model: str) -> None:
    if await connection.fetchval(sql("catalog.count_versions"), model) >= VERSIONS_MAX:
        raise Rejected(f"model {model} has {VERSIONS_MAX} versions: remove old ones")


def _spec(row: Any) -> ModelSpec:
    columns = dict(row)
    canary = {
        name.removeprefix("canary_"): columns.pop(name)
        for name in tuple(columns)
        if name.startswith("canary_")
    }
    return ModelSpec(**columns, canary=Canary(**canary) if canary["version"] else None)
