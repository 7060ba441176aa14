"""Every request gets an id and is counted: by route (never by path) and status.

The id is in the header `X-Request-Id`, in the logs of the request, and in a detection's answer.
"""

import uuid

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wire.clock import Clock

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
UNMATCHED = "unmatched"


class RequestMetrics:
    """The numbers about requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "framemeter_gateway_requests",
            "Requests answered, by route and status",
            ["route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "framemeter_gateway_request_seconds",
            "From the first byte of a request to the last of its answer",
            ["route"],
            buckets=BUCKETS_S,
            registry=registry,
        )
        self.running = Gauge(
            "framemeter_gateway_requests_running", "Requests being answered", registry=registry
        )


class Observation:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 500

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", request_id.encode()))
            await send(message)

        begun = self._clock.monotonic()
        with (
            self._metrics.running.track_inprogress(),
            structlog.contextvars.bound_contextvars(request_id=request_id),
        ):
            try:
                await self._app(scope, receive, send_noted)
            finally:
                route = route_of(scope)
                self._metrics.requests.labels(route=route, status=str(status)).inc()
                self._metrics.seconds.labels(route=route).observe(self._clock.monotonic() - begun)


def route_of(scope: Scope) -> str:
    """Return the pattern of the route that a request met, such as `/v1/sessions/{stream}`."""
    return str(getattr(scope.get("route"), "path", UNMATCHED))
