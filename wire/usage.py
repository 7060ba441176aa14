"""A usage event: the fact that frames `first..last` of a session ended with one status.

Consecutive frames of one session, status, model version and minute share an event. Only
`detected` costs tokens; all five statuses are recorded, so that no frame can disappear.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from wire.clock import Moment, in_utc
from wire.cloudevents import Envelope, EnvelopeCodec
from wire.errors import Rejected
from wire.frames import INT64_MAX, SOURCE_SIDE_MAX
from wire.names import NAME_LENGTH_MAX, frame_id, is_name, name_rule

USAGE_TYPE = "framemeter.usage.v1"
EVENT_FRAMES_MAX = 1_000_000
"""Far above what one transaction holds; it bounds what one bad event could be taken for."""


class Status(StrEnum):
    """How a frame ended."""

    DETECTED = "detected"
    CACHED = "cached"
    FAILED = "failed"
    EXPIRED = "expired"
    REJECTED = "rejected"


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Frames `first..last` (inclusive) of one session, all of one status.

    `captured_at` is that of frame `first`; all of them were captured in the same UTC minute.
    """

    account: str
    stream: str
    epoch: int
    first: int
    last: int
    status: Status
    model: str
    model_version: str
    height: int
    width: int
    captured_at: Moment

    @property
    def id(self) -> str:
        """The event's id: that of its first frame, and its last number."""
        return f"{frame_id(self.stream, self.epoch, self.first)}-{self.last}"

    @property
    def frames(self) -> int:
        """How many frames the event speaks of."""
        return self.last - self.first + 1


_CODEC = EnvelopeCodec(UsageEvent, event_type=USAGE_TYPE, source="framemeter/detector")


def encode(event: UsageEvent, *, at: datetime) -> bytes:
    """Return the message's value; its key is the stream."""
    return _CODEC.encode(event, event_id=event.id, subject=event.stream, time=at)


def check(event: UsageEvent) -> UsageEvent:
    """Return the event; raise `Rejected` when no session could have such frames."""
    for kind, name in (
        ("account", event.account),
        ("stream", event.stream),
        ("model", event.model),
    ):
        if not is_name(name):
            raise Rejected(name_rule(kind, name))
    if len(event.model_version) > NAME_LENGTH_MAX or not event.model_version.isprintable():
        raise Rejected(name_rule("model version", event.model_version))
    if not (1 <= event.epoch <= INT64_MAX and 0 <= event.first <= event.last < INT64_MAX):
        raise Rejected(f"epoch {event.epoch} has no frames {event.first}..{event.last}")
    if event.frames > EVENT_FRAMES_MAX:
        raise Rejected(f"{event.frames} frames in one event are more than {EVENT_FRAMES_MAX}")
    if not (1 <= event.height <= SOURCE_SIDE_MAX and 1 <= event.width <= SOURCE_SIDE_MAX):
        raise Rejected(f"{event.height}x{event.width} is not the size of a picture")
    in_utc(event.captured_at)
    return event


def decode(value: bytes | None) -> UsageEvent:
    """Return the checked event; raise `Rejected` when the bytes are not a good one."""
    return decode_envelope(value).data


def decode_envelope(value: bytes | None) -> Envelope[UsageEvent]:
    """Return the checked event with its envelope (its `time` is when it was emitted)."""
    envelope = _CODEC.decode(value)
    check(envelope.data)
    return envelope
