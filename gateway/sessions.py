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
from gateway.openapi import answers, body
from wire.errors import NotAllowed, Rejected
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
MESSAGES = (OpenSession, RenewSession, CloseSession, Grant)
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

    @routes.post(
        "", status_code=201, responses=answers(Grant, 201), openapi_extra=body(OpenSession)
    )
    async def open_session(request: Request, caller: Annotated[Caller, known_caller]) -> Response:
        """Open the stream's next epoch: a price contract with its first grant."""
        asked = check_open(await read_json(request, OpenSession))
        check_stream(asked.stream)
        account_of(caller, asked.account)
        if asked.batch_images > 1 and caller.account is not None:
            raise NotAllowed("leave batch_images out: only operators' sessions have a batch price")
        return answer(await sessions.open(asked), status=201)

    @routes.post(
        "/{stream}/{epoch}/renew", responses=answers(Grant), openapi_extra=body(RenewSession)
    )
    async def renew_session(
        request: Request, caller: Annotated[Caller, known_caller], stream: str, epoch: Epoch
    ) -> Response:
        """Fund more frames of an open session; also its sign of life."""
        asked = check_renew(await read_json(request, RenewSession))
        check_stream(stream)
        return answer(await sessions.renew(stream, epoch, asked, caller.account))

    @routes.post("/{stream}/{epoch}/close", status_code=204, openapi_extra=body(CloseSession))
    async def close_session(
        request: Request, caller: Annotated[Caller, known_caller], stream: str, epoch: Epoch
    ) -> Response:
        """End a session; sending it again does nothing."""
        asked = check_close(await read_json(request, CloseSession))
        check_stream(stream)
        await sessions.close(stream, epoch, asked, caller.account)
        return Response(status_code=204)

    return routes


def check_stream(stream: str) -> None:
    """Raise `Rejected` unless a producer may use this name."""
    if not is_name(stream):
        raise Rejected(name_rule("stream", stream))
    if stream.startswith(VIRTUAL_STREAM_PREFIX):
        raise Rejected(f"stream names of the form {VIRTUAL_STREAM_PREFIX}* belong to gateways")
