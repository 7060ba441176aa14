"""Reading a batch of `usage` messages: which sessions speak, and what cannot be billed.

Pure. Whatever arrives becomes either lines of a session or an `Unbillable` with its reason; a
bad message never stops its neighbours, and no value in it can make the database refuse the batch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from billing.grants import SEQ_MAX
from wire import usage
from wire.errors import Rejected
from wire.names import is_name, name_rule
from wire.usage import Status, UsageEvent

EVENT_FRAMES_MAX = 1_000_000
"""Consecutive frames of one minute: far above what any source gives, far below an overflow."""

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
    for place, (_, value) in enumerate(messages):
        try:
            envelope = usage.decode_envelope(value)
            event = envelope.data
            line = _line(event, place)
            identity = Identity(
                event.stream, event.epoch, event.account, event.model, event.height, event.width
            )
            known = lines.get(identity)
            if known is None:
                _check_identity(identity)
                known = lines[identity] = []
        except Rejected as error:
            batch.unbillable.append(batch.refused(place, str(error).replace("\0", "")))
            continue
        known.append(line)
        batch.emitted_at = envelope.time
    return batch


def after(batch: UsageBatch, next_offset: int) -> UsageBatch | None:
    """Return the part of the batch from `next_offset` on; None when there is none."""
    if batch.first_offset >= next_offset:
        return batch
    rest = [message for message in batch.messages if message[0] >= next_offset]
    return read(rest) if rest else None


def _line(event: UsageEvent, place: int) -> Line:
    if not 0 <= event.first <= event.last < SEQ_MAX or event.frames > EVENT_FRAMES_MAX:
        raise Rejected(f"frames {event.first}..{event.last} cannot be")
    return Line(event.first, event.last, _minute(event.captured_at), event.status, place)


def _minute(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise Rejected("captured_at has no time zone")
    try:
        return at.astimezone(UTC).replace(second=0, microsecond=0)
    except OverflowError as error:
        raise Rejected(f"captured_at {at} is outside the calendar") from error


def _check_identity(identity: Identity) -> None:
    for kind, name in _names(identity):
        if not is_name(name):
            raise Rejected(name_rule(kind, name))
    if not 0 <= identity.epoch < SEQ_MAX:
        raise Rejected(f"epoch {identity.epoch} cannot be")


def _names(identity: Identity) -> Iterable[tuple[str, str]]:
    yield "stream", identity.stream
    yield "account", identity.account
    yield "model", identity.model
