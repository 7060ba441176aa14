"""`GET /v1/statement`: an account's statement of a period as one HTML page, to keep or to print.

The page loads nothing and runs nothing; the answer's policy says so to the browser, too.
"""

from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from billing import usage_table
from billing.keys import Caller
from billing.statement.figures import Statement
from billing.statement.page import page
from billing.usage_table import Period
from gateway.auth import Authenticator, account_of
from wire.clock import Clock

HTML = "text/html"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Success", "content": {HTML: {"schema": {"type": "string"}}}}
}


class StatementBook(Protocol):
    """Where statements come from."""

    async def statement(self, account: str, period: Period, now: datetime) -> Statement:
        """Return the figures; raise `UnknownAccount`."""
        ...


def router(reports: StatementBook, auth: Authenticator, clock: Clock) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["accounts"])

    @routes.get("/v1/statement", response_class=Response, responses=RESPONSES)
    async def show_statement(
        caller: Annotated[Caller, Depends(auth.requires("read"))],
        account: str | None = None,
        start: Annotated[datetime | None, Query(alias="from")] = None,
        end: Annotated[datetime | None, Query(alias="to")] = None,
    ) -> Response:
        """Show balances, streams, top-ups and corrections; the last 24 hours if not told."""
        asked = usage_table.period(start=start, end=end, now=clock.now())
        figures = await reports.statement(account_of(caller, account), asked, clock.now())
        return Response(page(figures), media_type=HTML, headers=HEADERS)

    return routes
