"""A frame on its topic: a JPEG value with a CloudEvents 1.0 binary-mode header set.

Source of the format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
Decoding promises that a `Frame` has sane names, numbers and sizes; whatever else arrives
becomes a `BadFrame` that still says whose frame it was, where that can be known.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

from wire import slicing
from wire.clock import in_utc
from wire.errors import Rejected
from wire.names import frame_id, is_name
from wire.slicing import Slices

FRAME_TYPE = "framemeter.frame.v1"
FRAME_SOURCE = "framemeter/pipeline"
SIDE_MIN = 32
SIDE_MAX = 4096
SIDE_STEP = 32
"""Inference heights and widths are multiples of the stride of the YOLO family."""
SOURCE_SIDE_MAX = 65_535
MAX_AGE_MS_MAX = 600_000
PICTURE_BYTES_MAX = 4 * 1024 * 1024 - 8 * 1024
"""The topic takes 4 MiB a message; headers need a little of it."""
INT64_MAX = 2**63 - 1

HEADER_LENGTH_MAX = 256
"""Of the headers that are handed on as they came: a lane must be able to write them again."""

Headers = list[tuple[str, bytes]]


class Tier(StrEnum):
    """Which frames topic a stream uses, and at which factor."""

    STANDARD = "standard"
    PRIORITY = "priority"


_TIERS = frozenset(tier.value for tier in Tier)


class FrameIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Whose frame it is and under which contract: enough to account for it."""

    account: str
    stream: str
    epoch: int
    seq: int
    model: str
    height: int
    width: int
    captured_at: datetime

    @property
    def id(self) -> str:
        """The frame id, `stream/epoch/seq`."""
        return frame_id(self.stream, self.epoch, self.seq)


class Frame(FrameIdentity, frozen=True, kw_only=True):
    """One picture, ready for inference.

    `height` and `width` are the inference size (px): the picture's own, or that of each tile when
    it is to be cut into `slices`.
    """

    tier: Tier
    max_age_ms: int
    source_height: int
    source_width: int
    reply: str | None = None
    traceparent: str | None = None
    slices: Slices | None = None
    picture: bytes


class BadFrame(Rejected):
    """A message on a frames topic that is not a frame; `identity` is None when it has none."""

    def __init__(self, reason: str, identity: FrameIdentity | None) -> None:
        super().__init__(reason)
        self.identity = identity


def is_inference_size(height: int, width: int) -> bool:
    """Say whether the engines take pictures of this size."""
    return all(SIDE_MIN <= side <= SIDE_MAX and side % SIDE_STEP == 0 for side in (height, width))


def encode_headers(frame: Frame) -> Headers:
    """Return the Kafka headers; the message's value is `frame.picture`, its key the stream."""
    headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", frame.id),
        ("ce_source", FRAME_SOURCE),
        ("ce_type", FRAME_TYPE),
        ("ce_subject", frame.stream),
        ("ce_time", frame.captured_at.isoformat()),
        ("ce_account", frame.account),
        ("ce_epoch", str(frame.epoch)),
        ("ce_seq", str(frame.seq)),
        ("ce_model", frame.model),
        ("ce_height", str(frame.height)),
        ("ce_width", str(frame.width)),
        ("ce_tier", frame.tier.value),
        ("ce_maxage", str(frame.max_age_ms)),
        ("ce_sourceheight", str(frame.source_height)),
        ("ce_sourcewidth", str(frame.source_width)),
        ("content-type", "image/jpeg"),
    ]
    if frame.reply is not None:
        headers.append(("ce_reply", frame.reply))
    if frame.slices is not None:
        headers.append(("ce_slices", str(frame.slices)))
    if frame.traceparent is not None:
        headers.append(("traceparent", frame.traceparent))
    return [(name, value.encode()) for name, value in headers]


def decode(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> Frame:
    """Return the frame; raise `BadFrame` with the reason and, where it has one, the identity."""
    fields = _Fields(headers)
    try:
        identity = _identity(fields)
    except Rejected as error:
        raise BadFrame(str(error), None) from error
    try:
        return _frame(fields, identity, value)
    except Rejected as error:
        raise BadFrame(str(error), identity) from error


class _Fields:
    """The headers of one message, read with a clear word for each thing that is wrong."""

    def __init__(self, headers: Iterable[tuple[str, bytes]]) -> None:
        self._values = dict(headers)

    def text(self, name: str) -> str:
        try:
            return self._values[name].decode()
        except KeyError:
            raise Rejected(f"header {name} is missing") from None
        except (UnicodeDecodeError, AttributeError):
            raise Rejected(f"header {name} is not UTF-8 text") from None

    def optional(self, name: str) -> str | None:
        if name not in self._values:
            return None
        text = self.text(name)
        if len(text) > HEADER_LENGTH_MAX or not text.isprintable():
            raise Rejected(f"header {name} is not a short printable text: {text[:80]!r}")
        return text

    def name(self, name: str) -> str:
        text = self.text(name)
        if not is_name(text):
            raise Rejected(f"header {name} is not a name: {text[:80]!r}")
        return text

    def integer(self, name: str, low: int, high: int) -> int:
        text = self.text(name)
        if len(text) > 19 or not (text.isascii() and text.isdigit()):
            raise Rejected(f"header {name} is not a whole number: {text[:80]!r}")
        number = int(text)
        if not low <= number <= high:
            raise Rejected(f"header {name} is {number}, not within {low}..{high}")
        return number

    def time(self, name: str) -> datetime:
        text = self.text(name)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Rejected(f"header {name} is not an RFC 3339 time: {text[:80]!r}") from None
        if moment.tzinfo is None:
            raise Rejected(f"header {name} has no time zone: {text[:80]!r}")
        try:
            return in_utc(moment)
        except Rejected as error:
            raise Rejected(f"header {name}: {error}") from error


def _identity(fields: _Fields) -> FrameIdentity:
    return FrameIdentity(
        account=fields.name("ce_account"),
        stream=fields.name("ce_subject"),
        epoch=fields.integer("ce_epoch", 1, INT64_MAX),
        seq=fields.integer("ce_seq", 0, INT64_MAX - 1),
        model=fields.name("ce_model"),
        height=fields.integer("ce_height", 1, SOURCE_SIDE_MAX),
        width=fields.integer("ce_width", 1, SOURCE_SIDE_MAX),
        captured_at=fields.time("ce_time"),
    )


def _frame(fields: _Fields, identity: FrameIdentity, value: bytes | None) -> Frame:
    if fields.text("ce_type") != FRAME_TYPE:
        raise Rejected(f"header ce_type is not {FRAME_TYPE}")
    if fields.text("ce_id") != identity.id:
        raise Rejected(f"header ce_id is not {identity.id}")
    if not is_inference_size(identity.height, identity.width):
        raise Rejected(
            f"{identity.height}x{identity.width} is not an inference size: multiples of"
            f" {SIDE_STEP} from {SIDE_MIN} to {SIDE_MAX}"
        )
    tier = fields.text("ce_tier")
    if tier not in _TIERS:
        raise Rejected(f"header ce_tier is neither standard nor priority: {tier[:80]!r}")
    if not value:
        raise Rejected("the message has no picture")
    if len(value) > PICTURE_BYTES_MAX:
        raise Rejected(f"a picture of {len(value)} bytes is over {PICTURE_BYTES_MAX}")
    return Frame(
        **{name: getattr(identity, name) for name in FrameIdentity.__struct_fields__},
        tier=Tier(tier),
        max_age_ms=fields.integer("ce_maxage", 1, MAX_AGE_MS_MAX),
        source_height=fields.integer("ce_sourceheight", 1, SOURCE_SIDE_MAX),
        source_width=fields.integer("ce_sourcewidth", 1, SOURCE_SIDE_MAX),
        reply=fields.optional("ce_reply"),
        traceparent=fields.optional("traceparent"),
        slices=_slices(fields, identity),
        picture=value,
    )


def _slices(fields: _Fields, identity: FrameIdentity) -> Slices | None:
    text = fields.optional("ce_slices")
    if text is None:
        return None
    return slicing.check(slicing.parse(text), identity.height, identity.width)
