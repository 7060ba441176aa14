"""`GET /v1/usage`: how many frames ended how, and what they cost, by stream, model and time.

JSON, or CSV for `?format=csv` or an `Accept` of text/csv. Times without a zone are UTC; `from` is
in the range, `to` is not.
"""

from datetime import datetime
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from billing import usage_table
from billing.keys import Caller
from billing.reports import UsageRow
from billing.usage_table import GROUPS_DEFAULT
from gateway.auth import Authenticator, account_of
from gateway.openapi import JSON
from wire.clock import Clock

CSV = "text/csv"


class UsageBook(Protocol):
    """Where usage is summed up."""

    async def usage(
        self, account: str, start: datetime, end: datetime, group_by: tuple[str, ...]
    ) -> list[UsageRow]:
        """Return the sums of `start` <= minute < `end`."""
        ...


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
        """Sum up the account's frames and what they cost; the last 24 hours if not told.

        `group_by` is one or more of stream, model, status, tier and hour or day, with commas.
        `tokens` were charged; `adjusted` is what later re-ratings added (below zero: paid back).
        """
        groups = usage_table.groups(group_by)
        asked = usage_table.period(start=start, end=end, now=clock.now())
        rows = await reports.usage(account_of(caller, account), asked.start, asked.end, groups)
        answered = usage_table.table(asked, groups, rows)
        if form == "csv" or (form is None and CSV in accept.lower()):
            content: str | bytes = usage_table.as_csv(answered)
            return Response(content, media_type=f"{CSV}; charset=utf-8")
        return Response(usage_table.as_json(answered), media_type=JSON)

    return routes
