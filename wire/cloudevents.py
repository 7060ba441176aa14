"""CloudEvents 1.0 in structured JSON mode: the envelope of everything on a topic but frames.

Source of the format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
Ids derive from the data, never from randomness or time, so that a retry repeats them.
"""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from wire.clock import Moment
from wire.errors import Rejected

STRUCTURED_CONTENT_TYPE = b"application/cloudevents+json; charset=utf-8"
STRUCTURED_HEADERS: list[tuple[str, bytes]] = [("content-type", STRUCTURED_CONTENT_TYPE)]
VALUE_BYTES_MAX = 4 * 1024 * 1024

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T], frozen=True, kw_only=True, omit_defaults=True):
    """One structured CloudEvent around one of our messages."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: Moment
    datacontenttype: str
    traceparent: str | None = None
    data: T


class EnvelopeCodec(Generic[T]):
    """Reads and writes one message type in its envelope."""

    def __init__(self, message_type: type[T], *, event_type: str, source: str) -> None:
        self._event_type = event_type
        self._source = source
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[Envelope[T]] = msgspec.json.Decoder(
            Envelope[message_type]  # type: ignore[valid-type]
        )

    def encode(
        self,
        data: T,
        *,
        event_id: str,
        subject: str,
        time: datetime,
        traceparent: str | None = None,
    ) -> bytes:
        """Return the event's JSON bytes."""
        return self._encoder.encode(
            Envelope(
                specversion="1.0",
                id=event_id,
                source=self._source,
                type=self._event_type,
                subject=subject,
                time=time,
                datacontenttype="application/json",
                traceparent=traceparent,
                data=data,
            )
        )

    def decode(self, value: bytes | None) -> Envelope[T]:
        """Return the event; raise `Rejected` with the reason when the bytes are not one."""
        if value is None:
            raise Rejected("the message has no value")
        if len(value) > VALUE_BYTES_MAX:
            raise Rejected(f"{len(value)} bytes are more than {VALUE_BYTES_MAX}")
        try:
            envelope = self._decoder.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected(f"not a {self._event_type} event: {error}") from error
        if envelope.type != self._event_type or envelope.specversion != "1.0":
            raise Rejected(
                f"expected {self._event_type} of CloudEvents 1.0, got {envelope.type!r}"
                f" of {envelope.specversion!r}"
            )
        return envelope
