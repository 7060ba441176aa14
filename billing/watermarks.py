"""Since when a partition is known to have been read to its end.

A consumer's position never equals the end of a transactional topic (control records lie between),
so the end is told from what the broker answered: either a batch reached the last stable offset
that was known before it was fetched, or a fetch made after everything was drained brought nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from billing.batches import Message
from billing.protocol import ReadToEnd
from wire.clock import Clock
from wire.kafka import AIOKafkaConsumer, TopicPartition

TOLD_EVERY = timedelta(seconds=1)
MARKER_OFFSETS = 1
"""A committed transaction ends with one control record, which no reader is shown."""


class Watermarks:
    """The watermarks of one consumer's partitions, each told at most once a second."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, clock: Clock) -> None:
        self._consumer = consumer
        self._topic = topic
        self._clock = clock
        self._drained_at: dict[int, datetime] = {}
        self._told_at: dict[int, datetime] = {}

    def start_over(self, partition: int) -> None:
        """Forget what was read: the partition is read from another offset from now on."""
        self._drained_at[partition] = self._clock.now()

    def look(self, partition: int) -> ReadToEnd | None:
        """Return where the end was, before a fetch; None when the broker has not answered yet."""
        tp = TopicPartition(self._topic, partition)
        if tp not in self._consumer.assignment():
            return None
        at_ms = self._consumer.last_poll_timestamp(tp)
        stable_end = self._consumer.last_stable_offset(tp)
        if at_ms is None or stable_end is None:
            return None
        return ReadToEnd(at=datetime.fromtimestamp(at_ms / 1000, UTC), offset=stable_end)

    def reached(
        self, partition: int, look: ReadToEnd | None, messages: Sequence[Message]
    ) -> ReadToEnd | None:
        """Return since when all is read, given the look before the fetch and what it brought.

        None when that is not known, or when it was told less than a second ago.
        """
        if messages:
            following = self.look(partition)
            self._drained_at[partition] = self._clock.now() if following is None else following.at
        if look is None or not self._is_end(partition, look, messages):
            return None
        told_at = self._told_at.get(partition)
        if told_at is not None and look.at - told_at < TOLD_EVERY:
            return None
        self._told_at[partition] = look.at
        return look

    def _is_end(self, partition: int, look: ReadToEnd, messages: Sequence[Message]) -> bool:
        if messages:
            return messages[-1][0] + 1 + MARKER_OFFSETS >= look.offset
        drained_at = self._drained_at.get(partition)
        return drained_at is not None and look.at > drained_at
