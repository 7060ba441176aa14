"""How operators change models: versions added, activated, rolled back, tried on some streams.

The gateway has no engine: it keeps the version and tells the detectors, which test it before they
use it. Every call may be repeated. Where the weights lie is told to the gateway and by no answer.
"""

from datetime import datetime
from typing import Annotated, Any, Protocol

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from billing.announcing import announce
from billing.catalog import Catalog
from billing.keys import Caller
from billing.registry import Registered, Version
from billing.tariff import size_class_of
from gateway.auth import Authenticator
from gateway.bodies import answer, read_json
from gateway.models import CanaryView
from gateway.openapi import answers, body
from wire.clock import Clock
from wire.errors import NotAllowed, Rejected, UnknownModel
from wire.kafka import Kafka
from wire.models import ModelSpec
from wire.names import is_name, name_rule

VERSION_LENGTH = 12


class ModelBook(Protocol):
    """Where versions live (`billing.catalog.Catalog`)."""

    async def versions(self, model: str | None = None) -> tuple[Registered, ...]:
        """Return the model with all its versions; raise `UnknownModel`."""
        ...

    async def add(self, spec: ModelSpec, *, note: str = "") -> bool:
        """Add a version; False: it was there."""
        ...

    async def activate(self, model: str, version: str) -> bool:
        """Make a version the active one; False: it was."""
        ...

    async def rollback(self, model: str, leaving: str) -> str:
        """Make active what `leaving` replaced."""
        ...

    async def set_canary(self, model: str, version: str, percent: int) -> bool:
        """Run a version for some of the streams."""
        ...

    async def clear_canary(self, model: str) -> bool:
        """Give all streams to the active version."""
        ...

    async def announce(self) -> None:
        """Tell the detectors what they have not been told; raise `Retryable`."""
        ...


class AnnouncedCatalog(Catalog):
    """The registry, and the topic that detectors follow."""

    def __init__(self, pool: Any, clock: Clock, *, kafka: Kafka, topic: str) -> None:
        super().__init__(pool, clock)
        self._kafka = kafka
        self._topic = topic

    async def announce(self) -> None:
        """Tell the detectors what they have not been told; raise `Retryable`."""
        await announce(self._pool, self._kafka, self._topic, self._clock.now())


class NewVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a version. `size_class` and `task` may be left out where the model has them.

    `source` is an https URL (with `sha256`), a name that Ultralytics knows, or a path on the
    machines of the detectors.
    """

    source: str
    version: str = ""
    sha256: str = ""
    size_class: str = ""
    task: str = ""
    confidence: float = 0.25
    iou: float = 0.7
    note: str = ""
    activate: bool = False


class Activation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a version to be active."""

    version: str


class Rollback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for what was active before `leaving`; nothing changes when that is not active."""

    leaving: str


class CanaryShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a version to have `percent` of the streams; 0 ends it."""

    version: str
    percent: int


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """A version as operators see it; `refused` says why it may never be active."""

    version: str
    sha256: str
    confidence: float
    iou: float
    note: str
    refused: str | None
    added_at: datetime
    activated_at: datetime | None


class VersionList(msgspec.Struct, frozen=True, kw_only=True):
    """A model with all its versions, the oldest first."""

    model: str
    size_class: str
    task: str
    active: str | None
    canary: CanaryView | None
    versions: list[VersionView]


KINDS = (NewVersion, Activation, Rollback, CanaryShare, VersionList)


def router(models: ModelBook, auth: Authenticator) -> APIRouter:
    """Return the routes by which operators change models."""
    routes = APIRouter(tags=["models"], prefix="/v1/admin/models/{name}")
    _add_versions(routes, models, auth)
    _add_switches(routes, models, auth)
    return routes


def _add_versions(routes: APIRouter, models: ModelBook, auth: Authenticator) -> None:
    admin = Depends(auth.requires("admin"))

    @routes.get("/versions", responses=answers(VersionList))
    async def list_versions(name: str, caller: Annotated[Caller, admin]) -> Response:
        """List the model's versions, and why one was refused."""
        _check(caller, name)
        return await _shown(models, name)

    @routes.post(
        "/versions",
        status_code=201,
        responses=answers(VersionList, 200, 201),
        openapi_extra=body(NewVersion),
    )
    async def add_version(
        request: Request, name: str, caller: Annotated[Caller, admin]
    ) -> Response:
        """Add a version, and with `activate` make it active; 200 instead of 201: it was there."""
        _check(caller, name)
        asked = await read_json(request, NewVersion)
        spec = completed(name, asked, await _known(models, name))
        made = await models.add(spec, note=asked.note)
        if asked.activate:
            await models.activate(name, spec.version)
        await models.announce()
        return await _shown(models, name, status=201 if made else 200)


def _add_switches(routes: APIRouter, models: ModelBook, auth: Authenticator) -> None:
    admin = Depends(auth.requires("admin"))

    @routes.post("/activate", responses=answers(VersionList), openapi_extra=body(Activation))
    async def activate(request: Request, name: str, caller: Annotated[Caller, admin]) -> Response:
        """Make a version active: each detector loads it, tests it and swaps when it can run it."""
        _check(caller, name)
        await models.activate(name, (await read_json(request, Activation)).version)
        await models.announce()
        return await _shown(models, name)

    @routes.post("/rollback", responses=answers(VersionList), openapi_extra=body(Rollback))
    async def rollback(request: Request, name: str, caller: Annotated[Caller, admin]) -> Response:
        """Make active what was active before the version that is left."""
        _check(caller, name)
        await models.rollback(name, (await read_json(request, Rollback)).leaving)
        await models.announce()
        return await _shown(models, name)

    @routes.post("/canary", responses=answers(VersionList), openapi_extra=body(CanaryShare))
    async def set_canary(request: Request, name: str, caller: Annotated[Caller, admin]) -> Response:
        """Run a version beside the active one for some of the streams, always the same ones."""
        _check(caller, name)
        asked = await read_json(request, CanaryShare)
        if asked.percent == 0:
            await models.clear_canary(name)
        else:
            await models.set_canary(name, asked.version, asked.percent)
        await models.announce()
        return await _shown(models, name)


def completed(name: str, asked: NewVersion, known: Registered | None) -> ModelSpec:
    """Return the spec that is asked for, what it leaves open from the model or its name."""
    size_class = asked.size_class or (known.size_class if known else size_class_of(name))
    if not size_class:
        raise Rejected(f"the name {name!r} does not tell a size class: give size_class")
    version = asked.version or asked.sha256[:VERSION_LENGTH]
    if not version:
        raise Rejected("give a version, or the sha256 that it can be named by")
    return ModelSpec(
        model=name,
        version=version,
        source=asked.source,
        size_class=size_class,
        task=asked.task or (known.task if known else "detect"),
        confidence=asked.confidence,
        iou=asked.iou,
        sha256=asked.sha256,
    )


def _check(caller: Caller, name: str) -> None:
    if caller.account is not None:
        raise NotAllowed("only an operator's key may do this")
    if not is_name(name):
        raise Rejected(name_rule("model", name))


async def _known(models: ModelBook, name: str) -> Registered | None:
    try:
        return (await models.versions(name))[0]
    except UnknownModel:
        return None


async def _shown(models: ModelBook, name: str, *, status: int = 200) -> Response:
    line = (await models.versions(name))[0]
    canary = CanaryView(version=line.canary, percent=line.percent) if line.canary else None
    view = VersionList(
        model=line.model,
        size_class=line.size_class,
        task=line.task,
        active=line.active,
        canary=canary,
        versions=[_view(version) for version in line.versions],
    )
    return answer(view, status=status)


def _view(version: Version) -> VersionView:
    return VersionView(
        version=version.version,
        sha256=version.sha256,
        confidence=version.confidence,
        iou=version.iou,
        note=version.note,
        refused=version.refused,
        added_at=version.added_at,
        activated_at=version.activated_at,
    )
