"""Reading a batch of `usage` messages: which sessions speak, and what cannot be billed.

Pure. Whatever arrives becomes either lines of a session or an `Unbillable` with its reason; a
bad message never stops its neighbours, and no value in it can make the database refuse the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from billing.text import storable
from wire import usage
from wire.clock import in_utc
from wire.errors import Rejected
from wire.usage import Status

ZERO = timedelta()
MINUTE = timedelta(minutes=1)
NEVER = datetime.min.replace(tzinfo=UTC)

Message = tuple[int, bytes | None]
"""An offset and a value."""


class Identity(NamedTuple):
    """What an event says about its session; all of it must agree with the ledger."""

    stream: str
    epoch: int
    account: str
    model: str
    height: int
    width: int


class Line(NamedTuple):
    """Frames `first..last` ended with `status`; `place` is the message's in the batch."""

    first: int
    last: int
    minute: datetime
    status: Status
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbillable:
    """A message that no account can be charged for, kept as it came."""

    offset: int
    reason: str
    value: bytes | None


@dataclass(slots=True, kw_only=True)
class UsageBatch:
    """Messages of one partition: their lines by session, in offset order, and the bad ones."""

    messages: Sequence[Message]
    lines: dict[Identity, list[Line]] = field(default_factory=dict)
    unbillable: list[Unbillable] = field(default_factory=list)
    emitted_at: datetime | None = None

    @property
    def first_offset(self) -> int:
        """The offset of the first message."""
        return self.messages[0][0]

    @property
    def last_offset(self) -> int:
        """The offset of the last message."""
        return self.messages[-1][0]

    def refused(self, place: int, reason: str) -> Unbillable:
        """Return the message at `place` as one that cannot be billed."""
        offset, value = self.messages[place]
        return Unbillable(offset=offset, reason=reason, value=value)


def read(messages: Sequence[Message]) -> UsageBatch:
    """Return the batch that these messages, in offset order, make."""
    assert messages
    batch = UsageBatch(messages=messages)
    lines = batch.lines
    minute = NEVER
    for place, (_, value) in enumerate(messages):
        try:
            envelope = usage.decode_envelope(value)
            event = envelope.data
            # Neighbours mostly share their minute, and comparing is far cheaper than computing.
            if not ZERO <= event.captured_at - minute < MINUTE:
                minute = _minute(event.captured_at)
            line = Line(event.first, event.last, minute, event.status, place)
        except Rejected as error:
            batch.unbillable.append(batch.refused(place, storable(str(error))))
            continue
        identity = Identity(
            event.stream, event.epoch, event.account, event.model, event.height, event.width
        )
        known = lines.get(identity)
        if known is None:
            known = lines[identity] = []
        known.append(line)
        batch.emitted_at = envelope.time
    return batch


def after(batch: UsageBatch, next_offset: int) -> UsageBatch | None:
    """Return the part of the batch from `next_offset` on; None when there is none."""
    if batch.first_offset >= next_offset:
        return batch
    rest = [message for message in batch.messages if message[0] >= next_offset]
    return read(rest) if rest else None


def _minute(at: datetime) -> datetime:
    return in_utc(at).replace(second=0, microsecond=0)
