"""A tenant with something of its own in every table, and what of it nobody else may see.

Marks are all values of the tenant's rows that are long enough not to be chance and that the other
tenant has not: names, references, amounts, moments, whatever a column holds.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from billing.alerts import Alerts
from billing.batches import read
from billing.catalog import Catalog
from billing.rerating import Rerating
from billing.reratings import Reratings
from billing.tariff import TARIFF_V1
from billing.tariff_document import encode
from billing.tariffs import Tariffs
from billing.writer import Writer
from tests.integration.gateway.conftest import SCOPES, Place
from tests.integration.gateway.images import send
from wire import usage
from wire.balances import format_tokens
from wire.clock import ManualClock, SystemClock
from wire.frames import Tier
from wire.models import ModelSpec
from wire.sessions import OpenSession
from wire.usage import Status, UsageEvent

LENGTH_MIN = 6
NUMBER_MIN = 100_000
HOUR = timedelta(hours=1)
HALF = replace(
    TARIFF_V1, version="half", starts_at=datetime(2028, 1, 1, tzinfo=UTC), alpha=Fraction("0.5")
)
WITH_ACCOUNT = """
    select c.relname from pg_class as c join pg_attribute as a on a.attrelid = c.oid
    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
        and not c.relispartition and a.attname = 'account' and a.attnum > 0
    order by 1
"""
SHARED = ("model", "tariff", "unbillable", "consumer_position")
"""Tables of everybody, which no tenant's call changes."""


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """An account's names; `hour` is when its cameras were on."""

    account: str
    streams: tuple[str, ...]
    model: str
    word: str
    millitokens: int
    hour: datetime
    marks: set[str] = field(default_factory=set)

    @property
    def webhook(self) -> str:
        """Where it wants to be told."""
        return f"https://{self.word}.example/hook"


async def settle(place: Place, tenant: Tenant, partition: int) -> None:
    """Let the tenant set alerts, open sessions, use frames, be corrected, send `r0` an image."""
    pool, clock = place.outside.pool, SystemClock()
    await place.accounts.create(tenant.account)
    await place.accounts.top_up(tenant.account, tenant.millitokens, f"bill-{tenant.word}")
    place.keys[tenant.account] = (
        await place.accounts.create_key(tenant.account, (*SCOPES, "admin"))
    ).secret
    await Catalog(pool, clock).register(
        ModelSpec(model=tenant.model, version=tenant.word, source="yolov8s.pt", size_class="s")
    )
    alerts = Alerts(pool, clock, allow_private=True)
    await alerts.set_thresholds(tenant.account, [tenant.millitokens - 1])
    await alerts.set_webhook(tenant.account, tenant.webhook)
    lines = [await _use(place, tenant, stream) for stream in tenant.streams]
    writer = Writer(pool, clock, topic=place.settings.topics().usage, owner="test")
    epoch = (await writer.claim(partition)).owner_epoch
    batch = read([(n, usage.encode(each, at=each.captured_at)) for n, each in enumerate(lines)])
    await writer.write(partition, epoch, batch, None)
    asked = Rerating(
        account=tenant.account,
        start=tenant.hour,
        end=tenant.hour + HOUR,
        tariff="half",
        reason=f"agreed with {tenant.word}",
    )
    await Reratings(pool, ManualClock(tenant.hour + 9 * HOUR)).book(asked)
    answered = await send(place, tenant.account, "r0", Idempotency_Key=f"key-{tenant.word}")
    tenant.marks.add(answered.json()["request_id"])


async def _use(place: Place, tenant: Tenant, stream: str) -> UsageEvent:
    request = OpenSession(
        account=tenant.account,
        stream=stream,
        model=tenant.model,
        height=640,
        width=640,
        tier=Tier.PRIORITY,
        frames=777,
    )
    grant = await place.sessions.open(request)
    return UsageEvent(
        account=tenant.account,
        stream=stream,
        epoch=grant.epoch,
        first=0,
        last=345,
        status=Status.DETECTED,
        model=tenant.model,
        model_version=tenant.word,
        height=640,
        width=640,
        captured_at=tenant.hour + timedelta(minutes=7),
    )


async def add_tariff(place: Place) -> None:
    """Make the tariff that the tenants are corrected by."""
    await Tariffs(place.outside.pool, SystemClock()).add(encode(HALF))


async def rows(place: Place, account: str) -> dict[str, list[dict[str, Any]]]:
    """Return all that the database has of an account, by table."""
    pool = place.outside.pool
    tables = [row["relname"] for row in await pool.fetch(WITH_ACCOUNT)]
    found = {}
    for table in tables:
        query = f"select * from {table} where account = $1 order by {table}::text"
        found[table] = [dict(row) for row in await pool.fetch(query, account)]
    return found


async def shared_rows(place: Place) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of everybody."""
    return {
        table: [
            dict(row)
            for row in await place.outside.pool.fetch(
                f"select * from {table} order by {table}::text"
            )
        ]
        for table in SHARED
    }


def values(found: dict[str, list[dict[str, Any]]]) -> set[str]:
    """Return every value in these rows as an answer could spell it."""
    return {
        text
        for table in found.values()
        for row in table
        for value in row.values()
        for text in spellings(value)
        if len(text) >= LENGTH_MIN
    }


def spellings(value: Any) -> list[str]:
    """Return how an answer could spell a value; nothing for one that could be chance."""
    match value:
        case bool():
            return []
        case str():
            return [value]
        case int():
            return [str(value), format_tokens(value)] if abs(value) >= NUMBER_MIN else []
        case datetime():
            return [value.isoformat(), value.isoformat().replace("+00:00", "Z")]
        case bytes():
            return [value.hex()]
        case list() | tuple():
            return [text for each in value for text in spellings(each)]
    return []
