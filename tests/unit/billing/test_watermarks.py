"""What counts as the end of a partition, and what does not."""

from datetime import UTC, datetime, timedelta

from billing.protocol import ReadToEnd
from billing.watermarks import Watermarks
from wire.kafka import KafkaError, TopicPartition

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Broker:
    """The parts of a consumer that tell where it stands and what the broker said."""

    def __init__(self, *, position: int | None, stable_end: int | None) -> None:
        self.at_position = position
        self.stable_end = stable_end
        self.at = NOW

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("usage", 0)}

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        return None if self.stable_end is None else round(self.at.timestamp() * 1_000)

    def last_stable_offset(self, tp: TopicPartition) -> int | None:
        return self.stable_end

    async def position(self, tp: TopicPartition) -> int:
        if self.at_position is None:
            raise KafkaError("not assigned")
        return self.at_position


async def test_an_answer_whose_records_were_not_handed_over_is_not_the_end() -> None:
    watermarks = Watermarks(Broker(position=7, stable_end=300), "usage")
    look = watermarks.look(0)
    assert look == ReadToEnd(at=NOW, offset=300)
    assert await watermarks.reached(0, look) is None


async def test_a_position_at_the_stable_end_is_told_at_most_once_a_second() -> None:
    broker = Broker(position=300, stable_end=300)
    watermarks = Watermarks(broker, "usage")
    assert await watermarks.reached(0, watermarks.look(0)) == ReadToEnd(at=NOW, offset=300)
    broker.at += timedelta(milliseconds=900)
    assert await watermarks.reached(0, watermarks.look(0)) is None
    broker.at += timedelta(milliseconds=100)
    assert await watermarks.reached(0, watermarks.look(0)) is not None


async def test_what_is_not_known_is_not_told() -> None:
    silent = Watermarks(Broker(position=5, stable_end=None), "usage")
    assert silent.look(0) is None
    assert silent.look(1) is None
    assert await silent.reached(0, None) is None
    lost = Watermarks(Broker(position=None, stable_end=5), "usage")
    assert await lost.reached(0, lost.look(0)) is None
