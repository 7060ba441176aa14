"""Joins the gateway's rooms to PostgreSQL, Kafka and Valkey: the only place that names them.

`build` makes everything and starts nothing; what must start and stop does so with the app.
"""

from dataclasses import dataclass
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from billing.accounts import Accounts
from billing.alerts import Alerts
from billing.database import connected
from billing.pricing import Prices
from billing.sessions import Sessions
from gateway.app import Deps
from gateway.auth import Authenticator
from gateway.balances import Remaining
from gateway.detect import DetectLimits
from gateway.fetch import Fetcher, FetchLimits
from gateway.idempotency import Flights
from gateway.inference import SLACK_S, Inference, InferenceLimits, Rooms
from gateway.line_sessions import LineSessions
from gateway.lines import LineLimits, Lines, MakeLine
from gateway.model_versions import AnnouncedCatalog
from gateway.models import KnownModels
from gateway.replies import Mailbox, Replies
from gateway.reports import PoolReports
from gateway.settings import GatewaySettings
from gateway.valkey import Valkey
from gateway.virtual_streams import LineKey
from pipeline.line import Contract, Line
from pipeline.publish import ANSWER_WAIT_S_MAX, FramePublisher
from wire.clock import Clock
from wire.kafka import Kafka

DRAIN_S = 5.0
"""How long work that no caller waits for any more may go on at the end."""
DECODERS_MAX = 2
"""Images that are decoded and fitted at once; it bounds memory and leaves a core to the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a replica is joined to."""

    pool: "asyncpg.Pool[Any]"
    clock: Clock
    metrics: CollectorRegistry


def build(settings: GatewaySettings, outside: Outside) -> Deps:
    """Return all that the app is made of."""
    pool, clock = outside.pool, outside.clock
    sessions, catalog = Sessions(pool, clock, settings.session_ttl_s), _catalog(settings, outside)
    accounts = Accounts(pool, clock)
    valkey = Valkey(Redis.from_url(settings.redis.get_secret_value()), clock)
    publisher, line_sessions = _publisher(settings), LineSessions(sessions)
    rooms = Rooms(
        models=KnownModels(catalog, clock),
        fetcher=Fetcher(_fetch_limits(settings)),
        lines=(lines := _lines(settings, line_sessions, publisher, clock)),
        mailbox=Mailbox(),
        remaining=Remaining(lines, valkey, clock),
    )
    replies = _replies(settings, rooms.mailbox)
    flights = _flights(settings, valkey, clock)
    return Deps(
        keys=Authenticator(accounts, clock),
        accounts=accounts,
        alerts=Alerts(pool, clock, allow_private=settings.webhook_private_addresses),
        reports=PoolReports(pool),
        sessions=sessions,
        prices=Prices(pool, clock),
        registry=catalog,
        known_models=rooms.models,
        model_book=catalog,
        inference=_inference(settings, rooms, clock),
        flights=flights,
        limits=_detect_limits(settings),
        needed={"kafka": replies.check, "postgres": lambda: _check_database(pool)},
        useful={"valkey": valkey.check},
        start=(replies.start, line_sessions.start, lines.start, publisher.ready),
        stop=(
            lambda: flights.drain(DRAIN_S),
            lines.stop,
            line_sessions.stop,
            publisher.stop,
            replies.stop,
            rooms.fetcher.close,
            valkey.close,
        ),
        metrics=outside.metrics,
        clock=clock,
    )


def line_maker(
    settings: GatewaySettings, sessions: LineSessions, publisher: FramePublisher, clock: Clock
) -> MakeLine:
    """Return what makes a line of this replica, funded in process."""

    def make(key: LineKey, stream: str) -> Line:
        contract = Contract(
            account=key.account,
            stream=stream,
            model=key.model,
            height=key.height,
            width=key.width,
            tier=key.tier,
            max_age_ms=settings.detect_max_age_ms,
            frames_per_second=0.0,
            slices=key.slices,
        )
        return Line(contract=contract, sessions=sessions, publisher=publisher, clock=clock)

    return make


def _lines(
    settings: GatewaySettings, sessions: LineSessions, publisher: FramePublisher, clock: Clock
) -> Lines:
    return Lines(
        line_maker(settings, sessions, publisher, clock),
        replica=settings.replica_name(),
        clock=clock,
        limits=LineLimits(lines_max=settings.lines_max, idle_s=settings.line_idle_s),
    )


def _catalog(settings: GatewaySettings, outside: Outside) -> AnnouncedCatalog:
    topic = settings.topics().models
    return AnnouncedCatalog(outside.pool, outside.clock, kafka=Kafka.of(settings), topic=topic)


def _publisher(settings: GatewaySettings) -> FramePublisher:
    return FramePublisher(
        Kafka.of(settings), settings.topics(), client_id=f"gateway-{settings.replica_name()}"
    )


def _replies(settings: GatewaySettings, mailbox: Mailbox) -> Replies:
    topics = settings.topics()
    return Replies(
        Kafka.of(settings),
        topic=topics.replies,
        partitions=topics.partitions,
        replica=settings.replica_name(),
        mailbox=mailbox,
    )


def _flights(settings: GatewaySettings, valkey: Valkey, clock: Clock) -> Flights:
    longest_s = (
        settings.fetch_timeout_s + ANSWER_WAIT_S_MAX + settings.detect_max_age_ms / 1000 + SLACK_S
    )
    return Flights(
        valkey,
        clock,
        running_max=settings.detect_running_max,
        claim_s=round(2 * longest_s),
    )


def _inference(settings: GatewaySettings, rooms: Rooms, clock: Clock) -> Inference:
    limits = InferenceLimits(
        pixels_max=settings.image_pixels_max,
        max_age_ms=settings.detect_max_age_ms,
        jpeg_quality=settings.detect_jpeg_quality,
        decoders_max=DECODERS_MAX,
    )
    return Inference(rooms, replica=settings.replica_name(), clock=clock, limits=limits)


def _detect_limits(settings: GatewaySettings) -> DetectLimits:
    return DetectLimits(
        image_bytes_max=settings.image_bytes_max,
        timeout_s=settings.detect_timeout_s,
        model_default=settings.detect_model,
    )


def _fetch_limits(settings: GatewaySettings) -> FetchLimits:
    return FetchLimits(
        bytes_max=settings.image_bytes_max,
        timeout_s=settings.fetch_timeout_s,
        allow_private=settings.fetch_private,
    )


async def _check_database(pool: "asyncpg.Pool[Any]") -> None:
    async with connected(pool) as connection:
        await connection.execute("select 1")
