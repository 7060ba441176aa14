"""What counts as the end of a partition, and what does not."""

from datetime import UTC, datetime, timedelta

from billing.protocol import ReadToEnd
from billing.watermarks import Watermarks
from wire.kafka import KafkaError, TopicPartition

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Broker:
    """The parts of a consumer that tell where it stands and what the broker said."""

    def __init__(self, *, position: int | None, end: int | None) -> None:
        self.at_position = position
        self.end = end
        self.at = NOW

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("usage", 0)}

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        return None if self.end is None else round(self.at.timestamp() * 1_000)

    def highwater(self, tp: TopicPartition) -> int | None:
        return self.end

    async def position(self, tp: TopicPartition) -> int:
        if self.at_position is None:
            raise KafkaError("not assigned")
        return self.at_position


async def test_an_answer_whose_records_were_not_handed_over_is_not_the_end() -> None:
    watermarks = Watermarks(Broker(position=7, end=300), "usage")
    look = watermarks.look(0)
    assert look == ReadToEnd(at=NOW, offset=300)
    assert await watermarks.reached(0, look) is None


async def test_a_position_at_the_end_is_told_at_most_once_a_second() -> None:
    broker = Broker(position=300, end=300)
    watermarks = Watermarks(broker, "usage")
    assert await watermarks.reached(0, watermarks.look(0)) == ReadToEnd(at=NOW, offset=300)
    broker.at += timedelta(milliseconds=900)
    assert await watermarks.reached(0, watermarks.look(0)) is None
    broker.at += timedelta(milliseconds=100)
    assert await watermarks.reached(0, watermarks.look(0)) is not None


async def test_what_is_not_known_is_not_told() -> None:
    silent = Watermarks(Broker(position=5, end=None), "usage")
    assert silent.look(0) is None
    assert silent.look(1) is None
    assert await silent.reached(0, None) is None
    lost = Watermarks(Broker(position=None, end=5), "usage")
    assert await lost.reached(0, lost.look(0)) is None


async def test_an_end_is_waited_for_though_the_partition_goes_on_growing() -> None:
    broker = Broker(position=5, end=9)
    watermarks = Watermarks(broker, "usage")
    assert await watermarks.reached(0, watermarks.look(0)) is None, "5 to 8 are undecided"
    broker.at, broker.end, broker.at_position = NOW + timedelta(seconds=5), 20, 12
    assert await watermarks.reached(0, watermarks.look(0)) == ReadToEnd(at=NOW, offset=9)
    assert await watermarks.reached(0, watermarks.look(0)) is None, "20 is not reached"


async def test_an_end_that_is_gone_with_its_topic_is_not_waited_for() -> None:
    broker = Broker(position=5, end=300)
    watermarks = Watermarks(broker, "usage")
    assert await watermarks.reached(0, watermarks.look(0)) is None
    broker.end = 5
    assert await watermarks.reached(0, watermarks.look(0)) == ReadToEnd(at=NOW, offset=5)
