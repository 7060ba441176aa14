"""`/v1/sessions`: producers open, renew and close the sessions of their streams.

A key of an account acts for that account alone and cannot tell another's session from none.
Streams of gateways themselves (`api.*`) are not touched over HTTP.
"""

from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from billing.keys import Caller
from gateway.auth import Authenticator, account_of
from gateway.bodies import answer, read_json
from wire.errors import Rejected
from wire.frames import INT64_MAX
from wire.names import VIRTUAL_STREAM_PREFIX, is_name, name_rule
from wire.sessions import (
    CloseSession,
    Grant,
    OpenSession,
    RenewSession,
    check_close,
    check_open,
    check_renew,
)

SCOPE = "sessions"
Epoch = Annotated[int, Path(ge=1, le=INT64_MAX)]


class SessionBook(Protocol):
    """Where sessions live (`billing.sessions.Sessions`). `account` None acts for anyone."""

    async def open(self, request: OpenSession) -> Grant:
        """Open the stream's next epoch."""
        ...

    async def renew(
        self, stream: str, epoch: int, request: RenewSession, account: str | None
    ) -> Grant:
        """Fund more frames."""
        ...

    async def close(
        self, stream: str, epoch: int, request: CloseSession, account: str | None
    ) -> None:
        """End an epoch."""
        ...


def router(sessions: SessionBook, auth: Authenticator) -> APIRouter:
    """Return the routes about sessions."""
    routes = APIRouter(tags=["sessions"], prefix="/v1/sessions")
    known_caller = Depends(auth.requires(SCOPE))

    @routes.post("")
    async def open_session(request: Request, caller: Annotated[Caller, known_caller]) -> Response:
        """Open the stream's next epoch: a price contract with its first grant."""
        body = check_open(await read_json(request, OpenSession))
        check_stream(body.stream)
        account_of(caller, body.account)
        return answer(await sessions.open(body), status=201)

    @routes.post("/{stream}/{epoch}/renew")
    async def renew_session(
        request: Request, caller: Annotated[Caller, known_caller], stream: str, epoch: Epoch
    ) -> Response:
        """Fund more frames of an open session; also its sign of life."""
        body = check_renew(await read_json(request, RenewSession))
        check_stream(stream)
        return answer(await sessions.renew(stream, epoch, body, caller.account))

    @routes.post("/{stream}/{epoch}/close")
    async def close_session(
        request: Request, caller: Annotated[Caller, known_caller], stream: str, epoch: Epoch
    ) -> Response:
        """End a session; sending it again does nothing."""
        body = check_close(await read_json(request, CloseSession))
        check_stream(stream)
        await sessions.close(stream, epoch, body, caller.account)
        return Response(status_code=204)

    return routes


def check_stream(stream: str) -> None:
    """Raise `Rejected` unless a producer may use this name."""
    if not is_name(stream):
        raise Rejected(name_rule("stream", stream))
    if stream.startswith(VIRTUAL_STREAM_PREFIX):
        raise Rejected(f"stream names of the form {VIRTUAL_STREAM_PREFIX}* belong to gateways")


class LineSessions:
    """Sessions for this replica's own lines, in process (`pipeline.line.SessionsPort`)."""

    def __init__(self, sessions: SessionBook) -> None:
        self._sessions = sessions

    async def open(self, request: OpenSession) -> Grant:
        """Open the stream's next epoch."""
        return await self._sessions.open(request)

    async def renew(self, stream: str, epoch: int, request: RenewSession) -> Grant:
        """Fund more frames."""
        return await self._sessions.renew(stream, epoch, request, None)

    async def close(self, stream: str, epoch: int, request: CloseSession) -> None:
        """End an epoch."""
        await self._sessions.close(stream, epoch, request, None)
