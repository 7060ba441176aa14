"""The gateway's answers come back as the exceptions that it raised."""

from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from pipeline.sessions_http import HttpSessions
from wire.errors import REFUSALS, Misconfigured, NotAllowed, Rejected, Retryable
from wire.frames import Tier
from wire.sessions import CloseSession, Grant, OpenSession, RenewSession

OPEN = OpenSession(
    account="acme",
    stream="gate.1",
    model="park-n",
    height=384,
    width=512,
    tier=Tier.STANDARD,
    frames=20,
)
GRANT = Grant(
    stream="gate.1",
    epoch=3,
    unit_price=700,
    granted_frames=20,
    final=False,
    expires_at=datetime(2026, 11, 24, tzinfo=UTC),
    available=5,
    balance_version=2,
)


def sessions(answer: httpx.Response | Exception, seen: list[httpx.Request]) -> HttpSessions:
    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return HttpSessions("http://gateway", "secret", transport=httpx.MockTransport(handle))


def problem(slug: str, status: int) -> httpx.Response:
    body = {"type": f"urn:framemeter:problem:{slug}", "title": "no", "detail": "because"}
    return httpx.Response(status, json=body)


async def test_a_grant_comes_back_as_it_was_given() -> None:
    seen: list[httpx.Request] = []
    answer = httpx.Response(201, content=msgspec.json.encode(GRANT))
    assert await sessions(answer, seen).open(OPEN) == GRANT
    assert seen[0].url.path == "/v1/sessions"
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert msgspec.json.decode(seen[0].content, type=OpenSession) == OPEN


async def test_renew_and_close_name_the_session_in_the_path() -> None:
    seen: list[httpx.Request] = []
    port = sessions(httpx.Response(200, content=msgspec.json.encode(GRANT)), seen)
    await port.renew("gate.1", 3, RenewSession(published=1, captured=2, frames=20))
    await port.close("gate.1", 3, CloseSession(last_seq=0, captured=2, reason="done"))
    assert [request.url.path for request in seen] == [
        "/v1/sessions/gate.1/3/renew",
        "/v1/sessions/gate.1/3/close",
    ]


@pytest.mark.parametrize("slug", sorted(REFUSALS))
async def test_every_refusal_is_raised_as_itself(slug: str) -> None:
    with pytest.raises(REFUSALS[slug], match="because"):
        await sessions(problem(slug, 409), []).open(OPEN)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(500, text="oops"),
        httpx.Response(429),
        problem("unavailable", 503),
        httpx.Response(200, text="<html>a proxy's page</html>"),
    ],
)
async def test_no_answer_is_worth_another_try(answer: httpx.Response | Exception) -> None:
    with pytest.raises(Retryable):
        await sessions(answer, []).open(OPEN)


async def test_an_answer_for_another_session_is_no_answer() -> None:
    port = sessions(httpx.Response(200, content=msgspec.json.encode(GRANT)), [])
    with pytest.raises(Retryable, match="another session"):
        await port.renew("gate.1", 4, RenewSession(published=1, captured=2, frames=20))


async def test_a_key_that_is_not_known_says_which_setting_to_mend() -> None:
    with pytest.raises(NotAllowed, match="FRAMEMETER_KEY"):
        await sessions(problem("unauthenticated", 401), []).open(OPEN)


async def test_a_request_that_is_not_understood_is_rejected() -> None:
    with pytest.raises(Rejected, match="because"):
        await sessions(problem("invalid-request", 422), []).open(OPEN)


def test_a_gateway_that_is_no_url_says_which_setting_to_mend() -> None:
    with pytest.raises(Misconfigured, match="FRAMEMETER_GATEWAY"):
        HttpSessions("gateway:8000", "secret")
