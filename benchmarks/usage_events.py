"""Fills `usage` with one event a frame, as a detector would write them, the streams in turn."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import confluent_kafka

from benchmarks.books import OpenedSession
from benchmarks.pictures import CAMERA
from cli.deployment import Deployment
from wire import usage
from wire.cloudevents import STRUCTURED_HEADERS
from wire.errors import Misconfigured
from wire.usage import Status, UsageEvent

FRAME_S = 0.1
"""Ten frames a second: a session of some hundred frames lies in few minutes of usage."""
LINGER_MS = 20
QUEUED_MAX = 100_000
POLL_EVERY = 1_000
FLUSH_TIMEOUT_S = 60.0
STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def fill_usage(
    target: Deployment, sessions: Sequence[OpenedSession], frames: int, *, first: int = 0
) -> None:
    """Write an event for each of `frames` frames of each session; return once all are there.

    It goes through librdkafka, which is several times faster than a producer in Python.
    """
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": target.kafka.bootstrap,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "linger.ms": LINGER_MS,
            "queue.buffering.max.messages": QUEUED_MAX,
        }
    )
    headers: list[tuple[str, str | bytes | None]] = [*STRUCTURED_HEADERS]
    for count, event in enumerate(events(sessions, frames, first=first)):
        producer.produce(
            target.topics.usage,
            usage.encode(event, at=event.captured_at),
            key=event.stream.encode(),
            headers=headers,
        )
        if count % POLL_EVERY == 0:
            while len(producer) > QUEUED_MAX // 2:
                producer.poll(0.01)
    if producer.flush(FLUSH_TIMEOUT_S):
        raise Misconfigured("Kafka did not take the events that were to be measured")


def events(
    sessions: Sequence[OpenedSession], frames: int, *, first: int = 0
) -> Iterator[UsageEvent]:
    """Yield an event for each frame: the first of every session, then the second of every one."""
    for seq in range(first, first + frames):
        captured_at = STARTED_AT + timedelta(seconds=seq * FRAME_S)
        for session in sessions:
            yield event_of(session, seq, captured_at)


def event_of(session: OpenedSession, seq: int, captured_at: datetime) -> UsageEvent:
    """Return the event of one detected frame."""
    return UsageEvent(
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
