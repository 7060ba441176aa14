"""Request bodies in and JSON answers out, both through msgspec, both bounded.

A body larger than its limit is refused before it is held in memory, whatever its Content-Length
says.
"""

from typing import Any, TypeVar

import msgspec
from fastapi import Request
from starlette.responses import Response
from starlette.types import Message

from gateway.problems import ProblemRaised, raised
from wire.errors import Rejected

JSON_BYTES_MAX = 64 * 1024

T = TypeVar("T")


def answer(value: Any, *, status: int = 200) -> Response:
    """Return `value` as a JSON response."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


async def read_json(request: Request, kind: type[T], *, bytes_max: int = JSON_BYTES_MAX) -> T:
    """Return the body as a `kind`; raise `Rejected` with what is wrong with it."""
    body = await bounded(request, bytes_max).body()
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"the body is not the JSON that is expected here: {error}") from error


def bounded(request: Request, bytes_max: int) -> Request:
    """Return the same request, which ends with 413 once its body is over `bytes_max`."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > bytes_max:
        raise _too_large(bytes_max)
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > bytes_max:
            raise _too_large(bytes_max)
        return message

    return Request(request.scope, receive)


def _too_large(bytes_max: int) -> ProblemRaised:
    return raised("too-large", 413, f"the body is larger than {bytes_max} bytes")
