"""The HTTP application as a value: `create_app(deps)` joins rooms that were built elsewhere.

Its lifespan does the steps of `start` before the first request is accepted, and those of `stop`
after the last one was answered, each one even if another failed.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from gateway import (
    accounts,
    alerts,
    detect,
    estimate,
    health,
    model_versions,
    models,
    openapi,
    problems,
    sessions,
    statement,
    usage,
)
from gateway.auth import Authenticator
from gateway.detect import DetectLimits
from gateway.idempotency import Flights
from gateway.inference import Inference
from gateway.models import KnownModels, Registry
from gateway.observation import Observation, RequestMetrics
from wire.clock import Clock

DESCRIPTION = "YOLO over many live cameras, every frame paid for exactly once."
KINDS = (
    accounts.AccountView,
    accounts.LedgerPage,
    accounts.NewAccount,
    accounts.NewTopUp,
    accounts.TopUpView,
    *alerts.KINDS,
    detect.DetectAnswer,
    detect.DetectRequest,
    estimate.Estimate,
    models.ModelList,
    *model_versions.KINDS,
    *sessions.MESSAGES,
)
"""The bodies and answers that the API describes."""


class Reports(accounts.Ledger, usage.UsageBook, statement.StatementBook, Protocol):
    """Where ledger, usage and statements are read."""


Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """Everything that the app is made of.

    `start` and `stop` are done in the order given; a step of `start` may be done twice.
    """

    keys: Authenticator
    accounts: accounts.AccountBook
    alerts: alerts.AlertBook
    reports: Reports
    sessions: sessions.SessionBook
    prices: estimate.PriceBook
    registry: Registry
    known_models: KnownModels
    model_book: model_versions.ModelBook
    inference: Inference
    flights: Flights
    limits: DetectLimits
    needed: Mapping[str, health.Check]
    useful: Mapping[str, health.Check]
    start: Sequence[Step]
    stop: Sequence[Step]
    metrics: CollectorRegistry
    clock: Clock


async def start(deps: Deps) -> None:
    """Do the steps of `start`; raise `Retryable` when something is away."""
    for step in deps.start:
        await step()


async def stop(deps: Deps) -> None:
    """Do every step of `stop`, also when one fails."""
    async with contextlib.AsyncExitStack() as stack:
        for step in reversed(deps.stop):
            stack.push_async_callback(step)


def create_app(deps: Deps) -> FastAPI:
    """Return the application."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await start(deps)
            yield
        finally:
            await stop(deps)

    app = FastAPI(
        title="framemeter",
        version=version("framemeter"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
    )
    problems.install(app)
    app.add_middleware(Observation, metrics=RequestMetrics(deps.metrics), clock=deps.clock)
    for routes in (
        detect.router(deps.inference, deps.flights, deps.keys, deps.limits),
        estimate.router(deps.prices, deps.keys),
        models.router(deps.registry, deps.keys),
        model_versions.router(deps.model_book, deps.keys),
        sessions.router(deps.sessions, deps.keys),
        accounts.router(deps.accounts, deps.reports, deps.keys),
        alerts.router(deps.alerts, deps.keys),
        usage.router(deps.reports, deps.keys, deps.clock),
        statement.router(deps.reports, deps.keys, deps.clock),
        health.router(deps.needed, deps.useful, deps.metrics),
    ):
        app.include_router(routes)
    openapi.describe(app, KINDS)
    return app
