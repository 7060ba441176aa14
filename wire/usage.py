"""A usage event: the fact that frames `first..last` of a session ended with one status.

Consecutive frames of one session, status, model version and minute share an event. Only
`detected` costs tokens; all five statuses are recorded, so that no frame can disappear.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from wire.cloudevents import Envelope, EnvelopeCodec
from wire.names import frame_id

USAGE_TYPE = "framemeter.usage.v1"


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
    captured_at: datetime

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


def decode(value: bytes | None) -> UsageEvent:
    """Return the event; raise `Rejected` when the bytes are not one."""
    return decode_envelope(value).data


def decode_envelope(value: bytes | None) -> Envelope[UsageEvent]:
    """Return the event with its envelope (its `time` is when it was emitted)."""
    return _CODEC.decode(value)
