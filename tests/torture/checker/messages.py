"""What the records say: frames, detections, usage events, balances, read by the published format.

Frames are CloudEvents 1.0 in binary mode (headers `ce_*`), the others in structured JSON mode.
Pure. What cannot be read raises `Unreadable` with the place and the reason.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.torture.checker.kafka import Record

FrameId = tuple[str, int, int]
"""Stream, epoch, seq."""
SessionKey = tuple[str, int]
STATUSES = ("detected", "cached", "failed", "expired", "rejected")


class Unreadable(Exception):
    """A record that is not what its topic holds."""


def spelled(frame: FrameId) -> str:
    """Return a frame's id as it is written: stream/epoch/seq."""
    return "/".join(map(str, frame))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a message says about the session that it belongs to."""

    account: str
    model: str
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A published picture; `digest` is of its key, headers and bytes."""

    id: FrameId
    terms: Terms
    tier: str
    reply: str | None
    topic: str
    partition: int
    offset: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """The result for one frame."""

    id: FrameId
    terms: Terms
    status: str
    partition: int
    offset: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Frames `first..last` of a session ended with `status`."""

    session: SessionKey
    terms: Terms
    first: int
    last: int
    status: str
    captured_at: datetime
    partition: int
    offset: int
    digest: str

    @property
    def frames(self) -> list[FrameId]:
        """The ids of the frames that it speaks of."""
        return [(*self.session, seq) for seq in range(self.first, self.last + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceNews:
    """A balance as it was told."""

    account: str
    version: int
    available: int
    held: int
    receivable: int


def frame_of(record: Record) -> Frame:
    """Return the frame."""
    headers = dict(record.headers)
    try:
        found = {name: headers[f"ce_{name}"].decode() for name in _FRAME_HEADERS}
        stream, epoch, seq = found["subject"], int(found["epoch"]), int(found["seq"])
        terms = Terms(
            account=found["account"],
            model=found["model"],
            height=int(found["height"]),
            width=int(found["width"]),
        )
    except (KeyError, ValueError) as error:
        raise Unreadable(f"{record.at} is no frame: {error!r}") from error
    frame = (stream, epoch, seq)
    if found["id"] != spelled(frame) or found["type"] != "framemeter.frame.v1":
        raise Unreadable(f"{record.at} says that it is {found['type']} {found['id']}")
    if record.key != stream.encode() or not record.value:
        raise Unreadable(f"{record.at} ({found['id']}) has another key or no picture")
    reply = headers.get("ce_reply")
    return Frame(
        id=frame,
        terms=terms,
        tier=found["tier"],
        reply=reply.decode() if reply is not None else None,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        digest=_digest(record),
    )


_FRAME_HEADERS = (
    *("id", "type", "subject", "account", "epoch", "seq"),
    *("model", "height", "width", "tier"),
)


def detection_of(record: Record) -> Detection:
    """Return the detection, also of a record on `replies`."""
    event_id, data = _event(record, "framemeter.detection.v1")
    try:
        frame = (str(data["stream"]), int(data["epoch"]), int(data["seq"]))
        found = Detection(
            id=frame,
            terms=_terms(data),
            status=data["status"],
            partition=record.partition,
            offset=record.offset,
            digest=hashlib.sha256(record.value or b"").hexdigest(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{record.at} is no detection: {error!r}") from error
    if event_id != spelled(frame) or found.status not in STATUSES:
        raise Unreadable(f"{record.at} is {event_id} of {spelled(frame)}, {found.status!r}")
    return found


def usage_of(record: Record) -> Usage:
    """Return the usage event."""
    event_id, data = _event(record, "framemeter.usage.v1")
    try:
        found = Usage(
            session=(str(data["stream"]), int(data["epoch"])),
            terms=_terms(data),
            first=int(data["first"]),
            last=int(data["last"]),
            status=data["status"],
            captured_at=datetime.fromisoformat(data["captured_at"]),
            partition=record.partition,
            offset=record.offset,
            digest=hashlib.sha256(record.value or b"").hexdigest(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{record.at} is no usage event: {error!r}") from error
    expected = f"{spelled((*found.session, found.first))}-{found.last}"
    if event_id != expected or found.status not in STATUSES or found.first > found.last:
        raise Unreadable(f"{record.at} is {event_id} of {expected}, {found.status!r}")
    return found


def balance_of(record: Record) -> BalanceNews | None:
    """Return the balance; None for a removed one and for alerts, which share the topic."""
    if record.value is None or b"framemeter.alert.v1" in record.value:
        return None
    _, data = _event(record, "framemeter.balance.v1")
    try:
        news = BalanceNews(**data)
    except TypeError as error:
        raise Unreadable(f"{record.at} is no balance: {error}") from error
    if record.key != news.account.encode():
        raise Unreadable(f"{record.at} is of {news.account} under the key {record.key!r}")
    return news


def _event(record: Record, kind: str) -> tuple[str, Any]:
    """Return the id and the data of a structured event."""
    try:
        event = json.loads(record.value or b"")
        found = event["specversion"], event["type"]
        if found != ("1.0", kind):
            raise Unreadable(f"{record.at} is {found}, not {kind} of 1.0")
        return str(event["id"]), event["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"{record.at} is no {kind}: {error!r}") from error


def _terms(data: Any) -> Terms:
    return Terms(
        account=data["account"],
        model=data["model"],
        height=int(data["height"]),
        width=int(data["width"]),
    )


def _digest(record: Record) -> str:
    digest = hashlib.sha256(record.value or b"")
    digest.update(repr((record.key, sorted(record.headers))).encode())
    return digest.hexdigest()
