"""What comes from a frames topic, as a lane takes it: frames, and messages that are none."""

from dataclasses import dataclass

from consumers.detector.lane import Taken
from consumers.detector.metering import Origin, Outcome
from wire.clock import Clock
from wire.frames import BadFrame, Frame, decode
from wire.kafka import ConsumerRecord
from wire.usage import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An input message, and the frame that it is, or why it is none."""

    origin: Origin
    content: Frame | BadFrame


def taken(record: ConsumerRecord) -> Taken[Received]:
    """Return the message as the lane takes it."""
    origin = Origin(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
    try:
        frame = decode(record.headers, record.value)
    except BadFrame as bad:
        return Taken(offset=record.offset, key=None, work=Received(origin=origin, content=bad))
    key = (frame.stream, frame.epoch, frame.seq)
    return Taken(offset=record.offset, key=key, work=Received(origin=origin, content=frame))


def rejected(bad: BadFrame, origin: Origin, clock: Clock) -> Outcome:
    """Return how a message that is no frame ends."""
    return Outcome(
        identity=bad.identity,
        status=Status.REJECTED,
        at=clock.now(),
        reason=str(bad),
        dead=origin,
    )
