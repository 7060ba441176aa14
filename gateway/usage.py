"""`GET /v1/usage`: how many frames ended how, and what they cost, by stream, model and time.

JSON, or CSV for `?format=csv` or an `Accept` of text/csv. Times without a zone are UTC; `from` is
in the range, `to` is not.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from billing.keys import Caller
from billing.reports import UsageRow
from gateway.auth import Authenticator, account_of
from gateway.bodies import answer
from wire.balances import format_tokens
from wire.clock import Clock
from wire.errors import Rejected

GROUPS = ("stream", "model", "status", "hour", "day")
GROUPS_DEFAULT = "stream,status"
RANGE_DEFAULT = timedelta(days=1)
RANGE_DAYS_MAX = 400
CSV = "text/csv"


class UsageBook(Protocol):
    """Where usage is summed up."""

    async def usage(
        self, account: str, start: datetime, end: datetime, group_by: tuple[str, ...]
    ) -> list[UsageRow]:
        """Return the sums of `start` <= minute < `end`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A checked question for usage."""

    start: datetime
    end: datetime
    group_by: tuple[str, ...]


def router(reports: UsageBook, auth: Authenticator, clock: Clock) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["accounts"])

    @routes.get("/v1/usage")
    async def show_usage(
        caller: Annotated[Caller, Depends(auth.requires("read"))],
        account: str | None = None,
        start: Annotated[datetime | None, Query(alias="from")] = None,
        end: Annotated[datetime | None, Query(alias="to")] = None,
        group_by: str = GROUPS_DEFAULT,
        form: Annotated[Literal["json", "csv"] | None, Query(alias="format")] = None,
        accept: Annotated[str, Header()] = "",
    ) -> Response:
        """Sum up the account's frames and what they cost; the last 24 hours if not told."""
        asked = question(start=start, end=end, group_by=group_by, now=clock.now())
        rows = await reports.usage(
            account_of(caller, account), asked.start, asked.end, asked.group_by
        )
        table = [as_members(row, asked.group_by) for row in rows]
        if form == "csv" or (form is None and CSV in accept.lower()):
            return Response(as_csv(table, asked.group_by), media_type=f"{CSV}; charset=utf-8")
        return answer(
            {"from": asked.start, "to": asked.end, "group_by": asked.group_by, "rows": table}
        )

    return routes


def question(
    *, start: datetime | None, end: datetime | None, group_by: str, now: datetime
) -> Asked:
    """Return the checked question; raise `Rejected` with what is wrong with it."""
    groups = tuple(dict.fromkeys(part.strip() for part in group_by.split(",") if part.strip()))
    unknown = [group for group in groups if group not in GROUPS]
    if unknown or not groups:
        raise Rejected(f"group_by is one or more of {','.join(GROUPS)}")
    if "hour" in groups and "day" in groups:
        raise Rejected("group_by takes hour or day, not both")
    until = now if end is None else _aware(end)
    since = until - RANGE_DEFAULT if start is None else _aware(start)
    if not since < until <= since + timedelta(days=RANGE_DAYS_MAX):
        raise Rejected(f"from must be before to, by at most {RANGE_DAYS_MAX} days")
    return Asked(start=since, end=until, group_by=groups)


def as_members(row: UsageRow, group_by: Sequence[str]) -> dict[str, object]:
    """Return the row with the groups that were asked for, by their names."""
    groups = {
        "stream": row.stream,
        "model": row.model,
        "status": row.status,
        "hour": row.start,
        "day": row.start,
    }
    return {
        **{name: groups[name] for name in group_by},
        "frames": row.frames,
        "tokens": format_tokens(row.millitokens),
        "millitokens": row.millitokens,
    }


def as_csv(table: Sequence[dict[str, object]], group_by: Sequence[str]) -> str:
    """Return the rows as CSV with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*group_by, "frames", "tokens", "millitokens"])
    writer.writeheader()
    for row in table:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
