"""What a webhook gets, and what its answer means: Standard Webhooks, at least once, bounded.

The signature covers id, time and body, so a receiver can tell ours from others', old and repeated
ones. Pure but for `Sender`, which sends one request to a checked address and reads no more than
the status of the answer.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import httpx
import structlog

from billing import outbound
from wire import balances
from wire.balances import BalanceAlert
from wire.cloudevents import STRUCTURED_CONTENT_TYPE
from wire.errors import Rejected

log = structlog.stdlib.get_logger("billing.webhooks")

TIMEOUT_S = 5.0
RETRIES_AFTER_S = (5.0, 30.0, 120.0, 600.0, 3_600.0, 6 * 3_600.0)
"""How long after each failed attempt the next one comes; after the last one it is given up."""
JITTER = 0.2
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105  (the start of every secret, not one)
GONE = 410
"""The status by which a receiver asks not to be sent this again."""


class Outcome(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GAVE_UP = "gave_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An alert that is due at an account's webhook; `attempts` failed before."""

    number: int
    alert: BalanceAlert
    at: datetime
    attempts: int
    url: str = field(repr=False)
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A receiver's answer: its status, or why there is none."""

    status: int | None = None
    error: str = ""

    @property
    def is_taken(self) -> bool:
        """Say whether the receiver has the event."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def reason(self) -> str | None:
        """What the account is told of a failure."""
        if self.is_taken:
            return None
        return self.error if self.status is None else f"the receiver answered {self.status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows from an answer: a moment for the next attempt, unless it is over."""

    outcome: Outcome
    next_attempt_at: datetime | None = None


def judge(answer: Answer, attempts: int, now: datetime, chance: float) -> Verdict:
    """Return what follows from the answer to an attempt that `attempts` failed ones preceded.

    `chance` from 0 to 1 spreads the retries of events that failed together.
    """
    if answer.is_taken:
        return Verdict(outcome=Outcome.DELIVERED)
    if answer.status == GONE or attempts >= len(RETRIES_AFTER_S):
        return Verdict(outcome=Outcome.GAVE_UP)
    wait_s = RETRIES_AFTER_S[attempts] * (1 + JITTER * (2 * chance - 1))
    return Verdict(outcome=Outcome.FAILED, next_attempt_at=now + timedelta(seconds=wait_s))


def new_secret() -> bytes:
    """Return what signs one webhook's deliveries."""
    return secrets.token_bytes(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """Return the secret as libraries for Standard Webhooks take it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def check_url(url: str, *, allow_private: bool) -> None:
    """Raise `Rejected` when no alert could ever be sent to this URL."""
    parsed = outbound.parse_url(url)
    if not allow_private and parsed.scheme != "https":
        raise Rejected("it must start with https://")
    if not allow_private and outbound.is_private_literal(parsed.host):
        raise Rejected("addresses of private networks are refused")


def headers(event_id: str, body: bytes, secret: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of a delivery, its signature among them."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return {
        "Content-Type": STRUCTURED_CONTENT_TYPE.decode(),
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


class Sender:
    """Sends deliveries; close it when done. `allow_private` also allows plain http."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        timeout_s: float = TIMEOUT_S,
        resolver: outbound.Resolve = outbound.resolve,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._resolve = resolver
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            timeout=timeout_s,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"User-Agent": "framemeter"},
        )

    async def close(self) -> None:
        """Let go of all connections."""
        await self._client.aclose()

    async def send(self, delivery: Delivery, now: datetime) -> Answer:
        """Return what the receiver says within the time; never raise for what it does."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return Answer(status=await self._post(delivery, now))
        except TimeoutError:
            return Answer(error=f"no answer within {self._timeout_s:g} s")
        except Rejected as error:
            return Answer(error=f"the URL cannot be used: {error}")
        except Exception as error:  # noqa: BLE001  (whatever a receiver does, others get theirs)
            log.info("webhook failed", alert=delivery.alert.id, reason=type(error).__name__)
            return Answer(error=f"the receiver does not answer properly ({type(error).__name__})")

    async def _post(self, delivery: Delivery, now: datetime) -> int:
        check_url(delivery.url, allow_private=self._allow_private)
        checked = await outbound.destination(
            delivery.url, resolver=self._resolve, allow_private=self._allow_private
        )
        body = balances.encode_alert(delivery.alert, at=delivery.at)
        signed = headers(delivery.alert.id, body, delivery.secret, now)
        request = checked.request(self._client, "POST", headers=signed, content=body)
        response = await self._client.send(request, stream=True)
        await response.aclose()  # its body is nothing to us, however long
        return response.status_code
