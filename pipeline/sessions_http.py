"""The gateway's sessions over HTTP: a `SessionsPort` that speaks problem+json.

A refusal comes back as the very exception that the gateway raised; whatever is not an answer
(no connection, a 5xx, too many requests, bytes that are no grant) is `Retryable`.
"""

from urllib.parse import quote

import httpx
import msgspec

from wire.errors import REFUSALS, FramemeterError, Misconfigured, NotAllowed, Rejected, Retryable
from wire.sessions import CloseSession, Grant, OpenSession, RenewSession

CONNECT_WAIT_S_MAX = 2.0
ANSWER_WAIT_S_MAX = 5.0
PROBLEM_PREFIX = "urn:framemeter:problem:"
JSON_HEADERS = {"content-type": "application/json"}
TOO_MANY_REQUESTS = 429


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What of an RFC 9457 problem matters here."""

    type: str = "about:blank"
    title: str = ""
    detail: str = ""


class HttpSessions:
    """Sessions of one gateway, called with one API key."""

    def __init__(
        self, gateway: str, key: str, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        if not gateway.startswith(("http://", "https://")):
            raise Misconfigured(
                f"FRAMEMETER_GATEWAY is {gateway!r}: set it to the gateway's URL, as http://host:port"
            )
        self._gateway = gateway
        self._client = httpx.AsyncClient(
            base_url=gateway,
            headers={"authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(ANSWER_WAIT_S_MAX, connect=CONNECT_WAIT_S_MAX),
            transport=transport,
            trust_env=False,
        )

    async def open(self, request: OpenSession) -> Grant:
        """Open the stream's next epoch."""
        return self._grant(await self._post("/v1/sessions", request))

    async def renew(self, stream: str, epoch: int, request: RenewSession) -> Grant:
        """Fund more frames of an epoch."""
        grant = self._grant(await self._post(_path(stream, epoch, "renew"), request))
        if (grant.stream, grant.epoch) != (stream, epoch):
            raise Retryable(f"{self._gateway} answered for another session than {stream}/{epoch}")
        return grant

    async def close(self, stream: str, epoch: int, request: CloseSession) -> None:
        """End an epoch; repeating it does nothing."""
        await self._post(_path(stream, epoch, "close"), request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _post(self, path: str, request: msgspec.Struct) -> httpx.Response:
        try:
            response = await self._client.post(
                path, content=msgspec.json.encode(request), headers=JSON_HEADERS
            )
        except httpx.TransportError as error:
            raise Retryable(f"the gateway at {self._gateway} does not answer: {error!r}") from error
        if response.is_success:
            return response
        raise _error_of(response)

    def _grant(self, response: httpx.Response) -> Grant:
        try:
            return msgspec.json.decode(response.content, type=Grant)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Retryable(
                f"{self._gateway} answered with something that is no grant: {error};"
                " check FRAMEMETER_GATEWAY"
            ) from error


def _path(stream: str, epoch: int, call: str) -> str:
    return f"/v1/sessions/{quote(stream, safe='')}/{epoch}/{call}"


def _error_of(response: httpx.Response) -> FramemeterError:
    """Return the exception that the gateway meant."""
    problem = _problem(response.content)
    words = problem.detail or problem.title or f"HTTP {response.status_code}"
    refusal = REFUSALS.get(problem.type.removeprefix(PROBLEM_PREFIX))
    if refusal is not None:
        return refusal(words)
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return NotAllowed(f"the gateway does not know our key, set FRAMEMETER_KEY: {words}")
    if response.is_client_error and response.status_code != TOO_MANY_REQUESTS:
        return Rejected(f"the gateway does not take the request: {words}")
    return Retryable(f"the gateway cannot answer now: {words}")


def _problem(content: bytes) -> Problem:
    try:
        return msgspec.json.decode(content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Problem()
