"""Signatures as the standard has them, verdicts, and receivers that do not behave."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.webhooks import (
    JITTER,
    RETRIES_AFTER_S,
    Answer,
    Delivery,
    Outcome,
    Sender,
    check_url,
    headers,
    judge,
    new_secret,
    shown,
)
from wire.balances import BalanceAlert
from wire.errors import Rejected

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DELIVERY = Delivery(
    number=1,
    alert=BalanceAlert(account="a", threshold=5, version=2, available=1, held=1),
    at=NOW,
    attempts=0,
    url="https://receiver.example/alerts",
    secret=b"secret",
)


async def public(host: str, port: int) -> list[str]:
    return ["93.184.216.34"]


async def answer_of(
    network: Callable[[httpx.Request], httpx.Response], *, timeout_s: float = 2.0
) -> Answer:
    """Return what a delivery over a network that is a function comes to."""
    sender = Sender(resolver=public, transport=httpx.MockTransport(network), timeout_s=timeout_s)
    try:
        return await sender.send(DELIVERY, NOW)
    finally:
        await sender.close()


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    signed = headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        datetime.fromtimestamp(1_614_265_330.9, UTC),
    )
    assert signed["webhook-timestamp"] == "1614265330"
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_long_and_shown_as_libraries_take_it() -> None:
    assert len(new_secret()) == 32 and new_secret() != new_secret()
    assert shown(b"\0" * 3) == "whsec_AAAA"
    assert "secret" not in repr(DELIVERY) and "receiver" not in repr(DELIVERY)


@given(st.integers(0, 20), st.floats(0, 1), st.integers(100, 599))
def test_what_failed_is_tried_again_ever_later_and_then_given_up(
    attempts: int, chance: float, status: int
) -> None:
    verdict = judge(Answer(status=status), attempts, NOW, chance)
    if 200 <= status < 300:
        assert verdict.outcome is Outcome.DELIVERED
    elif attempts >= len(RETRIES_AFTER_S) or status == 410:
        assert verdict.outcome is Outcome.GAVE_UP
    else:
        assert verdict.next_attempt_at is not None
        wait = (verdict.next_attempt_at - NOW) / timedelta(seconds=RETRIES_AFTER_S[attempts])
        assert 1 - JITTER - 1e-6 <= wait <= 1 + JITTER + 1e-6
    assert (verdict.next_attempt_at is not None) is (verdict.outcome is Outcome.FAILED)


@pytest.mark.parametrize("url", ["https://receiver.example/", "https://93.184.216.34:8443/x?y=1"])
def test_an_address_of_the_open_internet_may_be_a_webhook(url: str) -> None:
    check_url(url, allow_private=False)


@pytest.mark.parametrize("url", ["http://receiver.example/", "https://127.0.0.1/", "https://[::1]"])
def test_plain_http_and_private_addresses_need_a_setting(url: str) -> None:
    check_url(url, allow_private=True)
    with pytest.raises(Rejected):
        check_url(url, allow_private=False)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    seen: list[str] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(307, headers={"location": "https://127.0.0.1/"})

    assert (await answer_of(redirect)).reason == "the receiver answered 307"
    assert seen == ["https://93.184.216.34/alerts"]


async def test_an_endless_answer_is_not_read() -> None:
    async def endless() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = await answer_of(lambda _: httpx.Response(200, content=endless()))
    assert answer.is_taken


async def test_a_receiver_that_is_slow_or_odd_costs_an_attempt_and_no_more() -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)

    def odd(request: httpx.Request) -> httpx.Response:
        raise ValueError("server_hostname cannot start with a dot")

    slowly = await answer_of(slow, timeout_s=0.05)  # type: ignore[arg-type]
    assert slowly.reason == "no answer within 0.05 s"
    assert (await answer_of(odd)).reason == "the receiver does not answer properly (ValueError)"
