"""A gateway of sessions alone, over HTTP, for producers that run as processes of their own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response

from pipeline.sessions_memory import MemorySessions
from wire.errors import Refused, Retryable
from wire.sessions import CloseSession, OpenSession, RenewSession


def app_of(sessions: MemorySessions) -> FastAPI:
    """Return the three calls of the contract, with problem+json for what is refused."""
    app = FastAPI()

    @app.post("/v1/sessions")
    async def open_session(request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=OpenSession)
        return Response(msgspec.json.encode(await sessions.open(body)), 201)

    @app.post("/v1/sessions/{stream}/{epoch}/renew")
    async def renew(stream: str, epoch: int, request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=RenewSession)
        return Response(msgspec.json.encode(await sessions.renew(stream, epoch, body)))

    @app.post("/v1/sessions/{stream}/{epoch}/close")
    async def close(stream: str, epoch: int, request: Request) -> Response:
        body = msgspec.json.decode(await request.body(), type=CloseSession)
        await sessions.close(stream, epoch, body)
        return Response(status_code=204)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return _problem(error.slug, 409, str(error))

    @app.exception_handler(Retryable)
    async def unavailable(_: Request, error: Retryable) -> Response:
        return _problem("unavailable", 503, str(error))

    return app


def _problem(slug: str, status: int, detail: str) -> Response:
    problem = {"type": f"urn:framemeter:problem:{slug}", "title": slug, "detail": detail}
    return Response(msgspec.json.encode(problem), status, media_type="application/problem+json")


@contextlib.asynccontextmanager
async def serving(sessions: MemorySessions, port: int) -> AsyncIterator[str]:
    """Serve the sessions on a loopback port; give the URL."""
    config = uvicorn.Config(app_of(sessions), host="127.0.0.1", port=port, log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  (uvicorn offers no event)
        await asyncio.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
