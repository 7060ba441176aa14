"""Every error answer of the HTTP API: RFC 9457 problem+json, whatever went wrong.

`type` is `urn:framemeter:problem:<slug>`; the slugs of refusals are those of `wire.errors`, so
that a client can raise what the server raised. What went wrong inside, addresses too, is logged and
not told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wire.errors import FramemeterError, Refused, Rejected, Retryable

PROBLEM_CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:framemeter:problem:"
RETRY_AFTER_S = 2
INTERNAL = "internal"
ERRORS_MAX = 20

REFUSAL_STATUS = {
    "insufficient-tokens": 402,
    "unknown-model": 404,
    "unknown-account": 404,
    "not-allowed": 403,
    "session-over": 409,
}
TITLES = {
    "insufficient-tokens": "Insufficient tokens",
    "unknown-model": "Unknown model",
    "unknown-account": "Unknown account",
    "not-allowed": "Not allowed",
    "session-over": "Session over",
    "unauthenticated": "Unauthenticated",
    "invalid-request": "Invalid request",
    "unavailable": "Unavailable",
    "internal": "Internal error",
    "inference-failed": "Inference failed",
    "timeout": "No answer in time",
    "in-progress": "A request with this key is in progress",
    "key-reused": "Idempotency-Key reused",
    "image-not-fetched": "Image not fetched",
    "too-large": "Too large",
}
HTTP_SLUGS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed"}

log = structlog.stdlib.get_logger("gateway.problems")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error answer."""

    slug: str
    status: int
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the answer."""
        return {
            "type": TYPE_PREFIX + self.slug,
            "title": TITLES.get(self.slug, self.slug.replace("-", " ").capitalize()),
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }

    def response(self) -> Response:
        """Return the answer as it goes over the wire."""
        return Response(
            msgspec.json.encode(self.body()),
            status_code=self.status,
            media_type=PROBLEM_CONTENT_TYPE,
            headers=dict(self.headers),
        )


class ProblemRaised(FramemeterError):
    """Ends a request with this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def raised(
    slug: str, status: int, detail: str, *, headers: Mapping[str, str] | None = None
) -> ProblemRaised:
    """Return the exception that ends a request with this problem."""
    return ProblemRaised(Problem(slug=slug, status=status, detail=detail, headers=headers or {}))


def unavailable(detail: str) -> ProblemRaised:
    """Return the exception for something that is away or busy: 503, try again soon."""
    return raised("unavailable", 503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def problem_of(error: Exception) -> Problem:
    """Return the problem that tells a caller about `error`."""
    if isinstance(error, ProblemRaised):
        return error.problem
    if isinstance(error, Refused):
        status = REFUSAL_STATUS.get(error.slug, 403)
        return Problem(slug=error.slug, status=status, detail=str(error))
    if isinstance(error, Rejected):
        return Problem(slug="invalid-request", status=422, detail=str(error))
    if isinstance(error, Retryable):
        return unavailable("something that this needs is away; try again").problem
    if isinstance(error, RequestValidationError):
        return _validation_problem(error)
    if isinstance(error, HTTPException):
        return _http_problem(error)
    return Problem(slug=INTERNAL, status=500, detail="something went wrong here; it is logged")


def _validation_problem(error: RequestValidationError) -> Problem:
    errors = [
        {"where": ".".join(str(part) for part in one["loc"]), "what": one["msg"]}
        for one in error.errors()[:ERRORS_MAX]
    ]
    detail = "; ".join(f"{one['where']}: {one['what']}" for one in errors)
    return Problem(slug="invalid-request", status=422, detail=detail, members={"errors": errors})


def _http_problem(error: HTTPException) -> Problem:
    slug = HTTP_SLUGS.get(error.status_code, "http-error")
    return Problem(
        slug=slug,
        status=error.status_code,
        detail=str(error.detail),
        headers=error.headers or {},
    )


async def _answer(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status >= 500:
        log.warning("request failed", path=request.url.path, slug=problem.slug, reason=str(error))
    response = problem.response()
    if problem.slug == INTERNAL:  # such an answer does not pass by `gateway.observation`
        response.headers["X-Request-Id"] = request.state.request_id
    return response


def install(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    kinds: tuple[type[Exception], ...] = (
        FramemeterError,
        RequestValidationError,
        HTTPException,
        Exception,
    )
    handler: Callable[[Request, Any], Any] = _answer
    for kind in kinds:
        app.add_exception_handler(kind, handler)
