"""What one transaction writes: detections, replies, usage, dead letters. Pure.

Every frame has exactly one detection and lies in exactly one usage event, whatever its status.
Ids derive from the frames, so a repeated transaction writes the same ids. A message that
names no frame has a dead letter only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from wire import detections, usage
from wire.cloudevents import STRUCTURED_HEADERS
from wire.detections import DetectedObject, Detection
from wire.frames import Frame, FrameIdentity
from wire.topics import Topics
from wire.transactions import Message
from wire.usage import Status, UsageEvent

OVERDUE_S = 10.0
"""How long after its greatest age a frame may still be committed as detected. With the time that a
transaction may take it stays below the janitor's slack: whoever comes later has no grant left."""
NO_VERSION = "none"
"""The model version of a frame that no model has seen."""
REASON_LENGTH_MAX = 500

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """An input message as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one input message ended. `dead` is set when it is to be copied to `deadletter`."""

    identity: FrameIdentity | None
    status: Status
    at: datetime
    objects: tuple[DetectedObject, ...] = ()
    version: str = NO_VERSION
    task: str = "detect"
    reason: str | None = None
    dead: Origin | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for this: for objects, or for the answer to a request."""
        is_asked = isinstance(self.identity, Frame) and self.identity.reply is not None
        return is_asked or self.status in (Status.DETECTED, Status.CACHED)


def messages_of(
    outcomes: Iterable[Outcome], *, topics: Topics, partition: int, at: datetime
) -> list[Message]:
    """Return everything that the transaction writes, all of it to one column."""
    outcomes = tuple(outcomes)
    written: list[Message] = []
    for outcome in outcomes:
        if outcome.identity is not None:
            written += _results(outcome, outcome.identity, topics, partition)
        if outcome.dead is not None:
            written.append(_deadletter(outcome.dead, outcome.reason or "", topics, partition))
    for event in usage_of(outcomes):
        written.append(
            Message(
                topic=topics.usage,
                partition=partition,
                key=event.stream.encode(),
                value=usage.encode(event, at=at),
                headers=STRUCTURED_HEADERS,
            )
        )
    return written


def usage_of(outcomes: Iterable[Outcome]) -> list[UsageEvent]:
    """Return the usage events: consecutive frames of one kind and minute share one."""
    events: list[UsageEvent] = []
    latest: dict[tuple[str, int], int] = {}
    for outcome in outcomes:
        if outcome.identity is None:
            continue
        event = _usage(outcome, outcome.identity)
        session = (event.stream, event.epoch)
        index = latest.get(session)
        if index is not None and _continues(events[index], event):
            events[index] = msgspec.structs.replace(events[index], last=event.last)
        else:
            latest[session] = len(events)
            events.append(event)
    return events


def overdue(outcomes: Iterable[Outcome], now: datetime) -> bool:
    """Say whether a detected frame is so old that it may not be charged any more.

    So it is after a process or its machine was asleep. Taken again, the frame ends as expired.
    """
    return any(
        outcome.status is Status.DETECTED
        and isinstance(outcome.identity, Frame)
        and (now - outcome.identity.captured_at).total_seconds()
        > outcome.identity.max_age_ms / 1_000 + OVERDUE_S
        for outcome in outcomes
    )


def _usage(outcome: Outcome, frame: FrameIdentity) -> UsageEvent:
    return UsageEvent(
        account=frame.account,
        stream=frame.stream,
        epoch=frame.epoch,
        first=frame.seq,
        last=frame.seq,
        status=outcome.status,
        model=frame.model,
        model_version=outcome.version,
        height=frame.height,
        width=frame.width,
        captured_at=frame.captured_at,
    )


def _continues(event: UsageEvent, following: UsageEvent) -> bool:
    return following.first == event.last + 1 and _kind(event) == _kind(following)


def _kind(event: UsageEvent) -> tuple[object, ...]:
    minute = int(event.captured_at.timestamp() // 60)
    contract = (event.account, event.model, event.height, event.width)
    return (*contract, event.status, event.model_version, minute)


def _results(
    outcome: Outcome, frame: FrameIdentity, topics: Topics, partition: int
) -> list[Message]:
    """Return the detection and, where somebody waits for it, the reply with the same bytes."""
    known = frame if isinstance(frame, Frame) else None
    value = detections.encode(
        _detection(outcome, frame), traceparent=known.traceparent if known else None
    )
    key = frame.stream.encode()
    detection = Message(
        topic=topics.detections,
        partition=partition,
        key=key,
        value=value,
        headers=STRUCTURED_HEADERS,
    )
    if known is None or known.reply is None:
        return [detection]
    headers: Headers = [*STRUCTURED_HEADERS, ("reply", known.reply.encode())]
    return [detection, replace(detection, topic=topics.replies, headers=headers)]


def _detection(outcome: Outcome, frame: FrameIdentity) -> Detection:
    height, width = (
        (frame.source_height, frame.source_width)
        if isinstance(frame, Frame)
        else (frame.height, frame.width)
    )
    return Detection(
        account=frame.account,
        stream=frame.stream,
        epoch=frame.epoch,
        seq=frame.seq,
        captured_at=frame.captured_at,
        detected_at=outcome.at,
        status=outcome.status,
        model=frame.model,
        model_version=outcome.version,
        task=outcome.task,
        height=frame.height,
        width=frame.width,
        source_height=height,
        source_width=width,
        objects=outcome.objects,
        reason=outcome.reason[:REASON_LENGTH_MAX] if outcome.reason else None,
        slices=frame.slices if isinstance(frame, Frame) else None,
    )


def _deadletter(origin: Origin, reason: str, topics: Topics, partition: int) -> Message:
    """Return the copy: key, value and headers as they came, and where and why."""
    return Message(
        topic=topics.deadletter,
        partition=partition,
        key=origin.key,
        value=origin.value,
        headers=[
            *origin.headers,
            ("dl_reason", reason[:REASON_LENGTH_MAX].encode()),
            ("dl_topic", origin.topic.encode()),
            ("dl_partition", str(origin.partition).encode()),
            ("dl_offset", str(origin.offset).encode()),
        ],
    )
