"""Fills `usage` with one event a frame, as a detector would write them, the streams in turn."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from benchmarks.books import OpenedSession
from benchmarks.pictures import CAMERA
from cli.deployment import Deployment
from wire import usage
from wire.cloudevents import STRUCTURED_HEADERS
from wire.usage import Status, UsageEvent

FRAME_S = 0.1
"""Ten frames a second: a session of some hundred frames lies in few minutes of usage."""
LINGER_MS = 20
WAIT_FOR_EVERY = 5_000
STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)


async def fill_usage(target: Deployment, sessions: Sequence[OpenedSession], frames: int) -> None:
    """Write an event for each of `frames` frames of each session; return once all are there."""
    producer = target.kafka.producer(client_id="bench-usage", linger_ms=LINGER_MS)
    await producer.start()
    try:
        under_way: list[asyncio.Future[object]] = []
        for event in events(sessions, frames):
            under_way.append(
                await producer.send(
                    target.topics.usage,
                    usage.encode(event, at=event.captured_at),
                    key=event.stream.encode(),
                    headers=STRUCTURED_HEADERS,
                )
            )
            if len(under_way) >= WAIT_FOR_EVERY:
                await asyncio.gather(*under_way)
                under_way.clear()
        await asyncio.gather(*under_way)
    finally:
        await producer.stop()


def events(sessions: Sequence[OpenedSession], frames: int) -> Iterator[UsageEvent]:
    """Yield an event for each frame: the first of every session, then the second of every one."""
    for seq in range(frames):
        captured_at = STARTED_AT + timedelta(seconds=seq * FRAME_S)
        for session in sessions:
            yield UsageEvent(
                account=session.account,
                stream=session.stream,
                epoch=session.epoch,
                first=seq,
                last=seq,
                status=Status.DETECTED,
                model=CAMERA.model,
                model_version="bench",
                height=CAMERA.height,
                width=CAMERA.width,
                captured_at=captured_at,
            )
