"""Who is told when tokens run low: an account's thresholds and its webhook.

Reading needs the scope `read`, changing the scope `admin`: for its own account with an account's
key, for any account with an operator's. A webhook's secret is told when it is made, never again.
"""

from datetime import datetime
from typing import Annotated, Protocol

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from billing.alerts import AlertStatus, Threshold, Told
from billing.keys import Caller
from gateway.amounts import parse_tokens
from gateway.auth import Authenticator, account_of
from gateway.bodies import answer, read_json
from gateway.openapi import answers, body
from wire.balances import format_tokens


class AlertBook(Protocol):
    """Where alerts live (`billing.alerts.Alerts`)."""

    async def status(self, account: str) -> AlertStatus:
        """Return what is set, and what was told of late."""
        ...

    async def set_thresholds(self, account: str, thresholds: list[int]) -> AlertStatus:
        """Replace the thresholds."""
        ...

    async def set_webhook(self, account: str, url: str) -> str:
        """Send alerts to a URL; return the new secret."""
        ...

    async def remove_webhook(self, account: str) -> bool:
        """Send nothing any more; return False when there was nothing to remove."""
        ...


class ThresholdView(msgspec.Struct, frozen=True, kw_only=True):
    """An amount to be told about; `is_low`: less than it is left."""

    tokens: str
    millitokens: int
    is_low: bool


class ToldView(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it was told; `webhook` is none, pending, delivered or gave_up."""

    id: str
    at: datetime
    threshold_millitokens: int
    available_millitokens: int
    held_millitokens: int
    version: int
    webhook: str
    attempts: int
    next_attempt_at: datetime | None
    last_error: str | None


class AlertsView(msgspec.Struct, frozen=True, kw_only=True):
    """An account's thresholds, the highest first; its webhook; its alerts of late."""

    account: str
    thresholds: list[ThresholdView]
    webhook_url: str | None
    told: list[ToldView]


class NewThresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All thresholds of an account, as decimal numbers of tokens in text; none: no alerts."""

    thresholds: list[str]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where alerts are sent; https."""

    url: str


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, and the secret that signs what it gets: told this once."""

    url: str
    secret: str


KINDS = (AlertsView, NewThresholds, NewWebhook, WebhookView)


def router(alerts: AlertBook, auth: Authenticator) -> APIRouter:
    """Return the routes about alerts."""
    routes = APIRouter(tags=["alerts"])
    _add_thresholds(routes, alerts, auth)
    _add_webhook(routes, alerts, auth)
    return routes


def _add_thresholds(routes: APIRouter, alerts: AlertBook, auth: Authenticator) -> None:
    reader, admin = Depends(auth.requires("read")), Depends(auth.requires("admin"))

    @routes.get("/v1/account/alerts", responses=answers(AlertsView))
    async def show_alerts(
        caller: Annotated[Caller, reader], account: str | None = None
    ) -> Response:
        """Tell the thresholds, the webhook and the newest alerts."""
        return answer(_view(await alerts.status(account_of(caller, account))))

    @routes.put(
        "/v1/account/alerts", responses=answers(AlertsView), openapi_extra=body(NewThresholds)
    )
    async def set_alerts(
        request: Request, caller: Annotated[Caller, admin], account: str | None = None
    ) -> Response:
        """Replace the thresholds. One above what is left now is low at once and told to nobody."""
        wanted = (await read_json(request, NewThresholds)).thresholds
        owner = account_of(caller, account)
        return answer(_view(await alerts.set_thresholds(owner, list(map(parse_tokens, wanted)))))


def _add_webhook(routes: APIRouter, alerts: AlertBook, auth: Authenticator) -> None:
    admin = Depends(auth.requires("admin"))

    @routes.put(
        "/v1/account/webhook", responses=answers(WebhookView), openapi_extra=body(NewWebhook)
    )
    async def set_webhook(
        request: Request, caller: Annotated[Caller, admin], account: str | None = None
    ) -> Response:
        """Send alerts to this URL, signed with a new secret, which replaces an older one."""
        url = (await read_json(request, NewWebhook)).url
        secret = await alerts.set_webhook(account_of(caller, account), url)
        return answer(WebhookView(url=url, secret=secret))

    @routes.delete("/v1/account/webhook", status_code=204, response_class=Response)
    async def remove_webhook(
        caller: Annotated[Caller, admin], account: str | None = None
    ) -> Response:
        """Send no alerts any more, those that wait neither; also when there is no webhook."""
        await alerts.remove_webhook(account_of(caller, account))
        return Response(status_code=204)


def _view(status: AlertStatus) -> AlertsView:
    return AlertsView(
        account=status.account,
        thresholds=list(map(_threshold, status.thresholds)),
        webhook_url=status.webhook,
        told=list(map(_told, status.told)),
    )


def _threshold(each: Threshold) -> ThresholdView:
    return ThresholdView(
        tokens=format_tokens(each.threshold), millitokens=each.threshold, is_low=each.is_low
    )


def _told(told: Told) -> ToldView:
    return ToldView(
        id=told.alert.id,
        at=told.at,
        threshold_millitokens=told.alert.threshold,
        available_millitokens=told.alert.available,
        held_millitokens=told.alert.held,
        version=told.alert.version,
        webhook=told.state.value,
        attempts=told.attempts,
        next_attempt_at=told.next_attempt_at,
        last_error=told.last_error,
    )
