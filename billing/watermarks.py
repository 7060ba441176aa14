"""Since when a partition is known to have been read to its end.

What a fetch brings says nothing about the end: it may be cut by a limit, and control records are
never shown. The consumer's position does, for it moves past them: once it has reached the end that
the broker had told before, all that was written by then is decided and has been handed over. The
*stable* end would not do: what lies behind another lane's undecided transaction may be committed
long since, and is not shown yet.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from billing.protocol import ReadToEnd
from wire.kafka import AIOKafkaConsumer, KafkaError, TopicPartition

TOLD_EVERY = timedelta(seconds=1)
POSITION_WAIT_S = 1.0


class Watermarks:
    """The watermarks of one consumer's partitions, each told at most once a second."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self._told_at: dict[int, datetime] = {}
        self._looks: dict[int, ReadToEnd] = {}

    def look(self, partition: int) -> ReadToEnd | None:
        """Return where the end was, before a fetch; None when the broker has not answered yet.

        The same end until it is reached: on a busy partition the newest is always a little ahead.
        """
        tp = TopicPartition(self._topic, partition)
        if tp not in self._consumer.assignment():
            return None
        at_ms = self._consumer.last_poll_timestamp(tp)
        end = self._consumer.highwater(tp)
        if at_ms is None or end is None:
            return None
        earlier = self._looks.get(partition)
        if earlier is None or end < earlier.offset:  # shorter than before: the topic is new
            earlier = ReadToEnd(at=datetime.fromtimestamp(at_ms / 1000, UTC), offset=end)
            self._looks[partition] = earlier
        return earlier

    async def reached(self, partition: int, look: ReadToEnd | None) -> ReadToEnd | None:
        """Return the look if all below its end has been handed out since; at most once a second."""
        if look is None:
            return None
        position = await self.position(partition)
        if position is None or position < look.offset:
            return None
        self._looks.pop(partition, None)
        told_at = self._told_at.get(partition)
        if told_at is not None and look.at - told_at < TOLD_EVERY:
            return None
        self._told_at[partition] = look.at
        return look

    async def position(self, partition: int) -> int | None:
        """Return where the consumer stands; None when it does not know, or not in time."""
        tp = TopicPartition(self._topic, partition)
        try:
            return int(await asyncio.wait_for(self._consumer.position(tp), POSITION_WAIT_S))
        except (KafkaError, TimeoutError):  # not ours any more, or being reset
            return None
